//! Tokens that stand elsewhere than in `Authorization`: one alone is taken, and nobody behind the gateway sees it.

#[expect(dead_code, reason = "each binary uses a part of it")]
mod support;

use http::request::Builder;
use http::{HeaderMap, Version};
use portcullis::gate::{Head, Reason};
use portcullis::jwt::Algorithm;
use proptest::prelude::*;
use serde_json::json;
use support::{Fixture, claims_with, get, head};

const ALL: &str = "[\"authorization\", { header = \"X-Api-Token\" }, { cookie = \"sid\" }, \
                   { query = \"access_token\" }, { subprotocol = \"bearer\" }]";

fn fixture() -> Fixture {
    let route = |name: &str, more: &str| {
        format!(
            "[[routes]]\nname = \"{name}\"\npath = \"/{name}\"\nupstream = \"http://127.0.0.1:9\"\n{more}\n"
        )
    };
    let from = |list: &str| format!("issuers = [\"test\"]\ntoken_from = {list}");
    let routes = [
        route("all", &from(ALL)),
        route("maybe", &format!("auth = \"optional\"\n{}", from(ALL))),
        route("kept", &format!("forward_token = true\n{}", from(ALL))),
        route("short", &format!("strip_prefix = true\n{}", from(ALL))),
        route("header", &from("[{ header = \"X-Api-Token\" }]")),
        route("cookie", &from("[{ cookie = \"sid\" }]")),
        route("query", &from("[{ query = \"access_token\" }]")),
        route("socket", &from("[{ subprotocol = \"bearer\" }]")),
        route("plain", "issuers = [\"test\"]"),
        route(
            "asked",
            &format!(
                "methods = [\"PUT\"]\npreflight = \"forward\"\nforward_token = true\n{}",
                from(ALL)
            ),
        ),
    ];
    Fixture::new(
        &[Algorithm::EdDsa],
        &format!(
            "[claim_headers]\n\"X-Auth-Subject\" = \"sub\"\n{}",
            routes.concat()
        ),
    )
}

fn token_of(fixture: &Fixture, subject: &str) -> String {
    fixture.sign(Algorithm::EdDsa, &claims_with(&json!({ "sub": subject })))
}

/// What the upstream would get: target and fields.
struct Forwarded {
    target: String,
    fields: HeaderMap,
    subprotocol: Option<String>,
}

impl Forwarded {
    fn subject(&self) -> Option<&str> {
        let value = self.fields.get("x-auth-subject")?;
        value.to_str().ok()
    }

    fn all(&self, name: &str) -> Vec<&str> {
        let values = self.fields.get_all(name).iter();
        values.map(|value| value.to_str().expect("ASCII")).collect()
    }

    /// Whether any part of it holds `text`.
    fn holds(&self, text: &str) -> bool {
        let field =
            |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).contains(text);
        self.target.contains(text) || self.fields.values().any(field)
    }
}

fn decide(fixture: &Fixture, mut head: Head) -> Result<Forwarded, Reason> {
    let admission = fixture
        .decide(&mut head)
        .map_err(|refusal| refusal.reason)?;
    let target = admission
        .path_and_query()
        .or(head.parts.uri.path_and_query());
    Ok(Forwarded {
        target: target.expect("a path").to_string(),
        subprotocol: admission.subprotocol().map(str::to_owned),
        fields: head.parts.headers,
    })
}

fn passes(fixture: &Fixture, request: Builder) -> Forwarded {
    decide(fixture, head(request)).unwrap_or_else(|reason| panic!("{reason}"))
}

fn refused(fixture: &Fixture, request: Builder) -> Reason {
    decide(fixture, head(request)).err().expect("a refusal")
}

fn handshake(target: &str) -> Builder {
    get(target)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-version", "13")
}

/// A request of that route with a token in one place: all places of `/all`.
fn at(place: usize, route: &str, token: &str) -> Builder {
    let path = format!("/{route}");
    match place {
        0 => get(&path).header("authorization", format!("Bearer {token}")),
        1 => get(&path).header("x-api-token", token),
        2 => get(&path).header("cookie", format!("sid={token}")),
        3 => get(&format!("{path}?access_token={token}")),
        _ => handshake(&path).header("sec-websocket-protocol", format!("bearer, {token}")),
    }
}

