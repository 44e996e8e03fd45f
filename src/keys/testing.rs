//! Issuers with remote sources, and JWK Sets, for tests.

use std::time::Duration;

use serde_json::{Value, json};

use crate::config::{Issuer, KeyLocation, KeyRefresh, KeySource, Keys, Place, RemoteKeys};
use crate::jwt::{Algorithm, AudienceMatch, IssuerPolicy, SigningKey};

/// A source with nothing but a URL.
pub(crate) fn jwks_url(url: &str) -> RemoteKeys {
    RemoteKeys {
        place: Place::default(),
        location: KeyLocation::Jwks(url.parse().expect("a URL")),
        allow_http: false,
        allow_link_local: false,
        ca: None,
        proxy: None,
    }
}

/// The issuer `corp` with one remote source; it lists `EdDSA` and `ES256`.
pub(crate) fn issuer(source: RemoteKeys) -> Issuer {
    issuer_of(vec![KeySource::Remote(Box::new(source))])
}

/// The issuer `corp` with these sources.
pub(crate) fn issuer_of(sources: Vec<KeySource>) -> Issuer {
    Issuer {
        name: "corp".into(),
        place: Place::default(),
        policy: IssuerPolicy {
            issuer: "https://issuer.test".into(),
            audiences: vec!["api".into()],
            audience_match: AudienceMatch::Any,
            audience_claim: "aud".into(),
            algorithms: [Algorithm::EdDsa, Algorithm::Es256].into_iter().collect(),
            leeway: Duration::ZERO,
            require: vec![],
            token_types: vec!["jwt".into()],
            max_lifetime: None,
            accept_cnf: false,
        },
        keys: Keys::Public(sources),
        refresh: KeyRefresh::default(),
        logout: None,
    }
}

/// A fresh key.
pub(crate) fn key() -> SigningKey {
    SigningKey::generate(Algorithm::EdDsa).expect("a key")
}

/// The JWK of a key under that `kid`.
pub(crate) fn jwk(key: &SigningKey, kid: &str) -> Value {
    let mut jwk = key.public_jwk().expect("a public key");
    jwk["kid"] = json!(kid);
    jwk
}

/// A JWK Set.
pub(crate) fn set(keys: &[Value]) -> Vec<u8> {
    json!({ "keys": keys }).to_string().into_bytes()
}

/// A JWK Set of fresh keys with these kids.
pub(crate) fn fresh_set(kids: &[&str]) -> Vec<u8> {
    let keys: Vec<Value> = kids.iter().map(|kid| jwk(&key(), kid)).collect();
    set(&keys)
}
