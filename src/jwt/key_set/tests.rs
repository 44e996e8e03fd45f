use crate::jwt::{KeyFamily, SigningKey};
use crate::secret::Secret;

use super::*;

fn all() -> AlgorithmSet {
    Algorithm::ALL.into_iter().collect()
}

/// A key without `kid`, another one for each `seed`.
fn secret(seed: u8, algorithm: Algorithm) -> VerifyingKey {
    let algorithms = AlgorithmSet::from_iter([algorithm]);
    VerifyingKey::from_secret(&Secret::new(vec![seed; 64]), algorithms).unwrap()
}

fn ed25519() -> VerifyingKey {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    key.verifying_key().unwrap()
}

#[test]
fn a_key_is_found_by_its_kid_and_algorithm() {
    let keys = vec![
        secret(1, Algorithm::Hs256).with_kid("a"),
        secret(2, Algorithm::Hs256).with_kid("b"),
        secret(3, Algorithm::Hs384).with_kid("c"),
    ];
    let (set, skipped) = KeySet::new(keys, all());
    assert_eq!(skipped, []);
    let find = |kid, algorithm| set.find(kid, algorithm).map(|key| *key.thumbprint());
    let of = |seed, algorithm| Ok(*secret(seed, algorithm).thumbprint());
    let hs256 = Algorithm::Hs256;
    assert_eq!(find(Some("a"), hs256), of(1, hs256));
    assert_eq!(find(Some("b"), hs256), of(2, hs256));
    assert_eq!(find(Some("c"), Algorithm::Hs384), of(3, Algorithm::Hs384));
    for unknown in ["", "A", "a ", "d"] {
        assert_eq!(find(Some(unknown), hs256), Err(KeyLookupError::Unknown));
    }
    assert_eq!(
        find(Some("b"), Algorithm::Hs384),
        Err(KeyLookupError::Unknown)
    );
    assert_eq!(find(None, hs256), Err(KeyLookupError::Unknown), "two fit");
    assert_eq!(
        find(None, Algorithm::Hs384),
        of(3, Algorithm::Hs384),
        "one fits"
    );
    assert_eq!(find(None, Algorithm::Hs512), Err(KeyLookupError::Unknown));
}

#[test]
fn a_kid_of_two_keys_names_neither_even_for_other_algorithms() {
    let keys = vec![
        secret(1, Algorithm::Hs256).with_kid("a"),
        secret(2, Algorithm::Hs384).with_kid("a"),
        secret(3, Algorithm::Hs512).with_kid("b"),
    ];
    let (set, skipped) = KeySet::new(keys, all());
    assert_eq!(skipped.len(), 2);
    assert!(set.find(Some("a"), Algorithm::Hs256).is_err());
    assert!(set.find(Some("a"), Algorithm::Hs384).is_err());
    assert!(set.find(Some("b"), Algorithm::Hs512).is_ok());
}

#[test]
fn a_key_without_kid_serves_any_kid_if_it_is_the_only_one() {
    let hs256 = Algorithm::Hs256;
    let keys = vec![
        secret(1, hs256),
        secret(2, hs256).with_kid("b"),
        secret(3, Algorithm::Hs384),
        secret(4, Algorithm::Hs384),
    ];
    let (set, _) = KeySet::new(keys, all());
    let found = |kid, algorithm| set.find(kid, algorithm).map(|key| *key.thumbprint());
    assert_eq!(
        found(Some("any"), hs256),
        Ok(*secret(1, hs256).thumbprint())
    );
    assert_eq!(found(Some("b"), hs256), Ok(*secret(2, hs256).thumbprint()));
    assert_eq!(found(None, hs256), Err(KeyLookupError::Unknown));
    assert_eq!(
        found(Some("any"), Algorithm::Hs384),
        Err(KeyLookupError::Unknown)
    );
}

#[test]
fn an_empty_set_says_so() {
    let set = KeySet::default();
    assert!(set.is_empty());
    assert_eq!(
        set.find(None, Algorithm::Hs256).err(),
        Some(KeyLookupError::Empty)
    );
}

#[test]
fn keys_that_the_issuer_does_not_list_are_named() {
    let listed = AlgorithmSet::of_family(KeyFamily::Hmac);
    let keys = vec![ed25519(), secret(1, Algorithm::Hs256)];
    let (set, skipped) = KeySet::new(keys, listed);
    assert_eq!(set.iter().count(), 1);
    assert_eq!(skipped.len(), 1);
    assert_eq!(skipped[0].index, 0);
    assert!(skipped[0].kid.is_some());
    assert!(matches!(skipped[0].error, KeyError::NotUsable(_)));
}

#[test]
fn a_kid_of_two_keys_serves_neither() {
    let hs256 = Algorithm::Hs256;
    let keys = vec![
        secret(1, hs256).with_kid("twice"),
        secret(2, hs256).with_kid("once"),
        secret(3, hs256).with_kid("twice"),
    ];
    let (set, skipped) = KeySet::new(keys, all());
    assert_eq!(
        set.iter().map(VerifyingKey::kid).collect::<Vec<_>>(),
        [Some("once")]
    );
    let named: Vec<_> = skipped.iter().map(|key| (key.index, &key.error)).collect();
    let error = KeyError::DuplicateKid("twice".into());
    assert_eq!(named, [(0, &error), (2, &error)]);
}

#[test]
fn an_equal_key_is_kept_once() {
    let hs256 = Algorithm::Hs256;
    let twice = vec![secret(1, hs256), secret(1, hs256)];
    let (set, skipped) = KeySet::new(twice, all());
    assert_eq!((set.iter().count(), skipped), (1, vec![]));
    assert!(set.find(None, hs256).is_ok());

    // One key, published once for each algorithm.
    let split =
        [Algorithm::Hs256, Algorithm::Hs384].map(|algorithm| secret(1, algorithm).with_kid("k"));
    let (set, skipped) = KeySet::new(split.into(), all());
    assert_eq!((set.iter().count(), skipped), (2, vec![]));
    assert!(set.find(Some("k"), Algorithm::Hs384).is_ok());
}
