use std::sync::Arc;

use clap::Parser;

use super::*;
use crate::config::{KeyRefresh, Keys, Place};
use crate::gate::Rejection;
use crate::jwt::{self, AlgorithmSet, IssuerPolicy, KeySet, TokenError};

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    mint: Mint,
}

fn mint(arguments: &[&str]) -> Mint {
    Line::try_parse_from(["mint"].iter().chain(arguments))
        .unwrap()
        .mint
}

fn issuer(audiences: &[&str], audience_match: AudienceMatch) -> Issuer {
    Issuer {
        name: Arc::from("corp"),
        place: Place::default(),
        policy: IssuerPolicy {
            issuer: "https://login.example/".into(),
            audiences: audiences.iter().map(|&a| a.into()).collect(),
            audience_match,
            audience_claim: "aud".into(),
            algorithms: AlgorithmSet::default(),
            leeway: Duration::ZERO,
            require: Vec::new(),
            token_types: Vec::new(),
            max_lifetime: None,
            accept_cnf: false,
        },
        keys: Keys::Generate(Algorithm::EdDsa),
        refresh: KeyRefresh::default(),
        logout: None,
    }
}

fn minter<'m>(mint: &'m Mint, issuer: Option<&'m Issuer>) -> Minter<'m> {
    Minter {
        mint,
        key: SigningKey::generate(Algorithm::EdDsa)
            .unwrap()
            .with_kid("k"),
        issuer,
        now: UnixTime::from_seconds(1000),
    }
}

fn claims(mint: &Mint, issuer: Option<&Issuer>) -> Result<Value, Failure> {
    let claims = minter(mint, issuer).claims(&mint.subject(1), "id")?;
    Ok(Value::Object(claims))
}

#[test]
fn a_token_says_what_the_issuer_of_the_configuration_says() {
    let issuer = issuer(&["a", "b"], AudienceMatch::Any);
    let made = claims(&mint(&["--sub", "alice"]), Some(&issuer)).unwrap();
    assert_eq!(
        made,
        json!({
            "iss": "https://login.example/", "aud": "a", "sub": "alice",
            "iat": 1000, "exp": 1000 + 3600, "jti": "id",
        })
    );
}

#[test]
fn all_audiences_are_named_where_all_are_needed() {
    let issuer = issuer(&["a", "b"], AudienceMatch::All);
    let made = claims(&mint(&["--sub", "alice"]), Some(&issuer)).unwrap();
    assert_eq!(made["aud"], json!(["a", "b"]));
    let chosen = mint(&["--sub", "alice", "--audience", "c"]);
    assert_eq!(claims(&chosen, Some(&issuer)).unwrap()["aud"], "c");
}

#[test]
fn the_audience_stands_where_the_issuer_looks_for_it() {
    let mut issuer = issuer(&["app"], AudienceMatch::Any);
    issuer.policy.audience_claim = "client_id".into();
    let made = claims(&mint(&["--sub", "alice"]), Some(&issuer)).unwrap();
    assert_eq!(made["client_id"], "app");
    assert!(made.get("aud").is_none());
}

#[test]
fn scopes_times_and_claims_are_taken_over_and_claims_win() {
    let issuer = issuer(&["a"], AudienceMatch::Any);
    let line = mint(&[
        "--sub",
        "alice",
        "--scope",
        "orders:read",
        "--scope",
        "orders:write",
        "--not-before",
        "-5",
        "--claim",
        "roles=[\"ops\"]",
        "--claim",
        "exp=1",
    ]);
    let made = claims(&line, Some(&issuer)).unwrap();
    assert_eq!(made["scope"], "orders:read orders:write");
    assert_eq!(made["nbf"], -5);
    assert_eq!(made["roles"], json!(["ops"]));
    assert_eq!(made["exp"], 1);
}

#[test]
fn without_a_configuration_issuer_and_audience_must_be_said() {
    let bare = claims(&mint(&["--sub", "alice"]), None).unwrap_err();
    assert!(bare.to_string().contains("--issuer"), "{bare}");
    let half = claims(&mint(&["--sub", "alice", "--issuer", "https://me"]), None).unwrap_err();
    assert!(half.to_string().contains("--audience"), "{half}");
    let whole = mint(&[
        "--sub",
        "alice",
        "--issuer",
        "https://me",
        "--claim",
        "aud=api",
    ]);
    assert_eq!(claims(&whole, None).unwrap()["iss"], "https://me");
}

