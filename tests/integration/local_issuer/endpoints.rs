//! All endpoints, with each method and content type, and bodies that are wrong.

use serde_json::json;

use super::{builder, with_alice};
use crate::harness::local::{
    LOCAL, Local, PASSWORD, Tokens, basic, claims_of, error, form, json_form, kid,
};
use crate::harness::{Reply, Request, Upstream};

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];

/// The endpoints that take a body, and one that their parameters are good for.
fn posts() -> [(&'static str, serde_json::Value); 5] {
    let grant = json!({ "grant_type": "refresh_token", "refresh_token": "prt_x", "client_id": "portcullis" });
    let token = json!({ "token": "junk", "client_id": "portcullis" });
    [
        (
            "/auth/login",
            json!({ "username": "nobody", "password": "x" }),
        ),
        ("/auth/token", grant),
        ("/auth/revoke", token.clone()),
        ("/auth/introspect", token),
        ("/auth/password", json!({ "current": "x", "new": "y" })),
    ]
}

/// Says it as JSON or as a form.
fn bodies(document: &serde_json::Value) -> (String, String) {
    let pairs = document.as_object().expect("an object").iter();
    let pairs = pairs.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()));
    (document.to_string(), pairs.collect::<Vec<_>>().join("&"))
}

fn send(local: &Local, path: &str, content_type: Option<&str>, body: impl Into<Vec<u8>>) -> Reply {
    let mut request = Request::post(path, body);
    if let Some(content_type) = content_type {
        request = request.field("Content-Type", content_type);
    }
    local.gateway.send(&request)
}

#[test]
fn each_path_has_its_methods_and_says_which() {
    let upstream = Upstream::start();
    let local = with_alice(&upstream);
    for (path, allowed) in [
        ("/auth/login", "POST"),
        ("/auth/token", "POST"),
        ("/auth/revoke", "POST"),
        ("/auth/introspect", "POST"),
        ("/auth/logout", "POST"),
        ("/auth/password", "POST"),
        ("/auth/sessions", "GET"),
        (
            "/auth/sessions/00000000-0000-7000-8000-000000000000",
            "DELETE",
        ),
        ("/auth/sessions/end-others", "POST"),
        ("/auth/jwks.json", "GET"),
        ("/auth/.well-known/openid-configuration", "GET"),
        ("/.well-known/oauth-authorization-server/auth", "GET"),
    ] {
        for method in METHODS {
            let reply = local.gateway.send(&Request::new(method, path));
            let named = method == allowed || (method == "HEAD" && allowed == "GET");
            if named {
                assert!(
                    !matches!(reply.status, 404 | 405 | 500),
                    "{method} {path}: {reply:?}"
                );
                continue;
            }
            let status = if method == "OPTIONS" { 204 } else { 405 };
            assert_eq!(reply.status, status, "{method} {path}: {reply:?}");
            let allow = reply.field("allow").unwrap_or_default();
            assert!(
                allow.split(", ").any(|it| it == allowed),
                "{method} {path}: {reply:?}"
            );
        }
    }
    assert!(upstream.requests().is_empty(), "nothing of it goes further");
}

#[test]
fn other_paths_below_the_issuer_are_nobodys_and_those_beside_it_go_upstream() {
    let upstream = Upstream::start();
    let local = with_alice(&upstream);
    for path in [
        "/auth/none",
        "/auth/login/",
        "/auth/Login",
        "/auth/sessions/",
        "/auth/sessions/a/b",
    ] {
        let reply = local.gateway.send(&Request::get(path));
        assert!(matches!(reply.status, 404 | 405), "{path}: {reply:?}");
    }
    assert!(upstream.requests().is_empty());
    // No route is there, so the route's refusal is what comes.
    for path in ["/authority", "/.well-known/other", "/Auth/login"] {
        let reply = local.gateway.send(&Request::get(path));
        assert_eq!(
            (reply.status, reply.reason()),
            (404, "no_route".to_owned()),
            "{path}"
        );
    }
    let elsewhere = Request::get("/auth/jwks.json").field("Host", "other.test");
    let reply = local.gateway.send(&elsewhere);
    assert_eq!((reply.status, reply.reason()), (404, "no_route".to_owned()));
    let port = Request::get("/auth/jwks.json").field("Host", "GW.test:8443");
    assert_eq!(local.gateway.send(&port).status, 200);
}

