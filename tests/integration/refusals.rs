//! Every reason: what provokes it, and what the client sees of it.

use std::collections::BTreeSet;
use std::net::TcpListener;

use portcullis::gate::Reason;
use serde_json::{Value, json};

use super::harness::tokens::{NOW, claims_with, keys, mint_with};
use super::harness::{
    Connection, GatewayBuilder, Reply, Request, Step, TestGateway, Upstream, alice, mint,
};

/// Refusals that need a gateway or a moment of their own; each has its test below or where it says.
const ELSEWHERE: &[&str] = &[
    "request_timeout",
    "internal",             // a fault of ours: nothing provokes it
    "upstream_unreachable", // and the next two: upstream_faults.rs
    "upstream_failed",
    "upstream_timeout",
    "keys_unavailable",
    "overloaded",          // before a request exists: a status alone
    "draining",            // likewise
    "too_many_bad_tokens", // forgeries.rs
    "revoked",             // tests/token_cache: nothing revokes yet
    "lifetime_too_long",
    "cross_origin",           // tests/cookie_tokens.rs
    "revocation_unavailable", // tests/decide.rs
];

fn gateway(upstream: &Upstream) -> TestGateway {
    GatewayBuilder::new(upstream)
        .limits("body_bytes = \"1KiB\"\ntoken_bytes = \"4KiB\"")
        .issuer("require = [\"jti\"]")
        .route("/", "auth = \"none\"")
        .route("/api", "")
        .route("/admin", "scopes = [\"admin\", \"audit\"]")
        .route("/acme", "claims = { tenant = { equals = \"acme\" } }")
        .route("/post", "methods = [\"POST\", \"PUT\"]\nauth = \"none\"")
        .start()
}

fn api(token: &str) -> Request {
    Request::get("/api/x").token(token)
}

/// A token whose claims are changed. All have the claim that the issuer requires.
fn changed(changes: Value) -> Request {
    api(&mint(&with_jti(changes)))
}

fn with_jti(changes: Value) -> Value {
    let mut claims = claims_with(changes);
    if claims.get("jti").is_none() {
        claims["jti"] = "1".into();
    }
    claims
}

/// A token with that JOSE header and a signature that does not matter.
fn with_header(header: &Value) -> Request {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let claims = with_jti(json!({}));
    let parts = [header.to_string(), claims.to_string()].map(|part| URL_SAFE_NO_PAD.encode(part));
    api(&format!(
        "{}.{}.{}",
        parts[0],
        parts[1],
        URL_SAFE_NO_PAD.encode([1; 64])
    ))
}

