use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use http::Method;
use serde_json::json;

use crate::config::testing::{SMALL, good, parse_with, small_with};
use crate::config::{
    AdminAccess, Authentication, Certificates, Condition, Host, HostPattern, KeySource, Keys,
    LogFormat, Preflight, Test, TokenPlace, load,
};
use crate::headers::ArrayStyle;
use crate::jwt::{Algorithm, AudienceMatch};

#[test]
fn what_is_left_out_has_its_default() {
    let config = good(SMALL);
    let limits = &config.server.limits;
    assert_eq!(config.server.listen, ["0.0.0.0:8443".parse().unwrap()]);
    assert_eq!(
        config.server.workers,
        std::thread::available_parallelism().unwrap()
    );
    assert_eq!(config.server.tls, None);
    assert_eq!(&*config.server.realm, "portcullis");
    assert_eq!(config.strip, ["X-Auth-*"]);
    assert_eq!((limits.connections, limits.header_bytes), (10_000, 65_536));
    assert_eq!((limits.token_bytes, limits.header_count), (16_384, 100));
    assert_eq!(limits.connections_per_client, None);
    assert_eq!(config.server.token_cache, 64 << 20);
    let rates = limits.bad_signatures;
    assert_eq!(rates.per_client.map(NonZeroU32::get), Some(20));
    assert_eq!(rates.per_worker.map(NonZeroU32::get), Some(2000));
    assert_eq!(limits.connection_age, None);
    assert_eq!(limits.body_bytes, None);
    assert_eq!(limits.drain_delay, Duration::ZERO);
    assert_eq!(limits.upgrade_idle_timeout, Duration::from_hours(1));
    assert_eq!(config.admin.listen, Some("127.0.0.1:8081".parse().unwrap()));
    assert_eq!(config.admin.access, AdminAccess::Loopback);
    assert_eq!(
        (config.log.format, config.log.access),
        (LogFormat::Auto, true)
    );

    let policy = &config.issuers[0].policy;
    assert_eq!(policy.leeway, Duration::from_secs(30));
    assert_eq!(policy.audience_match, AudienceMatch::Any);
    assert_eq!(&*policy.audience_claim, "aud");
    assert_eq!(policy.token_types, ["at+jwt".into(), "jwt".into()]);
    assert_eq!((policy.max_lifetime, policy.accept_cnf), (None, false));

    let upstream = &config.upstreams[0];
    assert_eq!(&*upstream.name, "http://127.0.0.1:9000");
    assert_eq!((upstream.max_idle, upstream.host), (64, Host::Keep));
    assert_eq!(upstream.idle_timeout, Duration::from_secs(4));

    let route = &config.routes[0];
    assert_eq!(
        (route.auth, route.preflight),
        (Authentication::Required, Preflight::Deny)
    );
    assert_eq!((&route.issuers[..], route.upstream), (&[0][..], 0));
    assert!(!route.forward_token && !route.outlive_token && !route.strip_prefix);
    assert!(route.server_timing.is_empty());
    assert_eq!(route.token_from, [TokenPlace::Authorization]);
    assert_eq!(route.body_bytes, None);
}

#[test]
fn every_key_of_server_admin_and_log_arrives() {
    let config = good(EVERYTHING);
    let server = &config.server;
    assert_eq!(server.listen.len(), 2);
    assert_eq!(server.workers.get(), 3);
    let pair = |n: &str| {
        (
            format!("/etc/portcullis/{n}.pem").into(),
            format!("/k/{n}").into(),
        )
    };
    assert_eq!(
        server.tls,
        Some(Certificates::Files(vec![pair("a"), pair("b")]))
    );
    assert_eq!(
        server.trusted_proxies.0,
        ["10.0.0.0/8", "192.0.2.1/32"].map(|n| n.parse().unwrap())
    );
    assert_eq!(
        (&*server.realm, &config.strip[..]),
        ("api", &["X-User".to_owned()][..])
    );
    assert_eq!(server.token_cache, 8 << 20);
    let rates = server.limits.bad_signatures;
    assert_eq!(rates.per_client.map(NonZeroU32::get), Some(7));
    assert_eq!(rates.per_worker, None);
    assert_eq!(server.limits.connections_per_client, Some(50));
    assert_eq!(server.limits.connection_age, Some(Duration::from_hours(1)));
    assert_eq!(server.limits.body_bytes, Some(10 << 20));
    assert_eq!(config.admin.listen, None);
    assert_eq!(
        (config.log.format, config.log.access),
        (LogFormat::Json, false)
    );
}

