//! One file for each reason, as the command prints it: `UPDATE_GOLDEN=1 cargo test golden` writes them anew.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::cli::output::Colour;
use crate::clock::{Clock, UnixTime};
use crate::config::{self, Environment};
use crate::explain::{Explanation, KeyFacts, KeyOrigin, Question, explain};
use crate::gate::Reason;
use crate::jwt::{Algorithm, SigningKey, VerifyingKey};
use crate::metrics::Metrics;
use crate::revocation::{
    CurrentUntil, Revocation, RevocationSet, RevocationTarget, RevocationWriter,
};
use crate::snapshot::{Fixtures, Snapshot};

use super::text::render;

const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

/// What is added to the fixture for the one reason that needs an issuer with cookies.
const LOCAL_ISSUER: &str = r#"
[local_issuer]
issuer = "https://api.example.com/auth"
audience = "orders-api"
cookies = true

[[routes]]
name = "browser"
hosts = ["api.example.com"]
path = "/browser"
upstream = "site"
issuers = ["local"]
"#;

/// The fixture's configuration with a key that can sign.
struct World {
    snapshot: Snapshot,
    key: SigningKey,
    revocations: Arc<RevocationSet>,
    _directory: tempfile::TempDir,
}

struct Unknown;

impl KeyFacts for Unknown {
    fn origin(&self, _issuer: &str, key: &VerifyingKey) -> KeyOrigin {
        let source = key.source().map(|source| {
            let path = Path::new(&**source);
            path.file_name()
                .map_or_else(String::new, |it| it.to_string_lossy().into_owned())
        });
        KeyOrigin {
            source,
            fetched: None,
        }
    }
}

/// What is asked: changes to a request that is admitted.
#[derive(Clone, Default)]
struct Case {
    method: Option<&'static str>,
    url: Option<&'static str>,
    fields: Vec<(&'static str, String)>,
    token: Token,
}

#[derive(Clone, Default)]
enum Token {
    #[default]
    None,
    /// Good claims with these instead.
    Claims(Value),
    /// The same, with another `typ`.
    Typed(&'static str),
    /// The same, signed by a stranger.
    Forged,
    /// Any text.
    Raw(String),
}

impl World {
    fn new(more: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let key = SigningKey::generate(Algorithm::EdDsa)
            .unwrap()
            .with_kid("ed");
        let keys = json!({ "keys": [key.public_jwk()] });
        fs::write(directory.path().join("keys.json"), keys.to_string()).unwrap();
        let text = fs::read_to_string(fixtures_path().join("gateway.toml")).unwrap() + more;
        let state = directory.path().display().to_string();
        let environment = Environment([("STATE_DIRECTORY".to_owned(), state)].into());
        let file = Path::new("gateway.toml");
        let config = config::parse(&text, file, directory.path(), &environment)
            .unwrap_or_else(|errors| panic!("{errors}"));
        let fixtures = Fixtures {
            metrics: Metrics::new(1, Reason::NAMES),
            tickets: rustls::crypto::aws_lc_rs::Ticketer::new().unwrap(),
            clock: Clock::manual(NOW).0,
            keys: Arc::default(),
        };
        let snapshot = Snapshot::build(config, None, &fixtures);
        Self {
            snapshot: snapshot.unwrap_or_else(|errors| panic!("{errors}")),
            key,
            revocations: Arc::new(RevocationSet::empty()),
            _directory: directory,
        }
    }

    fn token(&self, token: &Token) -> Option<String> {
        let signed = |typ: &str, changes: &Value| self.key.sign(typ, &claims(changes)).unwrap();
        match token {
            Token::None => None,
            Token::Claims(changes) => Some(signed("at+jwt", changes)),
            Token::Typed(typ) => Some(signed(typ, &json!({}))),
            Token::Forged => {
                let stranger = SigningKey::generate(Algorithm::EdDsa)
                    .unwrap()
                    .with_kid("ed");
                Some(stranger.sign("at+jwt", &claims(&json!({}))).unwrap())
            }
            Token::Raw(text) => Some(text.clone()),
        }
    }

