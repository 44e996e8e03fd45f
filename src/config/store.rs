//! `[store]`: where users, sessions and revocations are kept.

use std::net::IpAddr;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use crate::secret::Secret;

use super::context::{At, Context};
use super::key_url::is_host;
use super::paths::state_directory;
use super::raw::Text;
use super::reader::Reader;
use super::{SecretUse, StoreConfig, StoreFailure, StoreUrl, defaults, suggest};

const EXAMPLE: &str =
    "write \"sqlite:portcullis.db\", or \"postgres://user:password@host/database\"";

/// What a PostgreSQL URL may say behind the `?`. The driver knows more, and logs what it does not know, value and all.
const PARAMETERS: [&str; 7] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "application_name",
    "options",
];

const TLS_MODES: [(&str, StoreTls); 6] = [
    ("disable", StoreTls::None),
    ("allow", StoreTls::None),
    ("prefer", StoreTls::None),
    ("require", StoreTls::Unverified),
    ("verify-ca", StoreTls::Verified),
    ("verify-full", StoreTls::Verified),
];

/// How a connection to PostgreSQL is kept from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoreTls {
    /// It may be plain, or it stays on this machine, where that does not matter.
    None,
    /// Encrypted, for whoever answers.
    Unverified,
    /// Encrypted, for a server whose certificate is good.
    Verified,
}

/// `[store]`
pub(super) fn store(mut reader: Reader<'_>, secrets: &mut Vec<SecretUse>) -> StoreConfig {
    let context = reader.context;
    let place = context.source.place(&reader.origin_of("url"));
    let text = reader.text_with_default("url", defaults::STORE_URL);
    let url = match &text {
        Some(text) => url(context, text, secrets),
        None => in_state_directory(context, defaults::STORE_FILE),
    };
    let failures = [
        ("closed", StoreFailure::Closed),
        ("open", StoreFailure::Open),
    ];
    let fail = reader.choice("fail", &failures);
    let stale_for = reader.duration(
        "stale_for",
        defaults::LEAST_STORE_STALE_FOR..=defaults::MOST_STORE_STALE_FOR,
        defaults::STORE_STALE_FOR,
    );
    reader.finish();
    StoreConfig {
        place,
        url,
        fail,
        stale_for,
    }
}

fn in_state_directory(context: &Context<'_>, file: &str) -> StoreUrl {
    StoreUrl::Sqlite(state_directory(context.environment).join(file))
}

/// The store of a URL; where it is wrong, the context has an error.
fn url(context: &Context<'_>, text: &At<&Text>, secrets: &mut Vec<SecretUse>) -> StoreUrl {
    let value = text.value.value.as_str();
    let (scheme, rest) = value.split_once(':').unwrap_or(("", value));
    let wrong = match scheme {
        "sqlite" => match sqlite(rest) {
            Ok(file) => return in_state_directory(context, file),
            Err(wrong) => wrong,
        },
        "postgres" | "postgresql" => match postgres(rest) {
            Ok(server) => {
                if server.has_password {
                    secrets.push(context.secret_use(text));
                }
                return StoreUrl::Postgres(Secret::new(value.as_bytes().to_vec()));
            }
            Err(wrong) => wrong,
        },
        _ => {
            let hint = match suggest::nearest(scheme, ["sqlite", "postgres"]) {
                Some("sqlite") => "did you mean `sqlite:`?",
                Some(_) => "did you mean `postgres://`?",
                None => EXAMPLE,
            };
            Wrong("names neither SQLite nor PostgreSQL", hint)
        }
    };
    // Nothing of the URL is said: a password may stand where nobody expects it.
    let Wrong(what, hint) = wrong;
    context.error_hint(&text.origin, format!("`url` of [store] {what}"), hint);
    in_state_directory(context, defaults::STORE_FILE)
}

/// What is wrong, and what to do.
#[derive(Debug, PartialEq, Eq)]
struct Wrong(&'static str, &'static str);

/// The path in `sqlite:path`; an absolute one may have the two slashes of a URL before it.
fn sqlite(rest: &str) -> Result<&str, Wrong> {
    let path = match rest.strip_prefix("//") {
        Some(path) if path.starts_with('/') => path,
        Some(_) => {
            let hint = "write \"sqlite:file\" or \"sqlite:/directory/file\"";
            return Err(Wrong("has a host, which a file does not have", hint));
        }
        None => rest,
    };
    if path.starts_with(":memory:") {
        let hint = "users would be gone with the process: name a file";
        return Err(Wrong("keeps nothing", hint));
    }
    if path.contains(['?', '#']) {
        let hint = "how the file is opened is settled; leave out what follows the name";
        return Err(Wrong("has parameters", hint));
    }
    if path.is_empty() || path.ends_with('/') || path.chars().any(char::is_control) {
        return Err(Wrong("names no file", EXAMPLE));
    }
    Ok(path)
}

