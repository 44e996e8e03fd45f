//! Errors in [server], [admin] and [log].

use crate::config::testing::assert_error;

#[test]
fn wrong_server_keys() {
    for (text, message, help) in SERVER.iter().copied() {
        assert_error(text, message, help);
    }
}

const SERVER: &[(&str, &str, &str)] = &[
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
    (
        "[server]\nworkers = 5\ntoken_cache = \"64KiB\"",
        "64KiB is less than one token of `token_bytes` for each of 5 workers",
        "\"80KiB\", or \"off\"",
    ),
    (
        "[server]\ntoken_cache = \"0B\"",
        "64KiB to 1024GiB are possible",
        "",
    ),
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
];

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
        ("bad_signatures_per_client = 0", "1 to 1000000 are possible"),
        (
            "bad_signatures_per_worker = \"no\"",
            "takes a whole number, not a string",
        ),
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
