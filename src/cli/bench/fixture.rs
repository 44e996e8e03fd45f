//! What is measured: a configuration with one issuer, its key, and requests.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HOST, USER_AGENT};
use http::request::Parts;
use http::{HeaderValue, Request};
use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::token::random_jti;
use crate::clock::{Clock, UnixTime};
use crate::config::{self, Environment};
use crate::gate::{Admission, Head, Peer, Reason, Rejection, Unobserved, WorkerMemory, decide};
use crate::jwt::{
    Algorithm, CompactJws, KeyError, KeyFamily, PreparedKeys, SigningKey, TokenError, VerifyingKey,
};
use crate::keys::generated_key;
use crate::metrics::Metrics;
use crate::revocation::RevocationSet;
use crate::secret::Secret;
use crate::snapshot::{Fixtures, Snapshot};

/// A route that wants a scope, and three claim headers, as an API has them. Forged tokens are looked at however many come:
/// the check is what is measured.
const ROUTE: &str = r#"
[server.limits]
bad_signatures_per_client = "off"
bad_signatures_per_worker = "off"

[claim_headers]
"X-Auth-Subject" = "sub"
"X-Auth-Scope" = "scope"
"X-Auth-Roles" = { claim = "roles", array = "csv" }

[[routes]]
name = "orders"
path = "/orders"
upstream = "http://127.0.0.1:9"
scopes = ["orders:read"]
"#;

/// For the few tokens that are measured.
const TOKEN_CACHE_BYTES: u64 = 1024 * 1024;

/// Who issues the tokens.
const ISSUER: &str = "https://bench.example/";

/// A request that differs from a good one in its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credentials {
    /// A good token.
    Good,
    /// None.
    Missing,
    /// Not three parts.
    Malformed,
    /// Expired an hour ago.
    Expired,
    /// The claims are not the ones that were signed.
    Forged,
}

/// A snapshot in force, and tokens for it.
pub(super) struct Fixture {
    algorithm: Algorithm,
    snapshot: Snapshot,
    key: VerifyingKey,
    signing_key: SigningKey,
    now: UnixTime,
}

impl Fixture {
    /// Makes a key in `directory`, and a configuration that trusts it.
    ///
    /// # Errors
    /// When the directory cannot be written, or the system has no randomness.
    pub(super) fn new(algorithm: Algorithm, directory: &Path) -> Result<Self, Failure> {
        let name = algorithm.name();
        let (signing_key, source) = new_key(algorithm, directory)?;
        let text = format!(
            "[[issuers]]\nname = \"bench\"\nissuer = \"{ISSUER}\"\naudiences = [\"api\"]\n\
             algorithms = [\"{name}\"]\nkeys = {source}\n{ROUTE}"
        );
        let state = directory.display().to_string();
        let environment = Environment([("STATE_DIRECTORY".to_owned(), state)].into());
        let config = config::parse(&text, Path::new("bench.toml"), directory, &environment)?;
        let clock = Clock::System;
        let now = clock.now();
        let fixtures = Fixtures {
            metrics: Metrics::new(1, Reason::NAMES),
            tickets: rustls::crypto::aws_lc_rs::Ticketer::new().map_err(|_| Failure::Randomness)?,
            clock,
            keys: std::sync::Arc::default(),
        };
        Ok(Self {
            algorithm,
            snapshot: Snapshot::build(config, None, &fixtures)?,
            key: signing_key.verifying_key().map_err(key_failure)?,
            signing_key,
            now,
        })
    }

