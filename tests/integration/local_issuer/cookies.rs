//! Browsers: tokens in cookies, and requests that other sites make them send.

use serde_json::json;

use super::builder;
use crate::harness::local::{
    ACCESS_COOKIE, Local, PASSWORD, REFRESH_COOKIE, admitted, error, form, json_form, outcome,
    revoked,
};
use crate::harness::{Reply, Request, Upstream};

const ORIGIN: &str = "https://gw.test";

fn start(upstream: &Upstream) -> Local {
    let builder = builder(upstream)
        .route("/corp", "issuers = [\"corp\"]")
        .route("/forwards", "issuers = [\"local\"]\nforward_token = true");
    let local = Local::start_with(builder, "cookies = true");
    local.user("alice");
    local
}

fn login(local: &Local) -> Reply {
    let document = json!({ "username": "alice", "password": PASSWORD, "cookies": true });
    let request = json_form("/auth/login", &document).field("Origin", ORIGIN);
    let reply = local.gateway.send(&request);
    assert!(matches!(reply.status, 200 | 204), "{reply:?}");
    reply
}

/// The value of a cookie that an answer sets, and its attributes.
fn cookie(reply: &Reply, name: &str) -> (String, Vec<String>) {
    let begin = format!("{name}=");
    let mut lines = reply.all("set-cookie").into_iter();
    let line = lines.find_map(|line| line.strip_prefix(&begin));
    let mut parts = line
        .unwrap_or_else(|| panic!("{name} in {reply:?}"))
        .split("; ");
    let value = parts.next().unwrap_or_default().to_owned();
    (value, parts.map(str::to_ascii_lowercase).collect())
}

fn with_cookie(request: Request, value: &str) -> Request {
    request.field(
        "Cookie",
        format!("theme=dark; {ACCESS_COOKIE}={value}; lang=en"),
    )
}

#[test]
fn a_browser_has_its_tokens_in_cookies_that_scripts_and_other_sites_do_not_get() {
    let upstream = Upstream::start();
    let local = start(&upstream);
    let reply = login(&local);
    let (access, attributes) = cookie(&reply, ACCESS_COOKIE);
    for wanted in ["path=/", "httponly", "secure", "samesite=lax"] {
        assert!(attributes.contains(&wanted.to_owned()), "{attributes:?}");
    }
    let has_domain = |attributes: &[String]| attributes.iter().any(|it| it.starts_with("domain"));
    assert!(!has_domain(&attributes), "{attributes:?}");
    let (_, attributes) = cookie(&reply, REFRESH_COOKIE);
    for wanted in ["path=/auth", "httponly", "secure", "samesite=strict"] {
        assert!(attributes.contains(&wanted.to_owned()), "{attributes:?}");
    }
    assert!(!has_domain(&attributes), "{attributes:?}");
    let reply = local
        .gateway
        .send(&with_cookie(Request::get("/api"), &access));
    assert_eq!(outcome(&reply), admitted());
    // The upstream gets the other cookies.
    let seen = upstream.last();
    assert_eq!(seen.all("cookie"), ["theme=dark; lang=en"], "{seen:?}");
    assert!(!seen.all("x-auth-subject").is_empty(), "{seen:?}");
}

#[test]
fn our_cookies_go_to_no_upstream_unless_it_is_to_have_the_token() {
    let upstream = Upstream::start();
    let local = start(&upstream);
    let (access, _) = cookie(&login(&local), ACCESS_COOKIE);
    let fields = format!("a=1; {ACCESS_COOKIE}={access}; {REFRESH_COOKIE}=prt_x; b=2");
    local
        .gateway
        .send(&Request::get("/open").field("Cookie", &*fields));
    assert_eq!(upstream.last().all("cookie"), ["a=1; b=2"]);
    let alone = format!("{ACCESS_COOKIE}={access}");
    local
        .gateway
        .send(&Request::get("/open").field("Cookie", alone));
    assert!(upstream.last().all("cookie").is_empty());
    let reply = local
        .gateway
        .send(&with_cookie(Request::get("/forwards"), &access));
    assert_eq!(outcome(&reply), admitted());
}

#[test]
fn a_cookie_that_is_not_one_token_is_refused() {
    let upstream = Upstream::start();
    let local = start(&upstream);
    let (access, _) = cookie(&login(&local), ACCESS_COOKIE);
    let api = || Request::get("/api");
    let long = "x".repeat(10_000);
    for (request, wanted) in [
        (with_cookie(api(), "%%%"), (401, "malformed")),
        (with_cookie(api(), &long), (401, "malformed")),
        (with_cookie(api(), ""), (401, "malformed")),
        (
            with_cookie(with_cookie(api(), &access), &access),
            (400, "malformed_credentials"),
        ),
        (
            api().field(
                "Cookie",
                format!("{ACCESS_COOKIE}={access}; {ACCESS_COOKIE}=x"),
            ),
            (400, "malformed_credentials"),
        ),
        // A name that lacks the prefix can be set by a subdomain, or over plain HTTP.
        (
            api().field("Cookie", format!("portcullis={access}")),
            (401, "missing_token"),
        ),
        // Where the local issuer is not admitted, its cookie says nothing.
        (
            with_cookie(Request::get("/corp"), &access),
            (401, "missing_token"),
        ),
        // The field wins, whatever the cookie has.
        (
            with_cookie(api(), &access).token("a.b.c"),
            (401, "malformed"),
        ),
    ] {
        let reply = local.gateway.send(&request);
        assert!(
            reply.status == wanted.0
                && (reply.reason() == wanted.1 || reply.reason() == "token_too_long"),
            "{wanted:?}: {reply:?}"
        );
    }
}

