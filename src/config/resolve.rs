//! From what was typed to the model: interpolation, environment, defaults, cross-references.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::path::Path;

use aws_lc_rs::digest;

use super::claims::claim_headers;
use super::context::Context;
use super::interpolate::fill_in;
use super::issuers::issuers;
use super::local_issuer::local_issuer;
use super::overrides::apply;
use super::paths::state_directory;
use super::raw::{self, Table};
use super::reader::Reader;
use super::routes::{Referred, routes};
use super::source::{Origin, Places, Source};
use super::upstreams::upstreams;
use super::{
    Admin, Config, ConfigError, ConfigErrors, Issuer, LocalIssuer, Log, Place, Route, SecretUse,
    Server, StoreConfig, Upstream,
};

/// The environment variables that matter, taken once.
#[derive(Clone, Default)]
pub struct Environment(pub BTreeMap<String, String>);

impl Environment {
    /// That of the process. What is not UTF-8 is taken with replacement characters.
    #[must_use]
    pub fn of_process() -> Self {
        let variables = std::env::vars_os().map(|(name, value)| {
            let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
            (text(name), text(value))
        });
        Self(variables.collect())
    }

    /// The value of a variable.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl fmt::Debug for Environment {
    /// The names alone: secrets are handed over in values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Reads and resolves a configuration file. Key files and certificates are not opened here.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load(file: &Path, environment: &Environment) -> Result<Config, ConfigErrors> {
    let unreadable = |message: String| {
        ConfigErrors(vec![ConfigError {
            place: Place::of_file(file.to_owned()),
            message,
            hint: None,
        }])
    };
    let bytes = std::fs::read(file).map_err(|error| unreadable(format!("cannot read: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = memchr::memchr_iter(b'\n', valid).count() + 1;
        unreadable(format!("line {line} is not UTF-8 text"))
    })?;
    // Absolute, so that a watcher finds the parents of all files.
    let absolute = std::path::absolute(file)
        .map_err(|error| unreadable(format!("cannot find its directory: {error}")))?;
    let directory = absolute.parent().unwrap_or(Path::new("/")).to_owned();
    let mut config = parse(&text, file, &directory, environment)?;
    config.files.insert(absolute.clone());
    config.file = Some(absolute);
    Ok(config)
}

/// The same for a text; relative paths are relative to `directory`, and `name` stands in errors.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn parse(
    text: &str,
    name: &Path,
    directory: &Path,
    environment: &Environment,
) -> Result<Config, ConfigErrors> {
    let mut root = raw::parse(text).map_err(|errors| {
        let source = Source::unparsed(name.to_owned(), text);
        let errors = errors.into_iter().map(|error| ConfigError {
            // At least one byte, so that the very first of the file has a line too.
            place: source.place(&Origin::File(
                error.span.start,
                error.span.end.max(error.span.start + 1),
            )),
            message: error.message,
            hint: None,
        });
        ConfigErrors(errors.collect())
    })?;
    let source = Source::new(name.to_owned(), text, &root);
    let context = Context::new(&source, environment, directory);
    fill_in(&mut root, &context);
    apply(&mut root, &context);
    let parts = read(&root, &context);
    context.finish()?;
    let files = context.take_files();
    let hash = hash(text, &context.take_values());
    let places = Places::new(source, &root);
    Ok(Config {
        file: None,
        files,
        hash,
        state_directory: state_directory(environment),
        server: parts.server,
        admin: parts.admin,
        log: parts.log,
        issuers: parts.issuers,
        local_issuer: parts.local_issuer,
        upstreams: parts.upstreams,
        routes: parts.routes,
        strip: parts.strip,
        store: parts.store,
        secrets: parts.secrets,
        places,
    })
}

/// What stands in the file. Where something is wrong, the context has an error.
pub(super) struct Parts {
    server: Server,
    admin: Admin,
    log: Log,
    issuers: Vec<Issuer>,
    local_issuer: Option<LocalIssuer>,
    upstreams: Vec<Upstream>,
    routes: Vec<Route>,
    strip: Vec<String>,
    store: Option<StoreConfig>,
    secrets: Vec<SecretUse>,
}

/// Reads all tables.
pub(super) fn read<'a>(root: &'a Table, context: &'a Context<'a>) -> Parts {
    let mut reader = Reader::new(context, "", Some(root), Origin::START);
    let mut secrets = Vec::new();
    let (server, strip) = super::server::server(reader.table("server", "server"));
    let admin = super::server::admin(reader.table("admin", "admin"), &server, &mut secrets);
    let log = super::server::log(reader.table("log", "log"));
    let has_store = reader.has("store");
    let store = super::store::store(reader.table("store", "store"), &mut secrets);
    let (mut issuers, mut issuer_names) =
        issuers(reader.tables("issuers", "issuers"), &mut secrets);
    let local = reader.table("local_issuer", "local_issuer");
    let local_issuer = local.is_there().then(|| {
        let (local, issuer) = local_issuer(local, &store, &issuers, &mut secrets);
        issuer_names.take_reserved();
        issuers.push(issuer);
        local
    });
    let (mut upstreams, upstream_names) = upstreams(reader.tables("upstreams", "upstreams"));
    let claim_headers = claim_headers(&mut reader);
    let referred = Referred {
        issuers: &issuers,
        issuer_names: &issuer_names,
        upstream_names: &upstream_names,
        claim_headers: &claim_headers,
        strip: &strip,
    };
    let routes = routes(reader.tables("routes", "routes"), &mut upstreams, &referred);
    reader.finish();
    Parts {
        server,
        admin,
        log,
        store: store_if_asked(has_store, store, local_issuer.as_ref(), &issuers),
        issuers,
        local_issuer,
        upstreams,
        routes,
        strip,
        secrets,
    }
}

/// The store with its defaults where no `[store]` is written, but something needs one; that is then its place.
fn store_if_asked(
    is_written: bool,
    store: StoreConfig,
    local: Option<&LocalIssuer>,
    issuers: &[Issuer],
) -> Option<StoreConfig> {
    if is_written {
        return Some(store);
    }
    let logout = || issuers.iter().find_map(|issuer| issuer.logout.as_ref());
    let place = local.map(|local| &local.place);
    let place = place.or_else(|| logout().map(|logout| &logout.place))?;
    Some(StoreConfig {
        place: place.clone(),
        ..store
    })
}

/// SHA-256 over the text and the values, each with its length before it.
fn hash(text: &str, values: &[String]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in std::iter::once(text).chain(values.iter().map(String::as_str)) {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        context.update(&length.to_be_bytes());
        context.update(part.as_bytes());
    }
    let digest = context.finish();
    digest.as_ref().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
