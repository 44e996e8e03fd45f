use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, LazyLock};

use jsonwebtoken::{DecodingKey, Validation};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use crate::clock::Clock;
use crate::jwt::{Algorithm, AudienceMatch, Issuer, KeySet, verify};
use crate::store::Grants;

use super::*;

const ISSUER: &str = "https://localhost:8443/auth";

/// As the configuration makes it of `[local_issuer]`.
fn policy() -> IssuerPolicy {
    let required = ["sub", "jti", "client_id", "iat"];
    IssuerPolicy {
        issuer: ISSUER.into(),
        audiences: vec!["demo".into()],
        audience_match: AudienceMatch::Any,
        audience_claim: "aud".into(),
        algorithms: [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256]
            .into_iter()
            .collect(),
        leeway: Duration::from_secs(30),
        require: required.map(Into::into).to_vec(),
        token_types: vec![TOKEN_TYPE.into()],
        max_lifetime: Some(Duration::from_hours(24)),
        accept_cnf: false,
    }
}

static KEYS: LazyLock<Vec<SigningKey>> = LazyLock::new(|| {
    [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256]
        .map(|algorithm| SigningKey::generate(algorithm).unwrap())
        .into()
});

static ISSUERS: LazyLock<Vec<Arc<Issuer>>> = LazyLock::new(|| {
    let keys = KEYS.iter().map(|key| key.verifying_key().unwrap());
    let (keys, left_out) = KeySet::new(keys.collect(), policy().algorithms);
    assert_eq!(left_out.len(), 0);
    vec![Arc::new(Issuer {
        name: "local".into(),
        policy: Arc::new(policy()),
        keys,
    })]
});

fn token(claims: &Map<String, Value>, now: UnixTime) -> AccessToken<'_> {
    AccessToken {
        sub: "0192f5f0-0000-7000-8000-000000000001",
        name: Some("Zoé"),
        client_id: "portcullis",
        sid: Some(Uuid::from_u128(7)),
        scopes: &[],
        roles: &[],
        claims,
        auth_time: Some(now),
        now,
        lifetime: Duration::from_mins(15),
    }
}

/// Header and claims, unverified.
fn parts(minted: &Minted) -> (Value, Value) {
    let mut parts = minted.token.split('.').map(|part| {
        let json = URL_SAFE_NO_PAD.decode(part).unwrap();
        serde_json::from_slice(&json).unwrap_or_default()
    });
    (parts.next().unwrap(), parts.next().unwrap())
}

#[test]
fn a_token_says_what_rfc_9068_asks_for() {
    let now = UnixTime::from_seconds(1_790_000_000);
    let claims: Map<String, Value> =
        serde_json::from_value(json!({ "tenant": "acme", "n": 1 })).unwrap();
    let token = AccessToken {
        scopes: &["orders:read".into(), "x".into()],
        roles: &["viewer,admin".into(), "ops".into()],
        auth_time: Some(UnixTime::from_seconds(1_789_000_000)),
        ..token(&claims, now)
    };
    let key = &KEYS[0];
    let minted = token.sign(key, &policy()).unwrap();
    let (header, said) = parts(&minted);
    assert_eq!(
        header,
        json!({ "alg": "EdDSA", "kid": key.kid(), "typ": "at+jwt" })
    );
    assert_eq!(
        said,
        json!({
            "iss": ISSUER,
            "aud": "demo",
            "sub": "0192f5f0-0000-7000-8000-000000000001",
            "preferred_username": "Zoé",
            "client_id": "portcullis",
            "iat": 1_790_000_000,
            "exp": 1_790_000_900,
            "jti": &*minted.jti,
            "sid": "00000000-0000-0000-0000-000000000007",
            "scope": "orders:read x",
            "roles": ["viewer,admin", "ops"],
            "auth_time": 1_789_000_000,
            "tenant": "acme",
            "n": 1,
        })
    );
    assert_eq!(minted.expires, UnixTime::from_seconds(1_790_000_900));
    assert_eq!(minted.jti.len(), 22);
}

#[test]
fn what_is_not_there_is_not_said() {
    let nothing = Map::new();
    let token = AccessToken {
        sub: "machine",
        name: None,
        client_id: "machine",
        sid: None,
        auth_time: None,
        ..token(&nothing, UnixTime::from_seconds(1_790_000_000))
    };
    let (_, said) = parts(&token.sign(&KEYS[0], &policy()).unwrap());
    let said: BTreeSet<&str> = said
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let expected = ["aud", "client_id", "exp", "iat", "iss", "jti", "sub"];
    assert_eq!(said, expected.into());
}

