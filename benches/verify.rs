//! What a token costs beyond its signature: the raw check of a prepared key, our stages with keys that were prepared
//! before, the check of a token that the cache knows, and jsonwebtoken's `decode`.
//!
//! The goals: `verify` costs at most 3 µs more than `raw`, and `known` at most 0.3 µs.

use std::collections::HashSet;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use criterion::{Criterion, criterion_group, criterion_main};
use jsonwebtoken::{DecodingKey, Validation};
use portcullis::clock::{Clock, UnixTime};
use portcullis::headers::ClaimHeaders;
use portcullis::jwt::{
    Algorithm, AlgorithmSet, AudienceMatch, CompactJws, Issuer, IssuerPolicy, JoseHeader, KeySet,
    PreparedKeys, SigningKey, TokenError, Unobserved, UnverifiedToken, VerifiedToken,
};
use portcullis::revocation::{RevocationSet, RevocationVersion, TokenFacts};
use portcullis::token_cache::TokenCache;
use serde_json::{Value, json};

/// The allocator of the binary: parsing claims is in good part allocating.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ISSUER: &str = "https://login.example.com/realms/demo";

/// A payload as a common identity provider writes it: about 700 bytes.
fn claims() -> Value {
    let now = Clock::System.now().seconds();
    json!({
        "exp": now + 86_400,
        "iat": now,
        "auth_time": now,
        "jti": "0d1b5e0c-7d6c-4d5e-9f0e-6c1f4f3a2b1c",
        "iss": ISSUER,
        "aud": ["orders-api", "account"],
        "sub": "f:3f2b8f1e-2f5e-4a6b-8a55-0d9c8f1f5c11:alice",
        "typ": "Bearer",
        "azp": "web",
        "sid": "b7a0f6b8-3c0e-4c0f-8f6e-52a3a3e1d111",
        "acr": "1",
        "allowed-origins": ["https://app.example.com"],
        "realm_access": {"roles": ["offline_access", "uma_authorization", "orders-reader"]},
        "resource_access": {"account": {"roles": ["manage-account", "view-profile"]}},
        "scope": "openid profile email orders:read",
        "email_verified": true,
        "name": "Alice Example",
        "preferred_username": "alice",
        "given_name": "Alice",
        "family_name": "Example",
        "email": "alice@example.com",
    })
}

/// The check of a signature and nothing else.
enum Raw {
    Public(ParsedPublicKey),
    Hmac(Box<hmac::Key>),
}

impl Raw {
    fn check(&self, input: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Public(key) => key.verify_sig(input, signature).is_ok(),
            Self::Hmac(key) => hmac::verify(key, input, signature).is_ok(),
        }
    }
}

fn decoded(value: &Value) -> Vec<u8> {
    let text = value.as_str().expect("base64url text");
    URL_SAFE_NO_PAD.decode(text).expect("base64url")
}

/// The secret of an HMAC key.
fn secret(key: &SigningKey) -> Vec<u8> {
    URL_SAFE_NO_PAD
        .decode(key.to_pem().expose())
        .expect("base64url")
}

fn raw(key: &SigningKey) -> Raw {
    let Some(jwk) = key.public_jwk() else {
        let hmac = hmac::Key::new(hmac::HMAC_SHA256, &secret(key));
        return Raw::Hmac(Box::new(hmac));
    };
    let rsa = |parameters| {
        RsaPublicKeyComponents {
            n: decoded(&jwk["n"]),
            e: decoded(&jwk["e"]),
        }
        .to_parsed_public_key(parameters)
    };
    let point = || [vec![4], decoded(&jwk["x"]), decoded(&jwk["y"])].concat();
    let parsed = match key.algorithm() {
        Algorithm::Rs256 => rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Ps256 => rsa(&signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::Es256 => ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point()),
        Algorithm::Es384 => ParsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, point()),
        Algorithm::EdDsa => ParsedPublicKey::new(&signature::ED25519, decoded(&jwk["x"])),
        Algorithm::Rs384
        | Algorithm::Rs512
        | Algorithm::Ps384
        | Algorithm::Ps512
        | Algorithm::Es512
        | Algorithm::Hs256
        | Algorithm::Hs384
        | Algorithm::Hs512 => unreachable!("{:?} is not measured", key.algorithm()),
    };
    Raw::Public(parsed.expect("a key"))
}

