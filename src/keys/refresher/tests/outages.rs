use tokio::time::sleep;

use crate::clock::UnixTime;

use super::*;

#[tokio::test(start_paused = true)]
async fn failures_are_tried_again_ever_later_and_the_set_serves() {
    let mut world = World::started(Answer::keys(&["a"])).await;
    assert_eq!((world.fetches(), world.told()), (1, 1));
    world.answers(Answer::fail("status 500"));
    world.pass(3600).await;
    let times = world.times();
    // 1, 2, 4, 8, 16, 32, then 60 s, each give or take a fifth, in an hour less the interval.
    assert!((50..=80).contains(&times.len()), "{}", times.len());
    let pauses: Vec<i64> = times.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(
        pauses.iter().all(|pause| (1..=74).contains(pause)),
        "{pauses:?}"
    );
    assert!(pauses[..4].iter().sum::<i64>() <= 22, "{pauses:?}");
    assert!(pauses[7..].iter().all(|pause| *pause >= 48), "{pauses:?}");
    assert_eq!(world.told(), 0);
    let status = world.status();
    assert_eq!((status.state, status.keys), (SourceState::Stale, 1));
    assert_eq!(status.last_error.as_deref(), Some("status 500"));
    assert_eq!(status.failures as usize, times.len());
    // It is said once, and a second reason too.
    assert_eq!(world.said("WARN", "status 500"), 1);
    world.answers(Answer::fail("connection refused"));
    world.pass(180).await;
    world.answers(Answer::fail("status 500"));
    world.pass(180).await;
    assert_eq!(world.said("WARN", "status 500"), 1);
    assert_eq!(world.said("WARN", "connection refused"), 1);
    assert!(world.said("DEBUG", "status 500") > 10);

    world.answers(Answer::keys(&["a"]));
    world.pass(80).await;
    let status = world.status();
    assert_eq!((status.state, status.failures), (SourceState::Fresh, 0));
    assert_eq!(status.last_error, None);
    assert_eq!(world.said("INFO", "keys are fetched again"), 1);
    assert!(world.log().contains("down_seconds=3"), "{}", world.log());
    // The next outage is another one.
    world.answers(Answer::fail("status 500"));
    world.pass(310).await;
    assert_eq!(world.said("WARN", "status 500"), 2);
}

#[tokio::test(start_paused = true)]
async fn without_keys_a_failure_is_an_error_and_the_first_success_heals() {
    let mut world = World::started(Answer::fail("connection refused")).await;
    assert_eq!(world.said("ERROR", "connection refused"), 1);
    assert_eq!(world.told(), 0);
    world.pass(600).await;
    assert_eq!(world.said("ERROR", ""), 1);
    world.answers(Answer::keys(&["a"]));
    world.pass(75).await;
    assert_eq!(world.told(), 1);
    assert_eq!(world.status().state, SourceState::Fresh);
}