#[test]
fn another_site_cannot_make_a_browser_change_something() {
    let upstream = Upstream::start();
    let local = start(&upstream);
    let (access, _) = cookie(&login(&local), ACCESS_COOKIE);
    let cross = (403, "cross_origin".to_owned());
    for (method, origin, wanted) in [
        ("GET", None, admitted()),
        ("GET", Some("https://evil.test"), admitted()),
        ("HEAD", None, admitted()),
        ("POST", Some(ORIGIN), admitted()),
        ("POST", None, cross.clone()),
        ("POST", Some("https://evil.test"), cross.clone()),
        ("POST", Some("http://gw.test"), cross.clone()),
        ("POST", Some("https://gw.test:444"), cross.clone()),
        ("POST", Some("https://gw.test.evil.test"), cross.clone()),
        ("POST", Some("null"), cross.clone()),
        ("DELETE", None, cross.clone()),
        ("PUT", Some(ORIGIN), admitted()),
    ] {
        let mut request = with_cookie(Request::new(method, "/api"), &access);
        if let Some(origin) = origin {
            request = request.field("Origin", origin);
        }
        let reply = local.gateway.send(&request);
        if method == "HEAD" {
            assert_eq!(reply.status, 200, "{reply:?}");
        } else {
            assert_eq!(outcome(&reply), wanted, "{method} {origin:?}");
        }
    }
    // A token in a field is nothing that a browser sends by itself.
    let request = Request::new("POST", "/api").token(&access);
    let reply = local
        .gateway
        .send(&request.field("Origin", "https://evil.test"));
    assert_eq!(outcome(&reply), admitted());
}

#[test]
fn cookies_are_refreshed_and_taken_away_by_the_own_site_alone() {
    let upstream = Upstream::start();
    let local = start(&upstream);
    let reply = login(&local);
    let (access, _) = cookie(&reply, ACCESS_COOKIE);
    let (refresh, _) = cookie(&reply, REFRESH_COOKIE);
    let request = form(
        "/auth/token",
        &[("grant_type", "refresh_token"), ("client_id", "portcullis")],
    );
    let request = request.field("Cookie", format!("{REFRESH_COOKIE}={refresh}"));
    for origin in [None, Some("https://evil.test")] {
        let mut request = request.clone();
        if let Some(origin) = origin {
            request = request.field("Origin", origin);
        }
        let reply = local.gateway.send(&request);
        assert!(matches!(reply.status, 400 | 403), "{origin:?}: {reply:?}");
    }
    let reply = local.gateway.send(&request.field("Origin", ORIGIN));
    let (renewed, _) = cookie(&reply, ACCESS_COOKIE);
    assert_ne!(renewed, access);
    assert_ne!(cookie(&reply, REFRESH_COOKIE).0, refresh);
    let logout = with_cookie(Request::post("/auth/logout", ""), &renewed);
    let refused = local.gateway.send(&logout.clone());
    assert_eq!(refused.status, 403, "{refused:?}");
    let reply = local.gateway.send(&logout.field("Origin", ORIGIN));
    assert!(matches!(reply.status, 200 | 204), "{reply:?}");
    for name in [ACCESS_COOKIE, REFRESH_COOKIE] {
        let (value, attributes) = cookie(&reply, name);
        assert!(
            value.is_empty() && attributes.contains(&"max-age=0".to_owned()),
            "{reply:?}"
        );
    }
    let reply = local
        .gateway
        .send(&with_cookie(Request::get("/api"), &renewed));
    assert_eq!(outcome(&reply), revoked());
}

/// Login CSRF: a form of another site would sign the browser in as somebody else.
#[test]
fn another_site_cannot_sign_a_browser_in() {
    let upstream = Upstream::start();
    let local = start(&upstream);
    let values = [
        ("username", "alice"),
        ("password", PASSWORD),
        ("cookies", "true"),
    ];
    let request = form("/auth/login", &values).field("Origin", "https://evil.test");
    let reply = local.gateway.send(&request);
    assert!(matches!(error(&reply).0, 400 | 403), "{reply:?}");
    assert!(reply.all("set-cookie").is_empty(), "{reply:?}");
}