#[test]
fn a_token_is_taken_from_each_place_and_goes_no_further() {
    let fixture = fixture();
    let token = token_of(&fixture, "alice");
    let signature = token.rsplit('.').next().unwrap();
    let long = "x".repeat(fixture.snapshot.limits.token_bytes + 1);
    for (place, own) in ["plain", "header", "cookie", "query", "socket"]
        .iter()
        .enumerate()
    {
        for route in ["all", "maybe", "short", own] {
            let forwarded = passes(&fixture, at(place, route, &token));
            assert_eq!(forwarded.subject(), Some("alice"), "{route} {place}");
            assert!(!forwarded.holds(signature), "{route} {place}");
        }
        let expired = fixture.sign(Algorithm::EdDsa, &claims_with(&json!({ "exp": 1 })));
        for (token, reason) in [
            (&*expired, Reason::Expired),
            ("a.b.c", Reason::Malformed),
            ("\"x\"", Reason::Malformed),
            ("eyJ%68", Reason::Malformed),
            ("eyJ+", Reason::Malformed),
            (&long, Reason::TokenTooLarge),
        ] {
            if place == 3 && token.contains('"') {
                continue;
            }
            assert_eq!(
                refused(&fixture, at(place, "maybe", token)),
                reason,
                "{place} {token:.20}"
            );
        }
    }
    assert_eq!(refused(&fixture, get("/all")), Reason::MissingToken);
    assert_eq!(passes(&fixture, get("/maybe")).subject(), None);
}

#[test]
fn two_tokens_are_refused_wherever_they_stand() {
    let fixture = fixture();
    let token = token_of(&fixture, "alice");
    let add = |request: Builder, place: usize| match place {
        0 => request.header("authorization", format!("Bearer {token}")),
        1 => request.header("x-api-token", &token),
        2 => request.header("cookie", format!("a=1; sid={token}")),
        _ => request.header("sec-websocket-protocol", format!("bearer, {token}")),
    };
    for route in ["all", "maybe", "kept"] {
        for first in 0..5 {
            for second in [0, 1, 2, 4] {
                if first == 4 && second == 4 {
                    continue;
                }
                let request = add(at(first, route, &token), second);
                let reason = refused(&fixture, request);
                assert_eq!(
                    reason,
                    Reason::MalformedCredentials,
                    "{route} {first} {second}"
                );
            }
        }
        for query in [
            "access_token=x",
            "%61ccess_token=x",
            "ACCESS.TOKEN=",
            "access_token[]=x",
        ] {
            let target = format!("/{route}?access_token={token}&{query}");
            assert_eq!(
                refused(&fixture, get(&target)),
                Reason::MalformedCredentials
            );
            let target = format!("/{route}?{query};access_token={token}");
            assert_eq!(
                refused(&fixture, get(&target)),
                Reason::MalformedCredentials
            );
        }
        for list in [
            "bearer",
            "Bearer, x",
            "bearer, x, bearer, y",
            "bearer, x, x",
        ] {
            let request = handshake(&format!("/{route}")).header("sec-websocket-protocol", list);
            assert_eq!(
                refused(&fixture, request),
                Reason::MalformedCredentials,
                "{list}"
            );
        }
        let no_upgrade =
            get(&format!("/{route}")).header("sec-websocket-protocol", format!("bearer, {token}"));
        assert_eq!(refused(&fixture, no_upgrade), Reason::MalformedCredentials);
    }
}

#[test]
fn authorization_that_is_no_place_holds_no_bearer_token() {
    let fixture = fixture();
    let token = token_of(&fixture, "alice");
    for (place, route) in [(1, "header"), (2, "cookie"), (3, "query"), (4, "socket")] {
        for line in ["Bearer x", "bearer x", "Bearer", "Basic eA==, Bearer x"] {
            for request in [at(place, route, &token), get(&format!("/{route}"))] {
                let request = request.header("authorization", line);
                assert_eq!(
                    refused(&fixture, request),
                    Reason::MalformedCredentials,
                    "{line}"
                );
            }
        }
        let basic = at(place, route, &token).header("authorization", "Basic dTpw");
        let forwarded = passes(&fixture, basic);
        assert_eq!(
            forwarded.all("authorization"),
            ["Basic dTpw"],
            "the upstream's own"
        );
        let twice = at(place, route, &token)
            .header("authorization", "Basic dTpw")
            .header("authorization", "Basic eDp5");
        assert_eq!(refused(&fixture, twice), Reason::MalformedCredentials);
    }
    let basic = at(1, "all", &token).header("authorization", "Basic dTpw");
    assert_eq!(
        refused(&fixture, basic),
        Reason::MalformedCredentials,
        "a place"
    );
}

#[test]
fn a_place_of_another_route_is_none_here() {
    let fixture = fixture();
    let token = token_of(&fixture, "alice");
    for (place, route) in [
        (1, "plain"),
        (2, "plain"),
        (3, "header"),
        (2, "query"),
        (4, "cookie"),
    ] {
        assert_eq!(
            refused(&fixture, at(place, route, &token)),
            Reason::MissingToken
        );
    }
    let beside = at(0, "plain", &token)
        .header("x-api-token", "the upstream's")
        .header("cookie", "sid=1");
    let forwarded = passes(&fixture, beside);
    assert_eq!(forwarded.all("x-api-token"), ["the upstream's"]);
    assert_eq!(forwarded.all("cookie"), ["sid=1"]);
}

