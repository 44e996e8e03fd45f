use std::sync::Arc;

use clap::Parser;

use super::*;
use crate::config::{KeySource, Place};
use crate::jwt::{AlgorithmSet, IssuerPolicy};

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
        keys: KeySource::Generate(Algorithm::EdDsa),
    }
}

fn claims(mint: &Mint, issuer: Option<&Issuer>) -> Result<Value, Failure> {
    mint.claims(&mint.sub, issuer, UnixTime::from_seconds(1000), "id")
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
    ] {
        assert!(
            Line::try_parse_from(["mint"].iter().chain(bad)).is_err(),
            "{bad:?}"
        );
    }
}

#[test]
fn two_ids_are_never_the_same() {
    assert_ne!(random_jti().unwrap(), random_jti().unwrap());
}
