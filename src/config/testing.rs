//! What the tests of this module share.

use std::path::Path;

use super::{Config, ConfigErrors, Environment, parse};

/// An issuer, a route and nothing else.
pub(super) const SMALL: &str = r#"
[[issuers]]
name = "corp"
issuer = "https://login.example.com/"
audiences = ["orders-api"]
algorithms = ["RS256"]
keys = { jwks_file = "keys.json" }
[[routes]]
name = "orders"
path = "/orders"
upstream = "http://127.0.0.1:9000"
"#;

pub(super) fn environment(variables: &[(&str, &str)]) -> Environment {
    let owned = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Environment(owned.collect())
}

pub(super) fn parse_with(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let directory = Path::new("/etc/portcullis");
    parse(
        text,
        Path::new("gateway.toml"),
        directory,
        &environment(variables),
    )
}

pub(super) fn good(text: &str) -> Config {
    parse_with(text, &[]).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

/// The errors of a text, printed.
pub(super) fn bad(text: &str) -> String {
    match parse_with(text, &[]) {
        Ok(_) => panic!("no error in:\n{text}"),
        Err(errors) => errors.to_string(),
    }
}

/// [`SMALL`] with a piece replaced, which must be there.
pub(super) fn small_with(from: &str, to: &str) -> String {
    assert!(SMALL.contains(from), "{from}");
    SMALL.replace(from, to)
}

/// That a text has one error, with this message and help.
pub(super) fn assert_error(text: &str, message: &str, help: &str) {
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

/// A local issuer, and a route for it.
pub(super) const LOCAL: &str = r#"
[local_issuer]
issuer = "https://localhost:8443/auth"
audience = "demo"
[[routes]]
name = "demo"
path = "/"
upstream = "http://127.0.0.1:9000"
"#;

/// [`LOCAL`] with further keys.
pub(super) fn local_with(key: &str) -> String {
    let keyed = format!("audience = \"demo\"\n{key}\n");
    LOCAL.replacen("audience = \"demo\"\n", &keyed, 1)
}

/// [`LOCAL`] at another URL.
pub(super) fn local_at(url: &str) -> String {
    LOCAL.replacen("https://localhost:8443/auth", url, 1)
}
