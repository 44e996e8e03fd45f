mod outages;
mod settling;
mod unknown;
mod warned;
mod world;

use super::settings::Settings;
use super::*;

use crate::keys::SourceState;

use self::world::{Answer, START, World, corp};

#[tokio::test(start_paused = true)]
async fn the_first_set_is_fetched_at_once_and_told() {
    let mut world = World::new(Answer::keys(&["a", "b"]));
    world.settle([corp()]);
    assert_eq!(world.status().state, SourceState::Never);
    world.refreshers.first_fetches(Duration::from_secs(2)).await;
    assert_eq!(world.times(), [0]);
    assert_eq!(world.changed.recv().await.as_deref(), Some("corp"));
    assert_eq!(world.held().unwrap().keys(), 2);
    world.pass(1).await;
    let status = world.status();
    assert_eq!(&*status.issuer, "corp");
    assert_eq!(status.kind, "jwks_url");
    assert_eq!(status.url, "https://provider.test/keys");
    assert_eq!((status.state, status.keys), (SourceState::Fresh, 2));
    assert_eq!((status.fetches, status.failures), (1, 0));
    let second = |at| Some(crate::clock::UnixTime::from_seconds(START + at));
    assert_eq!(
        (status.last_attempt, status.last_success),
        (second(0), second(0))
    );
    assert_eq!(status.serves_until, second(86_400));
    let next = status.next_attempt.unwrap().seconds() - START;
    assert!((270..=300).contains(&next), "{next}");
    let requester = world.refreshers.requester("corp").unwrap();
    assert_eq!(requester.next_attempt(), status.next_attempt);
    assert_eq!(world.told(), 0, "told once");
    let new = world.metric("portcullis_key_fetches_total{issuer=\"corp\",outcome=\"new\"}");
    assert_eq!(new.as_deref(), Some("1"));
    let age = world.metric("portcullis_key_set_age_seconds{issuer=\"corp\"}");
    assert_eq!(age.as_deref(), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn a_set_is_fetched_again_in_the_interval_and_only_a_new_one_is_told() {
    let old = crate::keys::testing::fresh_set(&["a"]);
    let mut world = World::started(Answer::Set(old.clone(), Some("\"1\""), None)).await;
    assert_eq!((world.fetches(), world.told()), (1, 1));
    // 304
    world.answers(Answer::NotModified);
    world.pass(300).await;
    assert_eq!(world.etags(), [Some("\"1\"".to_owned())]);
    assert_eq!((world.fetches(), world.told()), (1, 0));
    assert!(world.held().unwrap().fetched.seconds() > START + 200);
    // 200 with the same
    world.answers(Answer::Set(old, None, None));
    world.pass(300).await;
    assert_eq!((world.fetches(), world.told()), (1, 0));
    // Another one. Nobody sends an entity-tag that the last answer did not have.
    world.answers(Answer::keys(&["b"]));
    world.pass(300).await;
    assert_eq!(world.etags(), [None]);
    assert_eq!((world.fetches(), world.told()), (1, 1));
    for (outcome, count) in [("new", "2"), ("same", "1"), ("not_modified", "1")] {
        let series =
            format!("portcullis_key_fetches_total{{issuer=\"corp\",outcome=\"{outcome}\"}}");
        assert_eq!(world.metric(&series).as_deref(), Some(count), "{outcome}");
    }
}

#[tokio::test(start_paused = true)]
async fn cache_control_makes_it_sooner() {
    let world = World::started(Answer::Set(
        crate::keys::testing::fresh_set(&["a"]),
        None,
        Some(60),
    ))
    .await;
    world.pass(299).await;
    let fetches = world.fetches();
    assert!((5..=6).contains(&fetches), "{fetches}");
}

#[tokio::test(start_paused = true)]
async fn a_304_without_a_set_is_a_failure() {
    let mut world = World::started(Answer::NotModified).await;
    assert_eq!(world.told(), 0);
    let status = world.status();
    assert_eq!(status.state, SourceState::Never);
    assert!(status.last_error.unwrap().contains("304"));
}

#[tokio::test(start_paused = true)]
async fn a_document_that_is_no_set_changes_nothing() {
    let mut world = World::started(Answer::keys(&["a"])).await;
    assert_eq!((world.fetches(), world.told()), (1, 1));
    world.answers(Answer::Set(b"{\"keys\":[]}".to_vec(), None, None));
    world.pass(301).await;
    assert!(world.fetches() >= 1);
    assert_eq!(world.told(), 0);
    assert_eq!(world.status().state, SourceState::Stale);
    assert_eq!(world.held().unwrap().keys(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_clock_may_be_set_by_hours() {
    let world = World::started(Answer::keys(&["a"])).await;
    assert_eq!(world.fetches(), 1);
    world.pass(10).await;
    // Back: the next fetch is no further away than it was.
    world.step(-7200);
    world.pass(5).await;
    assert_eq!(world.fetches(), 0);
    world.pass(290).await;
    assert_eq!(world.fetches(), 1);
    // Forward: one fetch, within a second or two.
    world.step(7200);
    world.pass(2).await;
    assert_eq!(world.fetches(), 1);
    world.pass(200).await;
    assert_eq!(world.fetches(), 0);
    // To and fro: no more than two in a second of real time.
    for _ in 0..100 {
        world.step(7200);
        sleep_a_little().await;
        world.step(-7200);
        sleep_a_little().await;
    }
    let fetches = world.fetches();
    assert!(fetches <= 5, "{fetches} in two seconds");
}

async fn sleep_a_little() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}

#[tokio::test(start_paused = true)]
async fn the_reloader_is_told_also_when_it_was_busy() {
    let mut world = World::with_room_for(1, Answer::keys(&["a"]));
    let named = |name: &str, url: &str| {
        let mut issuer = crate::keys::testing::issuer(crate::keys::testing::jwks_url(url));
        issuer.name = name.into();
        issuer
    };
    // One after the other in the same second.
    let issuers = ["a", "b", "c"].map(|name| named(name, &format!("https://{name}.test/keys")));
    world.provider().answer = Answer::fail("not now");
    world.settle(issuers);
    world.pass(1).await;
    world.answers(Answer::keys(&["a"]));
    world.pass(3).await;
    let mut told = Vec::new();
    while told.len() < 3 {
        told.push(world.changed.recv().await.unwrap());
    }
    told.sort();
    assert_eq!(told, ["a".into(), "b".into(), "c".into()] as [Arc<str>; 3]);
}