#[test]
fn forms_and_json_are_read_alike_and_nothing_else_is() {
    let upstream = Upstream::start();
    let local = with_alice(&upstream);
    for (path, document) in posts() {
        let (json, form) = bodies(&document);
        let by_form = send(
            &local,
            path,
            Some("application/x-www-form-urlencoded"),
            form.as_str(),
        );
        for content_type in [
            "application/json",
            "application/json; charset=utf-8",
            "Application/JSON",
        ] {
            let by_json = send(&local, path, Some(content_type), json.as_str());
            assert_eq!(error(&by_json), error(&by_form), "{path} {content_type}");
            assert_eq!(
                by_json.status, by_form.status,
                "{path} {content_type}: {by_json:?}"
            );
        }
        assert_ne!(by_form.status, 415, "{path}: {by_form:?}");
        for content_type in [
            None,
            Some("text/plain"),
            Some("multipart/form-data; boundary=x"),
            Some("application/xml"),
            Some("application/json; charset=latin1"),
            Some("application/jsonp"),
            Some("application/json, text/plain"),
            Some(""),
        ] {
            let reply = send(&local, path, content_type, json.as_str());
            // Who is not signed in may be told that first.
            let early = path == "/auth/password" && reply.status == 401;
            assert!(
                early || matches!(reply.status, 400 | 415),
                "{path} {content_type:?}: {reply:?}"
            );
        }
        let packed = json_form(path, &document).field("Content-Encoding", "gzip");
        let reply = local.gateway.send(&packed);
        let early = path == "/auth/password" && reply.status == 401;
        assert!(
            early || matches!(reply.status, 400 | 415),
            "{path}: {reply:?}"
        );
    }
}

