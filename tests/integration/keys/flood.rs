//! Tokens of keys that nobody has: they cost the provider one fetch a gap, and the gateway no crypto.

use serde_json::json;

use super::super::harness::process::wait_until;
use super::super::harness::provider::{JWKS, Provider};
use super::super::harness::tokens::NOW;
use super::super::harness::{Connection, Request, Upstream};
use super::{
    GAP, World, admitted, flood, iss, key, many, outcome, outcome_of, source, token, unknown,
    wait_for,
};

/// A token with that header and a signature that was not worth making.
fn forged(issuer: &str, header: &serde_json::Value) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let claims = json!({
        "iss": iss(issuer), "aud": "api", "sub": "mallory", "iat": NOW, "exp": NOW + 24 * 3600,
    });
    let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signature = URL_SAFE_NO_PAD.encode([1; 64]);
    format!("{}.{}.{signature}", encode(header), encode(&claims))
}

fn of_kid(issuer: &str, kid: &str) -> String {
    forged(
        issuer,
        &json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": kid }),
    )
}

#[test]
fn ten_thousand_random_kids_cost_one_fetch_a_gap_and_no_signature_check() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a")]);
    let other = Provider::start(&[key("a")]);
    let gateway = World::new()
        .workers(2)
        .jwks("corp", &provider)
        .jwks("other", &other)
        .start(&upstream);
    wait_for(&gateway, "corp", "a");
    wait_for(&gateway, "other", "a");
    let checks = |result: &str| {
        gateway.metric(
            "portcullis_signature_checks_total",
            &format!("result=\"{result}\""),
        )
    };
    for gap in 1..=3_usize {
        gateway.advance(GAP);
        std::thread::scope(|scope| {
            for part in 0..4 {
                let gateway = &gateway;
                scope.spawn(move || {
                    let mut connection = Connection::open(gateway.address());
                    let statuses = many(&mut connection, 2_500, |number| {
                        let kid = format!("kid-{gap}-{part}-{number}");
                        Request::get("/corp").token(&of_kid("corp", &kid))
                    });
                    assert!(statuses.iter().all(|status| *status == 401));
                });
            }
        });
        wait_until("the one fetch", || provider.fetches(JWKS) == 1 + gap);
        assert_eq!(outcome(&gateway, "corp", "a"), admitted());
    }
    // Workers say from time to time what they have counted: these are seen after all of the above.
    for _ in 0..16 {
        let forged = of_kid("corp", "a");
        let found = outcome_of(&mut gateway.connect(), "corp", &forged);
        assert_eq!(found, (401, "bad_signature".to_owned()));
    }
    wait_until("the last checks are counted", || checks("failure") > 15.5);
    assert!(checks("failure") < 16.5, "none of the flood");
    // Of the known tokens, once on each worker or a few times until they are remembered.
    assert!(checks("success") < 10.5, "{}", checks("success"));
    assert_eq!(other.fetches(JWKS), 1, "the other issuer's is left alone");
    // What is remembered of them is bounded, and what is shown of a client's text can be printed.
    let shown = source(&gateway, "corp")["unknown_kids"].clone();
    let shown = shown.as_array().expect("a list").len();
    assert!((1..=64).contains(&shown), "{shown}");
}

#[test]
fn a_valid_token_of_a_new_key_is_not_lost_in_a_flood() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a")]);
    let gateway = World::new().jwks("corp", &provider).start(&upstream);
    wait_for(&gateway, "corp", "a");
    provider.publish(&[key("a"), key("b")]);
    let mut connection = Connection::open(gateway.address());
    let statuses = many(&mut connection, 3_000, |number| {
        Request::get("/corp").token(&of_kid("corp", &format!("kid-{number}")))
    });
    assert!(statuses.iter().all(|status| *status == 401));
    assert_eq!(outcome(&gateway, "corp", "b"), unknown());
    gateway.advance(GAP);
    // Nobody sends anything: the flood's first miss asked already.
    wait_until("the fetch", || provider.fetches(JWKS) == 2);
    wait_for(&gateway, "corp", "b");
}

#[test]
fn kids_of_all_shapes_cause_a_fetch_at_most_and_break_nothing() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a")]);
    let gateway = World::new().jwks("corp", &provider).start(&upstream);
    wait_for(&gateway, "corp", "a");
    gateway.advance(GAP);
    let long = "k".repeat(3000);
    let mut connection = Connection::open(gateway.address());
    for kid in [
        "",
        " ",
        "a\r\nSet-Cookie: x=1",
        "a\u{0}b",
        "\u{1b}[31mred",
        "../../etc/passwd",
        "http://127.0.0.1:1/jwks",
        "' OR 1=1 --",
        "\u{202e}txet",
        "\u{1F511}",
        &long,
    ] {
        let found = outcome_of(&mut connection, "corp", &of_kid("corp", kid));
        assert_eq!(found.0, 401, "{kid:?}: {found:?}");
    }
    wait_until("one fetch", || provider.fetches(JWKS) == 2);
    for header in [
        json!({ "alg": "EdDSA", "jku": provider.url("/evil"), "kid": "b" }),
        json!({ "alg": "EdDSA", "x5u": provider.url("/evil"), "kid": "b" }),
    ] {
        let found = outcome_of(&mut connection, "corp", &forged("corp", &header));
        assert_eq!(found.0, 401, "{header}");
    }
    assert_eq!(provider.fetches("/evil"), 0, "no token says where keys are");
    let status = gateway.admin("/status");
    assert!(!status.text().contains('\u{1b}') && !status.text().contains(&long));
    assert_eq!(outcome(&gateway, "corp", "a"), admitted());
}

#[test]
fn a_token_without_kid_and_with_a_bad_signature_asks_too() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a")]);
    let gateway = World::new().jwks("corp", &provider).start(&upstream);
    wait_for(&gateway, "corp", "a");
    gateway.advance(GAP);
    let token = forged("corp", &json!({ "alg": "EdDSA", "typ": "at+jwt" }));
    let found = outcome_of(&mut gateway.connect(), "corp", &token);
    assert_eq!(found, (401, "bad_signature".to_owned()));
    wait_until("a fetch", || provider.fetches(JWKS) == 2);
}

#[test]
fn what_is_refused_for_another_reason_asks_for_nothing() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a")]);
    let gateway = World::new().jwks("corp", &provider).start(&upstream);
    wait_for(&gateway, "corp", "a");
    gateway.advance(GAP);
    let mut connection = Connection::open(gateway.address());
    for (token, reason) in [
        (of_kid("elsewhere", "b"), "wrong_issuer"),
        (
            forged("corp", &json!({ "alg": "none", "kid": "b" })),
            "unsupported_algorithm",
        ),
        (
            forged("corp", &json!({ "alg": "HS256", "kid": "b" })),
            "unsupported_algorithm",
        ),
        (of_kid("corp", "a"), "bad_signature"),
        ("a.b.c".to_owned(), "malformed"),
    ] {
        let found = outcome_of(&mut connection, "corp", &token);
        assert_eq!(found, (401, reason.to_owned()));
    }
    // The counter of requests is what a fetch would have followed from.
    let asked = gateway.metric("portcullis_key_requests_total", "corp");
    assert!(asked < 0.5, "{asked}");
    assert_eq!(provider.fetches(JWKS), 1);
    let statuses = flood(&gateway, "corp", &token("corp", "a"), 10);
    assert!(statuses.iter().all(|status| *status == 200));
}