fn issuer(key: &SigningKey) -> Arc<Issuer> {
    let algorithms = AlgorithmSet::from_iter([key.algorithm()]);
    let (keys, _) = KeySet::new(vec![key.verifying_key().expect("a key")], algorithms);
    Arc::new(Issuer {
        name: "bench".into(),
        policy: Arc::new(IssuerPolicy {
            issuer: ISSUER.into(),
            audiences: vec!["orders-api".into()],
            audience_match: AudienceMatch::Any,
            audience_claim: "aud".into(),
            algorithms,
            leeway: Duration::from_secs(30),
            require: Vec::new(),
            token_types: vec!["at+jwt".into(), "jwt".into()],
            max_lifetime: None,
            accept_cnf: false,
        }),
        keys,
    })
}

fn decoding_key(key: &SigningKey) -> DecodingKey {
    match key.public_jwk() {
        Some(jwk) => {
            let jwk = serde_json::from_value(jwk).expect("a JWK");
            DecodingKey::from_jwk(&jwk).expect("a key")
        }
        None => DecodingKey::from_secret(&secret(key)),
    }
}

fn validation(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm.name().parse().expect("an algorithm"));
    validation.required_spec_claims = HashSet::from(["exp", "iss", "aud"].map(str::to_owned));
    validation.validate_nbf = true;
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&["orders-api"]);
    validation
}

/// All checks, as the gate takes them for a token that it does not know.
fn staged(
    token: &[u8],
    issuers: &[Arc<Issuer>],
    keys: &mut PreparedKeys,
    now: UnixTime,
) -> Result<VerifiedToken, TokenError> {
    let jws = CompactJws::parse(token)?;
    let header = Arc::new(JoseHeader::parse(jws.header)?);
    UnverifiedToken::read(jws, &header, issuers, |_| true, now, &mut Unobserved)
        .map_err(|unreadable| unreadable.error)?
        .check_signature(keys, &mut Unobserved)?
        .check_claims(now, &mut Unobserved)
}

/// Which snapshot tokens are in force under; there is one.
const SNAPSHOT: u64 = 1;

fn bench_algorithm(criterion: &mut Criterion, algorithm: Algorithm) {
    let key = SigningKey::generate(algorithm).expect("a key");
    let token = key.sign("at+jwt", &claims()).expect("a token");
    let (input, signature) = token.rsplit_once('.').expect("three parts");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    let mut group = criterion.benchmark_group(algorithm.name());

    let raw = raw(&key);
    group.bench_function("raw", |bencher| {
        bencher.iter(|| assert!(raw.check(black_box(input.as_bytes()), &signature)));
    });

    let (issuers, now) = ([issuer(&key)], Clock::System.now());
    let mut keys = PreparedKeys::default();
    group.bench_function("verify", |bencher| {
        bencher.iter(|| staged(black_box(token.as_bytes()), &issuers, &mut keys, now));
    });

    let revocations = RevocationSet::default();
    let mut cache = TokenCache::<Option<RevocationVersion>>::new(1 << 20);
    let verified = staged(token.as_bytes(), &issuers, &mut keys, now).expect("good");
    let headers = ClaimHeaders::new(Vec::new());
    let place = verified.place_among(&issuers).expect("in force");
    cache.insert(token.as_bytes(), verified, (SNAPSHOT, place), &headers);
    group.bench_function("known", |bencher| {
        bencher.iter(|| {
            let held = cache.get(black_box(token.as_bytes())).expect("known");
            let place = held.place_in(SNAPSHOT).expect("in force");
            let known = held.token();
            known.check_times(now).expect("in time");
            let facts = TokenFacts {
                issuer: known.iss(),
                kid: known.kid(),
                claims: known.claims(),
            };
            let clean = revocations.check(&facts, held.note()).expect("not revoked");
            held.set_note(Some(clean));
            place
        });
    });

    let (decoding, validation) = (decoding_key(&key), validation(algorithm));
    group.bench_function("jsonwebtoken", |bencher| {
        bencher.iter(|| {
            jsonwebtoken::decode::<Value>(black_box(&token), &decoding, &validation).expect("good")
        });
    });
    group.finish();
}

fn bench_verify(criterion: &mut Criterion) {
    for algorithm in [
        Algorithm::Rs256,
        Algorithm::Ps256,
        Algorithm::Es256,
        Algorithm::Es384,
        Algorithm::EdDsa,
        Algorithm::Hs256,
    ] {
        bench_algorithm(criterion, algorithm);
    }
}

criterion_group!(benches, bench_verify);
criterion_main!(benches);
