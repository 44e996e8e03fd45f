//! [store]

use std::path::Path;

use crate::config::testing::{SMALL, assert_error, bad, good, parse_with};
use crate::config::{Config, StoreUrl, warnings};

fn with_url(url: &str) -> String {
    format!("{SMALL}[store]\nurl = \"{url}\"\n")
}

/// Of a configuration whose state directory is `/state`.
fn config(text: &str) -> Config {
    parse_with(text, &[("STATE_DIRECTORY", "/state")]).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn a_file_is_one_of_the_state_directory_unless_it_is_absolute() {
    let default = Path::new("/state/portcullis.db");
    for (text, expected) in [
        (SMALL.to_owned(), default),
        (format!("{SMALL}[store]\n"), default),
        (with_url("sqlite:portcullis.db"), default),
        (with_url("sqlite:a/b.db"), Path::new("/state/a/b.db")),
        (with_url("sqlite:/srv/u.db"), Path::new("/srv/u.db")),
        (with_url("sqlite:///srv/u.db"), Path::new("/srv/u.db")),
        (with_url("sqlite:ä b.db"), Path::new("/state/ä b.db")),
    ] {
        let config = config(&text);
        assert_eq!(config.store_url(), StoreUrl::Sqlite(expected.into()));
        assert_eq!(config.store.is_some(), text.contains("[store]"));
    }
}

#[test]
fn a_server_is_kept_as_it_is_written_and_never_shown() {
    for url in [
        "postgres://alice:hunter2@db.example.com:5432/users?sslmode=verify-full",
        "postgresql://alice:hunter2@db/users",
        "postgres://alice:hunter2@[fd00::1]:5432/users?options[search_path]=portcullis",
        "postgres://alice:hunter2@10.0.0.1/users?sslmode=require&sslrootcert=/ca.pem",
        "postgres://alice:hunter2%2F%40@localhost/users?host=/run/postgresql",
        "postgres://alice:hunter2@%2Frun%2Fpostgresql/users?application_name=x",
        "postgres://alice:hunter2@h/users?options=-c%20search_path%3Dx&sslmode=disable",
        "postgres://alice:p:hunter2:q@h/users?sslcert=/a&sslkey=%2Fb",
    ] {
        let config = config(&with_url(url));
        let StoreUrl::Postgres(kept) = config.store_url() else {
            panic!("{url}")
        };
        assert_eq!(kept.expose(), url.as_bytes());
        assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
        let warned = warnings(&config);
        assert!(
            warned
                .iter()
                .any(|warning| warning.code == "literal-secret")
        );
        for warning in warned {
            assert!(!warning.to_string().contains("hunter2"), "{warning}");
        }
    }
}

#[test]
fn a_server_may_come_from_the_environment() {
    let url = "postgres://alice:hunter2@localhost/users";
    let store = format!("{SMALL}[store]\nurl = \"${{STORE}}\"\n");
    for config in [
        parse_with(SMALL, &[("PORTCULLIS__STORE__URL", url)]).unwrap(),
        parse_with(&store, &[("STORE", url)]).unwrap(),
    ] {
        assert!(matches!(config.store_url(), StoreUrl::Postgres(_)));
        let warned = warnings(&config);
        assert!(
            !warned
                .iter()
                .any(|warning| warning.code == "literal-secret")
        );
    }
    // Without a password it is no secret.
    let config = good(&with_url("postgres://alice@localhost/users"));
    assert!(config.secrets.is_empty());
}

#[test]
fn wrong_stores() {
    for (url, message, help) in WRONG.iter().copied() {
        assert_error(&with_url(url), message, help);
    }
    assert_error(
        &format!("{SMALL}[store]\nurl = 1"),
        "takes a string, not a number",
        "",
    );
    assert_error(
        &format!("{SMALL}[store]\nurll = \"sqlite:a\""),
        "unknown key `urll` in [store]",
        "`url`",
    );
}

const WRONG: &[(&str, &str, &str)] = &[
    ("", "empty", ""),
    (
        "portcullis.db",
        "neither SQLite nor PostgreSQL",
        "sqlite:portcullis.db",
    ),
    (
        "mysql://u@h/d",
        "neither SQLite nor PostgreSQL",
        "postgres://",
    ),
    (
        "sqllite:a.db",
        "neither SQLite nor PostgreSQL",
        "did you mean `sqlite:`",
    ),
    (
        "postgress://h/d",
        "neither SQLite nor PostgreSQL",
        "did you mean `postgres://`",
    ),
    ("sqlite:", "names no file", ""),
    ("sqlite:a/", "names no file", ""),
    ("sqlite::memory:", "keeps nothing", "name a file"),
    ("sqlite:a.db?mode=ro", "has parameters", ""),
    ("sqlite://a.db", "has a host", "\"sqlite:file\""),
    ("postgres:h/d", "is incomplete", ""),
    ("postgres://h", "names no database", ""),
    ("postgres://h/", "names no database", ""),
    ("postgres:///d", "no valid host", "?host="),
    ("postgres://u@/d", "no valid host", ""),
    ("postgres://h:0/d", "no valid host or port", ""),
    ("postgres://h:port/d", "no valid host or port", ""),
    ("postgres://a b/d", "characters", "%20"),
    ("postgres://h/d#x", "characters", "%23"),
    ("postgres://u:p/q@h/d", "where none can be", "%2F"),
    ("postgres://u:p@q@h/d", "where none can be", "%40"),
    (
        "postgres://u@h/d?sslmode=full",
        "unknown `sslmode`",
        "verify-full",
    ),
    ("postgres://u@h/d?sslmode", "unknown `sslmode`", ""),
    (
        "postgres://u@h/d?sslrootcert=ca.pem",
        "relative path",
        "absolute",
    ),
    ("postgres://u@h/d?host=other", "`host`", "socket"),
    ("postgres://u@h/d?password=x", "not known", "sslmode"),
    ("postgres://u@h/d?options[]=x", "not known", ""),
];

#[test]
fn an_error_shows_neither_user_nor_password() {
    for url in [
        "postgres://alice:hunter2@h",
        "postgres://alice:hunter2/x@h/d",
        "postgres://alice:hunter2?x@h/d",
        "postgres://alice:hunter2#x@h/d",
        "postgres://alice:x@hunter2@h/d",
        "postgres://alice@h/d?password=hunter2",
        "postgres://alice@h/d?password=hunter2&sslmode=x",
        "postgress://alice:hunter2@h/d",
    ] {
        let shown = bad(&with_url(url));
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("url = \""), "{shown}");
    }
}