    fn explain(&self, case: &Case) -> (Explanation, String) {
        let token = self.token(&case.token);
        let fields = case.fields.iter();
        let fields: Vec<_> = fields.map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
        let question = Question::new(
            case.method.unwrap_or("GET"),
            case.url.unwrap_or("https://api.example.com/orders"),
            &fields,
            token.as_deref(),
            (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)), NOW),
        );
        let explained = explain(
            &self.snapshot,
            &self.revocations,
            &Unknown,
            &question.unwrap(),
        );
        let text = render(&explained, &[], Colour::OFF);
        let json = serde_json::to_string(&explained).unwrap();
        if let Some(signature) = token.as_deref().and_then(|it| it.rsplit('.').next())
            && signature.len() > 20
        {
            assert!(!text.contains(signature), "{text}");
            assert!(!json.contains(signature), "{json}");
        }
        assert_eq!(
            serde_json::from_str::<Explanation>(&json).unwrap(),
            explained
        );
        (explained, text)
    }
}

fn claims(changes: &Value) -> Value {
    let mut claims = json!({
        "iss": "https://login.example.com/", "aud": "orders-api", "sub": "alice", "scope": "orders:read orders:write",
        "iat": NOW.seconds() - 60, "exp": NOW.seconds() + 600, "jti": "4f1c2b7e", "tenant": "acme",
        "realm_access": { "roles": ["ops", "viewer"] },
    });
    let members = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    claims
}

/// A token that nobody signed.
fn unsigned(header: &Value, payload: &str) -> Token {
    let header = URL_SAFE_NO_PAD.encode(header.to_string());
    let payload = URL_SAFE_NO_PAD.encode(payload);
    Token::Raw(format!("{header}.{payload}.{}", "A".repeat(86)))
}

fn fixtures_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn with(token: Token) -> Case {
    Case {
        token,
        ..Case::default()
    }
}

fn changed(changes: Value) -> Case {
    with(Token::Claims(changes))
}

fn at(url: &'static str) -> Case {
    Case {
        url: Some(url),
        ..Case::default()
    }
}

fn field(name: &'static str, value: &str) -> Case {
    Case {
        fields: vec![(name, value.to_owned())],
        ..Case::default()
    }
}

/// The request that is refused for it. `None`: no decision on a head alone gives that reason. No `_` arm: a new reason must
/// choose here.
#[expect(clippy::too_many_lines, reason = "one row for each reason")]
fn case_of(reason: Reason) -> Option<Case> {
    let partner = |changes: &[(&str, Value)]| {
        let mut all = json!({ "iss": "https://partner.example.net/" });
        for (name, value) in changes {
            all[*name] = value.clone();
        }
        changed(all)
    };
    let ed = |more: Value| {
        let mut header = json!({ "alg": "EdDSA", "kid": "ed", "typ": "at+jwt" });
        for (name, value) in more.as_object().unwrap() {
            header[name] = value.clone();
        }
        header
    };
    let good = || claims(&json!({})).to_string();
    let now = NOW.seconds();
    Some(match reason {
        Reason::MalformedTarget => at("https://api.example.com/orders/%2e%2e/admin"),
        Reason::AmbiguousPath => at("https://api.example.com/Orders"),
        Reason::MalformedHost => field("host", "api example com"),
        Reason::MalformedField => field("connection", "close, x-auth-subject"),
        Reason::MalformedCredentials => field("authorization", "Basic YWxpY2U6c2VjcmV0"),
        Reason::MissingToken => Case::default(),
        Reason::Malformed => with(unsigned(&ed(json!({})), r#"{"exp":"soon"}"#)),
        Reason::UnsupportedAlgorithm => with(unsigned(&ed(json!({ "alg": "RS256" })), &good())),
        Reason::CriticalHeader => with(unsigned(&ed(json!({ "crit": ["exp"] })), &good())),
        Reason::WrongIssuer => changed(json!({ "iss": "https://login.example.com" })),
        Reason::UnknownKey => with(unsigned(&ed(json!({ "kid": "gone" })), &good())),
        Reason::Expired => changed(json!({ "exp": now - 2_000_000, "scope": "none", "aud": "x" })),
        Reason::NotYetValid => changed(json!({ "nbf": now + 3600 })),
        Reason::BadSignature => with(Token::Forged),
        Reason::WrongType => with(Token::Typed("id+jwt")),
        Reason::WrongAudience => changed(json!({ "aud": ["billing-api", "reports-api"] })),
        Reason::MissingClaim => changed(json!({ "sub": null })),
        Reason::LifetimeTooLong => partner(&[("exp", (now + 86_400).into())]),
        Reason::SenderConstrained => changed(json!({ "cnf": { "jkt": "0ZcOCORZNYy" } })),
        Reason::Revoked | Reason::RevocationUnavailable => changed(json!({})),
        Reason::InsufficientScope => changed(json!({ "scope": "orders:list" })),
        Reason::ClaimMismatch => Case {
            url: Some("https://api.example.com/orders/admin/users"),
            token: Token::Claims(json!({ "tenant": "other" })),
            ..Case::default()
        },
        Reason::CrossOrigin => Case {
            method: Some("POST"),
            url: Some("https://api.example.com/browser"),
            fields: vec![("cookie", "a=b; __Host-portcullis=abc".to_owned())],
            token: Token::None,
        },
        Reason::NoRoute => at("https://other.example.net/orders"),
        Reason::MethodNotAllowed => Case {
            method: Some("DELETE"),
            ..Case::default()
        },
        Reason::HeadTooLarge => Case {
            fields: (0..41)
                .map(|number| ("x-many", format!("{number}")))
                .collect(),
            ..Case::default()
        },
        Reason::TokenTooLarge => with(Token::Raw("x".repeat(5000))),
        Reason::NotImplemented => Case {
            method: Some("TRACE"),
            ..Case::default()
        },
        Reason::KeysUnavailable => changed(json!({ "iss": "https://away.example.org/" })),
        // Only a worker has a budget, or a body, or an upstream.
        Reason::TooManyBadTokens
        | Reason::RequestTimeout
        | Reason::BodyTooLarge
        | Reason::Internal
        | Reason::UpstreamUnreachable
        | Reason::UpstreamFailed
        | Reason::Overloaded
        | Reason::UpstreamTimeout => return None,
    })
}

/// What differs with each run is written as what it is.
fn normalized(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let kept = line
            .find("fingerprint  ")
            .map(|at| &line[..at + "fingerprint  ".len()]);
        lines.push(kept.map_or_else(|| line.to_owned(), |kept| format!("{kept}(16 digits)")));
    }
    lines.join("\n") + "\n"
}

fn compare(name: &str, text: &str) {
    let file = fixtures_path().join("explain").join(format!("{name}.txt"));
    let text = normalized(text);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&file, &text).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert!(text == kept, "{} says otherwise:\n{text}", file.display());
}