/// What matters of a PostgreSQL URL.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Server {
    has_password: bool,
    /// A socket, or an address of this machine.
    is_local: bool,
    tls: StoreTls,
}

/// Checks what follows `postgres:`.
fn postgres(rest: &str) -> Result<Server, Wrong> {
    let rest = rest
        .strip_prefix("//")
        .ok_or(Wrong("is incomplete", EXAMPLE))?;
    if !rest.bytes().all(|byte| byte.is_ascii_graphic()) || rest.contains('#') {
        let hint = "percent-encode them: a blank is %20, # is %23";
        return Err(Wrong("holds characters that no URL has", hint));
    }
    let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = before.split_once('/').unwrap_or((before, ""));
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    if user.contains('@') || database.contains(['/', '@']) {
        let hint = "percent-encode them: / is %2F, @ is %40, ? is %3F";
        return Err(Wrong("holds a `/`, `@` or `?` where none can be", hint));
    }
    if database.is_empty() {
        return Err(Wrong("names no database", EXAMPLE));
    }
    let parameters = parameters(query)?;
    let socket = parameters.socket || decoded_begins_with_slash(host);
    if !socket && !is_host(host) {
        let hint = "write postgres://host:port/database; for a socket, \
                    postgres://user@localhost/database?host=/run/postgresql";
        return Err(Wrong("has no valid host or port", hint));
    }
    Ok(Server {
        has_password: user
            .split_once(':')
            .is_some_and(|(_, password)| !password.is_empty()),
        is_local: socket || is_local(host),
        tls: parameters.tls,
    })
}

struct Parameters {
    tls: StoreTls,
    socket: bool,
}

fn parameters(query: &str) -> Result<Parameters, Wrong> {
    let mut found = Parameters {
        tls: StoreTls::None,
        socket: false,
    };
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let path = decoded_begins_with_slash(value);
        match name {
            "sslmode" => {
                let mode = TLS_MODES.iter().find(|(mode, _)| *mode == value);
                let hint = "disable, allow, prefer, require, verify-ca or verify-full";
                found.tls = mode.ok_or(Wrong("has an unknown `sslmode`", hint))?.1;
            }
            "host" if path => found.socket = true,
            "host" => {
                let hint = "`host` is for the directory of a socket: ?host=/run/postgresql";
                return Err(Wrong("has a `host` that is no directory", hint));
            }
            "sslrootcert" | "sslcert" | "sslkey" if !path => {
                let hint = "write absolute paths: ?sslrootcert=/etc/portcullis/ca.pem";
                return Err(Wrong("has a relative path", hint));
            }
            _ if PARAMETERS.contains(&name) || is_option(name) => {}
            _ => {
                let hint = "known: sslmode, sslrootcert, sslcert, sslkey, host, \
                            application_name, options";
                return Err(Wrong("has a parameter that is not known", hint));
            }
        }
    }
    Ok(found)
}

/// `options[search_path]`
fn is_option(name: &str) -> bool {
    let inner = name
        .strip_prefix("options[")
        .and_then(|inner| inner.strip_suffix(']'));
    inner.is_some_and(|inner| !inner.is_empty())
}

fn decoded_begins_with_slash(text: &str) -> bool {
    percent_decode_str(text).next() == Some(b'/')
}

/// Whether a host, with or without a port, is this machine.
fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let address = name.parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

/// How a store that is reached over the network is kept from others; `None` where it is on this machine.
pub(super) fn tls_of(store: &StoreConfig) -> Option<StoreTls> {
    let StoreUrl::Postgres(url) = &store.url else {
        return None;
    };
    let url = std::str::from_utf8(url.expose()).ok()?;
    let server = postgres(url.split_once(':')?.1).ok()?;
    (!server.is_local).then_some(server.tls)
}

/// Where a store is when no `[store]` says: in this state directory.
pub(super) fn default_url(state_directory: &std::path::Path) -> StoreUrl {
    StoreUrl::Sqlite(PathBuf::from(state_directory).join(defaults::STORE_FILE))
}