#[test]
fn a_claim_is_json_or_a_plain_word() {
    let rows = [
        ("n=1", "n", json!(1)),
        ("s=\"1\"", "s", json!("1")),
        ("role=ops", "role", json!("ops")),
        ("empty=", "empty", json!("")),
        ("a=[1,2]", "a", json!([1, 2])),
        ("eq=a=b", "eq", json!("a=b")),
    ];
    for (text, name, value) in rows {
        assert_eq!(claim_argument(text), Ok((name.to_owned(), value)), "{text}");
    }
    for text in ["name", "=1", "a={bad", "a=[1,", "a=\"open"] {
        assert!(claim_argument(text).is_err(), "{text}");
    }
}

#[test]
fn options_that_exclude_each_other_are_refused() {
    for bad in [
        &["--sub", "a", "--key", "k", "--secret-file", "s"][..],
        &["--sub", "a", "--count", "0"],
        &["--claim", "a=b"],
        &["--subjects", "0"],
        &["--sub", "a", "--bad", "expired"],
        &["--sub", "a", "--bad", "expird=5%"],
    ] {
        assert!(
            Line::try_parse_from(["mint"].iter().chain(bad)).is_err(),
            "{bad:?}"
        );
    }
}

#[test]
fn subjects_are_numbered_where_the_pattern_says_or_at_the_end() {
    for (arguments, subject) in [
        (&["--sub", "alice"][..], "alice"),
        (&["--sub", "u{n}"], "u7"),
        (&["--subjects", "9"], "load-7"),
        (&["--subjects", "9", "--sub", "alice"], "alice-7"),
        (&["--subjects", "9", "--sub", "u{n}@x"], "u7@x"),
    ] {
        assert_eq!(mint(arguments).subject(7), subject, "{arguments:?}");
    }
}

/// What the gateway says of a token of that issuer and key; it is asked at the time of minting and a year after.
fn verdicts(minter: &Minter<'_>, token: &str) -> [Option<TokenError>; 2] {
    let issuer = minter.issuer.unwrap();
    let key = minter.key.verifying_key().unwrap();
    let (keys, _) = KeySet::new(vec![key], issuer.policy.algorithms);
    let issuer = Arc::new(jwt::Issuer {
        name: Arc::clone(&issuer.name),
        policy: Arc::new(issuer.policy.clone()),
        keys,
    });
    [Duration::ZERO, Duration::from_hours(24 * 365)].map(|later| {
        let now = minter.now.plus(later);
        jwt::verify(token.as_bytes(), &[Arc::clone(&issuer)], |_| true, now).err()
    })
}

#[test]
fn each_kind_is_refused_for_its_reason_whatever_was_asked_for_and_never_becomes_good() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Hs256] {
        let mut issuer = issuer(&["a"], AudienceMatch::Any);
        issuer.policy.algorithms = AlgorithmSet::from_iter([algorithm]);
        issuer.policy.leeway = Duration::from_mins(5);
        issuer.policy.token_types = vec!["at+jwt".into()];
        let lines = [
            mint(&["--sub", "alice"]),
            mint(&[
                "--sub",
                "alice",
                "--claim",
                "exp=99999999999.5",
                "--claim",
                "aud=[\"a\"]",
            ]),
            mint(&[
                "--sub", "alice", "--claim", "jti=x", "--claim", "nbf=0", "--claim", "iat=0",
            ]),
        ];
        for mint in &lines {
            let mut minter = minter(mint, Some(&issuer));
            minter.key = SigningKey::generate(algorithm).unwrap().with_kid("k");
            let planned = |bad| Planned { bad, subject: 1 };
            let good = minter.token(planned(None)).unwrap();
            assert_eq!(verdicts(&minter, &good)[0], None);
            for bad in Bad::ALL {
                let token = minter.token(planned(Some(bad))).unwrap();
                let [now, later] = verdicts(&minter, &token);
                let reason = Rejection::from(now.unwrap()).reason;
                let name = if bad == Bad::Forged {
                    "bad_signature"
                } else {
                    bad.name()
                };
                assert_eq!(reason.name(), name, "{algorithm:?} {mint:?}");
                assert!(later.is_some(), "{bad:?}");
            }
        }
    }
}

#[test]
fn a_forged_token_is_as_long_as_its_signature_needs() {
    let issuer = issuer(&["a"], AudienceMatch::Any);
    let mint = mint(&["--sub", "alice"]);
    let minter = minter(&mint, Some(&issuer));
    let signature = |bad| {
        let token = minter.token(Planned { bad, subject: 1 }).unwrap();
        token.rsplit('.').next().unwrap().len()
    };
    assert_eq!(signature(Some(Bad::Forged)), signature(None));
}

#[test]
fn two_ids_are_never_the_same() {
    assert_ne!(random_jti().unwrap(), random_jti().unwrap());
}