#[test]
fn every_spelling_of_the_field_is_removed() {
    let fixture = fixture();
    let token = token_of(&fixture, "alice");
    for route in ["header", "kept", "maybe"] {
        let spelled = |request: Builder| {
            request
                .header("x_api_token", "other")
                .header("x.api.token", "other")
                .header("X-API_Token", "other")
        };
        let forwarded = passes(&fixture, spelled(at(1, route, &token)));
        assert_eq!(forwarded.subject(), Some("alice"));
        assert!(!forwarded.holds("other"), "{route}");
        assert_eq!(
            forwarded.all("x-api-token").len(),
            usize::from(route == "kept")
        );
        let kept = forwarded.fields.get("x-api-token");
        assert!(kept.is_none_or(http::HeaderValue::is_sensitive));
    }
    let alone = get("/header").header("x_api_token", &token);
    assert_eq!(
        refused(&fixture, alone),
        Reason::MissingToken,
        "another field"
    );
    let twice = at(1, "header", &token).header("x-api-token", &token);
    assert_eq!(refused(&fixture, twice), Reason::MalformedCredentials);
    for option in ["x-api-token", "X_Api_Token", "sec-websocket-protocol"] {
        let request = at(1, "maybe", &token).header("connection", option);
        assert_eq!(
            refused(&fixture, request),
            Reason::MalformedField,
            "{option}"
        );
    }
}

#[test]
fn a_cookie_needs_the_requests_own_origin_for_what_can_change_something() {
    let fixture = fixture();
    let token = token_of(&fixture, "alice");
    let with = |method: &str, origin: Option<&str>| {
        let request = at(2, "all", &token).method(method);
        match origin {
            Some(origin) => request.header("origin", origin),
            None => request,
        }
    };
    for method in ["GET", "HEAD", "OPTIONS"] {
        for origin in [None, Some("https://evil.test"), Some("null")] {
            assert_eq!(
                passes(&fixture, with(method, origin)).subject(),
                Some("alice")
            );
        }
    }
    for method in ["POST", "PUT", "PATCH", "DELETE", "PURGE"] {
        assert_eq!(
            passes(&fixture, with(method, Some("https://api.test"))).subject(),
            Some("alice")
        );
        for origin in [
            None,
            Some("https://evil.test"),
            Some("null"),
            Some("http://api.test"),
            Some("https://api.test:444"),
        ] {
            assert_eq!(
                refused(&fixture, with(method, origin)),
                Reason::CrossOrigin,
                "{method} {origin:?}"
            );
        }
    }
    let socket = || handshake("/all").header("cookie", format!("sid={token}"));
    assert_eq!(refused(&fixture, socket()), Reason::CrossOrigin);
    let own = socket().header("origin", "https://api.test");
    assert_eq!(passes(&fixture, own).subject(), Some("alice"));
    // What is filled on purpose needs none.
    assert_eq!(
        passes(&fixture, at(1, "all", &token).method("POST")).subject(),
        Some("alice")
    );
    assert_eq!(
        passes(&fixture, at(4, "all", &token)).subject(),
        Some("alice")
    );
    let crumbs = get("/cookie")
        .header("cookie", format!("a=1; sid={token}"))
        .header("cookie", "b=\"2\"");
    assert_eq!(passes(&fixture, crumbs).all("cookie"), ["a=1", "b=\"2\""]);
    let twice = at(2, "cookie", &token).header("cookie", "sid=");
    assert_eq!(refused(&fixture, twice), Reason::MalformedCredentials);
}

#[test]
fn a_query_keeps_the_rest_byte_for_byte() {
    let fixture = fixture();
    let token = token_of(&fixture, "alice");
    for (sent, seen) in [
        ("/query?access_token=T", "/query"),
        (
            "/query/%78?a=%zz+&access_token=T&&b",
            "/query/%78?a=%zz+&&b",
        ),
        ("/short/a?access_token=T&a=1", "/a?a=1"),
        ("/short?access_token=T", "/"),
        ("/kept?access_token=T&a=1", "/kept?access_token=T&a=1"),
        ("https://api.test/query?access_token=T&a", "/query?a"),
    ] {
        let mut head = head(get(&sent.replace('T', &token)));
        if sent.starts_with("https") {
            head.parts.version = Version::HTTP_2;
        }
        let forwarded = decide(&fixture, head).unwrap_or_else(|reason| panic!("{sent}: {reason}"));
        assert_eq!(forwarded.target, seen.replace('T', &token));
    }
    let referred = at(3, "query", &token).header(
        "referer",
        format!("https://api.test/query?access_token={token}&a"),
    );
    assert_eq!(
        passes(&fixture, referred).all("referer"),
        ["https://api.test/query?a"]
    );
}

