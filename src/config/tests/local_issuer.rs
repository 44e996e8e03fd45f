//! The local issuer.

use std::time::Duration;

use crate::config::testing::{LOCAL, SMALL, bad, good, local_at, local_with, parse_with};
use crate::config::{KeySource, Keys, LocalIssuer, StoreFailure};
use crate::jwt::Algorithm;

const DAY: Duration = Duration::from_hours(24);

#[test]
fn two_keys_make_an_issuer() {
    let config = good(LOCAL);
    let local = config.local_issuer.as_ref().unwrap();
    assert_eq!(&*local.url.text, "https://localhost:8443/auth");
    assert_eq!(local.url.origin(), "https://localhost:8443");
    assert_eq!(local.signing.algorithm, Algorithm::EdDsa);
    assert_eq!(local.signing.rotate, 30 * DAY);
    assert_eq!(local.access_token, Duration::from_mins(15));
    assert_eq!(local.refresh_token, 7 * DAY);
    assert_eq!(local.session, 30 * DAY);
    assert!(!local.password_grant && !local.cookies && !local.page);
    assert!(local.encryption_key.is_none());

    let issuer = &config.issuers[local.issuer];
    assert_eq!(config.issuers.len(), 1);
    assert_eq!(&*issuer.name, "local");
    assert_eq!(issuer.keys, Keys::Public(vec![KeySource::Store]));
    assert!(issuer.keys.come_later() && issuer.keys.remote().next().is_none());
    let policy = &issuer.policy;
    assert_eq!(&*policy.issuer, "https://localhost:8443/auth");
    assert_eq!(policy.audiences, ["demo".into()]);
    assert_eq!(policy.token_types, ["at+jwt".into()]);
    assert_eq!(policy.max_lifetime, Some(DAY));
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256] {
        assert!(policy.algorithms.contains(algorithm));
    }
    // Alone, it is the one that routes mean.
    assert_eq!(config.routes[0].issuers, [0]);

    let store = config.store.as_ref().unwrap();
    assert_eq!(store.fail, StoreFailure::Closed);
    assert_eq!(store.stale_for, Duration::from_mins(10));
    assert_eq!(store.place, local.place);
    assert!(good(SMALL).store.is_none());
}

fn local(text: &str) -> LocalIssuer {
    good(text).local_issuer.unwrap()
}

#[test]
fn every_key_of_the_local_issuer_arrives() {
    let key = "0123456789abcdef0123456789abcdef";
    let keys = format!(
        "signing = {{ algorithm = \"RS256\", rotate = \"1 day\" }}\naccess_token = \"1m\"\nrefresh_token = \"90 days\"\n\
         session = \"365 days\"\npassword_grant = true\nencryption_key = \"{key}\"\ncookies = true\npage = true"
    );
    let local = local(&local_with(&keys));
    assert_eq!(local.signing.algorithm, Algorithm::Rs256);
    assert_eq!(local.signing.rotate, DAY);
    assert_eq!(local.access_token, Duration::from_mins(1));
    assert_eq!(local.refresh_token, 90 * DAY);
    assert_eq!(local.session, 365 * DAY);
    assert!(local.password_grant && local.cookies && local.page);
    assert_eq!(
        local.encryption_key.as_ref().unwrap().expose(),
        key.as_bytes()
    );
    assert!(!format!("{local:?}").contains(key));
}

#[test]
fn a_url_is_kept_to_the_letter_and_its_parts_as_browsers_write_them() {
    for (url, host, port, path, origin) in [
        ("https://a", "a", None, "", "https://a"),
        ("https://a:443/auth", "a", None, "/auth", "https://a"),
        (
            "http://localhost:80/x",
            "localhost",
            None,
            "/x",
            "http://localhost",
        ),
        ("https://a:80", "a", Some(80), "", "https://a:80"),
        (
            "https://Login.Example/Auth/v1.0",
            "login.example",
            None,
            "/Auth/v1.0",
            "https://login.example",
        ),
        (
            "http://127.0.0.1:8080/~a",
            "127.0.0.1",
            Some(8080),
            "/~a",
            "http://127.0.0.1:8080",
        ),
        (
            "https://[0:0::1]:8443/a",
            "::1",
            Some(8443),
            "/a",
            "https://[::1]:8443",
        ),
    ] {
        let found = local(&local_at(url)).url;
        assert_eq!(&*found.text, url);
        assert_eq!(found.secure, url.starts_with("https"));
        assert_eq!((&*found.host, found.port, &*found.path), (host, port, path));
        assert_eq!(found.origin(), origin);
    }
}