    /// Its algorithm.
    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// A good token.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub(super) fn token(&self) -> Result<String, Failure> {
        self.sign(&self.claims())
    }

    /// The head of a request: a route, a few usual fields, and the credentials.
    ///
    /// # Errors
    /// When its token cannot be signed.
    pub(super) fn request(&self, credentials: Credentials) -> Result<Parts, Failure> {
        let mut request = Request::new(());
        *request.uri_mut() = http::Uri::from_static("/orders/4711?expand=lines");
        let fields = request.headers_mut();
        fields.insert(HOST, HeaderValue::from_static("api.example.com"));
        fields.insert(USER_AGENT, HeaderValue::from_static("portcullis-bench/1"));
        fields.insert(ACCEPT, HeaderValue::from_static("application/json"));
        fields.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, br"));
        let bearer = self.credentials(credentials)?;
        let bearer = bearer.and_then(|token| HeaderValue::try_from(format!("Bearer {token}")).ok());
        if let Some(bearer) = bearer {
            fields.insert(AUTHORIZATION, bearer);
        }
        let (parts, ()) = request.into_parts();
        Ok(parts)
    }

    /// What a worker decides with that remembers no token.
    pub(super) fn judge(&self) -> Judge<'_> {
        self.judge_with(0)
    }

    /// What a worker decides with that remembers tokens.
    pub(super) fn remembering_judge(&self) -> Judge<'_> {
        self.judge_with(TOKEN_CACHE_BYTES)
    }

    fn judge_with(&self, token_cache: u64) -> Judge<'_> {
        Judge {
            fixture: self,
            revocations: RevocationSet::default(),
            memory: WorkerMemory::new(token_cache),
            keys: PreparedKeys::default(),
        }
    }

    fn credentials(&self, credentials: Credentials) -> Result<Option<String>, Failure> {
        let token = match credentials {
            Credentials::Missing => return Ok(None),
            Credentials::Good => self.token()?,
            Credentials::Malformed => self.token()?.replace('.', "-"),
            Credentials::Expired => {
                let mut claims = self.claims();
                claims["exp"] = json!(self.now.seconds() - 3600);
                self.sign(&claims)?
            }
            Credentials::Forged => {
                let mut claims = self.claims();
                claims["sub"] = json!("mallory");
                let (other, token) = (self.sign(&claims)?, self.token()?);
                match (token.rsplit_once('.'), other.rsplit_once('.')) {
                    (Some((_, signature)), Some((input, _))) => format!("{input}.{signature}"),
                    (None, _) | (_, None) => token,
                }
            }
        };
        Ok(Some(token))
    }

    /// A dozen claims, as identity providers write them.
    fn claims(&self) -> Value {
        let now = self.now.seconds();
        json!({
            "iss": ISSUER, "aud": "api", "sub": "5be86359-073c-434b-ad2d-a3932222dabe",
            "iat": now, "nbf": now, "exp": now + 3600, "jti": "c9d1a4f0-6a8e-4a7e-8f0b-2f8f5a1b7c3d",
            "client_id": "web", "scope": "openid orders:read orders:write", "tenant": "acme",
            "roles": ["ops", "viewer"], "name": "Alice Example",
        })
    }

    fn sign(&self, claims: &Value) -> Result<String, Failure> {
        self.signing_key.sign("at+jwt", claims).map_err(key_failure)
    }
}

/// A new key, and how the configuration names it.
fn new_key(algorithm: Algorithm, directory: &Path) -> Result<(SigningKey, String), Failure> {
    match algorithm.family() {
        KeyFamily::Hmac => {
            // As text it is longer than any of the three hashes needs.
            let text = [random_jti()?, random_jti()?, random_jti()?].concat();
            let secret = Secret::new(text.clone().into_bytes());
            let key = SigningKey::from_secret(&secret, algorithm).map_err(key_failure)?;
            Ok((key, format!("{{ secret = \"{text}\" }}")))
        }
        KeyFamily::Rsa
        | KeyFamily::P256
        | KeyFamily::P384
        | KeyFamily::P521
        | KeyFamily::Ed25519 => {
            let key = generated_key(directory, "bench", algorithm)?.key;
            Ok((key, format!("{{ generate = \"{}\" }}", algorithm.name())))
        }
    }
}

fn key_failure(error: KeyError) -> Failure {
    Failure::Key {
        what: "a key made for the measurement".to_owned(),
        error,
    }
}

/// One worker's part: what it decides with, and remembers.
pub(super) struct Judge<'f> {
    fixture: &'f Fixture,
    revocations: RevocationSet,
    memory: WorkerMemory,
    keys: PreparedKeys,
}

impl Judge<'_> {
    /// The product: one whole decision.
    pub(super) fn decide(&mut self, head: &mut Head) -> Result<Admission, Rejection> {
        let fixture = self.fixture;
        decide(
            &fixture.snapshot,
            &self.revocations,
            &mut self.memory,
            head,
            fixture.now,
            &mut Unobserved,
        )
    }

    /// The signature alone.
    pub(super) fn check_signature(&mut self, jws: &CompactJws<'_>) -> Result<(), TokenError> {
        let fixture = self.fixture;
        fixture.key.check(
            fixture.algorithm,
            jws.signing_input,
            jws.signature,
            &mut self.keys,
        )
    }
}

/// A head for one decision, which edits it.
pub(super) fn head(parts: &Parts) -> Head {
    Head {
        parts: parts.clone(),
        peer: Peer {
            address: SocketAddr::from((Ipv4Addr::new(192, 0, 2, 7), 40_000)),
            secure: true,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_is_what_it_is_called() {
        let directory = tempfile::tempdir().unwrap();
        for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Hs512] {
            let fixture = Fixture::new(algorithm, directory.path()).unwrap();
            let mut judge = fixture.judge();
            for (credentials, reason) in [
                (Credentials::Good, None),
                (Credentials::Missing, Some(Reason::MissingToken)),
                (Credentials::Malformed, Some(Reason::Malformed)),
                (Credentials::Expired, Some(Reason::Expired)),
                (Credentials::Forged, Some(Reason::BadSignature)),
            ] {
                let mut head = head(&fixture.request(credentials).unwrap());
                let decision = judge.decide(&mut head);
                assert_eq!(decision.err().map(|rejection| rejection.reason), reason);
                if reason.is_none() {
                    assert_eq!(head.parts.headers["x-auth-roles"], "ops,viewer");
                }
            }
            let token = fixture.token().unwrap();
            let jws = CompactJws::parse(token.as_bytes()).unwrap();
            assert_eq!(judge.check_signature(&jws), Ok(()));
        }
    }
}
