use std::path::Path;
use std::time::Duration;

use crate::config::testing::{SMALL, environment, parse_with, small_with};
use crate::config::{Keys, SecretOrigin, parse};

/// `[server] realm` after filling in.
fn realm(value: &str, variables: &[(&str, &str)]) -> Result<String, String> {
    let text = format!("[server]\nrealm = '{value}'\n");
    match parse_with(&text, variables) {
        Ok(config) => Ok(config.server.realm.into()),
        Err(errors) => Err(errors.to_string()),
    }
}

#[test]
fn variables_are_filled_in() {
    let variables = [("A", "one"), ("EMPTY", "")];
    for (text, expected) in [
        ("${A}", "one"),
        ("x-${A}-${A}", "x-one-one"),
        ("${B:-two}", "two"),
        ("${A:-two}", "one"),
        ("${EMPTY:-two}", "two"),
        ("x${EMPTY}", "x"),
        ("$${A}", "${A}"),
        ("$$${A}", "$${A}"),
        ("$A $ {A}", "$A $ {A}"),
        ("${B:-a:-b}", "a:-b"),
    ] {
        assert_eq!(realm(text, &variables).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_cannot_be_filled_in_is_named_where_it_stands() {
    for (text, expected) in [
        (
            "x${UNSET}",
            "gateway.toml:2:11: error: the environment variable `UNSET` is not set",
        ),
        (
            "x${UNSET}",
            "2 | realm = 'x${UNSET}'\n  |           ^^^^^^^^",
        ),
        ("x${UNSET}", "help: set it, or write `${UNSET:-default}`"),
        ("${A", "never closed"),
        ("${}", "not the name of an environment variable"),
        ("${A-B}", "not the name of an environment variable"),
        ("${file:/none/such}", "cannot read `/none/such`"),
    ] {
        let shown = realm(text, &[("A", "x")]).unwrap_err();
        assert!(shown.contains(expected), "{text}:\n{shown}");
    }
}

#[test]
fn files_are_read_relative_to_the_configuration() {
    let directory = tempfile::tempdir().unwrap();
    for (content, expected) in [
        ("value", "value"),
        ("value\n", "value"),
        ("value\r\n", "value"),
        (" value \n", " value "),
        ("${HOME}\n", "${HOME}"),
    ] {
        std::fs::write(directory.path().join("r"), content).unwrap();
        let text = "[server]\nrealm = \"${file:r}\"\n";
        let config = parse(text, Path::new("f"), directory.path(), &environment(&[])).unwrap();
        assert_eq!(&*config.server.realm, expected);
        assert!(config.files.contains(&directory.path().join("r")));
    }
    // One line end is an editor's; two are meant, and no realm.
    std::fs::write(directory.path().join("r"), "value\n\n").unwrap();
    let text = "[server]\nrealm = \"${file:r}\"\n";
    assert!(parse(text, Path::new("f"), directory.path(), &environment(&[])).is_err());
    std::fs::write(directory.path().join("r"), b"\xff").unwrap();
    let errors = parse(text, Path::new("f"), directory.path(), &environment(&[])).unwrap_err();
    assert!(errors.to_string().contains("not UTF-8"), "{errors}");
    let endless = "[server]\nrealm = \"${file:/dev/zero}\"\n";
    let errors = parse_with(endless, &[]).unwrap_err();
    assert!(errors.to_string().contains("longer than 1 MiB"), "{errors}");
}

#[test]
fn secrets_know_where_they_come_from() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("s");
    let secret = "0123456789abcdef0123456789abcdef";
    std::fs::write(&file, secret).unwrap();
    let origin = |value: &str, variables: &[(&str, &str)]| {
        let keys = format!("{{ secret = \"{value}\" }}");
        let text = small_with("{ jwks_file = \"keys.json\" }", &keys).replace("RS256", "HS256");
        let environment = environment(variables);
        let config = parse(&text, Path::new("f"), directory.path(), &environment).unwrap();
        let Keys::Secret(read) = &config.issuers[0].keys else {
            panic!("a secret");
        };
        assert_eq!(read.expose(), secret.as_bytes());
        config.secrets[0].origin.clone()
    };
    let files = SecretOrigin::Files(vec![file.clone()]);
    let variable = "PORTCULLIS__ISSUERS__CORP__KEYS__SECRET";
    assert_eq!(origin(secret, &[]), SecretOrigin::Literal);
    assert_eq!(origin("${S}", &[("S", secret)]), SecretOrigin::Environment);
    assert_eq!(origin("${file:s}", &[]), files);
    assert_eq!(
        origin("x", &[(variable, secret)]),
        SecretOrigin::Environment
    );
    let from_file = format!("{variable}__FILE");
    assert_eq!(origin("x", &[(&from_file, "s")]), files);
}

#[test]
fn overrides_set_keys_of_every_type() {
    let text = format!("{SMALL}[server]\nlisten = \"0.0.0.0:1\"\n");
    let config = parse_with(
        &text,
        &[
            ("PORTCULLIS__SERVER__LISTEN", "127.0.0.1:9"),
            ("PORTCULLIS__SERVER__WORKERS", "2"),
            (
                "PORTCULLIS__SERVER__TRUSTED_PROXIES",
                "[\"10.0.0.0/8\", \"fd00::/8\"]",
            ),
            ("PORTCULLIS__SERVER__REALM", "42"),
            ("PORTCULLIS__SERVER__TLS", "{ self_signed = [\"a\"] }"),
            ("PORTCULLIS__SERVER__LIMITS__CONNECTIONS", "7"),
            ("PORTCULLIS__SERVER__LIMITS__IDLE_TIMEOUT", "9s"),
            ("PORTCULLIS__SERVER__LIMITS__CONNECTIONS_PER_CLIENT", "off"),
            ("PORTCULLIS__LOG__ACCESS", "false"),
            ("PORTCULLIS__ISSUERS__CORP__LEEWAY", "1m"),
            ("PORTCULLIS__ROUTES__ORDERS__STRIP_PREFIX", "true"),
            ("PORTCULLIS__CLAIM_HEADERS", "{ X-A = \"sub\" }"),
            ("PORTCULLIS_SERVICE_HOST", "set by Kubernetes, and not ours"),
        ],
    );
    let config = config.unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.server.listen, ["127.0.0.1:9".parse().unwrap()]);
    assert_eq!(config.server.workers.get(), 2);
    assert_eq!(config.server.trusted_proxies.0.len(), 2);
    assert_eq!(&*config.server.realm, "42", "a string is taken as it is");
    assert!(config.server.tls.is_some());
    assert_eq!(config.server.limits.connections, 7);
    assert_eq!(config.server.limits.idle_timeout, Duration::from_secs(9));
    assert!(!config.log.access);
    assert_eq!(config.issuers[0].policy.leeway, Duration::from_mins(1));
    assert!(config.routes[0].strip_prefix);
    assert_eq!(config.routes[0].claim_headers.len(), 1);
}

#[test]
fn names_in_variables_are_upper_case_with_underscores() {
    let text = "[[upstreams]]\nname = \"my-orders.v2\"\nurls = [\"http://a\"]\n";
    let variable = "PORTCULLIS__UPSTREAMS__MY_ORDERS_V2__URLS";
    let config = parse_with(text, &[(variable, "http://b")]).unwrap();
    assert_eq!(&*config.upstreams[0].urls[0].host, "b");
    let config = parse_with(text, &[(variable, "[\"http://b\", \"http://c\"]")]).unwrap();
    assert_eq!(config.upstreams[0].urls.len(), 2);
}

#[test]
fn what_an_override_holds_is_not_filled_in() {
    let config = parse_with("", &[("PORTCULLIS__SERVER__REALM", "${A}")]).unwrap();
    assert_eq!(&*config.server.realm, "${A}");
}

#[test]
fn wrong_overrides_name_the_variable() {
    for (variables, expected) in [
        (
            &[("PORTCULLIS__SERVER__LISTN", "x")][..],
            "PORTCULLIS__SERVER__LISTN: error: the variable names no key\n\
             help: did you mean `PORTCULLIS__SERVER__LISTEN`?",
        ),
        (
            &[("PORTCULLIS__ISSUERS__CROP__LEEWAY", "1s")],
            "none of [[issuers]] is named `crop`\nhelp: did you mean `corp`?",
        ),
        (
            &[("PORTCULLIS__ISSUERS__CORP__LEWAY", "1s")],
            "did you mean `PORTCULLIS__ISSUERS__CORP__LEEWAY`?",
        ),
        (&[("PORTCULLIS__ISSUERS__CORP", "1s")], "names no key"),
        (&[("PORTCULLIS__", "1s")], "names no key"),
        (&[("PORTCULLIS__LOG__ACCESS__X", "1s")], "names no key"),
        (
            &[("PORTCULLIS__LOG__ACCESS", "yes")],
            "PORTCULLIS__LOG__ACCESS: error: `access` takes true or false, not a string",
        ),
        (
            &[
                ("PORTCULLIS__SERVER__REALM", "a"),
                ("PORTCULLIS__SERVER__REALM__FILE", "b"),
            ],
            "PORTCULLIS__SERVER__REALM__FILE: error: `PORTCULLIS__SERVER__REALM` is set too",
        ),
        (
            &[("PORTCULLIS__SERVER__REALM__FILE", "/none/such")],
            "PORTCULLIS__SERVER__REALM__FILE: error: cannot read `/none/such`",
        ),
    ] {
        let shown = parse_with(SMALL, variables).unwrap_err().to_string();
        assert!(shown.contains(expected), "{shown}");
    }
}

#[test]
fn the_environment_does_not_print_its_values() {
    let shown = format!("{:?}", environment(&[("NAME", "hunter2")]));
    assert_eq!(shown, "{\"NAME\"}");
}
