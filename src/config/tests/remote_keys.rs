//! Keys that are fetched: what is read of them.

use std::path::Path;
use std::time::Duration;

use crate::config::testing::{SMALL, good, parse_with, small_with};
use crate::config::{Config, KeyLocation, KeyRefresh, KeySource, RemoteKeys};

const KEYS: &str = "{ jwks_file = \"keys.json\" }";

fn remote(config: &Config) -> &RemoteKeys {
    let mut remote = config.issuers[0].keys.remote();
    let found = remote.next().expect("a remote source");
    assert!(remote.next().is_none());
    found
}

fn locations(remote: &RemoteKeys) -> Vec<String> {
    match &remote.location {
        KeyLocation::Discovery(urls) => urls.iter().map(ToString::to_string).collect(),
        KeyLocation::Jwks(url) => vec![url.to_string()],
    }
}

#[test]
fn a_url_is_taken_as_it_is_and_careful_is_the_default() {
    let config = good(&small_with(
        KEYS,
        "{ jwks_url = \"https://login.example.com/keys?p=a\" }",
    ));
    let remote = remote(&config);
    assert_eq!(
        remote.location,
        KeyLocation::Jwks("https://login.example.com/keys?p=a".parse().unwrap())
    );
    assert!(!remote.allow_http && !remote.allow_link_local);
    assert_eq!((&remote.ca, &remote.proxy), (&None, &None));
    assert_eq!((remote.place.line, remote.place.column), (7, 21));
    let refresh = config.issuers[0].refresh;
    assert_eq!(refresh, KeyRefresh::default());
    assert_eq!(refresh.interval, Duration::from_mins(5));
    assert_eq!(refresh.unknown_kid_gap, Duration::from_secs(15));
    assert_eq!(refresh.stale_for, Duration::from_hours(24));
}

#[test]
fn metadata_is_where_the_specifications_put_it() {
    for (issuer, urls) in [
        (
            "https://login.example.com/",
            [
                "https://login.example.com/.well-known/openid-configuration",
                "https://login.example.com/.well-known/oauth-authorization-server",
            ],
        ),
        (
            "https://login.example.com",
            [
                "https://login.example.com/.well-known/openid-configuration",
                "https://login.example.com/.well-known/oauth-authorization-server",
            ],
        ),
        (
            "https://sso:8443/realms/corp",
            [
                "https://sso:8443/realms/corp/.well-known/openid-configuration",
                "https://sso:8443/.well-known/oauth-authorization-server/realms/corp",
            ],
        ),
        (
            "http://localhost:8080/application/o/orders/",
            [
                "http://localhost:8080/application/o/orders/.well-known/openid-configuration",
                "http://localhost:8080/.well-known/oauth-authorization-server/application/o/orders",
            ],
        ),
    ] {
        let text =
            small_with(KEYS, "{ discovery = true }").replace("https://login.example.com/", issuer);
        assert_eq!(locations(remote(&good(&text))), urls, "{issuer}");
    }
    let keys = "{ discovery = \"https://inner/.well-known/openid-configuration\" }";
    let config = good(&small_with(KEYS, keys).replace("https://login.example.com/", "corp"));
    assert_eq!(
        locations(remote(&config)),
        ["https://inner/.well-known/openid-configuration"]
    );
}

#[test]
fn every_key_of_a_remote_source_arrives() {
    let keys = "{ discovery = true, allow_http = true, allow_link_local = true, ca = \"ca.pem\", \
                proxy = \"http://proxy.example:3128\" }\n[issuers.refresh]\ninterval = \"1m\"\n\
                unknown_kid_gap = \"5s\"\nstale_for = \"7 days\"";
    let config = good(&small_with(KEYS, keys));
    let remote = remote(&config);
    assert!(remote.allow_http && remote.allow_link_local);
    let ca = Path::new("/etc/portcullis/ca.pem");
    assert_eq!(remote.ca.as_deref(), Some(ca));
    assert!(config.files.contains(ca), "it is watched");
    let proxy = remote.proxy.as_ref().unwrap();
    assert_eq!(proxy.to_string(), "http://proxy.example:3128/");
    let refresh = KeyRefresh {
        interval: Duration::from_mins(1),
        unknown_kid_gap: Duration::from_secs(5),
        stale_for: Duration::from_hours(7 * 24),
    };
    assert_eq!(config.issuers[0].refresh, refresh);
}

#[test]
fn an_issuer_may_have_several_sources() {
    let keys = "[{ discovery = true }, { jwks_url = \"https://b/keys\" }, \
                { jwks_file = \"emergency.json\" }, { pem_files = [{ path = \"a.pem\" }] }]";
    let config = good(&small_with(KEYS, keys));
    let sources = config.issuers[0].keys.sources();
    assert!(matches!(
        sources,
        [
            KeySource::Remote(_),
            KeySource::Remote(_),
            KeySource::JwksFile(_),
            KeySource::PemFiles(_)
        ]
    ));
    let keys = &config.issuers[0].keys;
    assert_eq!(keys.remote().count(), 2);
    let places: Vec<usize> = keys.remote().map(|remote| remote.place.column).collect();
    assert_eq!(places, [23, 44]);
}

#[test]
fn variables_set_them() {
    let variable = "PORTCULLIS__ISSUERS__CORP__KEYS";
    let url = format!("{variable}__JWKS_URL");
    let nothing = small_with(KEYS, "{}");
    let config = parse_with(&nothing, &[(&url, "https://b/keys")]).unwrap();
    assert_eq!(locations(remote(&config)), ["https://b/keys"]);
    assert_eq!(remote(&config).place.text, url);

    let discovery = format!("{variable}__DISCOVERY");
    let config = parse_with(&nothing, &[(&discovery, "true")]).unwrap();
    assert_eq!(locations(remote(&config)).len(), 2);
    let config = parse_with(&nothing, &[(&discovery, "https://b/m")]).unwrap();
    assert_eq!(locations(remote(&config)), ["https://b/m"]);

    let interval = "PORTCULLIS__ISSUERS__CORP__REFRESH__INTERVAL";
    let http = format!("{variable}__ALLOW_HTTP");
    let config = parse_with(
        SMALL,
        &[
            (variable, "{ jwks_url = \"http://b/keys\" }"),
            (&http, "true"),
            (interval, "1m"),
        ],
    );
    let config = config.unwrap_or_else(|errors| panic!("{errors}"));
    assert!(remote(&config).allow_http);
    assert_eq!(config.issuers[0].refresh.interval, Duration::from_mins(1));

    let lists = "[{ jwks_url = \"https://b/keys\" }, { jwks_file = \"a\" }]";
    let config = parse_with(SMALL, &[(variable, lists)]).unwrap();
    assert_eq!(config.issuers[0].keys.sources().len(), 2);

    // Which of them would it be?
    for (variable, value) in [
        (url.clone(), "https://b/keys"),
        (format!("{url}__FILE"), "/dev/null"),
    ] {
        let errors = parse_with(&small_with(KEYS, lists), &[(&variable, value)]).unwrap_err();
        let shown = errors.to_string();
        assert!(shown.contains("`keys` of the file is a list"), "{shown}");
        let help = "help: set `PORTCULLIS__ISSUERS__CORP__KEYS` as a whole";
        assert!(shown.contains(help), "{shown}");
    }
}
