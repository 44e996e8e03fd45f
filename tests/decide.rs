//! The decision itself: order, completeness, and what the upstream sees.

#[expect(dead_code, reason = "each binary uses a part of it")]
mod support;

use portcullis::clock::UnixTime;
use portcullis::gate::{Detail, Reason, WorkerMemory};
use portcullis::jwt::Algorithm;
use portcullis::metrics::WorkerId;
use portcullis::revocation::{
    CurrentUntil, Revocation, RevocationSet, RevocationTarget, RevocationWriter,
};
use serde_json::json;
use support::{Fixture, ISSUER, NOW, claims, claims_with, get, head};

const ROUTES: &str = r#"
[claim_headers]
"X-Auth-Subject" = "sub"
"X-Auth-Scope" = "scope"
"X-Auth-Roles" = "realm_access.roles"

[[upstreams]]
name = "orders"
urls = ["http://127.0.0.1:9"]

[[routes]]
name = "orders"
path = "/orders"
methods = ["GET", "POST"]
upstream = "orders"
scopes = ["orders:read"]
claims = { "realm_access.roles" = { contains = "ops" }, tenant = { equals = "acme" } }

[[routes]]
name = "open"
path = "/open"
upstream = "orders"
auth = "none"

[[routes]]
name = "maybe"
path = "/maybe"
upstream = "orders"
auth = "optional"

[[routes]]
name = "stripped"
path = "/legacy/api"
upstream = "orders"
auth = "none"
strip_prefix = true

[[routes]]
name = "browser"
path = "/browser"
methods = ["PUT"]
upstream = "orders"
preflight = "forward"
forward_token = true
outlive_token = true
"#;

fn fixture() -> Fixture {
    Fixture::new(&[Algorithm::EdDsa, Algorithm::Es256], ROUTES)
}

fn bearer(fixture: &Fixture, changes: &serde_json::Value) -> String {
    format!(
        "Bearer {}",
        fixture.sign(Algorithm::EdDsa, &claims_with(changes))
    )
}

#[test]
fn a_good_token_is_admitted_and_its_claims_become_fields() {
    let fixture = fixture();
    let fields = fixture
        .fields(get("/orders/1").header("authorization", bearer(&fixture, &json!({}))))
        .expect("admitted");
    assert_eq!(fields["x-auth-subject"], "alice");
    assert_eq!(fields["x-auth-scope"], "orders:read orders:write");
    assert_eq!(fields["x-auth-roles"], "ops,viewer");
    assert!(
        !fields.contains_key("authorization"),
        "the token stays at the gate"
    );
    assert_eq!(fields["x-forwarded-for"], "192.0.2.7");
    assert_eq!(fields["x-forwarded-proto"], "https");
    assert_eq!(fields["x-forwarded-host"], "api.test");
}

#[test]
fn what_is_wrong_first_is_answered_first() {
    let fixture = fixture();
    let expired = json!({ "exp": NOW.seconds() - 31, "aud": "other", "tenant": "other" });
    let cases = [
        (get("/orders/../open"), Reason::MalformedTarget),
        (get("/nowhere"), Reason::NoRoute),
        (get("/orders").method("DELETE"), Reason::MethodNotAllowed),
        (
            get("/orders").header("connection", "x-auth-subject"),
            Reason::MalformedField,
        ),
        (get("/orders"), Reason::MissingToken),
        (
            get("/orders").header("authorization", "Basic YTpi"),
            Reason::MalformedCredentials,
        ),
        (
            get("/orders").header("authorization", "Bearer a.b"),
            Reason::Malformed,
        ),
        (
            get("/orders").header("authorization", bearer(&fixture, &expired)),
            Reason::Expired,
        ),
        (
            get("/orders").header(
                "authorization",
                bearer(&fixture, &json!({ "aud": "other", "tenant": "x" })),
            ),
            Reason::WrongAudience,
        ),
        (
            get("/orders").header(
                "authorization",
                bearer(&fixture, &json!({ "scope": "x", "tenant": "x" })),
            ),
            Reason::InsufficientScope,
        ),
        (
            get("/orders").header("authorization", bearer(&fixture, &json!({ "tenant": "x" }))),
            Reason::ClaimMismatch,
        ),
    ];
    for (request, reason) in cases {
        assert_eq!(fixture.refusal(request), reason);
    }
}

#[test]
fn expiry_is_exact_to_the_second_of_leeway() {
    let fixture = fixture();
    let at = |seconds: i64| {
        fixture.fields(get("/orders").header(
            "authorization",
            bearer(&fixture, &json!({ "exp": NOW.seconds() + seconds })),
        ))
    };
    assert!(at(-29).is_ok());
    assert_eq!(at(-30).expect_err("expired").reason, Reason::Expired);
}