#[test]
fn every_key_of_an_issuer_arrives() {
    let config = good(EVERYTHING);
    let policy = &config.issuers[0].policy;
    assert_eq!(policy.audience_match, AudienceMatch::All);
    assert_eq!(&*policy.audience_claim, "client_id");
    assert!(policy.algorithms.contains(Algorithm::EdDsa) && policy.accept_cnf);
    assert_eq!(policy.require, ["sub".into()]);
    assert_eq!(policy.token_types, ["at+jwt".into()]);
    assert_eq!(policy.max_lifetime, Some(Duration::from_hours(1)));
    let [KeySource::PemFiles(files)] = config.issuers[0].keys.sources() else {
        panic!("pem_files");
    };
    assert_eq!(files[0].path, Path::new("/etc/portcullis/a.pem"));
    assert_eq!(files[0].kid.as_deref(), Some("a"));
    assert!(matches!(
        config.issuers[1].keys,
        Keys::Generate(Algorithm::Es256)
    ));
}

#[test]
fn every_key_of_upstreams_and_routes_arrives() {
    let config = good(EVERYTHING);
    let upstream = &config.upstreams[0];
    assert_eq!((upstream.urls.len(), upstream.host), (2, Host::Upstream));
    assert_eq!(
        upstream.ca.as_deref(),
        Some(Path::new("/etc/portcullis/ca.pem"))
    );
    assert_eq!(upstream.connect_timeout, Duration::from_millis(500));
    assert_eq!(
        (upstream.idle_timeout, upstream.max_idle),
        (Duration::from_secs(9), 7)
    );

    let route = &config.routes[0];
    let hosts = [
        HostPattern::Exact("api.example.com".into()),
        HostPattern::Wildcard("example.com".into()),
    ];
    assert_eq!(route.hosts, hosts);
    assert_eq!(&*route.path, "/ä b");
    assert_eq!(
        route.methods,
        [Method::GET, Method::from_bytes(b"PURGE").unwrap()]
    );
    assert_eq!(
        (route.upstream, route.auth, &route.issuers[..]),
        (0, Authentication::Optional, &[1, 0][..])
    );
    assert_eq!(
        (
            &*route.requirements.scopes[0],
            &*route.requirements.any_scope[1]
        ),
        ("orders:read", "b")
    );
    let tests = |index: usize| match &route.requirements.claims[index].condition {
        Condition::Claim(_, tests) => tests.clone(),
        other @ (Condition::All(_) | Condition::Any(_) | Condition::Not(_)) => panic!("{other:?}"),
    };
    assert_eq!(tests(0), [Test::Contains(json!("ops"))]);
    assert_eq!(tests(1), [Test::Equals(json!([1, 2.5, true]))]);
    assert!(route.forward_token && route.outlive_token && route.strip_prefix);
    let places = route.token_from.iter().map(ToString::to_string);
    assert_eq!(
        places.collect::<Vec<_>>(),
        [
            "Authorization",
            "the field x-api-token",
            "the cookie sid",
            "the query parameter access_token",
            "the subprotocol bearer"
        ]
    );
    let told = ["10.0.0.0/8", "192.0.2.1/32"].map(|network| network.parse().unwrap());
    assert_eq!(route.server_timing, told);
    assert!(route.path_allow.encoded_slash && route.path_allow.double_slash);
    assert_eq!(
        (route.preflight, route.body_bytes),
        (Preflight::Forward, Some(1024))
    );
}

