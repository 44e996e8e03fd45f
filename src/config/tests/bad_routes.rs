//! Errors in [[upstreams]], [[routes]] and claim headers.

use crate::config::testing::{SMALL, assert_error, parse_with, small_with};

#[test]
fn wrong_upstreams() {
    let upstream = "[[upstreams]]\nname = \"u\"\nurls = [\"http://u\"]\n";
    assert!(parse_with(upstream, &[]).is_ok());
    for (from, to, message, help) in [
        ("urls = [\"http://u\"]\n", "", "has no `urls`", "http://"),
        ("[\"http://u\"]", "[]", "`urls` is empty", "http://"),
        (
            "\"http://u\"",
            "\"http://u\", \"http://U:80\"",
            "stands twice",
            "",
        ),
        ("http://u", "u:80", "is not a URL", "http://host:port"),
        (
            "http://u",
            "http://u/api",
            "has a path or a query",
            "strip_prefix",
        ),
        ("http://u", "ftp://u", "another scheme", ""),
        ("http://u", "http://a:b@u", "credentials", ""),
        ("http://u", "http://u:99999", "no valid port", ""),
        (
            "urls",
            "host = \"client\"\nurls",
            "no value of `host`",
            "`keep`, `upstream`",
        ),
        ("urls", "max_idle = -1\nurls", "0 to 100000", ""),
    ] {
        assert_error(&upstream.replace(from, to), message, help);
    }
    assert_error(
        &format!("{upstream}{upstream}"),
        "two upstreams are named `u`",
        "",
    );
}

#[test]
fn wrong_routes() {
    for (from, to, message, help) in ROUTES.iter().copied() {
        assert_error(&small_with(from, to), message, help);
    }
    let none = SMALL.split("[[routes]]").nth(1).unwrap();
    assert_error(
        &format!("[[routes]]{none}"),
        "there are no [[issuers]]",
        "auth = \"none\"",
    );
    assert_error(
        &format!("{SMALL}[[routes]]{}", none.replace("\"/orders\"", "\"/a\"")),
        "two routes are named",
        "",
    );
}

const ROUTES: &[(&str, &str, &str, &str)] = &[
    (
        "path = \"/orders\"\n",
        "",
        "[[routes]] has no `path`",
        "\"/\"",
    ),
    (
        "upstream = \"http://127.0.0.1:9000\"\n",
        "",
        "has no `upstream`",
        "http://",
    ),
    (
        "\"http://127.0.0.1:9000\"",
        "\"order\"",
        "no upstream is named `order`",
        "",
    ),
    (
        "path = ",
        "auth = \"requird\"\npath = ",
        "no value of `auth`",
        "`required`?",
    ),
    (
        "path = ",
        "issuers = [\"crop\"]\npath = ",
        "no issuer is named `crop`",
        "`corp`?",
    ),
    (
        "path = ",
        "issuers = [\"corp\", \"corp\"]\npath = ",
        "stands twice",
        "",
    ),
    (
        "path = ",
        "hosts = [\"a:80\"]\npath = ",
        "is not a host",
        "leave the port out",
    ),
    (
        "path = ",
        "hosts = [\"https://a\"]\npath = ",
        "is not a host",
        "scheme",
    ),
    (
        "path = ",
        "hosts = [\"*\"]\npath = ",
        "is not a host",
        "leave `hosts` out",
    ),
    (
        "path = ",
        "hosts = [\"a.*\"]\npath = ",
        "is not a host",
        "wildcard",
    ),
    (
        "path = ",
        "hosts = [\"*.*.a\"]\npath = ",
        "is not a host",
        "wildcard",
    ),
    (
        "path = ",
        "hosts = [\"ä\"]\npath = ",
        "is not a host",
        "xn--",
    ),
    (
        "path = ",
        "hosts = [\"a\", \"A\"]\npath = ",
        "stands twice",
        "",
    ),
    (
        "path = ",
        "methods = [\"get\"]\npath = ",
        "upper-case",
        "`GET`?",
    ),
    (
        "path = ",
        "methods = [\"G T\"]\npath = ",
        "is not a method",
        "",
    ),
    (
        "path = ",
        "methods = [\"CONNECT\"]\npath = ",
        "never forwarded",
        "",
    ),
    (
        "path = ",
        "methods = [\"GET\", \"GET\"]\npath = ",
        "stands twice",
        "",
    ),
    (
        "path = ",
        "scopes = [\"a b\"]\npath = ",
        "is not one scope",
        "[\"a\", \"b\"]",
    ),
    (
        "path = ",
        "any_scope = ['a\"']\npath = ",
        "is not one scope",
        "",
    ),
    (
        "path = ",
        "path_allow = [\"encoded_slsh\"]\npath = ",
        "nothing a path",
        "`encoded_slash`?",
    ),
    (
        "path = ",
        "server_timing = [\"10.0.0.0/33\"]\npath = ",
        "is not a network",
        "\"10.0.0.0/8\"",
    ),
    (
        "path = ",
        "server_timing = true\npath = ",
        "`server_timing`",
        "",
    ),
    (
        "path = ",
        "preflight = \"allow\"\npath = ",
        "no value of `preflight`",
        "`deny`, `forward`",
    ),
    (
        "path = ",
        "auth = \"none\"\nscopes = [\"a\"]\npath = ",
        "no meaning with auth = \"none\"",
        "",
    ),
    (
        "path = ",
        "auth = \"none\"\nforward_token = true\npath = ",
        "no meaning with auth = \"none\"",
        "",
    ),
    (
        "path = ",
        "claims = { a = 1 }\npath = ",
        "a claim rule is a table",
        "equals",
    ),
    (
        "path = ",
        "claims = { a = {} }\npath = ",
        "neither `equals` nor `contains`",
        "equals",
    ),
    (
        "path = ",
        "claims = { a = { equals = 1979-05-27 } }\npath = ",
        "compared with a date",
        "",
    ),
    (
        "path = ",
        "claims.a.b = { contains = 1 }\npath = ",
        "neither",
        "quote the path: \"a.b\"",
    ),
];