#[test]
fn no_spelling_of_a_claim_header_survives_on_any_route() {
    let fixture = fixture();
    for path in ["/open/x", "/maybe/x"] {
        for name in [
            "X-Auth-Subject",
            "x_auth_subject",
            "X-Auth_Roles",
            "x-auth.scope",
        ] {
            let fields = fixture
                .fields(get(path).header(name, "root").header(name, "admin"))
                .expect("admitted");
            assert!(
                fields
                    .values()
                    .all(|value| value != "root" && value != "admin"),
                "{name} on {path}"
            );
        }
    }
}

#[test]
fn an_optional_route_is_anonymous_without_a_token_and_strict_with_one() {
    let fixture = fixture();
    let anonymous = fixture.fields(get("/maybe")).expect("admitted");
    assert!(!anonymous.contains_key("x-auth-subject"));
    let forged = get("/maybe").header(
        "authorization",
        format!("{}A", bearer(&fixture, &json!({}))),
    );
    assert!(fixture.fields(forged).is_err());
    let good = fixture
        .fields(get("/maybe").header("authorization", bearer(&fixture, &json!({}))))
        .expect("admitted");
    assert_eq!(good["x-auth-subject"], "alice");
}

#[test]
fn a_public_route_leaves_authorization_alone() {
    let fixture = fixture();
    let fields = fixture
        .fields(get("/open").header("authorization", "Basic YTpi"))
        .expect("admitted");
    assert_eq!(fields["authorization"], "Basic YTpi");
}

#[test]
fn a_preflight_passes_without_a_token_where_the_route_says_so() {
    let fixture = fixture();
    let preflight = |path: &str, method: &str| {
        get(path)
            .method("OPTIONS")
            .header("origin", "https://app.test")
            .header("access-control-request-method", method)
    };
    let fields = fixture
        .fields(preflight("/browser", "PUT").header("authorization", "Bearer x"))
        .expect("admitted");
    assert!(!fields.contains_key("authorization"));
    assert_eq!(
        fixture.refusal(preflight("/browser", "DELETE")),
        Reason::MethodNotAllowed
    );
    assert_eq!(
        fixture.refusal(preflight("/orders", "GET")),
        Reason::MethodNotAllowed
    );
}

#[test]
fn a_forwarded_token_is_forwarded() {
    let fixture = fixture();
    let token = bearer(&fixture, &json!({}));
    let fields = fixture
        .fields(
            get("/browser")
                .method("PUT")
                .header("authorization", &token),
        )
        .expect("admitted");
    assert_eq!(fields["authorization"], token.as_str());
}

#[test]
fn a_prefix_is_taken_off_in_whole_raw_segments() {
    let fixture = fixture();
    for (target, expected) in [
        ("/legacy/api", "/"),
        ("/legacy/api/", "/"),
        ("/legacy/api/a%20b/c", "/a%20b/c"),
        ("/leg%61cy/%61pi/x", "/x"),
        ("/legacy/api?q=%2F..", "/?q=%2F.."),
        ("/legacy/api/x?q", "/x?q"),
    ] {
        let mut head = head(get(target));
        let admission = fixture.decide(&mut head).expect("admitted");
        assert_eq!(
            admission.path_and_query().expect("stripped").as_str(),
            expected,
            "{target}"
        );
    }
}

#[test]
fn a_refusal_for_scope_names_what_the_route_wants() {
    let fixture = fixture();
    let refusal = fixture
        .fields(get("/orders").header(
            "authorization",
            bearer(&fixture, &json!({ "scope": "other" })),
        ))
        .expect_err("refused");
    assert_eq!(
        refusal.detail,
        Detail::Scopes(["orders:read".into()].into())
    );
}

#[test]
fn a_token_larger_than_the_limit_is_never_looked_at() {
    let fixture = fixture();
    let request = get("/orders").header("authorization", format!("Bearer {}", "a".repeat(20_000)));
    assert_eq!(fixture.refusal(request), Reason::TokenTooLarge);
}

#[test]
fn an_admission_ends_with_its_token_and_the_leeway() {
    let fixture = fixture();
    let bearer = bearer(&fixture, &json!({}));
    let mut with_end = head(get("/orders").header("authorization", &bearer));
    let admission = fixture.decide(&mut with_end).expect("admitted");
    let exp = claims()["exp"].as_i64().expect("a number");
    assert_eq!(admission.expires().expect("a token").seconds(), exp + 30);
    let request = get("/browser").method("PUT");
    let mut without = head(request.header("authorization", &bearer));
    let admission = fixture.decide(&mut without).expect("admitted");
    assert_eq!(admission.expires(), None);
}