#[test]
fn files_that_are_named_are_watched() {
    let config = good(EVERYTHING);
    let names: Vec<_> = config
        .files
        .iter()
        .map(|file| file.to_str().unwrap())
        .collect();
    let expected = [
        "/etc/portcullis/a.pem",
        "/etc/portcullis/b.pem",
        "/etc/portcullis/ca.pem",
        "/k/a",
        "/k/b",
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_route_adds_claim_headers_and_wins_by_name() {
    let text = format!(
        "{SMALL}claim_headers = {{ X-Auth-Subject = \"email\", X-Auth-Roles = {{ claim = \"roles\", array = \"json\" }} }}
        [claim_headers]\nX-Auth-Subject = \"sub\"\nX-Auth-Issuer = \"iss\"\n"
    );
    let headers = &good(&text).routes[0].claim_headers;
    let names: Vec<&str> = headers.iter().map(|header| header.name.as_str()).collect();
    assert_eq!(names, ["x-auth-issuer", "x-auth-subject", "x-auth-roles"]);
    assert_eq!(headers[2].array, ArrayStyle::Json);
    assert_ne!(
        headers[1].claim,
        crate::json::ClaimPath::parse("sub").unwrap()
    );
}

#[test]
fn routes_with_one_url_share_an_upstream() {
    let second = "[[routes]]\nname = \"b\"\npath = \"/b\"\nupstream = \"HTTP://127.0.0.1:9000/\"\n";
    let third = "[[routes]]\nname = \"c\"\npath = \"/c\"\nupstream = \"http://127.0.0.1:9001\"\n";
    let config = good(&format!("{SMALL}{second}{third}"));
    let used: Vec<usize> = config.routes.iter().map(|route| route.upstream).collect();
    assert_eq!((used, config.upstreams.len()), (vec![0, 0, 1], 2));
}

#[test]
fn one_host_and_path_may_have_disjoint_methods() {
    let methods = |list: &str| format!("path = \"/orders\"\nmethods = {list}");
    let first = small_with("path = \"/orders\"", &methods("[\"GET\"]"));
    let second = first
        .split("[[routes]]")
        .nth(1)
        .unwrap()
        .replace("\"GET\"", "\"POST\"");
    let second = second.replace("name = \"orders\"", "name = \"b\"");
    assert_eq!(good(&format!("{first}[[routes]]{second}")).routes.len(), 2);
}

#[test]
fn a_route_can_lift_the_body_limit() {
    let text = format!("{SMALL}body_bytes = \"off\"\n[server.limits]\nbody_bytes = \"1MiB\"\n");
    let config = good(&text);
    assert_eq!(config.server.limits.body_bytes, Some(1 << 20));
    assert_eq!(config.routes[0].body_bytes, Some(u64::MAX));
}

#[test]
fn the_token_cache_can_be_off_and_must_hold_a_token_for_each_worker() {
    let cache = |keys: &str| {
        let text = format!("[server]\nworkers = 4\n{keys}\n");
        good(&text).server.token_cache
    };
    assert_eq!(cache("token_cache = \"off\""), 0);
    assert_eq!(cache("token_cache = \"64KiB\""), 64 << 10);
}

#[test]
fn a_public_gateway_needs_no_issuer() {
    let text = "[[routes]]\nname = \"a\"\npath = \"/\"\nupstream = \"http://a\"\nauth = \"none\"\n";
    assert!(good(text).routes[0].issuers.is_empty());
    assert!(good("").routes.is_empty());
}

#[test]
fn the_hash_covers_text_and_values_alike() {
    let text = small_with("\"orders-api\"", "\"${A:-x}\"");
    let hash = |text: &str, variables: &[(&str, &str)]| parse_with(text, variables).unwrap().hash;
    let plain = hash(&text, &[]);
    assert_eq!(plain.len(), 64);
    assert_eq!(plain, hash(&text, &[("OTHER", "1")]));
    assert_ne!(plain, hash(&text, &[("A", "y")]));
    assert_ne!(plain, hash(&format!("{text}\n"), &[]));
    assert_ne!(plain, hash(&text, &[("PORTCULLIS__LOG__ACCESS", "false")]));
}

#[test]
fn a_file_is_loaded_with_its_directory() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("gateway.toml");
    std::fs::write(&file, SMALL).unwrap();
    let config = load(&file, &crate::config::Environment::default()).unwrap();
    assert_eq!(config.file.as_deref(), Some(&*file));
    assert!(config.files.contains(&file));
    assert!(config.files.contains(&directory.path().join("keys.json")));

    std::fs::write(&file, b"# \xff\n").unwrap();
    let error = load(&file, &crate::config::Environment::default()).unwrap_err();
    assert!(error.to_string().contains("line 1 is not UTF-8"), "{error}");
    let error = load(
        Path::new("/none/such.toml"),
        &crate::config::Environment::default(),
    );
    assert!(
        error
            .unwrap_err()
            .to_string()
            .starts_with("/none/such.toml: error: cannot read")
    );
}

#[test]
fn ten_thousand_routes_are_read_in_one_go() {
    use std::fmt::Write;
    let mut text = SMALL.to_owned();
    for n in 0..10_000 {
        write!(
            text,
            "[[routes]]\nname = \"r{n}\"\npath = \"/p/{n}\"\nupstream = \"http://a\"\n"
        )
        .unwrap();
    }
    let config = good(&text);
    assert_eq!(config.routes.len(), 10_001);
    assert_eq!(config.places.of("routes[9999].path").column, 8);
}

const EVERYTHING: &str = r#"
[server]
listen = ["0.0.0.0:8443", "[::]:8443"]
workers = 3
tls = [{ cert = "a.pem", key = "/k/a" }, { cert = "b.pem", key = "/k/b" }]
trusted_proxies = ["10.0.0.0/8", "192.0.2.1"]
realm = "api"
token_cache = "8MiB"
strip = ["X-User"]
[server.limits]
connections_per_client = 50
connection_age = "1h"
bad_signatures_per_client = 7
bad_signatures_per_worker = "off"
body_bytes = "10MiB"
[admin]
listen = "off"
[log]
format = "json"
access = false
[[issuers]]
name = "a"
issuer = "https://a/"
audiences = ["x"]
audience_match = "all"
audience_claim = "client_id"
algorithms = ["EdDSA", "Ed25519"]
keys = { pem_files = [{ path = "a.pem", kid = "a" }] }
leeway = "1m"
require = ["sub"]
token_types = ["application/AT+JWT"]
max_lifetime = "1h"
accept_cnf = true
[[issuers]]
name = "b"
issuer = "https://b/"
audiences = "x"
algorithms = ["ES256"]
keys = { generate = "ES256" }
[[upstreams]]
name = "u"
urls = ["https://u", "http://u"]
ca = "ca.pem"
connect_timeout = "500ms"
response_timeout = "1m"
idle_timeout = "9s"
max_idle = 7
host = "upstream"
[[routes]]
name = "r"
hosts = ["API.example.com", "*.example.com"]
path = "/%C3%A4%20b"
methods = ["GET", "PURGE"]
upstream = "u"
auth = "optional"
issuers = ["b", "a"]
scopes = ["orders:read"]
any_scope = ["a", "b"]
claims = { "realm_access.roles" = { contains = "ops" }, tenant = { equals = [1, 2.5, true] } }
token_from = ["authorization", { header = "X-Api-Token" }, { cookie = "sid" }, { query = "access_token" }, { subprotocol = "bearer" }]
forward_token = true
outlive_token = true
server_timing = ["10.0.0.0/8", "192.0.2.1"]
strip_prefix = true
path_allow = ["encoded_slash", "double_slash"]
preflight = "forward"
body_bytes = "1KiB"
"#;