/// A reason, its status, and a request that provokes it.
type Row = (&'static str, u16, Request);

fn good() -> String {
    mint(&with_jti(json!({})))
}

fn table() -> Vec<Row> {
    let mut rows = rows_about_requests();
    rows.extend(rows_about_signatures());
    rows.extend(rows_about_claims());
    rows
}

fn rows_about_requests() -> Vec<Row> {
    let get = Request::get;
    let authorization = |value| get("/api").field("Authorization", value);
    vec![
        ("malformed_target", 400, get("/api/../x")),
        ("malformed_target", 400, get("/api/%2e%2e/x")),
        ("malformed_target", 400, get("/api/a%2fx")),
        ("malformed_target", 400, get("/api//x")),
        ("malformed_target", 400, get("/api/..;v=1/x")),
        ("ambiguous_path", 400, get("/API/x")),
        (
            "malformed_field",
            400,
            api(&good()).field("Connection", "X-Auth-Subject"),
        ),
        ("malformed_credentials", 400, authorization("Basic YTpi")),
        ("malformed_credentials", 400, authorization("Bearer")),
        ("malformed_credentials", 400, api(&good()).token(&good())),
        ("missing_token", 401, get("/api/x")),
        ("token_too_large", 431, api(&"a".repeat(5000))),
        ("insufficient_scope", 403, get("/admin").token(&good())),
        ("claim_mismatch", 403, get("/acme").token(&good())),
        ("method_not_allowed", 405, get("/post/x")),
        ("body_too_large", 413, Request::post("/x", vec![b'x'; 2000])),
        (
            "not_implemented",
            501,
            Request::new("CONNECT", "gw.test:443"),
        ),
    ]
}

fn rows_about_signatures() -> Vec<Row> {
    let mut broken = good();
    let place = broken.len() - 10;
    let other = if &broken[place..=place] == "A" {
        "B"
    } else {
        "A"
    };
    broken.replace_range(place..=place, other);
    let kid = keys().eddsa.kid();
    let header = |alg: &str, kid: &str| with_header(&json!({ "alg": alg, "kid": kid }));
    let critical = json!({ "alg": "EdDSA", "kid": kid, "crit": ["b64"], "b64": false });
    let strangers = mint_with(&keys().stranger, "at+jwt", &with_jti(json!({})));
    let id_token = mint_with(&keys().eddsa, "id+jwt", &with_jti(json!({})));
    vec![
        ("malformed", 401, api("no-token-at-all")),
        ("malformed", 401, api(&format!("{}.x", good()))),
        ("unsupported_algorithm", 401, header("none", kid)),
        ("unsupported_algorithm", 401, header("HS256", kid)),
        ("critical_header", 401, with_header(&critical)),
        ("unknown_key", 401, header("EdDSA", "unheard-of")),
        ("unknown_key", 401, header("ES256", kid)),
        ("unknown_key", 401, api(&strangers)),
        ("bad_signature", 401, header("EdDSA", kid)),
        ("bad_signature", 401, api(&broken)),
        ("wrong_type", 401, api(&id_token)),
    ]
}

fn rows_about_claims() -> Vec<Row> {
    let without_jti = mint(&claims_with(json!({ "jti": null })));
    vec![
        ("malformed", 401, changed(json!({ "exp": "soon" }))),
        (
            "wrong_issuer",
            401,
            changed(json!({ "iss": "https://elsewhere.test" })),
        ),
        ("wrong_issuer", 401, changed(json!({ "iss": null }))),
        ("expired", 401, changed(json!({ "exp": NOW - 31 }))),
        ("expired", 401, changed(json!({ "exp": NOW - 30 }))),
        ("not_yet_valid", 401, changed(json!({ "nbf": NOW + 31 }))),
        ("not_yet_valid", 401, changed(json!({ "iat": NOW + 31 }))),
        ("wrong_type", 401, changed(json!({ "at_hash": "x" }))),
        ("wrong_type", 401, changed(json!({ "events": {} }))),
        ("wrong_audience", 401, changed(json!({ "aud": "another" }))),
        (
            "wrong_audience",
            401,
            changed(json!({ "aud": ["another", "third"] })),
        ),
        ("missing_claim", 401, api(&without_jti)),
        ("missing_claim", 401, changed(json!({ "exp": null }))),
        (
            "sender_constrained",
            401,
            changed(json!({ "cnf": { "jkt": "x" } })),
        ),
    ]
}

fn refused(reply: &Reply, status: u16, reason: &str, what: &str) {
    assert_eq!(
        (reply.status, reply.reason().as_str()),
        (status, reason),
        "{what}: {reply:?}"
    );
}

#[test]
fn every_row_is_refused_and_nothing_reaches_the_upstream() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let good = api(&mint(&with_jti(json!({}))));
    assert_eq!(
        gateway.send(&good).status,
        200,
        "the rows differ from this in one thing"
    );
    upstream.forget();
    for (reason, status, request) in table() {
        let what = format!("{} {} {:?}", request.method, request.target, request.fields);
        let reply = gateway.send(&request);
        refused(&reply, status, reason, &what);
        let line = gateway.log_of(&reply);
        assert_eq!(
            (&line["reason"], &line["status"]),
            (&json!(reason), &json!(status)),
            "{what}"
        );
        // A body that is too large is found out while it is on its way, unless it says its length.
        assert!(upstream.requests().is_empty(), "{what}");
    }
}

#[test]
fn every_reason_has_a_row() {
    let mut covered: BTreeSet<&str> = table().into_iter().map(|row| row.0).collect();
    covered.extend(ELSEWHERE);
    covered.extend(["no_route", "head_too_large", "malformed_host"]);
    let missing: Vec<&&str> = Reason::NAMES
        .iter()
        .filter(|name| !covered.contains(**name))
        .collect();
    assert!(missing.is_empty(), "no test provokes {missing:?}");
}

#[test]
fn claims_of_a_token_that_is_not_verified_are_not_logged() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let claims = with_jti(json!({ "sub": "mallory-the-unverified" }));
    let token = mint_with(&keys().stranger, "at+jwt", &claims);
    let reply = gateway.send(&api(&token));
    refused(&reply, 401, "unknown_key", "a stranger's token");
    gateway.log_of(&reply);
    assert!(!gateway.log_text().contains("mallory-the-unverified"));
    assert!(!gateway.log_text().contains(&token));
}

