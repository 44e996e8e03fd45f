//! Tokens that browsers send as a cookie: where they count, what they may not do, and that nobody behind the gateway sees them.

#[expect(dead_code, reason = "each binary uses a part of it")]
mod support;

use http::request::Builder;
use http::{HeaderMap, Request};
use portcullis::gate::{Reason, WorkerMemory};
use portcullis::jwt::Algorithm;
use portcullis::metrics::WorkerId;
use serde_json::{Value, json};
use support::{Fixture, NOW, claims, claims_with, get, head};

const ORIGIN: &str = "https://gw.test:8443";
const UPSTREAM: &str = "upstream = \"http://127.0.0.1:9\"";

fn fixture_of(issuer: &str, cookies: bool) -> Fixture {
    let route = |name: &str, more: &str| {
        format!("[[routes]]\nname = \"{name}\"\npath = \"/{name}\"\n{UPSTREAM}\n{more}\n")
    };
    let routes = [
        route("ours", "issuers = [\"local\"]"),
        route("both", "issuers = [\"test\", \"local\"]"),
        route("theirs", "issuers = [\"test\"]"),
        route("maybe", "auth = \"optional\"\nissuers = [\"local\"]"),
        route("open", "auth = \"none\""),
        route("kept", "forward_token = true\nissuers = [\"local\"]"),
        route(
            "preflight",
            "forward_token = true\npreflight = \"forward\"\nissuers = [\"local\"]\nmethods = [\"PUT\"]",
        ),
    ];
    let local =
        format!("[local_issuer]\nissuer = \"{issuer}\"\naudience = \"api\"\ncookies = {cookies}\n");
    let mut fixture = Fixture::new(&[Algorithm::EdDsa], &format!("{local}{}", routes.concat()));
    fixture.give_keys(1, |_| true);
    fixture
}

fn fixture() -> Fixture {
    fixture_of("https://gw.test:8443/auth", true)
}

fn local_claims(changes: &Value) -> Value {
    let mut claims = claims_with(changes);
    claims["iss"] = "https://gw.test:8443/auth".into();
    claims["client_id"] = "portcullis".into();
    claims
}

fn local(fixture: &Fixture) -> String {
    fixture.sign(Algorithm::EdDsa, &local_claims(&json!({})))
}

fn cookie(request: Builder, token: &str) -> Builder {
    request.header("cookie", format!("__Host-portcullis={token}"))
}

fn request(method: &str, path: &str) -> Builder {
    get(path).method(method)
}

/// `None` when it passes.
fn outcome(fixture: &Fixture, request: Builder) -> Option<Reason> {
    fixture.fields(request).err().map(|refusal| refusal.reason)
}

#[test]
fn a_cookie_is_the_token_where_the_route_admits_its_issuer() {
    let fixture = fixture();
    let token = local(&fixture);
    let crumbs = |path| get(path).header("cookie", format!("a=1; __Host-portcullis={token}; b=2"));
    let lines = |path| cookie(get(path).header("cookie", "a=1"), &token).header("cookie", "b=2");
    for path in ["/ours", "/both", "/maybe"] {
        assert_eq!(outcome(&fixture, cookie(get(path), &token)), None, "{path}");
        assert_eq!(outcome(&fixture, crumbs(path)), None, "{path}");
        assert_eq!(outcome(&fixture, lines(path)), None, "{path}");
    }
    let expired = fixture.sign(Algorithm::EdDsa, &local_claims(&json!({ "exp": 1 })));
    let long = "x".repeat(70_000);
    for path in ["/ours", "/maybe"] {
        for (token, reason) in [
            (&*expired, Reason::Expired),
            ("", Reason::Malformed),
            ("\"a.b.c\"", Reason::Malformed),
            (&long, Reason::TokenTooLarge),
        ] {
            let refused = outcome(&fixture, cookie(get(path), token));
            assert_eq!(refused, Some(reason), "{path}");
        }
    }
    assert_eq!(outcome(&fixture, get("/ours")), Some(Reason::MissingToken));
    assert_eq!(
        outcome(&fixture, get("/maybe")),
        None,
        "nobody in particular"
    );
    let refresh = get("/ours").header("cookie", format!("__Secure-portcullis-refresh={token}"));
    assert_eq!(outcome(&fixture, refresh), Some(Reason::MissingToken));
}

#[test]
fn a_route_without_the_local_issuer_does_not_look_at_the_cookie() {
    let fixture = fixture();
    let token = local(&fixture);
    for value in [
        &*token,
        "",
        "rubbish",
        &format!("{token}; __Host-portcullis=x"),
    ] {
        let refused = outcome(&fixture, cookie(get("/theirs"), value));
        assert_eq!(refused, Some(Reason::MissingToken));
        assert_eq!(
            outcome(&fixture, cookie(request("POST", "/open"), value)),
            None
        );
    }
    let off = fixture_of("https://gw.test:8443/auth", false);
    let refused = outcome(&off, cookie(get("/ours"), &local(&off)));
    assert_eq!(refused, Some(Reason::MissingToken));
}

