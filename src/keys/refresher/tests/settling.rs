use std::fs;

use crate::config::{Issuer, KeySource, Keys, RemoteKeys};
use crate::keys::testing::{issuer, issuer_of, jwks_url};

use super::*;

fn with_ca(world: &World) -> Issuer {
    let mut source = jwks_url("https://provider.test/keys");
    source.ca = Some(world.directory.path().join("ca.pem"));
    issuer(source)
}

#[tokio::test(start_paused = true)]
async fn a_reload_leaves_a_source_its_schedule_and_its_client() {
    let mut world = World::started(Answer::keys(&["a"])).await;
    for line in 0..20 {
        world.pass(10).await;
        // Elsewhere in the file.
        let mut source = jwks_url("https://provider.test/keys");
        source.place.line = line;
        world.settle([issuer(source)]);
    }
    world.pass(1).await;
    assert_eq!(world.fetches(), 1);
    assert_eq!(world.made(), 1);
    world.pass(100).await;
    assert_eq!(world.fetches(), 1);
    assert_eq!(world.told(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_gone_ends_with_its_fetch_and_client() {
    let mut world = World::started(Answer::Hang).await;
    assert_eq!(world.provider().clients, 1);
    let requester = world.refreshers.requester("corp").unwrap();
    world.settle([]);
    world.pass(1).await;
    assert_eq!(world.provider().clients, 0);
    assert!(world.refreshers.requester("corp").is_none());
    assert!(world.refreshers.statuses().all().is_empty());
    // Who still has a requester does no harm with it.
    requester.unknown_kid(Some("x"));
    world.pass(600).await;
    assert_eq!(world.fetches(), 1);
    world.settle([corp()]);
    world.pass(1).await;
    assert_eq!(world.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_refreshers_ends_them() {
    let mut world = World::started(Answer::keys(&["a"])).await;
    let (registry, clock) = (Arc::clone(&world.registry), Clock::System);
    let metrics = Metrics::new(1, &[]);
    let changed = mpsc::channel(1).0;
    world.refreshers = Refreshers::new(registry, clock, metrics, changed);
    world.pass(1).await;
    assert_eq!(world.provider().clients, 0);
    let age = world.metric("portcullis_key_set_age_seconds{issuer=\"corp\"}");
    assert_eq!(age, None);
}

#[tokio::test(start_paused = true)]
async fn a_shorter_interval_counts_from_now_on() {
    let mut world = World::started(Answer::keys(&["a"])).await;
    world.fetches();
    let mut sooner = corp();
    sooner.refresh.interval = Duration::from_secs(20);
    world.settle([sooner]);
    world.pass(21).await;
    assert_eq!(world.fetches(), 1);
    assert_eq!(world.made(), 1, "the same client");
}

#[tokio::test(start_paused = true)]
async fn a_shorter_stale_for_drops_a_set_at_once() {
    let mut world = World::started(Answer::keys(&["a"])).await;
    world.answers(Answer::fail("status 500"));
    world.pass(600).await;
    assert_eq!(world.told(), 1);
    let mut strict = corp();
    strict.refresh.stale_for = Duration::from_mins(5);
    world.settle([strict]);
    world.pass(1).await;
    assert_eq!(world.status().keys, 0);
    // And a longer one takes it back, also while the provider is down.
    world.settle([corp()]);
    world.pass(1).await;
    assert_eq!(world.status().keys, 1);
}

#[tokio::test(start_paused = true)]
async fn another_ca_makes_a_new_client() {
    let mut world = World::new(Answer::keys(&["a"]));
    let file = world.directory.path().join("ca.pem");
    fs::write(&file, "one").unwrap();
    let issuer = with_ca(&world);
    world.settle([issuer.clone()]);
    world.pass(20).await;
    assert_eq!((world.made(), world.fetches()), (1, 1));
    fs::write(&file, "one").unwrap();
    world.settle([issuer.clone()]);
    world.pass(20).await;
    assert_eq!((world.made(), world.fetches()), (1, 0));
    fs::write(&file, "two").unwrap();
    world.settle([issuer.clone()]);
    world.pass(1).await;
    assert_eq!((world.made(), world.fetches()), (2, 1));
    assert_eq!(world.provider().clients, 1, "the old one is gone");
    world.settle([issuer]);
    world.pass(20).await;
    assert_eq!((world.made(), world.fetches()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_ca_that_cannot_be_read_keeps_the_client_and_is_said() {
    let mut world = World::new(Answer::keys(&["a"]));
    let file = world.directory.path().join("ca.pem");
    fs::write(&file, "one").unwrap();
    let issuer = with_ca(&world);
    world.settle([issuer.clone()]);
    world.pass(1).await;
    fs::remove_file(&file).unwrap();
    for _ in 0..3 {
        world.settle([issuer.clone()]);
        world.pass(20).await;
    }
    assert_eq!(world.made(), 1);
    assert_eq!(world.said("WARN", "the client made before goes on"), 1);
    assert_eq!(world.warnings().len(), 1, "{:?}", world.warnings());
    world.pass(300).await;
    assert_eq!(world.status().state, SourceState::Fresh);
    // There again, as it was.
    fs::write(&file, "one").unwrap();
    world.settle([issuer]);
    world.pass(1).await;
    assert!(world.warnings().is_empty(), "{:?}", world.warnings());
    assert_eq!(world.made(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_cannot_be_made_anew_leaves_the_old_one_at_work() {
    let mut world = World::started(Answer::keys(&["a"])).await;
    world.pass(20).await;
    world.fetches();
    world.provider().refuses = Some("no certificate in it");
    world.settle([with_ca(&world)]);
    world.pass(1).await;
    assert_eq!((world.fetches(), world.made()), (1, 1));
    assert_eq!(world.said("WARN", "no certificate in it"), 1);
    assert_eq!(world.warnings().len(), 1);
    world.pass(300).await;
    assert_eq!(world.fetches(), 1);
    assert_eq!(world.said("WARN", "no certificate in it"), 1);
    world.provider().refuses = None;
    world.pass(300).await;
    assert_eq!((world.fetches(), world.made()), (1, 2));
    assert!(world.warnings().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_changes_nothing_puts_nothing_right() {
    let mut world = World::started(Answer::keys(&["a"])).await;
    world.pass(20).await;
    world.provider().refuses = Some("no roots");
    let mut source = jwks_url("https://provider.test/keys");
    source.proxy = Some("http://proxy:3128".parse().unwrap());
    for _ in 0..2 {
        world.settle([issuer(source.clone())]);
        world.pass(1).await;
        assert_eq!(world.warnings().len(), 1);
    }
    assert_eq!(world.said("WARN", "no roots"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_cannot_be_made_at_all_is_a_failure_and_tried_again() {
    let mut world = World::new(Answer::keys(&["a"]));
    world.provider().refuses = Some("no certificate in it");
    world.settle([corp()]);
    world.pass(60).await;
    assert_eq!(world.fetches(), 0);
    let status = world.status();
    assert_eq!(status.state, SourceState::Never);
    let error = status.last_error.unwrap();
    assert_eq!(error, "ca.pem: no certificate in it");
    world.provider().refuses = None;
    world.pass(75).await;
    assert_eq!(world.status().state, SourceState::Fresh);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_may_have_several_sources() {
    let mut world = World::new(Answer::keys(&["a"]));
    let remote = |url: &str| KeySource::Remote(Box::new(jwks_url(url)));
    let (a, b) = (remote("https://a.test/keys"), remote("https://b.test/keys"));
    world.settle([issuer_of(vec![a.clone(), b.clone()])]);
    world.pass(20).await;
    assert_eq!(world.fetches(), 2);
    assert_eq!(world.refreshers.statuses().of("corp").len(), 2);
    world.ask("x");
    world.pass(1).await;
    assert_eq!(world.fetches(), 2, "each may have it");
    // Twice the same is one; in another order it is the same too.
    world.settle([issuer_of(vec![b.clone(), a.clone(), b])]);
    world.pass(1).await;
    assert_eq!(world.refreshers.statuses().of("corp").len(), 2);
    assert_eq!(
        world.refreshers.statuses().of("corp")[0].url,
        "https://provider.test/keys"
    );
    world.settle([issuer_of(vec![a])]);
    world.pass(20).await;
    world.ask("x");
    world.pass(1).await;
    assert_eq!(world.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn issuers_without_remote_sources_have_no_refresher() {
    let mut world = World::new(Answer::keys(&["a"]));
    let mut local = corp();
    local.keys = Keys::Public(vec![KeySource::JwksFile("keys.json".into())]);
    world.settle([local]);
    assert!(world.refreshers.requester("corp").is_none());
    assert!(world.refreshers.statuses().all().is_empty());
}

#[tokio::test(start_paused = true)]
async fn other_algorithms_are_looked_at_with_a_new_client() {
    let mut world = World::started(Answer::keys(&["a"])).await;
    world.pass(20).await;
    world.fetches();
    assert_eq!(world.status().keys, 1);
    let mut other = corp();
    other.policy.algorithms = [crate::jwt::Algorithm::Es256].into_iter().collect();
    world.settle([other]);
    world.pass(1).await;
    assert_eq!(world.status().keys, 0);
    assert_eq!((world.fetches(), world.made()), (1, 2));
}

#[test]
fn a_proxy_counts_as_another_way() {
    let plain: RemoteKeys = jwks_url("https://a.test/keys");
    let mut proxied = plain.clone();
    proxied.proxy = Some("http://proxy:1".parse().unwrap());
    let settings = |source: &RemoteKeys| Settings::new(&issuer(source.clone()), source);
    assert!(!settings(&plain).same_client(&settings(&proxied)));
}
