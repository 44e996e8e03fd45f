use std::path::Path;

use super::*;
use crate::config::testing::{SMALL, environment, good, small_with};
use crate::config::{Environment, load, parse};

/// The codes of a text's warnings, without what depends on this machine.
fn codes(text: &str) -> Vec<&'static str> {
    let mut codes: Vec<&str> = warnings(&good(text))
        .iter()
        .map(|warning| warning.code)
        .filter(|code| *code != "file-limit-too-low")
        .collect();
    codes.sort_unstable();
    codes
}

/// TLS, one issuer with public keys, one route: nothing to say.
fn quiet() -> String {
    format!("{SMALL}[server]\ntls = {{ cert = \"c.pem\", key = \"c.key\" }}\n")
}

fn quiet_with(from: &str, to: &str) -> String {
    let text = quiet();
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

#[test]
fn a_careful_configuration_has_no_warnings() {
    assert_eq!(codes(&quiet()), [""; 0]);
}

fn in_route(key: &str) -> String {
    quiet_with("path =", &format!("{key}\npath ="))
}

fn in_issuer(key: &str) -> String {
    quiet_with("keys =", &format!("{key}\nkeys ="))
}

fn in_server(key: &str) -> String {
    quiet_with("tls =", &format!("{key}\ntls ="))
}

/// Further tables.
fn and(tables: &str) -> String {
    quiet_with("[server]", &format!("{tables}\n[server]"))
}

fn leading_to(url: &str) -> String {
    quiet_with("http://127.0.0.1:9000", url)
}

/// An upstream table `u`, used by the route.
fn with_upstream(url: &str, key: &str) -> String {
    let table = format!("[[upstreams]]\nname = \"u\"\nurls = [\"{url}\"]\n{key}\n[[routes]]\n");
    leading_to("u").replace("[[routes]]\n", &table)
}

/// A route to `path` with another key or none.
fn route(path: &str, key: &str) -> String {
    format!("[[routes]]\nname = \"p\"\npath = \"{path}\"\nupstream = \"http://a\"\n{key}\n")
}

#[test]
fn dangerous_settings_of_the_network_have_codes() {
    let self_signed = quiet_with("cert = \"c.pem\", key = \"c.key\"", "self_signed = [\"a\"]");
    let admin = "[admin]\nlisten = \"10.0.0.1:8081\"\ntoken = \"${T:-0123456789abcdef}\"";
    let forwarded = in_route("forward_token = true").replace("http://127.0.0.1:9000", "http://a");
    for (code, text) in [
        ("self-signed-certificate", self_signed),
        ("tokens-over-plaintext", SMALL.to_owned()),
        ("admin-off-loopback", and(admin)),
        (
            "trusts-everyone",
            in_server("trusted_proxies = [\"10.0.0.0/8\", \"0.0.0.0/0\"]"),
        ),
        ("trusts-everyone", in_server("trusted_proxies = [\"::/0\"]")),
        (
            "bad-signatures-unlimited",
            and("[server.limits]\nbad_signatures_per_client = \"off\""),
        ),
        (
            "bad-signatures-unlimited",
            and("[server.limits]\nbad_signatures_per_worker = \"off\""),
        ),
        (
            "server-timing-for-everyone",
            in_route("server_timing = [\"10.0.0.0/8\", \"0.0.0.0/0\"]"),
        ),
        (
            "server-timing-for-everyone",
            in_route("server_timing = \"::/0\""),
        ),
        ("admin-is-upstream", leading_to("http://localhost:8081")),
        (
            "admin-is-upstream",
            with_upstream("http://127.0.0.1:8081", "host = \"upstream\""),
        ),
        ("gateway-is-upstream", leading_to("http://127.0.0.1:8443")),
        ("unused-ca", with_upstream("http://a", "ca = \"a\"")),
        (
            "unused-upstream",
            and("[[upstreams]]\nname = \"u\"\nurls = [\"http://a\"]"),
        ),
        ("token-to-clear-text-upstream", forwarded),
    ] {
        assert_eq!(codes(&text), [code], "{text}");
    }
}

#[test]
fn dangerous_settings_of_access_have_codes() {
    let generated = quiet_with("{ jwks_file = \"keys.json\" }", "{ generate = \"RS256\" }");
    let spelled = in_route("claim_headers = { X-User = \"a\" }").replace(
        "[server]",
        &format!(
            "{}\n[server]",
            route("/b", "claim_headers = { X_User = \"a\" }")
        ),
    );
    for (code, text) in [
        ("leeway-over-2m", in_issuer("leeway = \"3m\"")),
        ("max-lifetime-over-1d", in_issuer("max_lifetime = \"25h\"")),
        ("sender-binding-ignored", in_issuer("accept_cnf = true")),
        ("generated-key", generated),
        (
            "optional-with-rules",
            in_route("auth = \"optional\"\nscopes = [\"a\"]"),
        ),
        (
            "optional-with-rules",
            in_route("auth = \"optional\"\nclaims = { a = { equals = 1 } }"),
        ),
        (
            "lax-paths-without-token",
            in_route("auth = \"optional\"\npath_allow = [\"double_slash\"]"),
        ),
        (
            "public-prefix-stripped",
            and(&route("/open", "auth = \"none\"\nstrip_prefix = true")
                .replace("http://a", "http://127.0.0.1:9000")),
        ),
        (
            "public-route-above-protected",
            and(&route("/", "auth = \"none\"")),
        ),
        ("unreachable-route", and(&route("/ORDERS", ""))),
        ("claim-headers-collide", spelled),
        (
            "claim-header-replaces-field",
            in_route("claim_headers = { Referer = \"sub\" }"),
        ),
        (
            "claim-header-replaces-field",
            and("[claim_headers]\nUser-Agent = \"sub\""),
        ),
    ] {
        assert_eq!(codes(&text), [code], "{text}");
    }
    assert_eq!(codes(""), ["no-routes"]);
    assert_eq!(
        codes(&route("/", "auth = \"none\"")),
        ["no-route-needs-a-token"]
    );
    let unused = in_route("auth = \"none\"");
    assert_eq!(codes(&unused), ["no-route-needs-a-token", "unused-issuer"]);
    let secret = "{ secret = \"0123456789abcdef0123456789abcdef\" }";
    let hmac = quiet_with("{ jwks_file = \"keys.json\" }", secret).replace("RS256", "HS256");
    assert_eq!(codes(&hmac), ["literal-secret", "shared-secret"]);
}

#[test]
fn keys_that_others_could_replace_have_codes() {
    let keys = |keys: &str| quiet_with("{ jwks_file = \"keys.json\" }", keys);
    for (code, text) in [
        (
            "keys-over-http",
            keys("{ jwks_url = \"http://login/keys\", allow_http = true }"),
        ),
        (
            "keys-over-http",
            keys("{ discovery = true, allow_http = true }").replace("https:", "http:"),
        ),
        (
            "keys-over-http",
            keys("[{ jwks_file = \"a\" }, { discovery = true, allow_http = true }]"),
        ),
        (
            "keys-from-link-local",
            keys("{ discovery = true, allow_link_local = true }"),
        ),
        (
            "unused-ca",
            keys("{ jwks_url = \"http://localhost/keys\", ca = \"ca.pem\" }"),
        ),
    ] {
        assert_eq!(codes(&text), [code], "{text}");
    }
    for text in [
        keys("{ discovery = true, ca = \"ca.pem\", proxy = \"http://proxy:3128\" }"),
        keys("{ jwks_url = \"http://localhost:8080/keys\" }"),
        keys("{ discovery = \"http://127.0.0.1:8080/\", ca = \"ca.pem\" }"),
        // Nothing else is fetched for it.
        keys("{ jwks_url = \"https://login/keys\", allow_http = true }"),
    ] {
        assert_eq!(codes(&text), [""; 0], "{text}");
    }
    let listed = keys("[{ jwks_file = \"a\" }, { discovery = true, allow_link_local = true }]");
    let column = |text: &str| warnings(&good(text))[0].place.column;
    let marked = listed
        .lines()
        .find(|line| line.contains("allow_link_local"))
        .unwrap();
    assert_eq!(column(&listed), marked.find("true }").unwrap() + 1);
}

#[test]
fn routes_that_read_alike_are_never_reached_but_for_the_lower_case_one() {
    let unreachable = |paths: [&str; 2]| {
        let text = paths.map(|path| {
            route(path, "auth = \"none\"").replace("\"p\"", &format!("\"r{}\"", &path[1..]))
        });
        let found = codes(&text.concat());
        found
            .iter()
            .filter(|code| **code == "unreachable-route")
            .count()
    };
    assert_eq!(unreachable(["/A", "/a"]), 1);
    assert_eq!(unreachable(["/aA", "/Aa"]), 2);
    assert_eq!(unreachable(["/A", "/b"]), 0);
}

#[test]
fn the_list_of_codes_is_in_order() {
    assert!(WARNING_CODES.is_sorted());
}

#[test]
fn near_misses_are_not_warned_about() {
    let key = |key: &str| quiet_with("path =", &format!("{key}\npath ="));
    for text in [
        quiet_with("keys =", "leeway = \"2m\"\nkeys ="),
        quiet_with("keys =", "max_lifetime = \"24h\"\nkeys ="),
        key("forward_token = true"),
        key("forward_token = true").replace("http://127.0.0.1:9000", "https://orders"),
        key("path_allow = [\"double_slash\"]"),
        key("auth = \"optional\""),
        key("server_timing = [\"10.0.0.0/8\", \"fc00::/7\", \"127.0.0.1\"]"),
        quiet_with(
            "tls =",
            "trusted_proxies = [\"10.0.0.0/8\", \"fc00::/7\"]\ntls =",
        ),
        quiet_with("127.0.0.1:9000", "127.0.0.2:8081"),
        // TLS ends before this gateway, or nobody else can listen.
        format!("{SMALL}[server]\ntrusted_proxies = [\"10.0.0.1\"]\n"),
        format!("{SMALL}[server]\nlisten = \"[::1]:8443\"\n"),
        // Public below protected, or on another host.
        quiet_with(
            "[server]",
            "[[routes]]\nname = \"p\"\npath = \"/orders/open\"\nupstream = \"http://a\"\nauth = \"none\"\n[server]",
        ),
        quiet_with(
            "[server]",
            "[[routes]]\nname = \"p\"\nhosts = [\"a\"]\npath = \"/\"\nupstream = \"http://a\"\nauth = \"none\"\n[server]",
        ),
        quiet_with(
            "[server]",
            "[[routes]]\nname = \"p\"\npath = \"/ordersx\"\nupstream = \"http://a\"\nauth = \"none\"\n[server]",
        ),
    ] {
        assert_eq!(codes(&text), [""; 0], "{text}");
    }
}

#[test]
fn only_what_leads_the_gateway_to_itself_is_refused() {
    let refused = |text: &str| -> Vec<&str> {
        let all = warnings(&good(text));
        all.iter()
            .filter(|warning| warning.refused)
            .map(|warning| warning.code)
            .collect()
    };
    assert_eq!(
        refused(&quiet_with("127.0.0.1:9000", "localhost:8443")),
        ["gateway-is-upstream"]
    );
    assert_eq!(
        refused(&quiet_with("127.0.0.1:9000", "0.0.0.0:8443")),
        ["gateway-is-upstream"]
    );
    assert!(refused(&quiet_with("127.0.0.1:9000", "127.0.0.1:8081")).is_empty());
    assert!(refused(SMALL).is_empty());
    let own_host = "[[upstreams]]\nname = \"u\"\nurls = [\"http://127.0.0.1:8081\"]\nhost = \"upstream\"\n[[routes]]\n";
    let text = small_with("\"http://127.0.0.1:9000\"", "\"u\"").replace("[[routes]]\n", own_host);
    assert_eq!(refused(&text), ["admin-is-upstream"]);
}

#[test]
fn warnings_stand_at_their_key() {
    let found = warnings(&good(&quiet_with("keys =", "leeway = \"3m\"\nkeys =")));
    let warning = found
        .iter()
        .find(|warning| warning.code == "leeway-over-2m")
        .unwrap();
    let shown = warning.to_string();
    assert!(
        shown.starts_with("gateway.toml:7:10: warning[leeway-over-2m]: tokens of `corp`"),
        "{shown}"
    );
    assert!(
        shown.contains("7 | leeway = \"3m\"\n  |          ^^^^"),
        "{shown}"
    );
    assert!(found.is_sorted_by_key(|warning| warning.place.line));
}

#[test]
fn the_file_limit_covers_clients_and_upstreams() {
    let config = good("[server.limits]\nconnections = 1000\n");
    let count = |hard: &str| {
        let mut found = Findings {
            config: &config,
            warnings: Vec::new(),
        };
        let limits = format!(
            "Limit  Soft  Hard  Units\nMax open files            1024                 {hard}               files\n"
        );
        network::check_file_limit(&mut found, &limits);
        found.warnings.len()
    };
    assert_eq!(
        (count("2099"), count("2100"), count("unlimited")),
        (1, 0, 0)
    );
}

#[cfg(unix)]
#[test]
fn secrets_that_anyone_can_read_are_named() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str, mode: u32| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        path
    };
    let secret = "0123456789abcdef0123456789abcdef";
    let keys = |value: &str| {
        quiet()
            .replace(
                "{ jwks_file = \"keys.json\" }",
                &format!("{{ secret = \"{value}\" }}"),
            )
            .replace("RS256", "HS256")
    };
    let readable = |text: &str| -> usize {
        let config = parse(text, Path::new("f"), directory.path(), &environment(&[])).unwrap();
        let all = warnings(&config);
        all.iter()
            .filter(|warning| warning.code == "world-readable-secret")
            .count()
    };
    for (mode, count) in [(0o600, 0), (0o640, 0), (0o644, 1)] {
        write("s", secret, mode);
        assert_eq!(readable(&keys("${file:s}")), count, "{mode:o}");
        write("s", secret, 0o600);
        write("c.key", "", mode);
        assert_eq!(readable(&quiet()), count, "{mode:o}");
        write("c.key", "", 0o600);
    }
    // A literal secret makes the configuration a secret.
    let file = write("gateway.toml", &keys(secret), 0o644);
    let codes = |file: &Path| -> Vec<&str> {
        let config = load(file, &Environment::default()).unwrap();
        warnings(&config)
            .iter()
            .map(|warning| warning.code)
            .collect()
    };
    assert!(codes(&file).contains(&"world-readable-secret"));
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    assert!(!codes(&file).contains(&"world-readable-secret"));
}