#[test]
fn a_cookie_that_stands_twice_is_refused() {
    let fixture = fixture();
    let token = local(&fixture);
    for path in ["/ours", "/maybe"] {
        for request in [
            cookie(get(path), &format!("{token}; __Host-portcullis={token}")),
            cookie(cookie(get(path), &token), ""),
            cookie(cookie(get(path), "x"), &token),
        ] {
            let refused = outcome(&fixture, request);
            assert_eq!(refused, Some(Reason::MalformedCredentials), "{path}");
        }
    }
}

#[test]
fn beside_authorization_the_cookie_is_not_read() {
    let fixture = fixture();
    let token = local(&fixture);
    let theirs = fixture.sign(Algorithm::EdDsa, &claims());
    let with = |method: &str, authorization: &str, value: &str| {
        let request = request(method, "/both").header("authorization", authorization);
        cookie(request, value)
    };
    let twice = format!("{token}; __Host-portcullis=x");
    for method in ["GET", "POST"] {
        for value in [&*token, "x", &twice] {
            // No Origin is needed: no browser adds this field by itself.
            let passed = with(method, &format!("Bearer {theirs}"), value);
            assert_eq!(outcome(&fixture, passed), None);
            for bad in ["Basic YTpi", "", "Bearer", "Bearer a b"] {
                let refused = outcome(&fixture, with(method, bad, value));
                assert_eq!(refused, Some(Reason::MalformedCredentials), "{bad:?}");
            }
            let refused = outcome(&fixture, with(method, "Bearer x", value));
            assert_eq!(refused, Some(Reason::Malformed));
        }
    }
}

#[test]
fn only_tokens_of_its_own_issuer_come_as_a_cookie() {
    let fixture = fixture();
    let theirs = fixture.sign(Algorithm::EdDsa, &claims());
    let refused = Some(Reason::WrongIssuer);
    assert_eq!(outcome(&fixture, cookie(get("/both"), &theirs)), refused);
    // Nor when it is known from where it may stand.
    let mut memory = WorkerMemory::of_worker(WorkerId(0), 1 << 20);
    let mut decide = |request| fixture.decide_with(&mut memory, &mut head(request));
    let bearer = get("/both").header("authorization", format!("Bearer {theirs}"));
    assert!(decide(bearer).is_ok());
    let by_cookie = decide(cookie(get("/both"), &theirs)).err();
    assert_eq!(by_cookie.map(|refusal| refusal.reason), refused);
    assert!(decide(cookie(get("/both"), &local(&fixture))).is_ok());
    assert_eq!(memory.take_counts().hits, 1);
}

#[test]
fn what_can_change_something_must_come_from_the_issuers_origin() {
    let fixture = fixture();
    let token = local(&fixture);
    let refused = Some(Reason::CrossOrigin);
    for path in ["/ours", "/maybe"] {
        for method in ["GET", "HEAD", "OPTIONS"] {
            let safe = || cookie(request(method, path), &token);
            assert_eq!(outcome(&fixture, safe()), None, "{method}");
            let from_elsewhere = safe().header("origin", "https://evil.test");
            assert_eq!(outcome(&fixture, from_elsewhere), None, "{method}");
        }
        for method in ["POST", "PUT", "PATCH", "DELETE", "QUERY", "get", "Head"] {
            let changing = || cookie(request(method, path), &token);
            let from = |origin: &str| outcome(&fixture, changing().header("origin", origin));
            assert_eq!(outcome(&fixture, changing()), refused, "{method}");
            assert_eq!(from(ORIGIN), None, "{method}");
            let twice = changing().header("origin", ORIGIN).header("origin", ORIGIN);
            assert_eq!(outcome(&fixture, twice), refused, "{method}");
            // A page that came from there is no page of there.
            let referred = changing().header("referer", format!("{ORIGIN}/page"));
            assert_eq!(outcome(&fixture, referred), refused, "{method}");
        }
        for origin in [
            "null",
            "",
            "https://gw.test",
            "https://gw.test:8444",
            "http://gw.test:8443",
            "https://GW.test:8443",
            "https://gw.test:8443/",
            "https://gw.test:8443.evil.test",
            "https://evil.test/https://gw.test:8443",
            "https://gw.test:8443, https://evil.test",
            "https://gw.test:8443 https://gw.test:8443",
            "//gw.test:8443",
            "*",
        ] {
            let request = cookie(request("POST", path), &token).header("origin", origin);
            assert_eq!(outcome(&fixture, request), refused, "{origin:?}");
        }
    }
    // Before anything is found out about the token.
    let forged = cookie(request("POST", "/ours"), "x");
    assert_eq!(outcome(&fixture, forged), refused);
}

#[test]
fn so_must_an_upgrade() {
    let fixture = fixture();
    let token = local(&fixture);
    let upgrade = || {
        let request = get("/ours")
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        cookie(request, &token)
    };
    let refused = Some(Reason::CrossOrigin);
    assert_eq!(outcome(&fixture, upgrade()), refused);
    let evil = upgrade().header("origin", "https://evil.test");
    assert_eq!(outcome(&fixture, evil), refused);
    assert_eq!(outcome(&fixture, upgrade().header("origin", ORIGIN)), None);
}

