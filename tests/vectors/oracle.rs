//! Two implementations: what we accept, jsonwebtoken accepts under its strictest settings.
//!
//! Tokens are made valid and then spoilt: claims and header members before they are signed, the text afterwards. ES512 and
//! the name `Ed25519` are left out, which jsonwebtoken does not know; so are `jku` and its like, which we never read and whose
//! types jsonwebtoken checks. Times are an hour or more away from any limit: exact
//! seconds have their own tests, and jsonwebtoken reads the clock itself.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};

use jsonwebtoken::{DecodingKey, EncodingKey, Validation};
use portcullis::clock::Clock;
use portcullis::jwt::{Algorithm, AlgorithmSet, Issuer, KeyFamily, SigningKey, verify};
use portcullis::secret::Secret;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

use crate::support::{AUDIENCE, ISSUER, issuer};

/// Cases of an ordinary run; `PROPTEST_CASES` says otherwise.
const CASES: u32 = 4000;

/// One algorithm with a key for both implementations.
struct Side {
    algorithm: Algorithm,
    kid: String,
    issuer: Arc<Issuer>,
    of_oracle: jsonwebtoken::Algorithm,
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

static SIDES: LazyLock<Vec<Side>> = LazyLock::new(|| {
    // One RSA key for all: making one takes a while.
    let rsa = SigningKey::generate(Algorithm::Rs256)
        .expect("a key")
        .to_pem();
    Algorithm::ALL
        .into_iter()
        .filter(|algorithm| *algorithm != Algorithm::Es512)
        .map(|algorithm| {
            if algorithm.family() == KeyFamily::Rsa {
                SigningKey::from_pem(rsa.expose(), algorithm)
            } else {
                SigningKey::generate(algorithm)
            }
        })
        .map(|key| side(&key.expect("a key")))
        .collect()
});

fn side(key: &SigningKey) -> Side {
    let of_oracle = key.algorithm().name().parse().expect("an algorithm");
    let pem = key.to_pem();
    let secret = || decode(std::str::from_utf8(pem.expose()).expect("text"));
    let encoding = match key.algorithm().family() {
        KeyFamily::Rsa => EncodingKey::from_rsa_pem(pem.expose()),
        KeyFamily::Ed25519 => EncodingKey::from_ed_pem(pem.expose()),
        KeyFamily::P256 | KeyFamily::P384 | KeyFamily::P521 => {
            EncodingKey::from_ec_pem(pem.expose())
        }
        KeyFamily::Hmac => Ok(EncodingKey::from_secret(&secret())),
    };
    let decoding = match key.public_jwk() {
        Some(jwk) => {
            let jwk = serde_json::from_value(jwk).expect("a JWK");
            DecodingKey::from_jwk(&jwk).expect("a key")
        }
        None => DecodingKey::from_secret(&secret()),
    };
    Side {
        algorithm: key.algorithm(),
        kid: key.kid().to_owned(),
        issuer: issuer(
            vec![key.verifying_key().expect("a key")],
            AlgorithmSet::from_iter([key.algorithm()]),
        ),
        of_oracle,
        encoding: encoding.expect("a key"),
        decoding,
        validation: strictest(of_oracle),
    }
}

fn decode(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(text)
        .expect("base64url")
}

fn encode(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

fn strictest(algorithm: jsonwebtoken::Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims = HashSet::from(["exp", "iss", "aud"].map(str::to_owned));
    validation.leeway = 30;
    validation.validate_nbf = true;
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation
}

/// How a valid token is spoilt.
#[derive(Clone, Debug)]
struct Spoilt {
    /// Members set in the claims, or removed.
    claims: Vec<(&'static str, Option<Value>)>,
    /// Members set in the header, or removed.
    header: Vec<(&'static str, Option<Value>)>,
    /// Text put before the last brace of the claims: a member that stands twice, or worse.
    raw: Option<&'static str>,
    /// Changes of the signed token.
    edits: Vec<Edit>,
}

#[derive(Clone, Debug)]
enum Edit {
    Replace(Index, char),
    Insert(Index, char),
    Remove(Index),
    /// The signature of another token of the same key.
    OtherSignature,
    /// The same bytes, another spelling: padding.
    Pad,
    SwapParts,
    DoublePart(Index),
}

fn claim() -> impl Strategy<Value = (&'static str, Option<Value>)> {
    let now = Clock::System.now().seconds();
    let names = vec![
        "exp", "nbf", "iat", "iss", "aud", "sub", "jti", "scope", "at_hash", "cnf", "x",
    ];
    let values = vec![
        json!(now + 7200),
        json!(now - 7200),
        json!(4_102_444_800.5),
        json!(now.to_string()),
        json!(0),
        json!(i64::MAX),
        json!(1e300),
        json!(ISSUER),
        json!([ISSUER]),
        json!(AUDIENCE),
        json!([AUDIENCE]),
        json!(["other", AUDIENCE]),
        json!([AUDIENCE, 1]),
        json!("API"),
        json!([]),
        json!({}),
        json!(true),
        Value::Null,
    ];
    (select(names), prop::option::weighted(0.9, select(values)))
}

fn member() -> impl Strategy<Value = (&'static str, Option<Value>)> {
    let names = vec!["alg", "typ", "kid", "crit", "b64", "cty", "zip", "x"];
    let values = vec![
        json!("none"),
        json!("HS256"),
        json!("RS256"),
        json!("ES256"),
        json!("EdDSA"),
        json!("JWT"),
        json!("at+jwt"),
        json!("application/at+jwt"),
        json!("logout+jwt"),
        json!(""),
        json!(["exp"]),
        json!(false),
        Value::Null,
    ];
    (select(names), prop::option::weighted(0.9, select(values)))
}

fn edit() -> impl Strategy<Value = Edit> {
    let character = || {
        prop_oneof![
            select(vec!['A', 'B', '_', '-', '.', '=', '+', '/', ' ', '\n', 'é']),
            any::<char>()
        ]
    };
    prop_oneof![
        (any::<Index>(), character()).prop_map(|(at, with)| Edit::Replace(at, with)),
        (any::<Index>(), character()).prop_map(|(at, with)| Edit::Insert(at, with)),
        any::<Index>().prop_map(Edit::Remove),
        Just(Edit::OtherSignature),
        Just(Edit::Pad),
        Just(Edit::SwapParts),
        any::<Index>().prop_map(Edit::DoublePart),
    ]
}

fn spoilt() -> impl Strategy<Value = Spoilt> {
    let raw = vec![
        r#","sub":"other""#,
        r#","\u0065xp":1"#,
        r#","x":{"a":1,"a":2}"#,
        r#","y":1e400"#,
        ",",
        "}",
        " ",
    ];
    (
        prop::collection::vec(claim(), 0..3),
        prop::collection::vec(member(), 0..2),
        prop::option::weighted(0.15, select(raw)),
        prop_oneof![
            2 => Just(Vec::new()),
            1 => prop::collection::vec(edit(), 1..3),
        ],
    )
        .prop_map(|(claims, header, raw, edits)| Spoilt {
            claims,
            header,
            raw,
            edits,
        })
}

fn changed(base: Value, changes: &[(&'static str, Option<Value>)]) -> String {
    let mut members: Map<String, Value> = serde_json::from_value(base).expect("an object");
    for (name, value) in changes {
        match value {
            Some(value) => members.insert((*name).to_owned(), value.clone()),
            None => members.remove(*name),
        };
    }
    Value::from(members).to_string()
}

impl Spoilt {
    fn token(&self, side: &Side) -> String {
        let now = Clock::System.now().seconds();
        let base = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": now - 7200, "exp": now + 7200,
        });
        let mut claims = changed(base, &self.claims);
        if let Some(raw) = self.raw {
            claims.insert_str(claims.len() - 1, raw);
        }
        let base = json!({"alg": side.algorithm.name(), "typ": "at+jwt", "kid": side.kid});
        let header = changed(base, &self.header);
        let sign = |header: &str, claims: &str| {
            let input = format!(
                "{}.{}",
                encode(header.as_bytes()),
                encode(claims.as_bytes())
            );
            let signature =
                jsonwebtoken::crypto::sign(input.as_bytes(), &side.encoding, side.of_oracle);
            format!("{input}.{}", signature.expect("a signature"))
        };
        let token = sign(&header, &claims);
        let other = || sign(&header, "{}");
        self.edits
            .iter()
            .fold(token, |token, edit| edit.apply(&token, other))
    }
}

impl Edit {
    fn apply(&self, token: &str, other: impl Fn() -> String) -> String {
        let mut characters: Vec<char> = token.chars().collect();
        let parts: Vec<&str> = token.split('.').collect();
        match self {
            Self::Replace(at, with) if !characters.is_empty() => {
                let at = at.index(characters.len());
                characters[at] = *with;
            }
            Self::Insert(at, with) => characters.insert(at.index(characters.len() + 1), *with),
            Self::Remove(at) if !characters.is_empty() => {
                characters.remove(at.index(characters.len()));
            }
            Self::Replace(..) | Self::Remove(_) => {}
            Self::OtherSignature => {
                let other = other();
                let signature = other.rsplit('.').next().unwrap_or_default();
                let input = token.rsplit_once('.').map_or(token, |(input, _)| input);
                return format!("{input}.{signature}");
            }
            Self::Pad => return parts.join("=.") + "=",
            Self::SwapParts => return parts.iter().rev().copied().collect::<Vec<_>>().join("."),
            Self::DoublePart(at) => {
                let part = parts[at.index(parts.len())];
                return format!("{token}.{part}");
            }
        }
        characters.into_iter().collect()
    }
}

#[test]
fn what_we_accept_the_oracle_accepts() {
    let mut config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    let accepted = AtomicU32::new(0);
    let all = config.cases;
    let result = TestRunner::new(config).run(&(any::<Index>(), spoilt()), |(side, spoilt)| {
        let side = side.get(&SIDES);
        let token = spoilt.token(side);
        let issuers = std::slice::from_ref(&side.issuer);
        let Ok(verified) = verify(token.as_bytes(), issuers, |_| true, Clock::System.now()) else {
            return Ok(());
        };
        accepted.fetch_add(1, Ordering::Relaxed);
        let oracle = jsonwebtoken::decode::<Value>(&token, &side.decoding, &side.validation);
        prop_assert!(oracle.is_ok(), "{:?}: {token}", oracle.err());
        let oracle = oracle.map(|token| token.claims).unwrap_or_default();
        let ours = serde_json::to_value(verified.claims().all()).unwrap_or_default();
        prop_assert_eq!(ours, oracle, "{}", token);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    // Both kinds occur often enough to mean something.
    let accepted = accepted.into_inner();
    assert!(accepted > all / 20, "{accepted} of {all}");
    assert!(accepted < all / 10 * 9, "{accepted} of {all}");
}

#[test]
fn each_valid_token_is_accepted_by_both() {
    for side in SIDES.iter() {
        let valid = Spoilt {
            claims: Vec::new(),
            header: Vec::new(),
            raw: None,
            edits: Vec::new(),
        };
        let token = valid.token(side);
        let issuers = std::slice::from_ref(&side.issuer);
        let ours = verify(token.as_bytes(), issuers, |_| true, Clock::System.now());
        assert!(ours.is_ok(), "{:?}: {ours:?}", side.algorithm);
        let oracle = jsonwebtoken::decode::<Value>(&token, &side.decoding, &side.validation);
        assert!(oracle.is_ok(), "{:?}: {oracle:?}", side.algorithm);
    }
    assert_eq!(SIDES.len(), 12);
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

    #[test]
    fn no_input_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), text in ".{0,60}") {
        use portcullis::{json, jwt};
        let _ = json::parse(&bytes);
        let _ = json::ClaimPath::parse(&text);
        let _ = jwt::parse_jwk_set(&bytes);
        let _ = jwt::CompactJws::parse(&bytes);
        let _ = jwt::JoseHeader::parse(&bytes);
        let _ = jwt::JoseHeader::parse(encode(&bytes).as_bytes());
        let _ = jwt::ClaimsSet::parse(encode(text.as_bytes()).as_bytes());
        let _ = jwt::VerifyingKey::from_pem(&bytes, None);
        let _ = jwt::VerifyingKey::from_pem(
            format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", encode(&bytes)).as_bytes(),
            None,
        );
        let _ = SigningKey::from_pem(&bytes, Algorithm::Es256);
        let _ = SigningKey::from_secret(&Secret::new(bytes), Algorithm::Hs256);
    }
}
