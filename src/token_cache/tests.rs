//! The cache by itself: what it finds, what it weighs, what it lets go.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::clock::UnixTime;
use crate::headers::{ArrayStyle, ClaimHeader};
use crate::json::ClaimPath;
use crate::jwt::{
    Algorithm, AlgorithmSet, AudienceMatch, IssuerPolicy, KeySet, SigningKey, verify,
};

/// An issuer, and what signs for it.
fn issuer() -> (Arc<Issuer>, SigningKey) {
    let key = SigningKey::generate(Algorithm::Hs256).unwrap();
    let algorithms = AlgorithmSet::from_iter([Algorithm::Hs256]);
    let (keys, _) = KeySet::new(vec![key.verifying_key().unwrap()], algorithms);
    let policy = IssuerPolicy {
        issuer: "https://issuer.test".into(),
        audiences: vec!["api".into()],
        audience_match: AudienceMatch::Any,
        audience_claim: "aud".into(),
        algorithms,
        leeway: Duration::ZERO,
        require: Vec::new(),
        token_types: vec!["at+jwt".into()],
        max_lifetime: None,
        accept_cnf: false,
    };
    let issuer = Issuer {
        name: "test".into(),
        policy: Arc::new(policy),
        keys,
    };
    (Arc::new(issuer), key)
}

fn headers() -> ClaimHeaders {
    ClaimHeaders::new(vec![ClaimHeader {
        name: http::HeaderName::from_static("x-auth-subject"),
        claim: ClaimPath::parse("sub").unwrap(),
        array: ArrayStyle::Csv,
    }])
}

/// A token for each number, and what is remembered of it.
fn made(
    issuer: &Arc<Issuer>,
    key: &SigningKey,
    number: usize,
    headers: &ClaimHeaders,
    cache: &mut TokenCache<u8>,
) -> (Vec<u8>, Rc<CachedToken<u8>>) {
    let subject = format!("{}{number}", "x".repeat(200));
    let claims = json!({ "iss": "https://issuer.test", "aud": "api", "exp": 10, "sub": subject });
    let token = key.sign("at+jwt", &claims).unwrap().into_bytes();
    let now = UnixTime::from_seconds(0);
    let verified = verify(&token, std::slice::from_ref(issuer), |_| true, now).unwrap();
    let place = verified.place_among(std::slice::from_ref(issuer)).unwrap();
    let held = cache.insert(&token, verified, (1, place), headers);
    (token, held)
}

#[test]
fn a_token_is_found_whole_or_not_at_all() {
    let ((issuer, key), headers) = (issuer(), headers());
    let mut cache = TokenCache::new(1 << 20);
    assert!(cache.is_empty());
    let (token, held) = made(&issuer, &key, 0, &headers, &mut cache);
    assert!(Rc::ptr_eq(&cache.get(&token).unwrap(), &held));
    for at in 0..token.len() {
        let mut other = token.clone();
        other[at] ^= 1;
        assert!(cache.get(&other).is_none(), "{at}");
    }
    for other in [
        &token[1..],
        &token[..token.len() - 1],
        b"",
        &token[token.len() - HASHED..],
    ] {
        assert!(cache.get(other).is_none());
    }
    held.set_note(7);
    assert_eq!(cache.get(&token).unwrap().note(), 7);
    cache.remove(&token);
    assert!(cache.get(&token).is_none());
    assert_eq!((cache.len(), cache.bytes()), (0, 0));
}

#[test]
fn a_token_is_in_force_while_its_policy_and_key_are() {
    let ((issuer, key), headers) = (issuer(), headers());
    let (_, held) = made(&issuer, &key, 0, &headers, &mut TokenCache::new(0));
    let with = |policy: &Arc<IssuerPolicy>, keys: Vec<crate::jwt::VerifyingKey>| {
        let (keys, _) = KeySet::new(keys, policy.algorithms);
        let policy = Arc::clone(policy);
        Arc::new(Issuer {
            name: "other".into(),
            policy,
            keys,
        })
    };
    let key_again = || key.verifying_key().unwrap();
    let another = SigningKey::generate(Algorithm::Hs256).unwrap();
    let another_key = || another.verifying_key().unwrap();
    let other_key = || another_key().with_kid(key.kid());
    let equal = Arc::new(IssuerPolicy::clone(&issuer.policy));
    let mut longer = IssuerPolicy::clone(&issuer.policy);
    longer.leeway = Duration::from_secs(1);

    let place = |issuer, key| Some(KeyPlace { issuer, key });
    assert_eq!(held.place_in(1), place(0, 0), "as it was made");
    assert_eq!(held.place_in(2), None);
    assert_eq!(held.find_place(2, &[]), None);
    let strangers = [
        with(&Arc::new(longer), vec![key_again(), another_key()]),
        with(&equal, vec![other_key()]),
        with(&equal, Vec::new()),
    ];
    for stranger in &strangers {
        assert_eq!(held.find_place(3, std::slice::from_ref(stranger)), None);
    }
    let [longer, _, _] = strangers;
    let keys = vec![another_key(), key_again()];
    let issuers = [longer, with(&equal, keys)];
    assert_eq!(held.find_place(4, &issuers), place(1, 3));
    assert_eq!(held.place_in(4), place(1, 3), "once for each snapshot");
}

#[test]
fn field_lines_are_built_once_for_each_of_a_few_sets_and_weighed() {
    let ((issuer, key), first) = (issuer(), headers());
    let mut cache = TokenCache::new(1 << 20);
    let (token, held) = made(&issuer, &key, 0, &first, &mut cache);
    let mut weights = vec![cache.bytes()];
    let sets: Vec<ClaimHeaders> = (0..2 * MOST_SETS).map(|_| headers()).collect();
    for set in &sets {
        let built = cache.fields(&token, &held, set);
        assert!(Rc::ptr_eq(&built, &cache.fields(&token, &held, set)));
        assert_eq!(cache.bytes(), held.bytes(token.len()));
        weights.push(cache.bytes());
    }
    assert!(
        weights[0] < weights[1] && weights[1] < weights[2],
        "{weights:?}"
    );
    let most = weights[MOST_SETS - 1];
    assert!(
        weights[MOST_SETS..].iter().all(|weight| *weight <= most),
        "{weights:?}"
    );
    cache.remove(&token);
    assert_eq!(cache.bytes(), 0, "what went in came out");
}

#[test]
fn tokens_that_grow_stay_within_the_bytes_of_the_cache() {
    let ((issuer, key), first) = (issuer(), headers());
    let limit = 64 << 10;
    let mut cache = TokenCache::new(limit);
    let tokens: Vec<_> = (0..100)
        .map(|number| made(&issuer, &key, number, &first, &mut cache))
        .collect();
    let full = cache.len();
    assert!(full > 10 && full < tokens.len());
    let second = headers();
    for (token, held) in &tokens {
        let _ = cache.fields(token, held, &second);
        assert!(cache.bytes() <= limit);
    }
    assert!(cache.len() < full, "some had to go");
}

#[test]
fn a_cache_that_is_off_remembers_nothing() {
    let ((issuer, key), headers) = (issuer(), headers());
    let mut cache = TokenCache::new(0);
    let (token, held) = made(&issuer, &key, 0, &headers, &mut cache);
    assert!(cache.get(&token).is_none());
    let fields = cache.fields(&token, &held, &headers);
    assert!(Rc::ptr_eq(&fields, &cache.fields(&token, &held, &headers)));
    cache.remove(&token);
    assert_eq!((cache.len(), cache.bytes()), (0, 0));
}
