//! No client sets a claim header: in no spelling, on no kind of route, over no protocol.

use super::harness::{GatewayBuilder, Request, TestGateway, Upstream, alice, claims, h2, mint};

/// Names that an upstream may take for `X-Auth-Subject` or `X-Auth-Roles`.
const SPELLINGS: &[&str] = &[
    "x-auth-subject",
    "X-Auth-Subject",
    "X-AUTH-SUBJECT",
    "x_auth_subject",
    "X_Auth_Subject",
    "x-auth_subject",
    "x.auth.subject",
    "x.auth-subject",
    "x-auth-roles",
    "X_AUTH_ROLES",
    "x-auth-scope",
    "x-auth-issuer",
    // Under `X-Auth-*`, although no claim header has that name.
    "x-auth-anything",
    "x_auth_groups",
];

const CLAIM_HEADERS: &[&str] = &[
    "x-auth-subject",
    "x-auth-roles",
    "x-auth-scope",
    "x-auth-issuer",
];

/// What a spoofed field says.
const ROOT: &str = "root";

fn gateway(upstream: &Upstream, tls: bool) -> TestGateway {
    let builder = GatewayBuilder::new(upstream)
        .server("strip = [\"X-Auth-*\"]")
        .route("/required", "")
        .route("/optional", "auth = \"optional\"")
        .route("/none", "auth = \"none\"");
    if tls {
        builder.tls().start()
    } else {
        builder.start()
    }
}

/// Sends what a client may try, and looks at what came of it. Refusing is as good as stripping.
fn try_all(upstream: &Upstream, send: &dyn Fn(&Request) -> u16) {
    // A token without roles: what the client says of them must not survive.
    let mut without_roles = claims();
    without_roles
        .as_object_mut()
        .expect("an object")
        .remove("realm_access");
    let without_roles = mint(&without_roles);
    let tokens = [None, Some(alice()), Some(without_roles)];
    for path in ["/required", "/optional", "/none"] {
        for token in &tokens {
            for spelling in SPELLINGS {
                let mut request = Request::get(path)
                    .field(spelling, ROOT)
                    .field("X-Before", "kept")
                    .field(spelling, "");
                if let Some(token) = token {
                    request = request.token(token);
                }
                upstream.forget();
                let status = send(&request);
                let refused = token.is_none() && path == "/required";
                assert_eq!(status, if refused { 401 } else { 200 }, "{path} {spelling}");
                look(upstream, path, token.is_some(), spelling);
            }
        }
    }
}

fn look(upstream: &Upstream, path: &str, has_token: bool, spelling: &str) {
    for seen in upstream.requests() {
        for (name, value) in seen.fields() {
            assert_ne!(value, ROOT.as_bytes(), "{path} {spelling}: {name}");
        }
        let subject: &[&[u8]] = if has_token && path != "/none" {
            &[b"alice"]
        } else {
            &[]
        };
        assert_eq!(seen.like("x-auth-subject"), subject, "{path} {spelling}");
        if subject.is_empty() {
            for name in CLAIM_HEADERS {
                assert!(seen.like(name).is_empty(), "{path} {spelling}: {name}");
            }
        }
        assert!(seen.like("x-auth-anything").is_empty() && seen.like("x-auth-groups").is_empty());
        assert_eq!(seen.all("x-before"), ["kept"]);
    }
}

#[test]
fn over_http1() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, false);
    try_all(&upstream, &|request| gateway.send(request).status);
}

#[test]
fn over_http2() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, true);
    try_all(&upstream, &|request| h2::send(&gateway, request).status);
}

#[test]
fn connection_options_do_not_take_claim_headers_away() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, false);
    for option in [
        "X-Auth-Subject",
        "close, x-auth-subject",
        "X-Forwarded-For",
        "Host",
        "Authorization",
    ] {
        upstream.forget();
        let request = Request::get("/required")
            .token(&alice())
            .field("Connection", option);
        let reply = gateway.send(&request);
        assert_eq!(
            (reply.status, reply.reason().as_str()),
            (400, "malformed_field"),
            "{option}"
        );
        assert!(upstream.requests().is_empty());
    }
}

#[test]
fn claims_cannot_break_out_of_their_field() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, false);
    for (subject, seen) in [
        ("a\r\nX-Auth-Roles: admin", "a%0D%0AX-Auth-Roles: admin"),
        ("a\0b", "a%00b"),
        ("100%", "100%25"),
        ("grüße", "gr%C3%BC%C3%9Fe"),
        ("a\u{7f}", "a%7F"),
    ] {
        upstream.forget();
        let mut claims = claims();
        claims["sub"] = subject.into();
        claims["realm_access"]["roles"] = serde_json::json!(["viewer,admin", "x"]);
        let reply = gateway.send(&Request::get("/required").token(&mint(&claims)));
        assert_eq!(reply.status, 200, "{subject:?}");
        let received = upstream.only();
        assert_eq!(received.like("x-auth-subject"), [seen.as_bytes()]);
        assert_eq!(
            received.like("x-auth-roles"),
            [b"viewer%2Cadmin,x"],
            "one role stays one role"
        );
    }
}