#[test]
fn an_issuer_covers_its_path_at_segment_borders_and_its_metadata() {
    let url = local(LOCAL).url;
    for (path, expected) in [
        ("/auth", true),
        ("/auth/", true),
        ("/auth/login", true),
        ("/authx", false),
        ("/Auth", false),
        ("/", false),
        ("/.well-known/oauth-authorization-server/auth", true),
        ("/.well-known/oauth-authorization-server", false),
        ("/.well-known/oauth-authorization-server/auth/x", false),
    ] {
        assert_eq!(url.covers(path), expected, "{path}");
    }
    let whole = local(&local_at("https://a")).url;
    assert!(whole.covers("/") && whole.covers("/x/y"));
    assert_eq!(
        whole.metadata_path(),
        "/.well-known/oauth-authorization-server"
    );
}

#[test]
fn beside_others_it_is_the_last_and_routes_name_it() {
    let both =
        format!("{SMALL}{LOCAL}").replace("path =", "issuers = [\"local\", \"corp\"]\npath =");
    let config = good(&both);
    assert_eq!(config.local_issuer.unwrap().issuer, 1);
    assert_eq!(config.routes[0].issuers, [1, 0]);
    let shown = bad(&format!("{SMALL}{LOCAL}"));
    assert!(
        shown.contains("names its `issuers`") && shown.contains("`corp`, `local`"),
        "{shown}"
    );
}

#[test]
fn variables_set_it_and_its_secret_comes_from_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key");
    std::fs::write(&file, format!("{}\n", "k".repeat(32))).unwrap();
    let file = file.to_str().unwrap();
    let variables = [
        ("PORTCULLIS__LOCAL_ISSUER__ISSUER", "https://b/auth"),
        ("PORTCULLIS__LOCAL_ISSUER__AUDIENCE", "b"),
        ("PORTCULLIS__LOCAL_ISSUER__SIGNING__ALGORITHM", "ES256"),
        ("PORTCULLIS__LOCAL_ISSUER__COOKIES", "true"),
        ("PORTCULLIS__LOCAL_ISSUER__ENCRYPTION_KEY__FILE", file),
        ("PORTCULLIS__STORE__FAIL", "open"),
        ("PORTCULLIS__STORE__STALE_FOR", "1m"),
        ("PORTCULLIS__ISSUERS__CORP__LOGOUT__PATH", "/out"),
        ("PORTCULLIS__ISSUERS__CORP__LOGOUT__CLIENT_ID", "gate"),
        ("PORTCULLIS__ROUTES__ORDERS__ISSUERS", "local"),
    ];
    let config = parse_with(SMALL, &variables).unwrap_or_else(|errors| panic!("{errors}"));
    let local = config.local_issuer.unwrap();
    assert_eq!(&*local.url.text, "https://b/auth");
    assert_eq!(local.signing.algorithm, Algorithm::Es256);
    assert!(local.cookies);
    // Without the line end.
    assert_eq!(
        local.encryption_key.unwrap().expose(),
        "k".repeat(32).as_bytes()
    );
    assert!(config.files.contains(std::path::Path::new(file)));
    let store = config.store.unwrap();
    assert_eq!(
        (store.fail, store.stale_for),
        (StoreFailure::Open, Duration::from_mins(1))
    );
    let logout = config.issuers[0].logout.as_ref().unwrap();
    assert_eq!((&*logout.path, &*logout.client_id), ("/out", "gate"));
}