#[test]
fn a_path_or_host_without_a_route_is_404() {
    let upstream = Upstream::start();
    let gateway = GatewayBuilder::new(&upstream)
        .route("/api", "hosts = [\"api.test\"]\nauth = \"none\"")
        .start();
    let at = |host: &str, path: &str| gateway.send(&Request::get(path).field("Host", host));
    refused(
        &at("api.test", "/apix"),
        404,
        "no_route",
        "no segment border",
    );
    refused(&at("api.test", "/"), 404, "no_route", "above the route");
    refused(&at("other.test", "/api"), 404, "no_route", "another host");
    assert_eq!(at("API.test:99", "/api").status, 200);
}

#[test]
fn the_methods_of_a_route_are_listed() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let reply = gateway.send(&Request::get("/post/x"));
    let allow = reply.field("allow").expect("Allow");
    let methods: BTreeSet<&str> = allow.split(',').map(str::trim).collect();
    assert_eq!(methods, BTreeSet::from(["POST", "PUT"]));
}

#[test]
fn the_scopes_of_a_route_are_in_the_challenge() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let token = mint(&with_jti(json!({ "scope": "admin" })));
    let reply = gateway.send(&Request::get("/admin").token(&token));
    refused(&reply, 403, "insufficient_scope", "one of two scopes");
    let challenge = reply.field("www-authenticate").expect("a challenge");
    assert!(challenge.contains("scope=\"admin audit\""), "{challenge}");
    let token = mint(&with_jti(json!({ "scope": "audit admin" })));
    assert_eq!(
        gateway.send(&Request::get("/admin").token(&token)).status,
        200
    );
}

#[test]
fn the_realm_is_the_configured_one() {
    let upstream = Upstream::start();
    let gateway = GatewayBuilder::new(&upstream)
        .server("realm = \"orders\"")
        .route("/api", "")
        .start();
    let reply = gateway.send(&Request::get("/api"));
    assert_eq!(
        reply.field("www-authenticate"),
        Some("Bearer realm=\"orders\"")
    );
}

#[test]
fn tokens_end_with_time() {
    let upstream = Upstream::start();
    let gateway = GatewayBuilder::new(&upstream).route("/api", "").start();
    let token = alice();
    assert_eq!(gateway.send(&api(&token)).status, 200);
    gateway.advance(629);
    assert_eq!(gateway.send(&api(&token)).status, 200, "within the leeway");
    gateway.advance(1);
    refused(&gateway.send(&api(&token)), 401, "expired", "exp + leeway");
}

#[test]
fn a_lifetime_has_a_limit_where_one_is_set() {
    let upstream = Upstream::start();
    let gateway = GatewayBuilder::new(&upstream)
        .issuer("max_lifetime = \"10m\"")
        .route("/api", "")
        .start();
    let lasting = |seconds: i64| {
        api(&mint(&claims_with(
            json!({ "iat": NOW, "exp": NOW + seconds }),
        )))
    };
    assert_eq!(gateway.send(&lasting(600)).status, 200);
    refused(
        &gateway.send(&lasting(601)),
        401,
        "lifetime_too_long",
        "a second more",
    );
}

#[test]
fn without_a_usable_key_it_is_503_and_never_401() {
    let upstream = Upstream::start();
    // A key that cannot verify what the issuer lists.
    let p521 = portcullis::jwt::SigningKey::generate(portcullis::jwt::Algorithm::Es512);
    let jwk = p521.expect("a key").public_jwk();
    let builder = GatewayBuilder::new(&upstream)
        .keys(&json!({ "keys": [jwk] }).to_string())
        .route("/api", "");
    // A gateway whose keys are unusable from the beginning may as well refuse to start.
    let Ok(gateway) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| builder.start()))
    else {
        return;
    };
    let reply = gateway.send(&api(&alice()));
    refused(&reply, 503, "keys_unavailable", "no usable key");
    assert!(reply.field("retry-after").is_some());
    assert!(reply.field("www-authenticate").is_none());
}

