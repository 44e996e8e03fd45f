//! Stores that are away, slow, or others; starts and restarts.

use super::*;

const MINUTE: Duration = Duration::from_mins(1);

/// A little less than `time`.
fn almost(time: Duration, less: Duration) -> Duration {
    time.saturating_sub(less)
}

#[tokio::test(start_paused = true)]
async fn nothing_is_admitted_before_the_list_is_loaded() {
    let world = World::new();
    world.store.revoke(RevocationKind::Jti, "a");
    world.store.away(true);
    let mut process = world.process().await;
    assert_eq!(process.verdict(&world, "b"), Verdict::Unknown);
    assert!(!process.poll().await);
    assert_eq!(process.verdict(&world, "b"), Verdict::Unknown);
    let problem = lock(&process.status).problem(at(world.now())).unwrap();
    assert!(problem.contains("not loaded"), "{problem}");
    world.store.away(false);
    assert!(process.poll().await);
    assert_eq!(process.verdict(&world, "a"), Verdict::Refused);
    assert_eq!(process.verdict(&world, "b"), Verdict::Admitted);
    assert_eq!(lock(&process.status).problem(at(world.now())), None);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_open_admits_and_says_so() {
    let world = World {
        fail: StoreFailure::Open,
        ..World::new()
    };
    world.store.revoke(RevocationKind::Jti, "a");
    world.store.away(true);
    let mut process = world.process().await;
    assert!(!process.poll().await);
    assert_eq!(process.verdict(&world, "a"), Verdict::Admitted);
    assert!(lock(&process.status).problem(at(world.now())).is_some());
    world.store.away(false);
    assert!(process.poll().await);
    assert_eq!(process.verdict(&world, "a"), Verdict::Refused);
    world.store.away(true);
    world.pass(STALE_FOR * 2).await;
    assert!(!process.poll().await);
    // What is known is refused still.
    assert_eq!(process.verdict(&world, "a"), Verdict::Refused);
    assert_eq!(process.verdict(&world, "b"), Verdict::Admitted);
    assert!(lock(&process.status).problem(at(world.now())).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_list_is_believed_for_as_long_as_is_configured_to_the_second() {
    let world = World::new();
    let mut process = world.process().await;
    assert!(process.poll().await);
    world.store.away(true);
    world.pass(almost(STALE_FOR, Duration::from_secs(1))).await;
    assert!(!process.poll().await);
    assert_eq!(process.verdict(&world, "a"), Verdict::Admitted);
    world.pass(Duration::from_secs(1)).await;
    assert_eq!(process.verdict(&world, "a"), Verdict::Unknown);
    world.store.away(false);
    assert!(process.poll().await);
    assert_eq!(process.verdict(&world, "a"), Verdict::Admitted);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_makes_no_list_younger() {
    let world = World::new();
    let mut process = world.process().await;
    assert!(process.poll().await);
    world.store.away(true);
    world.seconds.fetch_sub(86_400, Ordering::Relaxed);
    tokio::time::advance(almost(STALE_FOR, Duration::from_millis(1))).await;
    assert!(!process.poll().await);
    assert_eq!(process.verdict(&world, "a"), Verdict::Admitted);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(!process.poll().await);
    assert_eq!(process.verdict(&world, "a"), Verdict::Unknown);
}

#[tokio::test(start_paused = true)]
async fn a_start_without_the_store_lives_on_the_copy_until_it_is_too_old() {
    let world = World::new();
    world.store.revoke(RevocationKind::Jti, "a");
    assert!(world.process().await.poll().await);
    world.store.away(true);
    world.pass(MINUTE * 9).await;
    let mut process = world.process().await;
    assert!(!process.poll().await);
    assert_eq!(lock(&process.status).origin, Some(ListOrigin::Copy));
    assert_eq!(process.verdict(&world, "a"), Verdict::Refused);
    assert_eq!(process.verdict(&world, "b"), Verdict::Admitted);
    world.pass(almost(MINUTE, Duration::from_secs(1))).await;
    assert_eq!(process.verdict(&world, "b"), Verdict::Admitted);
    world.pass(Duration::from_secs(1)).await;
    assert_eq!(process.verdict(&world, "b"), Verdict::Unknown);
    assert_eq!(world.process().await.verdict(&world, "b"), Verdict::Unknown);
    // What the store says takes the place of the copy.
    world.store.unrevoke(RevocationKind::Jti, "a");
    world.store.revoke(RevocationKind::Jti, "b");
    world.store.away(false);
    assert!(process.poll().await);
    assert_eq!(lock(&process.status).origin, Some(ListOrigin::Store));
    assert_eq!(process.verdict(&world, "a"), Verdict::Admitted);
    assert_eq!(process.verdict(&world, "b"), Verdict::Refused);
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_a_list_that_does_not_change_stays_young() {
    let world = World::new();
    world.store.revoke(RevocationKind::Jti, "a");
    let mut process = world.process().await;
    for _ in 0..20 {
        assert!(process.poll().await);
        world.pass(MINUTE).await;
    }
    world.store.away(true);
    let restarted = world.process().await;
    assert_eq!(restarted.verdict(&world, "a"), Verdict::Refused);
    assert_eq!(restarted.verdict(&world, "b"), Verdict::Admitted);
}

#[tokio::test(start_paused = true)]
async fn a_change_is_on_disk_soon_and_many_are_not_written_one_by_one() {
    let world = World::new();
    let mut process = world.process().await;
    assert!(process.poll().await);
    world.pass(MINUTE).await;
    world.store.revoke(RevocationKind::Jti, "a");
    assert!(process.poll().await);
    world.store.revoke(RevocationKind::Jti, "b");
    assert!(process.poll().await);
    world.store.away(true);
    let restarted = world.process().await;
    assert_eq!(restarted.verdict(&world, "a"), Verdict::Refused);
    assert_eq!(restarted.verdict(&world, "b"), Verdict::Admitted);
    world.store.away(false);
    world.pass(MINUTE).await;
    assert!(process.poll().await);
    world.store.away(true);
    assert_eq!(world.process().await.verdict(&world, "b"), Verdict::Refused);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_was_played_back_from_a_backup_is_read_anew() {
    let world = World::new();
    for jti in ["a", "b", "c"] {
        world.store.revoke(RevocationKind::Jti, jti);
    }
    let mut process = world.process().await;
    assert!(process.poll().await);
    // The backup knows `a` alone, and then `d` is revoked.
    world.store.rows().truncate(1);
    world.store.0.newest.store(1, Ordering::Relaxed);
    world.store.revoke(RevocationKind::Jti, "d");
    world.pass(MINUTE).await;
    assert!(process.poll().await);
    for (jti, expected) in [
        ("a", Verdict::Refused),
        ("b", Verdict::Admitted),
        ("c", Verdict::Admitted),
        ("d", Verdict::Refused),
    ] {
        assert_eq!(process.verdict(&world, jti), expected, "{jti}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_to_catch_up_gets_what_was_committed_before() {
    let world = World::new();
    let (feed, sets) = world.running();
    assert!(feed.first_load(Duration::from_secs(2)).await);
    for n in 0..20 {
        let jti = format!("j{n}");
        world.store.revoke(RevocationKind::Jti, &jti);
        assert!(feed.catch_up().await);
        assert_eq!(verdict(&sets.load(), world.now(), &jti), Verdict::Refused);
    }
    world.store.away(true);
    assert!(!feed.catch_up().await);
    assert_eq!(feed.status().revocations, 20);
}

#[tokio::test(start_paused = true)]
async fn a_running_feed_asks_by_itself_and_at_once_when_it_is_told() {
    let world = World::new();
    let (feed, sets) = world.running();
    assert!(feed.first_load(Duration::from_secs(2)).await);
    let is_refused = |jti: &str| verdict(&sets.load(), world.now(), jti) == Verdict::Refused;
    world.store.revoke(RevocationKind::Jti, "a");
    let began = Instant::now();
    while !is_refused("a") {
        sleep(Duration::from_millis(1)).await;
    }
    assert!(began.elapsed() <= POLL + PAUSE * 2);
    world.store.revoke(RevocationKind::Jti, "b");
    let began = Instant::now();
    world.store.0.told.notify_one();
    while !is_refused("b") {
        sleep(Duration::from_millis(1)).await;
    }
    assert!(began.elapsed() <= PAUSE * 4, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_start_without_store_and_copy_says_so_in_time() {
    let world = World::new();
    world.store.away(true);
    let (feed, sets) = world.running();
    // In force from the moment of the start.
    assert_eq!(verdict(&sets.load(), world.now(), "a"), Verdict::Unknown);
    assert!(!feed.first_load(Duration::from_secs(2)).await);
    assert_eq!(feed.status().origin, None);
    assert!(feed.status().failure.is_some());
}