#[test]
fn a_file_that_everyone_can_read_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("users.db");
    std::fs::write(&file, "").unwrap();
    let config = good(&with_url(&format!("sqlite:{}", file.display())));
    for (mode, warned) in [(0o644, true), (0o600, false), (0o640, false)] {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&file, permissions).unwrap();
        let mut found = warnings(&config).into_iter();
        let found = found.any(|warning| warning.code == "world-readable-secret");
        assert_eq!(found, warned, "{mode:o}");
    }
}

#[test]
fn a_server_beyond_this_machine_needs_tls() {
    for (url, warned) in [
        ("sqlite:a.db", false),
        ("postgres://u@db/d", true),
        ("postgres://u@db/d?sslmode=disable", true),
        ("postgres://u@db/d?sslmode=prefer", true),
        ("postgres://u@10.0.0.1:5432/d?sslmode=require", true),
        ("postgres://u@localhost.example/d", true),
        ("postgres://u@db/d?sslmode=verify-ca", false),
        ("postgresql://u@db/d?sslmode=verify-full", false),
        ("postgres://u@localhost/d", false),
        ("postgres://u@LOCALHOST:5432/d?sslmode=disable", false),
        ("postgres://u@127.0.0.53/d", false),
        ("postgres://u@[::1]:5432/d", false),
        ("postgres://u@db/d?host=/run/postgresql", false),
        ("postgres://%2Frun%2Fpostgresql/d", false),
    ] {
        let found = warnings(&good(&with_url(url)));
        let found = found
            .iter()
            .find(|warning| warning.code == "store-without-tls");
        assert_eq!(found.is_some(), warned, "{url}");
        if let Some(warning) = found {
            let shown = warning.to_string();
            assert!(
                shown.contains("verify-full") && shown.contains("url = "),
                "{shown}"
            );
        }
    }
}