/// The store refuses such claims too; a token is no place to find out that it did not.
#[test]
fn no_claim_of_a_user_replaces_one_of_ours() {
    let now = UnixTime::from_seconds(1_790_000_000);
    let ours = [
        "iss",
        "aud",
        "sub",
        "preferred_username",
        "client_id",
        "iat",
        "exp",
        "jti",
        "sid",
        "scope",
        "roles",
        "auth_time",
    ];
    let nothing = Map::new();
    let plain = |claims| {
        let token = AccessToken {
            scopes: &["a".into()],
            roles: &["b".into()],
            ..token(claims, now)
        };
        let minted = token.sign(&KEYS[0], &policy()).unwrap();
        let (_, mut said) = parts(&minted);
        said["jti"] = Value::Null;
        said
    };
    let forged = ours.map(|name| (name.to_owned(), json!("forged")));
    assert_eq!(plain(&forged.into_iter().collect()), plain(&nothing));
}

#[test]
fn no_two_tokens_have_the_same_name() {
    let nothing = Map::new();
    let token = token(&nothing, UnixTime::from_seconds(1_790_000_000));
    let names: HashSet<_> = (0..500)
        .map(|_| token.sign(&KEYS[0], &policy()).unwrap().jti)
        .collect();
    assert_eq!(names.len(), 500);
}

#[test]
fn what_was_minted_does_not_show_its_token() {
    let nothing = Map::new();
    let token = token(&nothing, UnixTime::from_seconds(1_790_000_000));
    let minted = token.sign(&KEYS[0], &policy()).unwrap();
    let shown = format!("{minted:?}");
    assert!(
        shown.contains(&*minted.jti) && !shown.contains("ey"),
        "{shown}"
    );
}

fn strictest(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm.name().parse().unwrap());
    validation.required_spec_claims =
        HashSet::from(["exp", "iss", "aud", "sub"].map(str::to_owned));
    validation.leeway = 0;
    validation.validate_nbf = true;
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&["demo"]);
    validation
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,6}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// What the store lets a user carry.
fn grants() -> impl Strategy<Value = Grants> {
    let roles = prop::collection::vec("[^\\p{Cc}]{1,12}", 0..4);
    let scopes = prop::collection::vec("[!#-\\[\\]-~]{1,12}", 0..4);
    let names = prop_oneof![
        "[^\\p{Cc}]{1,12}",
        select(vec![
            "name",
            "email",
            "jku",
            "crit",
            "alg",
            "__proto__",
            "groups"
        ])
        .prop_map(str::to_owned),
    ];
    let claims = prop::collection::btree_map(names, value(), 0..5);
    (roles, scopes, claims).prop_filter_map("a user may carry it", |(roles, scopes, claims)| {
        Grants::new(roles, scopes, claims.into_iter().collect()).ok()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a user carries: our gate and another implementation under its strictest settings admit the token, and both
    /// read the same in it.
    #[test]
    fn what_we_mint_everybody_admits(
        grants in grants(),
        which in 0_usize..3,
        sub in "[^\\p{Cc}]{1,40}",
        sid in any::<Option<u128>>(),
        lifetime in 60_u64..=86_400,
    ) {
        let (key, now) = (&KEYS[which], Clock::System.now());
        let token = AccessToken {
            sub: &sub,
            sid: sid.map(Uuid::from_u128),
            scopes: grants.scopes(),
            roles: grants.roles(),
            lifetime: Duration::from_secs(lifetime),
            ..token(grants.claims(), now)
        };
        let minted = token.sign(key, &policy()).unwrap();
        let ours = verify(minted.token.as_bytes(), &ISSUERS, |_| true, now);
        prop_assert!(ours.is_ok(), "{:?}: {}", ours.err(), minted.token);
        let ours = ours.unwrap();
        let ours = serde_json::to_value(ours.claims().all()).unwrap();
        let jwk = serde_json::from_value(key.public_jwk().unwrap()).unwrap();
        let decoding = DecodingKey::from_jwk(&jwk).unwrap();
        let theirs = jsonwebtoken::decode::<Value>(&minted.token, &decoding, &strictest(key.algorithm()));
        prop_assert!(theirs.is_ok(), "{:?}: {}", theirs.err(), minted.token);
        prop_assert_eq!(ours, theirs.unwrap().claims);
    }
}
