use crate::config::testing::{SMALL, bad, parse_with, small_with};

/// `message` and `help` of the one error in a text.
fn assert_error(text: &str, message: &str, help: &str) {
    let shown = bad(text);
    let count = shown.matches(": error: ").count();
    assert_eq!(count, 1, "{count} errors:\n{shown}");
    assert!(shown.contains(message), "expected `{message}` in\n{shown}");
    assert!(shown.contains(help), "expected `{help}` in\n{shown}");
    assert!(
        shown.contains('^') || message.contains("has no"),
        "no caret in\n{shown}"
    );
}

#[test]
fn an_unknown_key_has_place_caret_and_suggestion() {
    let shown = bad("[server]\nworkres = 4\n");
    let expected = "gateway.toml:2:1: error: unknown key `workres` in [server]\n\
                    2 | workres = 4\n\
                    \u{20} | ^^^^^^^\n\
                    help: did you mean `workers`?";
    assert_eq!(shown, expected);
}

#[test]
fn all_errors_come_at_once_and_in_order() {
    let text = "
[server]
workres = 4
listen = \"nowhere\"
[server.limits]
idle_timeout = 75
[[issuers]]
name = \"a\"
[[routes]]
name = \"r\"
path = \"orders\"
upstream = \"order\"
colour = \"red\"
[[upstreams]]
name = \"orders\"
urls = [\"http://orders\"]
";
    let shown = bad(text);
    let places: Vec<&str> = shown
        .lines()
        .filter(|line| line.contains(": error: "))
        .map(|line| line.split(": error: ").next().unwrap())
        .collect();
    let expected = [
        "gateway.toml:3:1",
        "gateway.toml:4:10",
        "gateway.toml:6:16",
        "gateway.toml:7:1", // issuer, audiences, algorithms, keys
        "gateway.toml:7:1",
        "gateway.toml:7:1",
        "gateway.toml:7:1",
        "gateway.toml:11:8",
        "gateway.toml:12:12",
        "gateway.toml:13:1",
    ];
    assert_eq!(places, expected, "{shown}");
}

#[test]
fn syntax_errors_have_the_same_shape() {
    let shown = bad("[server]\nlisten = \nworkers = 1\nworkers = 2\n");
    assert!(shown.starts_with("gateway.toml:2:"), "{shown}");
    assert!(
        shown.contains("gateway.toml:4:1: error: duplicate key"),
        "{shown}"
    );
    assert!(shown.contains("4 | workers = 2\n  | ^^^^^^^"), "{shown}");
}

#[test]
fn unknown_keys() {
    for (text, message, help) in [
        (
            "scopes = []",
            "`scopes` in the file",
            "`scopes` belongs in [[routes]]",
        ),
        (
            "[server]\nidle_timeout = \"1s\"",
            "in [server]",
            "belongs in [server.limits] or [[upstreams]]",
        ),
        (
            "[server.limits]\nlsten = 1",
            "`lsten`",
            "did you mean `listen` in [server] or [admin]?",
        ),
        ("[limits]\n", "`limits`", "`limits` belongs in [server]"),
        (
            "[log]\ncolour = 1",
            "`colour` in [log]",
            "known: `format`, `access`",
        ),
        (
            "[server]\ntls = { self_signd = [\"a\"], self_signed = [\"a\"] }",
            "`self_signd`",
            "`self_signed`?",
        ),
        (
            "[claim_headers]\nX-A = { claim = \"a\", arry = \"csv\" }",
            "`arry`",
            "did you mean `array`?",
        ),
    ] {
        assert_error(text, message, help);
    }
    // Keys of features that are not there.
    for key in ["enforce = \"on\"", "refresh = {}", "token_cache = \"1MiB\""] {
        let shown = bad(&format!("{SMALL}{key}\n"));
        assert!(shown.contains("unknown key"), "{shown}");
    }
    for keys in ["{ discovery = true }", "{ jwks_url = \"https://a\" }"] {
        let shown = bad(&small_with("{ jwks_file = \"keys.json\" }", keys));
        assert!(shown.contains("unknown key"), "{shown}");
    }
}

#[test]
fn wrong_server_keys() {
    for (text, message, help) in [
        (
            "[server]\nlisten = 8443",
            "takes a list of strings, not a number",
            "",
        ),
        (
            "[server]\nlisten = \":8443\"",
            "is not an address",
            "\"0.0.0.0:8443\"",
        ),
        (
            "[server]\nlisten = \"localhost:80\"",
            "is not an address",
            "\"127.0.0.1:80\"",
        ),
        ("[server]\nlisten = []", "`listen` is empty", ""),
        (
            "[server]\nlisten = [\"1.1.1.1:1\", \"1.1.1.1:1\"]",
            "stands twice",
            "",
        ),
        ("[server]\nworkers = 0", "\"auto\" or 1 to 1024", ""),
        (
            "[server]\nworkers = \"four\"",
            "\"auto\" or a number, not a string",
            "",
        ),
        ("[server]\ntls = true", "{ cert, key }", ""),
        ("[server]\ntls = {}", "no `cert` and `key`", "self_signed"),
        ("[server]\ntls = []", "empty list", "plaintext"),
        ("[server]\ntls = { cert = \"a\" }", "no `key`", ""),
        ("[server]\ntls = { key = \"a\" }", "no `cert`", ""),
        (
            "[server]\ntls = { self_signed = [] }",
            "is empty",
            "localhost",
        ),
        (
            "[server]\ntls = { self_signed = [\"a b\"] }",
            "not a host name",
            "",
        ),
        (
            "[server]\ntls = { cert = \"a\", key = \"b\", self_signed = [\"a\"] }",
            "excludes",
            "",
        ),
        (
            "[server]\ntls = [{ self_signed = [\"a\"] }]",
            "stands alone",
            "",
        ),
        (
            "[server]\ntrusted_proxies = [\"10.0.0.0/33\"]",
            "not a network",
            "10.0.0.0/8",
        ),
        ("[server]\nrealm = 'a\"b'", "without quotes", ""),
        ("[server]\nrealm = \"a\\nb\"", "printable ASCII", ""),
        ("[server]\nrealm = \"\"", "empty string", ""),
        ("[server]\nstrip = [\"*\"]", "not a field name", ""),
        (
            "[server]\nstrip = [\"Auth*\"]",
            "would remove `authorization`",
            "",
        ),
        (
            "[server]\nstrip = [\"Content_Length\"]",
            "would remove `content-length`",
            "",
        ),
    ] {
        assert_error(text, message, help);
    }
}

#[test]
fn wrong_limits() {
    for (key, message) in [
        ("header_bytes = \"4KiB\"", "8KiB to 16MiB are possible"),
        (
            "header_bytes = \"9KiB\"",
            "`token_bytes` is above `header_bytes`",
        ),
        (
            "token_bytes = \"65KiB\"",
            "`token_bytes` is above `header_bytes`",
        ),
        ("header_bytes = 65536", "has no unit: write \"65536KiB\""),
        ("header_timeout = \"0s\"", "1ms to 30 days are possible"),
        ("idle_timeout = \"1y\"", "1ms to 30 days are possible"),
        ("idle_timeout = 30", "has no unit: write \"30s\""),
        (
            "idle_timeout = true",
            "a duration, as in \"30s\", not a boolean",
        ),
        ("connections = 0", "1 to 10000000 are possible"),
        ("connections = -1", "1 to 10000000 are possible"),
        (
            "connections = \"many\"",
            "takes a whole number, not a string",
        ),
        ("connections = 1.5", "not a number with a fraction"),
        (
            "connections_per_client = \"of\"",
            "takes a whole number, not a string",
        ),
        ("connection_age = \"1M\"", "write `m` for minutes"),
        ("body_bytes = \"1M\"", "write `MiB` or `MB`"),
        ("streams = 0", "1 to 100000 are possible"),
    ] {
        assert_error(&format!("[server.limits]\n{key}"), message, "");
    }
}

#[test]
fn wrong_admin_and_log_keys() {
    for (text, message, help) in [
        (
            "[admin]\nlisten = \"0.0.0.0:8081\"",
            "not on loopback and has no `token`",
            "${file:",
        ),
        ("[admin]\ntoken = \"short\"", "shorter than 16", "openssl"),
        (
            "[admin]\ntoken = \"with a space in it\"",
            "bearer token",
            "",
        ),
        ("[admin]\nlisten = \"no\"", "is not an address", ""),
        (
            "[server]\nlisten = \"127.0.0.1:8081\"\n[admin]\nlisten = \"127.0.0.1:8081\"",
            "of [server] too",
            "",
        ),
        (
            "[log]\nformat = \"jsn\"",
            "no value of `format`",
            "did you mean `json`?",
        ),
        (
            "[log]\nformat = 1",
            "takes one of `auto`, `text`, `json`",
            "",
        ),
        (
            "[log]\naccess = \"yes\"",
            "takes true or false, not a string",
            "",
        ),
        ("log = 1", "takes a table, not a number", ""),
        ("routes = {}", "a list of tables, [[routes]]", ""),
        ("routes = [1]", "takes a table, not a number", ""),
    ] {
        assert_error(text, message, help);
    }
}

#[test]
fn wrong_issuers() {
    let keys = "{ jwks_file = \"keys.json\" }";
    for (from, to, message, help) in [
        (
            "name = \"corp\"\n",
            "",
            "[[issuers]] has no `name`",
            "metrics",
        ),
        (
            "name = \"corp\"",
            "name = \"a b\"",
            "cannot be the name of an issuer",
            "letters",
        ),
        (
            "name = \"orders\"",
            "name = \"none\"",
            "cannot be the name of a route",
            "letters",
        ),
        (
            "audiences = [\"orders-api\"]",
            "",
            "has no `audiences`",
            "orders-api",
        ),
        (
            "[\"orders-api\"]",
            "[]",
            "`audiences` is empty",
            "orders-api",
        ),
        ("[\"orders-api\"]", "[\"\"]", "holds an empty string", ""),
        (
            "algorithms = [\"RS256\"]",
            "",
            "has no `algorithms`",
            "RS256",
        ),
        ("[\"RS256\"]", "[]", "`algorithms` is empty", "RS256"),
        (
            "[\"RS256\"]",
            "[\"RSA256\"]",
            "`RSA256` is no algorithm",
            "did you mean `RS256`?",
        ),
        (
            "[\"RS256\"]",
            "[\"none\"]",
            "`none` is no algorithm",
            "proves nothing",
        ),
        (
            "[\"RS256\"]",
            "[\"ES256K\"]",
            "`ES256K` is no algorithm",
            "ES256",
        ),
        (
            "[\"RS256\"]",
            "[\"HS256\"]",
            "HMAC algorithms need a `secret`",
            "secret",
        ),
        (
            "keys = ",
            "leeway = \"6m\"\nkeys = ",
            "0s to 5m are possible",
            "",
        ),
        (
            "keys = ",
            "token_types = []\nkeys = ",
            "every token would be refused",
            "",
        ),
        (
            "keys = ",
            "audience_match = \"both\"\nkeys = ",
            "no value of `audience_match`",
            "`any`, `all`",
        ),
        (
            "keys = { jwks_file = \"keys.json\" }",
            "",
            "[[issuers]] has no `keys`",
            "jwks_file",
        ),
        (keys, "{}", "names no source", "jwks_file"),
        (
            keys,
            "{ jwks_file = \"a\", generate = \"RS256\" }",
            "several sources: `jwks_file`, `generate`",
            "",
        ),
        (
            keys,
            "{ generate = \"EdDSA\" }",
            "which is not listed",
            "add \"EdDSA\"",
        ),
        (keys, "{ pem_files = [] }", "names no file", "kid"),
        (
            keys,
            "{ pem_files = [{ kid = \"a\" }] }",
            "has no `path`",
            "kid",
        ),
        (
            keys,
            "{ pem_files = [{ path = \"a\", kid = \"a\" }, { path = \"b\", kid = \"a\" }] }",
            "stands twice",
            "",
        ),
        (
            keys,
            "{ secret = \"0123456789abcdef0123456789abcdef\" }",
            "`secret` is for HS256",
            "public",
        ),
    ] {
        assert_error(&small_with(from, to), message, help);
    }
    let mixed = small_with("[\"RS256\"]", "[\"RS256\", \"HS256\"]");
    assert!(bad(&mixed).contains("HMAC and public-key algorithms in one issuer"));
    let generated =
        small_with("[\"RS256\"]", "[\"HS256\"]").replace(keys, "{ generate = \"HS256\" }");
    assert!(bad(&generated).contains("not an HMAC secret"));
}

#[test]
fn a_secret_is_as_long_as_the_longest_hash() {
    let keys = "{ jwks_file = \"keys.json\" }";
    for (algorithms, least) in [
        ("[\"HS256\"]", 32),
        ("[\"HS384\"]", 48),
        ("[\"HS256\", \"HS512\"]", 64),
    ] {
        let text = |length: usize| {
            let secret = format!("{{ secret = \"{}\" }}", "x".repeat(length));
            small_with("[\"RS256\"]", algorithms).replace(keys, &secret)
        };
        assert!(parse_with(&text(least), &[]).is_ok());
        let shown = bad(&text(least - 1));
        assert!(
            shown.contains(&format!("shorter than the {least} bytes")),
            "{shown}"
        );
        assert!(!shown.contains("xxx"), "the secret is shown:\n{shown}");
    }
}

#[test]
fn issuers_are_told_apart() {
    let second = |name: &str, issuer: &str| {
        let more = SMALL.split("[[routes]]").next().unwrap();
        let more = more
            .replace("\"corp\"", name)
            .replace("https://login.example.com/", issuer);
        format!("{SMALL}issuers = [\"corp\"]\n{more}")
    };
    assert!(parse_with(&second("\"b\"", "https://b/"), &[]).is_ok());
    assert_error(
        &second("\"corp\"", "https://b/"),
        "two issuers are named `corp`",
        "",
    );
    assert_error(
        &second("\"b\"", "https://login.example.com/"),
        "same `issuer` as `corp`",
        "",
    );
    let unnamed = second("\"b\"", "https://b/").replace("issuers = [\"corp\"]\n", "");
    assert_error(
        &unnamed,
        "a route that admits tokens names its `issuers`",
        "`corp`, `b`",
    );
}

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
    for (from, to, message, help) in [
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
            "claims = { a = { equals = 1, contains = 1 } }\npath = ",
            "not both",
            "",
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
    ] {
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

#[test]
fn secrets_stay_out_of_errors_wherever_they_stand() {
    let keys = "keys = { secret = \"hunter2-hunter2\", kid = 1 }";
    for text in [
        small_with("keys = { jwks_file = \"keys.json\" }", keys),
        "[admin]\ntoken = \"hunter2\"".to_owned(),
        "[admin]\ntokn = \"hunter2\"".to_owned(),
        "[admin]\ntoken = \"hunter2".to_owned(),
        "[admin]\ntoken = \"hunter2${UNSET}\"".to_owned(),
    ] {
        let shown = bad(&text);
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    let filled = parse_with(
        "[server]\nlisten = \"${A}\"\nrealm = \"${A}\\n\"\n[server.limits]\nidle_timeout = \"${A}\"",
        &[("A", "hunter2")],
    );
    let shown = filled.unwrap_err().to_string();
    assert!(
        !shown.contains("hunter2") && shown.contains("`${A}` is not an address"),
        "{shown}"
    );
}