#[tokio::test(start_paused = true)]
async fn a_set_that_is_too_old_is_dropped_and_said() {
    let set = Answer::keys(&["a"]);
    let mut world = World::started(set.clone()).await;
    assert_eq!(world.told(), 1);
    world.answers(Answer::fail("status 500"));
    // Three quarters of a day.
    world.step(64_790);
    world.pass(2).await;
    assert_eq!(world.said("ERROR", ""), 0, "{}", world.log());
    world.pass(10).await;
    assert_eq!(world.said("ERROR", "nearly older than stale_for"), 1);
    world.step(21_590);
    world.pass(5).await;
    assert_eq!(world.told(), 0);
    assert!(world.held().is_some());
    world.pass(5).await;
    assert_eq!(world.told(), 1);
    assert!(world.held().is_none());
    let status = world.status();
    assert_eq!((status.state, status.keys), (SourceState::Expired, 0));
    assert_eq!(status.serves_until, None);
    assert!(status.last_success.is_some());
    let age = world.metric("portcullis_key_set_age_seconds{issuer=\"corp\"}");
    assert_eq!(age, None);
    world.pass(600).await;
    assert_eq!(world.said("ERROR", "no longer serve"), 1);
    assert_eq!(world.said("ERROR", ""), 2);
    // The same set as before is news now.
    world.answers(set);
    world.pass(75).await;
    assert_eq!(world.told(), 1);
    assert!(world.held().is_some());
    assert_eq!(world.status().state, SourceState::Fresh);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_never_ends_is_ended_and_looks_go_on_meanwhile() {
    let mut world = World::started(Answer::keys(&["a"])).await;
    assert_eq!((world.fetches(), world.told()), (1, 1));
    world.answers(Answer::Hang);
    world.pass(20).await;
    world.ask("b");
    world.pass(2).await;
    assert_eq!(world.fetches(), 1);
    assert_eq!(world.status().next_attempt, None);
    // A set grows too old while it hangs.
    world.step(86_400);
    world.pass(2).await;
    assert_eq!(world.told(), 1);
    assert_eq!(world.status().failures, 0);
    world.pass(31).await;
    assert_eq!(world.status().failures, 1);
    assert!(world.status().last_error.unwrap().contains("30 s"));
    world.answers(Answer::keys(&["a"]));
    world.pass(33).await;
    assert_eq!(world.status().state, SourceState::Fresh);
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_nothing() {
    let mut world = World::started(Answer::keys(&["a"])).await;
    assert_eq!((world.fetches(), world.told()), (1, 1));
    world.answers(Answer::Panic);
    world.pass(330).await;
    let fetches = world.fetches();
    assert!((3..=6).contains(&fetches), "{fetches}");
    assert_eq!(world.said("ERROR", "panicked"), fetches);
    assert_eq!(world.status().state, SourceState::Stale);
    assert_eq!(
        world.status().last_error.as_deref(),
        Some("internal: a panic")
    );
    world.answers(Answer::keys(&["b"]));
    world.pass(70).await;
    assert_eq!(world.told(), 1);
    assert_eq!(world.status().state, SourceState::Fresh);
    assert_eq!(world.provider().clients, 1);
}

#[tokio::test(start_paused = true)]
async fn a_start_waits_for_first_fetches_and_not_for_ever() {
    let mut world = World::new(Answer::Hang);
    world.settle([corp()]);
    let begin = tokio::time::Instant::now();
    world.refreshers.first_fetches(Duration::from_secs(2)).await;
    assert_eq!(begin.elapsed(), Duration::from_secs(2));
    // One that has failed is not waited for.
    let mut world = World::new(Answer::fail("refused"));
    world.settle([corp()]);
    let begin = tokio::time::Instant::now();
    world.refreshers.first_fetches(Duration::from_secs(2)).await;
    assert!(begin.elapsed() < Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn a_source_with_a_set_is_not_waited_for() {
    let mut world = World::new(Answer::Hang);
    let issuer = corp();
    let id = SourceId::all_of(&issuer).next().unwrap();
    let now = UnixTime::from_seconds(START - 60);
    let set = crate::keys::testing::fresh_set(&["a"]);
    world
        .registry
        .put(&id, set, Some("\"e\"".into()), now)
        .unwrap();
    world.settle([issuer]);
    let begin = tokio::time::Instant::now();
    world.refreshers.first_fetches(Duration::from_secs(2)).await;
    assert!(begin.elapsed() < Duration::from_millis(100));
    world.pass(1).await;
    assert_eq!(world.status().keys, 1);
    assert_eq!(world.etags(), [Some("\"e\"".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_set_that_was_kept_on_disk_serves_while_the_provider_is_down() {
    let mut world = World::new(Answer::fail("connection refused"));
    let issuer = corp();
    let id = SourceId::all_of(&issuer).next().unwrap();
    let now = UnixTime::from_seconds(START - 3600);
    let clock = Clock::manual(now).0;
    let earlier = RemoteKeySets::new(world.directory.path(), clock);
    let set = crate::keys::testing::fresh_set(&["a"]);
    earlier.put(&id, set.clone(), None, now).unwrap();
    earlier.keep(&id);
    world.settle([issuer]);
    world.pass(5).await;
    let status = world.status();
    assert_eq!((status.state, status.keys), (SourceState::FromDisk, 1));
    assert_eq!(status.last_success, Some(now));
    assert!(status.failures >= 2);
    assert_eq!(world.told(), 0, "who built the snapshot knows it");
    let age = world.metric("portcullis_key_set_age_seconds{issuer=\"corp\"}");
    assert_eq!(age.as_deref(), Some("3605"));
    world.answers(Answer::Set(set, None, None));
    world.pass(10).await;
    assert_eq!(world.status().state, SourceState::Fresh);
    assert_eq!(world.told(), 0, "the same set");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_set_back_lets_a_set_age_anew() {
    let mut world = World::started(Answer::keys(&["a"])).await;
    world.answers(Answer::fail("status 500"));
    assert_eq!(world.told(), 1);
    world.step(-50_000);
    world.pass(2).await;
    world.step(86_300);
    world.pass(2).await;
    assert_eq!(world.told(), 0);
    world.step(200);
    world.pass(2).await;
    assert_eq!(world.told(), 1);
    assert_eq!(world.status().state, SourceState::Expired);
}

#[tokio::test(start_paused = true)]
async fn a_set_without_a_key_for_the_issuer_is_not_asked_for_conditionally() {
    let mut world = World::new(Answer::keys(&["a"]));
    let mut issuer = corp();
    issuer.policy.algorithms = [crate::jwt::Algorithm::Rs256].into_iter().collect();
    let id = SourceId::all_of(&issuer).next().unwrap();
    let now = UnixTime::from_seconds(START);
    let set = crate::keys::testing::fresh_set(&["a"]);
    world
        .registry
        .put(&id, set, Some("\"e\"".into()), now)
        .unwrap();
    world.settle([issuer]);
    world.pass(1).await;
    assert_eq!(world.etags(), [None]);
}

#[tokio::test(start_paused = true)]
async fn a_set_that_a_clock_made_too_old_is_back_when_the_clock_is_set_right() {
    let mut world = World::started(Answer::keys(&["a"])).await;
    world.answers(Answer::fail("status 500"));
    assert_eq!(world.told(), 1);
    world.step(90_000);
    world.pass(2).await;
    assert_eq!(world.told(), 1);
    assert_eq!(world.status().state, SourceState::Expired);
    world.step(-90_000);
    world.pass(2).await;
    assert_eq!(world.told(), 1);
    let status = world.status();
    assert_eq!((status.state, status.keys), (SourceState::Stale, 1));
    assert!(world.held().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_kept_set_ages_as_well_after_the_clock_was_set_back() {
    let mut world = World::new(Answer::fail("connection refused"));
    let issuer = corp();
    let id = SourceId::all_of(&issuer).next().unwrap();
    let now = UnixTime::from_seconds(START - 60);
    let earlier = RemoteKeySets::new(world.directory.path(), Clock::manual(now).0);
    let set = crate::keys::testing::fresh_set(&["a"]);
    earlier.put(&id, set, None, now).unwrap();
    earlier.keep(&id);
    world.settle([issuer]);
    world.pass(2).await;
    world.step(-50_000);
    world.pass(2).await;
    let status = world.status();
    assert_eq!((status.state, status.keys), (SourceState::FromDisk, 1));
    assert_eq!(world.told(), 0);
    world.step(86_410);
    world.pass(2).await;
    assert_eq!(world.status().state, SourceState::Expired);
    assert_eq!(world.told(), 1, "what serves is dropped");
}

#[tokio::test(start_paused = true)]
async fn a_set_that_became_too_old_during_a_fetch_is_back_when_it_is_confirmed() {
    let set = crate::keys::testing::fresh_set(&["a"]);
    let mut world = World::started(Answer::Set(set, Some("\"e\""), None)).await;
    assert_eq!(world.told(), 1);
    world.answers(Answer::NotModifiedAfter(Duration::from_secs(20)));
    world.step(86_390);
    world.pass(15).await;
    assert_eq!(world.told(), 1, "it is dropped");
    assert_eq!(world.status().state, SourceState::Expired);
    world.pass(10).await;
    assert_eq!(world.told(), 1, "it is back");
    assert_eq!(world.status().state, SourceState::Fresh);
}

#[tokio::test(start_paused = true)]
async fn a_set_that_is_nearly_too_old_is_no_error_while_fetches_succeed() {
    let mut world = World::new(Answer::keys(&["a"]));
    let mut issuer = corp();
    issuer.refresh.interval = issuer.refresh.stale_for;
    world.settle([issuer]);
    world.pass(1).await;
    world.step(70_000);
    world.pass(10).await;
    assert_eq!(world.times().len(), 1);
    assert_eq!(world.said("ERROR", ""), 0, "{}", world.log());
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_leaps_costs_the_provider_little() {
    let world = World::started(Answer::keys(&["a"])).await;
    world.fetches();
    for _ in 0..20 {
        world.step(3600);
        world.ask("b");
        sleep(Duration::from_millis(10)).await;
    }
    assert!(world.fetches() <= 1);
}

#[tokio::test(start_paused = true)]
async fn a_kept_set_that_is_too_old_is_said_once() {
    let world = World::new(Answer::fail("connection refused"));
    let issuer = corp();
    let id = SourceId::all_of(&issuer).next().unwrap();
    let now = UnixTime::from_seconds(START - 90_000);
    let earlier = RemoteKeySets::new(world.directory.path(), Clock::manual(now).0);
    let set = crate::keys::testing::fresh_set(&["a"]);
    earlier.put(&id, set, None, now).unwrap();
    earlier.keep(&id);
    for _ in 0..3 {
        assert!(world.held().is_none());
    }
    assert_eq!(world.said("WARN", "it is too old"), 1, "{}", world.log());
}

// In real time: time that stands still waits for what is being written.
#[tokio::test]
#[expect(
    clippy::await_holding_lock,
    reason = "the disk hangs while the test wants it"
)]
async fn a_disk_that_hangs_delays_no_key() {
    let mut world = World::new(Answer::keys(&["a"]));
    let registry = Arc::clone(&world.registry);
    let hanging = registry.stop_the_disk();
    world.settle([corp()]);
    world.pass(1).await;
    assert!(world.held().is_some());
    assert_eq!(world.told(), 1);
    let written = |world: &World| world.directory.path().join("key-sets").exists();
    assert!(!written(&world));
    drop(hanging);
    while !written(&world) {
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_cannot_be_written_is_said_once_each_time() {
    let world = World::new(Answer::keys(&["a"]));
    let place = world.directory.path().join("key-sets");
    let issuer = corp();
    let id = SourceId::all_of(&issuer).next().unwrap();
    let put = || {
        let set = crate::keys::testing::fresh_set(&["a"]);
        world.registry.put(&id, set, None, world.now()).unwrap();
        world.registry.keep(&id);
    };
    for times in 1..3 {
        std::fs::write(&place, "a file").unwrap();
        put();
        put();
        assert_eq!(world.said("WARN", "cannot be kept"), times);
        std::fs::remove_file(&place).unwrap();
        put();
        std::fs::remove_dir_all(&place).unwrap();
    }
}