#[test]
fn the_answer_selects_the_subprotocol_that_was_taken_out() {
    let fixture = fixture();
    let token = token_of(&fixture, "alice");
    let request = handshake("/socket").header(
        "sec-websocket-protocol",
        format!("chat, bearer, {token}, x"),
    );
    let forwarded = passes(&fixture, request);
    assert_eq!(forwarded.all("sec-websocket-protocol"), ["chat, x"]);
    assert_eq!(forwarded.subprotocol.as_deref(), Some("bearer"));
    let request = at(0, "all", &token);
    assert_eq!(passes(&fixture, request).subprotocol, None);
    let other = handshake("/maybe").header("sec-websocket-protocol", "chat");
    let forwarded = passes(&fixture, other);
    assert_eq!(
        (
            forwarded.all("sec-websocket-protocol"),
            forwarded.subprotocol.clone()
        ),
        (vec!["chat"], None)
    );
}

#[test]
fn a_preflight_carries_none() {
    let fixture = fixture();
    let token = token_of(&fixture, "alice");
    let signature = token.rsplit('.').next().unwrap();
    for place in 0..5 {
        let request = at(place, "asked", &token).method("OPTIONS");
        let request = request
            .header("origin", "https://app.test")
            .header("access-control-request-method", "PUT");
        let forwarded = passes(&fixture, request);
        assert_eq!(forwarded.subject(), None);
        assert!(!forwarded.holds(signature), "{place}");
    }
}

/// A field or a parameter that may hold a token: which it is, and how many tokens it is.
fn pieces() -> Vec<(&'static str, &'static str, usize)> {
    vec![
        ("authorization", "Bearer {}", 1),
        ("authorization", "bearer {}", 1),
        ("x-api-token", "{}", 1),
        ("X-Api-Token", "{}", 1),
        ("x_api_token", "{}", 0),
        ("x.api-token", "{}", 0),
        ("cookie", "sid={}", 1),
        ("cookie", "a=1; sid={};b", 1),
        ("sec-websocket-protocol", "bearer, {}", 1),
        ("sec-websocket-protocol", "chat,bearer,{},x", 1),
        ("?", "access_token={}", 1),
        ("?", "a=1", 0),
        ("?", "", 0),
        // Ambiguous, so that it is never alone either.
        ("?", "%61ccess_token={}", 2),
        ("?", "ACCESS_TOKEN={}", 2),
        ("?", "x;access_token={}", 2),
        ("referer", "https://api.test/all?b&access_token={}", 0),
        ("origin", "https://api.test", 0),
        ("accept", "*/*", 0),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn never_two_tokens_and_none_behind_the_gateway(
        picked in prop::collection::vec((prop::sample::select(pieces()), 0..2_usize), 0..5),
        route in prop::sample::select(vec!["all", "maybe", "short"]),
        method in prop::sample::select(vec!["GET", "POST"]),
    ) {
        let fixture = fixture();
        let tokens = [token_of(&fixture, "alice"), token_of(&fixture, "bob")];
        let query: Vec<String> = picked.iter().filter(|((name, ..), _)| *name == "?")
            .map(|((_, text, _), token)| text.replace("{}", &tokens[*token])).collect();
        let target = if query.is_empty() { format!("/{route}") } else { format!("/{route}?{}", query.join("&")) };
        let mut request = handshake(&target).method(method);
        for ((name, text, _), token) in &picked {
            if *name != "?" {
                request = request.header(*name, text.replace("{}", &tokens[*token]));
            }
        }
        let count: usize = picked.iter().map(|((.., count), _)| count).sum();
        match decide(&fixture, head(request)) {
            Ok(forwarded) => {
                prop_assert!(count <= 1);
                prop_assert_eq!(forwarded.subject().is_some(), count == 1);
                for token in &tokens {
                    let signature = token.rsplit('.').next().unwrap();
                    prop_assert!(!forwarded.holds(signature), "{:?}", forwarded.fields);
                }
            }
            Err(reason) if count > 1 => prop_assert_eq!(reason, Reason::MalformedCredentials),
            Err(reason) => prop_assert!(
                matches!(reason, Reason::MissingToken | Reason::CrossOrigin | Reason::MalformedCredentials),
                "{}", reason
            ),
        }
    }
}