#[test]
fn wrong_paths() {
    for (path, message, help) in [
        ("orders", "does not begin with `/`", "\"/orders\""),
        ("/orders/", "ends with `/`", "write \"/orders\""),
        (
            "/orders/*",
            "is a pattern",
            "\"/orders\" serves all below it",
        ),
        ("/orders/{id}", "is a pattern", ""),
        ("/a//b", "empty segment", ""),
        ("//", "empty segment", ""),
        ("/a/./b", "dot segment", ""),
        ("/a/..", "dot segment", ""),
        ("/a/%2e%2E", "escapes `/`", ""),
        ("/a%2fb", "escapes `/`", ""),
        ("/a%5cb", "escapes `/`", ""),
        ("/a%2541", "escapes `/`", ""),
        ("/a%", "no escape", ""),
        ("/a%+1", "no escape", ""),
        ("/a%zz", "no escape", ""),
        ("/a%00", "control character", ""),
        ("/a%3b", "holds `?`", ""),
        ("/a;b", "holds `?`", ""),
        ("/a?b", "holds `?`", ""),
        ("/a#b", "holds `?`", ""),
        ("/%ff", "not UTF-8", ""),
    ] {
        assert_error(
            &small_with("path = \"/orders\"", &format!("path = '{path}'")),
            message,
            help,
        );
    }
    let backslash = small_with("path = \"/orders\"", "path = '/a\\b'");
    assert_error(&backslash, "holds `?`", "");
}

#[test]
fn routes_of_one_host_and_path_have_disjoint_methods() {
    let route = |name: &str, keys: &str| {
        format!(
            "[[routes]]\nname = \"{name}\"\npath = \"/\"\nupstream = \"http://a\"\nauth = \"none\"\n{keys}\n"
        )
    };
    for (a, b, overlap) in [
        ("", "", true),
        ("", "methods = [\"GET\"]", true),
        ("methods = [\"GET\"]", "methods = [\"POST\", \"GET\"]", true),
        ("methods = [\"GET\"]", "methods = [\"HEAD\"]", true),
        ("methods = [\"GET\"]", "methods = [\"POST\"]", false),
        ("hosts = [\"a\"]", "", false),
        ("hosts = [\"a\"]", "hosts = [\"b\", \"A\"]", true),
        ("hosts = [\"a.b\"]", "hosts = [\"*.b\"]", false),
    ] {
        let text = format!("{}{}", route("a", a), route("b", b));
        if overlap {
            assert_error(
                &text,
                "`a` and `b` serve the same host, path and method",
                "GET includes HEAD",
            );
        } else {
            assert!(parse_with(&text, &[]).is_ok(), "{text}");
        }
    }
}

#[test]
fn wrong_claim_headers() {
    for (text, message, help) in [
        (
            "[claim_headers]\n\"X Y\" = \"sub\"",
            "`X Y` is not a field name",
            "",
        ),
        (
            "[claim_headers]\nHost = \"sub\"",
            "may not be named `Host`",
            "X-Auth-",
        ),
        (
            "[claim_headers]\nX-A = 1",
            "takes a claim or { claim, array }, not a number",
            "",
        ),
        (
            "[claim_headers]\nX-A = {}",
            "[claim_headers] has no `claim`",
            "",
        ),
        (
            "[claim_headers]\nX-A = { claim = \"a\", array = \"xml\" }",
            "no value of `array`",
            "`csv`",
        ),
        (
            "[claim_headers]\nX-A = \"https://x.example/roles\"",
            "not a dotted key",
            "",
        ),
        (
            "[claim_headers]\nX-A = \"a\"\nX_A = \"b\"",
            "`x-a` and `x_a` are one",
            "",
        ),
        (
            "[claim_headers]\nX-A = \"a\"\nx-a = \"b\"",
            "`x-a` and `x-a` are one",
            "",
        ),
    ] {
        assert_error(text, message, help);
    }
    let own = format!("{SMALL}claim_headers = {{ X_A = \"b\" }}\n[claim_headers]\nX-A = \"a\"\n");
    assert_error(&own, "are one for many upstreams", "");
}
