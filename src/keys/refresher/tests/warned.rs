use serde_json::json;

use crate::keys::testing::{fresh_set, issuer, jwk, jwks_url, key, set};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_set_that_shrinks_to_less_than_half_is_taken_and_said() {
    let mut world = World::started(Answer::keys(&["a", "b", "c", "d", "e"])).await;
    world.answers(Answer::keys(&["a", "b"]));
    world.pass(300).await;
    assert_eq!(world.told(), 2);
    assert_eq!(world.held().unwrap().keys(), 2);
    assert_eq!(world.said("WARN", "less than half"), 1);
    let warnings = world.warnings();
    assert!(warnings[0].ends_with("2 of 5"), "{warnings:?}");
    world.pass(300).await;
    // Other keys again: two for two.
    assert_eq!(world.said("WARN", "less than half"), 1);
    assert_eq!(world.warnings().len(), 1);
    world.answers(Answer::keys(&["a", "b", "c"]));
    world.pass(300).await;
    assert_eq!(world.warnings(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_flips_between_two_sets_is_said_once() {
    let sets = [fresh_set(&["a"]), fresh_set(&["b"])];
    let mut world = World::started(Answer::Set(sets[0].clone(), None, None)).await;
    for turn in 1..8 {
        world.answers(Answer::Set(sets[turn % 2].clone(), None, None));
        world.pass(300).await;
    }
    assert_eq!(world.told(), 8);
    assert_eq!(world.said("WARN", "alternates"), 1);
    assert_eq!(world.warnings().len(), 1);
    // It has made up its mind.
    world.pass(3000).await;
    assert_eq!(world.warnings().len(), 1);
    world.pass(900).await;
    assert!(world.warnings().is_empty());
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_wrong_are_said_once_for_each_set() {
    let good = jwk(&key(), "good");
    let mut private = jwk(&key(), "private");
    private["d"] = json!("AAAA");
    let secret = json!({"kty": "oct", "k": "AAAA", "kid": "secret"});
    let mut encrypts = jwk(&key(), "encrypts");
    encrypts["use"] = json!("enc");
    let keys = set(&[good.clone(), private, secret, encrypts]);
    let world = World::started(Answer::Set(keys, None, None)).await;
    let warnings = world.warnings();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("\"private\""), "{warnings:?}");
    assert!(warnings[1].contains("\"secret\""), "{warnings:?}");
    assert_eq!(world.status().keys, 1);
    world.pass(1000).await;
    assert_eq!(world.said("WARN", "private half"), 1);
    assert!(!world.log().contains("AAAA"));
    world.answers(Answer::Set(set(&[good]), None, None));
    world.pass(300).await;
    let left = world.warnings();
    assert!(
        left.iter().all(|text| text.contains("half of the keys")),
        "{left:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn plain_http_is_said_at_the_start() {
    let mut world = World::new(Answer::keys(&["a"]));
    let mut source = jwks_url("http://provider.test/keys?token=secret");
    source.allow_http = true;
    world.settle([issuer(source.clone())]);
    world.pass(1000).await;
    world.settle([issuer(source)]);
    world.pass(1).await;
    assert_eq!(world.said("WARN", "plain http"), 1);
    assert_eq!(world.warnings().len(), 1);
    assert!(!world.log().contains("secret"), "{}", world.log());
}

#[tokio::test(start_paused = true)]
async fn what_a_provider_says_is_bounded_and_prints() {
    let hostile = format!("status\n\u{1b}[2J{}", "x".repeat(100_000));
    let world = World::started(Answer::Fail(hostile)).await;
    let error = world.status().last_error.unwrap();
    assert!(
        error.starts_with("status··[2Jxxx") && error.len() < 600,
        "{error}"
    );
    assert!(world.log().len() < 5000);
}