/// The list of revocations with which a good token is refused for it; an empty one if it is another matter.
fn list_for(reason: Reason) -> Arc<RevocationSet> {
    if reason == Reason::RevocationUnavailable {
        let writer = RevocationWriter::with_current_until(CurrentUntil::never());
        return writer.unwrap().publish();
    }
    let mut writer = RevocationWriter::new().unwrap();
    if reason == Reason::Revoked {
        writer.add(&Revocation {
            issuer: "https://login.example.com/",
            target: RevocationTarget::Sub("alice"),
            before: None,
            until: None,
        });
    }
    writer.publish()
}

#[test]
fn golden_every_reason_is_explained_as_it_was() {
    let mut plain = World::new("");
    let with_cookies = World::new(LOCAL_ISSUER);
    for reason in Reason::ALL {
        let Some(case) = case_of(*reason) else {
            continue;
        };
        plain.revocations = list_for(*reason);
        let world = if *reason == Reason::CrossOrigin {
            &with_cookies
        } else {
            &plain
        };
        let (explained, text) = world.explain(&case);
        assert_eq!(explained.verdict.reason(), Some(reason.name()), "{text}");
        compare(reason.name(), &text);
    }
}

#[test]
fn golden_what_is_admitted_is_explained_as_it_was() {
    let world = World::new("");
    let admitted = Case {
        fields: vec![
            ("X_Auth_Subject", "mallory".to_owned()),
            ("Connection", "x-hop".to_owned()),
            ("X-Hop", "1".to_owned()),
        ],
        token: Token::Claims(json!({})),
        ..Case::default()
    };
    let anonymous = at("https://www.example.com/profile/me");
    let public = at("https://api.example.com/index.html?q=1");
    for (name, case) in [
        ("admitted", admitted),
        ("anonymous", anonymous),
        ("public", public),
    ] {
        let (explained, text) = world.explain(&case);
        assert!(explained.verdict.is_admitted(), "{text}");
        compare(name, &text);
    }
}

#[test]
fn golden_files_are_of_reasons_that_there_are() {
    for entry in fs::read_dir(fixtures_path().join("explain")).unwrap() {
        let name = entry
            .unwrap()
            .path()
            .file_stem()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let is_reason = Reason::ALL
            .iter()
            .any(|it| it.name() == name && case_of(*it).is_some());
        assert!(
            is_reason || ["admitted", "anonymous", "public"].contains(&&*name),
            "{name}"
        );
    }
}
