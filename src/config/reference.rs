//! Every key there is, with its default: for suggestions, for overrides, and for the test of the documentation.

use std::path::Path;
use std::sync::OnceLock;

use super::Environment;
use super::context::Context;
use super::raw::{self, Table};
use super::resolve::read;
use super::source::Source;

/// A key of gateway.toml.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its table without indexes: empty at the top, `server.limits`, `issuers.keys`.
    pub table: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its default as TOML; `None` where it is required, a table, or simply absent.
    pub default: Option<String>,
}

/// A file with one of each table, so that each reader asks for its keys.
const ONE_OF_EACH: &str = "
[server]
tls = {}
[server.limits]
[admin]
[log]
[store]
[local_issuer]
signing = {}
[[issuers]]
keys = { pem_files = [{}] }
[[upstreams]]
[[routes]]
claims = { a = {} }
overrides = [{ when = {} }]
token_from = [{}]
[claim_headers]
a = {}
";

/// All keys, in the order they are read.
pub fn reference() -> &'static [Key] {
    static KEYS: OnceLock<Vec<Key>> = OnceLock::new();
    KEYS.get_or_init(|| {
        let root = raw::parse(ONE_OF_EACH).unwrap_or_default();
        let source = Source::new(Path::new("reference").to_owned(), "", &Table::default());
        let environment = Environment::default();
        let context = Context::new(&source, &environment, Path::new("")).recording();
        // What is wrong with empty tables does not matter: they are asked for their keys.
        let _ = read(&root, &context);
        let mut keys: Vec<Key> = Vec::new();
        for key in context.into_keys() {
            let known = keys
                .iter()
                .any(|other| (other.table, other.name) == (key.table, key.name));
            if !known {
                keys.push(key);
            }
        }
        keys
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_every_table_are_known_with_their_defaults() {
        for (table, name, default) in [
            ("", "server", None),
            ("server", "workers", Some("\"auto\"")),
            ("server.tls", "self_signed", None),
            ("server.limits", "idle_timeout", Some("\"75s\"")),
            ("server.limits", "connection_age", Some("\"off\"")),
            ("admin", "listen", Some("\"127.0.0.1:8081\"")),
            ("log", "access", Some("true")),
            ("issuers", "audiences", None),
            ("issuers", "token_types", Some("[\"at+jwt\", \"JWT\"]")),
            ("issuers.keys.pem_files", "kid", None),
            ("upstreams", "max_idle", Some("64")),
            ("routes", "auth", Some("\"required\"")),
            ("routes.claims", "contains", None),
            ("claim_headers", "array", Some("\"csv\"")),
        ] {
            let key = reference()
                .iter()
                .find(|key| key.table == table && key.name == name);
            let key = key.unwrap_or_else(|| panic!("{table}.{name}"));
            assert_eq!(key.default.as_deref(), default, "{table}.{name}");
        }
    }
}