#[test]
fn without_a_current_list_of_revocations_no_token_passes_and_all_else_does() {
    let mut fixture = fixture();
    fixture.revocations = RevocationSet::missing();
    let signed = |changes| fixture.sign(Algorithm::EdDsa, &claims_with(&changes));
    let forged = format!("{}AAAA", &signed(json!({}))[..signed(json!({})).len() - 4]);
    let bearer =
        |token: &str, path: &str| get(path).header("authorization", format!("Bearer {token}"));
    let good = signed(json!({}));
    for (request, reason) in [
        (bearer(&good, "/orders/1"), Reason::RevocationUnavailable),
        (bearer(&good, "/maybe"), Reason::RevocationUnavailable),
        // After the signature, before what the route wants.
        (bearer(&forged, "/orders/1"), Reason::BadSignature),
        (
            bearer(&signed(json!({ "exp": 1 })), "/orders/1"),
            Reason::Expired,
        ),
        (
            bearer(&signed(json!({ "aud": "other" })), "/orders/1"),
            Reason::WrongAudience,
        ),
        (
            bearer(&signed(json!({ "scope": null })), "/orders/1"),
            Reason::RevocationUnavailable,
        ),
        (get("/orders/1"), Reason::MissingToken),
    ] {
        assert_eq!(fixture.refusal(request), reason);
    }
    for request in [get("/maybe"), get("/open"), bearer(&good, "/open")] {
        assert!(fixture.fields(request).is_ok());
    }
}

#[test]
fn a_list_ages_under_a_known_token_and_comes_back() {
    let mut fixture = fixture();
    let until = CurrentUntil::never();
    let mut writer = RevocationWriter::with_current_until(until.clone()).unwrap();
    writer.add(&Revocation {
        issuer: ISSUER,
        target: RevocationTarget::Jti("revoked"),
        before: None,
        until: None,
    });
    fixture.revocations = (*writer.publish()).clone();
    let mut memory = WorkerMemory::of_worker(WorkerId(0), 1 << 20);
    let mut decide = |jti: &str, second: i64| {
        let token = fixture.sign(Algorithm::EdDsa, &claims_with(&json!({ "jti": jti })));
        let request = get("/orders/1").header("authorization", format!("Bearer {token}"));
        let now = UnixTime::from_seconds(NOW.seconds() + second);
        let decided = fixture.decide_at(now, &mut memory, &mut head(request));
        decided.err().map(|refusal| refusal.reason)
    };
    assert_eq!(decide("good", 0), Some(Reason::RevocationUnavailable));
    until.set(UnixTime::from_seconds(NOW.seconds() + 10));
    assert_eq!(decide("good", 0), None);
    assert_eq!(decide("good", 9), None);
    assert_eq!(decide("good", 10), Some(Reason::RevocationUnavailable));
    // What is known to be revoked is so, however old the list.
    assert_eq!(decide("revoked", 9), Some(Reason::Revoked));
    assert_eq!(decide("revoked", 10), Some(Reason::Revoked));
    until.set_for_ever();
    assert_eq!(decide("good", 500), None);
}

#[test]
fn a_route_asks_by_method_and_client_also_of_a_token_that_is_known() {
    let routes = r#"
[server]
trusted_proxies = ["192.0.2.7"]
[[routes]]
name = "mine"
path = "/mine"
upstream = "http://127.0.0.1:9"
audiences = ["mine"]
[[routes]]
name = "orders"
path = "/orders"
upstream = "http://127.0.0.1:9"
scopes = ["orders:read"]
claims = { any = [{ tenant = { equals = "other" } }, { tenant = { equals = "acme" }, sub = { prefix = "al" } }] }
[[routes.overrides]]
methods = ["POST"]
scopes = ["orders:delete"]
[[routes.overrides]]
when = { client = ["10.0.0.0/8"] }
claims = { sub = { matches = "b.*" } }
"#;
    let fixture = Fixture::new(&[Algorithm::EdDsa], routes);
    let mut memory = WorkerMemory::new(1 << 20);
    let token = bearer(&fixture, &json!({}));
    let mut ask = |method: &str, path: &str, client: &str| {
        let request = get(path).method(method);
        let request = request
            .header("authorization", &token)
            .header("x-forwarded-for", client);
        let mut head = head(request);
        fixture
            .decide_with(&mut memory, &mut head)
            .map(|_| ())
            .map_err(|it| it.reason)
    };
    // Twice: the second time the token is known.
    for _ in 0..2 {
        assert_eq!(ask("GET", "/orders", "203.0.113.1"), Ok(()));
        assert_eq!(
            ask("GET", "/mine", "203.0.113.1"),
            Err(Reason::WrongAudience)
        );
        assert_eq!(
            ask("POST", "/orders", "203.0.113.1"),
            Err(Reason::InsufficientScope)
        );
        assert_eq!(
            ask("GET", "/orders", "10.1.1.1"),
            Err(Reason::ClaimMismatch)
        );
        assert_eq!(
            ask("POST", "/orders", "10.1.1.1"),
            Err(Reason::InsufficientScope)
        );
    }
    assert_eq!(memory.take_counts().good_signatures, 1);
}