#[test]
fn bodies_that_are_wrong_are_refused_and_never_a_failure() {
    let upstream = Upstream::start();
    let local = with_alice(&upstream);
    let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    let members = |rest: &str| format!(r#"{{"username":"alice","password":"{PASSWORD}"{rest}}}"#);
    for body in [
        String::new(),
        "{".to_owned(),
        "null".to_owned(),
        "[]".to_owned(),
        "\"alice\"".to_owned(),
        members(r#","username":"bob""#),
        members(r#","password":"x""#),
        members(r#","cookies":"maybe""#),
        members(r#","scope":["read"]"#),
        members(&format!(r#","more":{deep}"#)),
        r#"{"username":["alice"],"password":"x"}"#.to_owned(),
        r#"{"username":{"$ne":null},"password":{"$ne":null}}"#.to_owned(),
        r#"{"username":"alice","password":null}"#.to_owned(),
        r#"{"username":"alice"}"#.to_owned(),
        r#"{"username":"","password":"x"}"#.to_owned(),
        "{\"username\":\"al\\u0000ice\",\"password\":\"x\"}".to_owned(),
        "{\"username\":\"alice\\r\\nX: y\",\"password\":\"x\"}".to_owned(),
        "{\"username\":\"\\ud800\",\"password\":\"x\"}".to_owned(),
        format!(r#"{{"username":"{}","password":"x"}}"#, "a".repeat(5000)),
        format!(
            r#"{{"username":"alice","password":"{}"}}"#,
            "a".repeat(50_000)
        ),
    ] {
        let begin: String = body.chars().take(60).collect();
        let reply = send(&local, "/auth/login", Some("application/json"), body);
        assert!(matches!(reply.status, 400 | 401), "{begin}: {reply:?}");
        assert!(!reply.json()["error"].is_null(), "{begin}: {reply:?}");
    }
    for body in [
        "username=alice&username=bob&password=x".as_bytes(),
        b"username=alice&password=x&password=y",
        b"username=%ff&password=x",
        b"username=%zz&password=x",
        b"username=al%00ice&password=x",
        b"username[$ne]=1&password[$ne]=1",
        b"\xff\xfe=1",
    ] {
        let reply = send(
            &local,
            "/auth/login",
            Some("application/x-www-form-urlencoded"),
            body,
        );
        assert!(matches!(reply.status, 400 | 401), "{reply:?}");
    }
    let large = "x".repeat(64 * 1024 + 1);
    let reply = send(&local, "/auth/login", Some("application/json"), large);
    assert_eq!(reply.status, 413, "{reply:?}");
    // What somebody would like to be is not asked.
    let more = members(r#","role":"admin","roles":["admin"],"sub":"root""#);
    let reply = send(&local, "/auth/login", Some("application/json"), more);
    let claims = claims_of(&Tokens::of(&reply).access);
    assert_eq!(claims["roles"], json!(["ops"]), "{claims}");
}

#[test]
fn who_is_not_signed_in_has_no_sessions_and_ends_none() {
    let upstream = Upstream::start();
    let local = with_alice(&upstream);
    let client = local.client("machine");
    let machine = local.machine(&client);
    let absent = "/auth/sessions/00000000-0000-7000-8000-000000000000";
    let password = json_form("/auth/password", &json!({ "current": "x", "new": "y" }));
    for request in [
        Request::get("/auth/sessions"),
        Request::new("DELETE", absent),
        Request::post("/auth/sessions/end-others", ""),
        Request::post("/auth/logout", ""),
        password,
    ] {
        let target = request.target.clone();
        let bare = local.gateway.send(&request);
        assert_eq!(bare.status, 401, "{target}: {bare:?}");
        let junk = local.gateway.send(&request.clone().token("a.b.c"));
        assert_eq!(junk.status, 401, "{target}: {junk:?}");
        let basic = request.clone().field("Authorization", client.clone());
        let basic = local.gateway.send(&basic);
        assert!(matches!(basic.status, 400 | 401), "{target}: {basic:?}");
        // A machine has no session.
        let machine = local.gateway.send(&request.token(&machine));
        assert!(
            matches!(machine.status, 401 | 403 | 404),
            "{target}: {machine:?}"
        );
    }
}

#[test]
fn introspection_is_for_clients_with_a_secret() {
    let upstream = Upstream::start();
    let local = with_alice(&upstream);
    let client = local.client("machine");
    let tokens = local.sign_in("alice");
    let request = form("/auth/introspect", &[("token", &tokens.access)]);
    for (authorization, wanted) in [
        (None, 401),
        (Some(basic("machine", "wrong")), 401),
        (Some(basic("nobody", "wrong")), 401),
        (Some(client), 200),
    ] {
        let request = request.clone();
        let request = match authorization {
            Some(authorization) => request.field("Authorization", authorization),
            None => request,
        };
        let reply = local.gateway.send(&request);
        assert_eq!(reply.status, wanted, "{reply:?}");
        if wanted == 200 {
            assert_eq!(reply.json()["active"], true, "{reply:?}");
            assert_eq!(reply.json()["sid"], *tokens.session, "{reply:?}");
        } else {
            assert_eq!(error(&reply).1, "invalid_client", "{reply:?}");
        }
    }
}

#[test]
fn the_password_grant_is_off_until_it_is_switched_on() {
    let upstream = Upstream::start();
    let values = [
        ("grant_type", "password"),
        ("username", "alice"),
        ("password", PASSWORD),
        ("client_id", "portcullis"),
    ];
    let local = with_alice(&upstream);
    let reply = local.gateway.send(&form("/auth/token", &values));
    assert_eq!(error(&reply), (400, "unsupported_grant_type".to_owned()));
    let local = Local::start_with(builder(&upstream), "password_grant = true");
    local.user("alice");
    let tokens = Tokens::of(&local.gateway.send(&form("/auth/token", &values)));
    assert_eq!(local.call(&tokens.access).0, 200);
}

#[test]
fn the_documents_say_where_everything_is() {
    let upstream = Upstream::start();
    let local = with_alice(&upstream);
    let metadata = local.gateway.send(&Request::get(
        "/.well-known/oauth-authorization-server/auth",
    ));
    let again = local
        .gateway
        .send(&Request::get("/auth/.well-known/openid-configuration"));
    assert_eq!(metadata.json(), again.json());
    let document = metadata.json();
    assert_eq!(document["issuer"], LOCAL);
    for (name, path) in [
        ("token_endpoint", "token"),
        ("jwks_uri", "jwks.json"),
        ("revocation_endpoint", "revoke"),
        ("introspection_endpoint", "introspect"),
    ] {
        assert_eq!(document[name], format!("{LOCAL}/{path}"), "{document}");
    }
    let keys = local.gateway.send(&Request::get("/auth/jwks.json"));
    for reply in [&metadata, &keys] {
        assert!(
            reply.all("cache-control")[0].contains("max-age=300"),
            "{reply:?}"
        );
    }
    let keys = keys.json();
    let key = &keys["keys"].as_array().expect("a list")[0];
    assert_eq!(key["kid"], kid(&local.sign_in("alice").access));
    assert_eq!(key["alg"], "EdDSA");
    assert!(key["d"].is_null(), "{keys}");
}