#[test]
fn optional_routes_admit_no_token_but_no_bad_one() {
    let upstream = Upstream::start();
    let gateway = GatewayBuilder::new(&upstream)
        .route("/maybe", "auth = \"optional\"")
        .start();
    assert_eq!(gateway.send(&Request::get("/maybe")).status, 200);
    assert_eq!(
        gateway.send(&Request::get("/maybe").token(&alice())).status,
        200
    );
    upstream.forget();
    let at = |value: &str| gateway.send(&Request::get("/maybe").field("Authorization", value));
    refused(&at("Bearer a.b.c"), 401, "malformed", "a bad token");
    refused(
        &at("Basic YTpi"),
        400,
        "malformed_credentials",
        "another scheme",
    );
    refused(&at(""), 400, "malformed_credentials", "an empty field");
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_body_without_a_length_is_limited_too() {
    let upstream = Upstream::scripted(|_| vec![Step::Body, Step::Echo]);
    let gateway = gateway(&upstream);
    let mut connection = gateway.connect();
    connection.send(b"POST /x HTTP/1.1\r\nHost: gw.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..10 {
        connection.send(b"100\r\n");
        connection.send(&[b'x'; 256]);
        connection.send(b"\r\n");
    }
    let reply = connection.reply("POST").expect("an answer");
    refused(&reply, 413, "body_too_large", "2560 bytes in chunks");
    assert!(upstream.requests().iter().all(|request| !request.complete));
}

#[test]
fn too_many_fields_are_431() {
    let upstream = Upstream::start();
    let gateway = GatewayBuilder::new(&upstream)
        .limits("header_count = 20")
        .route("/", "auth = \"none\"")
        .start();
    let with = |count: usize| {
        (0..count).fold(Request::get("/"), |request, number| {
            request.field(&format!("X-Field-{number}"), "x")
        })
    };
    assert_eq!(gateway.send(&with(10)).status, 200);
    assert_eq!(gateway.send(&with(30)).status, 431);
}

#[test]
fn a_head_that_is_too_long_or_broken_gets_a_bare_status() {
    let upstream = Upstream::start();
    let gateway = GatewayBuilder::new(&upstream)
        .limits("header_bytes = \"8KiB\"\ntoken_bytes = \"4KiB\"")
        .route("/", "auth = \"none\"")
        .start();
    let long = Request::get("/")
        .field("X-Long", "x".repeat(20_000))
        .bytes();
    for (bytes, statuses) in [
        (long, &[431][..]),
        (b"GET / HTTP/1.1\r\nHost : gw.test\r\n\r\n".to_vec(), &[400]),
        (b"\x16\x03\x01\x00\x05hello\r\n\r\n".to_vec(), &[400]),
    ] {
        let mut connection = Connection::open(gateway.address());
        connection.send(&bytes);
        let reply = connection.reply("GET").expect("an answer");
        assert!(statuses.contains(&reply.status), "{reply:?}");
        assert!(connection.is_closed());
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_body_that_stops_coming_is_408() {
    let upstream = Upstream::start();
    let gateway = GatewayBuilder::new(&upstream)
        .limits("body_idle_timeout = \"500ms\"")
        .route("/", "auth = \"none\"")
        .start();
    let mut connection = gateway.connect();
    connection.send(b"POST /echo HTTP/1.1\r\nHost: gw.test\r\nContent-Length: 100\r\n\r\npart");
    let reply = connection.reply("POST").expect("an answer");
    refused(&reply, 408, "request_timeout", "the rest never comes");
}

#[test]
fn an_upstream_that_hangs_in_its_backlog_is_504() {
    // Nobody accepts: the kernel completes the connection, and no answer ever comes.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let gateway = GatewayBuilder::bare()
        .upstream("mute", &url, "response_timeout = \"300ms\"")
        .route_to("mute", "/", "auth = \"none\"")
        .start();
    let reply = gateway.send(&Request::get("/"));
    refused(&reply, 504, "upstream_timeout", "a mute upstream");
}

#[test]
fn refusals_are_counted_by_route_and_reason() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    for _ in 0..3 {
        gateway.send(&Request::get("/api/x"));
    }
    let admin = gateway.admin_address().expect("an admin listener");
    let request = Request::get("/metrics").field("Host", admin.to_string());
    let text = Connection::open(admin).request(&request).text();
    let line = text.lines().find(|line| {
        line.starts_with("portcullis_rejections_total")
            && line.contains("reason=\"missing_token\"")
            && line.contains("route=\"route-2\"")
    });
    assert!(line.is_some_and(|line| line.ends_with(" 3")), "{line:?}");
}

#[test]
fn a_request_needs_one_host_that_is_one() {
    let upstream = Upstream::start();
    let gateway = GatewayBuilder::new(&upstream)
        .route("/", "auth = \"none\"")
        .start();
    for hosts in [
        "",
        "Host: a b\r\n",
        "Host: a\r\nHost: b\r\n",
        "Host: a/b\r\n",
        "Host: a@b\r\n",
    ] {
        let mut connection = gateway.connect();
        connection.send(format!("GET / HTTP/1.1\r\n{hosts}\r\n").as_bytes());
        let reply = connection.reply("GET").expect("an answer");
        // What cannot even be framed safely gets a status alone.
        let reason = reply.reason();
        assert!(
            reply.status == 400 && matches!(reason.as_str(), "malformed_host" | ""),
            "{hosts:?}: {reply:?}"
        );
    }
    assert!(upstream.requests().is_empty());
}