#[test]
fn the_port_of_the_scheme_is_not_written() {
    for (issuer, origin) in [
        ("https://gw.test/auth", "https://gw.test"),
        ("https://gw.test:443", "https://gw.test"),
        ("https://[::1]:8443/auth", "https://[::1]:8443"),
    ] {
        let fixture = fixture_of(issuer, true);
        let mut claims = local_claims(&json!({}));
        claims["iss"] = issuer.into();
        let token = fixture.sign(Algorithm::EdDsa, &claims);
        let request = cookie(request("POST", "/ours"), &token).header("origin", origin);
        assert_eq!(outcome(&fixture, request), None, "{issuer}");
    }
}

#[test]
fn without_tls_cookies_have_names_without_prefixes() {
    let issuer = "http://127.0.0.1:8080/auth";
    let fixture = fixture_of(issuer, true);
    let mut claims = local_claims(&json!({}));
    claims["iss"] = issuer.into();
    let token = fixture.sign(Algorithm::EdDsa, &claims);
    let plain = get("/ours").header("cookie", format!("portcullis={token}"));
    assert_eq!(outcome(&fixture, plain), None);
    let prefixed = outcome(&fixture, cookie(get("/ours"), &token));
    assert_eq!(prefixed, Some(Reason::MissingToken));
}

/// The cookies that the upstream gets, line by line.
fn cookies(headers: &HeaderMap) -> Vec<&str> {
    let lines = headers.get_all("cookie").iter();
    lines.map(|line| line.to_str().expect("ASCII")).collect()
}

#[test]
fn no_upstream_sees_our_cookies() {
    let fixture = fixture();
    let token = local(&fixture);
    let theirs = fixture.sign(Algorithm::EdDsa, &claims());
    let line = format!(
        "a=1; __Host-portcullis={token}; __Secure-portcullis-refresh=prt_x; portcullis=c; b=2"
    );
    let sent = |path: &str, authorization: Option<&str>| {
        let request = get(path).header("cookie", &line);
        let request = match authorization {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        };
        fixture.fields(request).expect("it passes")
    };
    let ours_gone = ["a=1; portcullis=c; b=2"];
    for (path, authorization) in [
        ("/ours", None),
        ("/both", None),
        ("/maybe", None),
        ("/open", None),
        ("/both", Some(&*theirs)),
        ("/theirs", Some(&*theirs)),
    ] {
        let headers = sent(path, authorization);
        assert_eq!(cookies(&headers), ours_gone, "{path}");
        assert!(!headers.contains_key("authorization"));
    }
    // Where the route hands the token on, it goes as it came; the other one is the issuer's alone.
    let kept = format!("a=1; __Host-portcullis={token}; portcullis=c; b=2");
    assert_eq!(cookies(&sent("/kept", None)), [&kept]);
    // A preflight carries no credentials at all.
    let preflight = Request::options("/preflight")
        .header("host", "api.test")
        .header("origin", ORIGIN)
        .header("access-control-request-method", "PUT")
        .header("cookie", &line);
    assert_eq!(
        cookies(&fixture.fields(preflight).expect("it passes")),
        ours_gone
    );

    let alone = fixture
        .fields(cookie(get("/ours"), &token))
        .expect("it passes");
    assert!(!alone.contains_key("cookie"));
    let others = ["x=1;  y", "__host-portcullis=1; __Host-portcullis2=1"];
    let untouched = get("/open")
        .header("cookie", others[0])
        .header("cookie", others[1]);
    assert_eq!(
        cookies(&fixture.fields(untouched).expect("it passes")),
        others
    );
    // Where the issuer sets none, they are somebody else's.
    let off = fixture_of("https://gw.test:8443/auth", false);
    let headers = off
        .fields(get("/open").header("cookie", &line))
        .expect("it passes");
    assert_eq!(cookies(&headers), [&line]);
}

#[test]
fn a_token_in_a_cookie_is_a_token_in_all_else() {
    let mut fixture = fixture();
    let token = local(&fixture);
    let mut memory = WorkerMemory::of_worker(WorkerId(0), 1 << 20);
    for _ in 0..2 {
        let mut head = head(cookie(get("/ours"), &token));
        let admission = fixture.decide_with(&mut memory, &mut head).ok();
        let ends = admission.and_then(|admission| admission.expires());
        // With the leeway: a WebSocket ends then.
        assert!(ends.is_some_and(|ends| ends.seconds() >= NOW.seconds() + 600));
    }
    assert_eq!(memory.take_counts().hits, 1);
    fixture.revocations = portcullis::revocation::RevocationSet::missing();
    let refused = outcome(&fixture, cookie(get("/ours"), &token));
    assert_eq!(refused, Some(Reason::RevocationUnavailable));
}
