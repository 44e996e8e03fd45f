//! `keys` of `[[issuers]]`: where an issuer's keys come from.

use crate::jwt::{Algorithm, AlgorithmSet, KeyFamily};
use crate::secret::Secret;

use super::context::Context;
use super::issuers::algorithm;
use super::raw::{Node, Value};
use super::reader::Reader;
use super::remote_keys::{REMOTE, remote};
use super::source::Origin;
use super::{KeySource, Keys, PemFile, SecretUse, suggest};

/// What `keys` says.
pub(super) struct FoundKeys {
    pub(super) keys: Keys,
    /// Where it stands.
    pub(super) origin: Origin,
    /// Whether something is to be fetched, even if it is unclear from where.
    pub(super) is_remote: bool,
}

/// Every source there is, as it is written in a table of `keys`.
const SOURCES: [&str; 6] = [
    REMOTE[0],
    REMOTE[1],
    "jwks_file",
    "pem_files",
    "secret",
    "generate",
];

const EXAMPLE: &str = "write keys = { discovery = true }, { jwks_url = \"https://..\" }, { jwks_file = \"..\" }, \
                       { pem_files = [{ path = \"..\" }] }, { secret = \"${file:..}\" } or { generate = \"EdDSA\" }";

/// `keys`: a source, or a list of sources of public keys. `issuer` is whose they are.
pub(super) fn keys(
    reader: &mut Reader<'_>,
    issuer: &str,
    secrets: &mut Vec<SecretUse>,
) -> FoundKeys {
    let context = reader.context;
    let mut found = FoundKeys {
        keys: Keys::Public(Vec::new()),
        origin: reader.origin_of("keys"),
        is_remote: false,
    };
    let Some(node) = reader.node("keys", || None) else {
        context.error_hint(&reader.origin, "[[issuers]] has no `keys`", EXAMPLE);
        return found;
    };
    let tables = tables(reader, node);
    let several = tables.len() > 1;
    let mut sources: Vec<KeySource> = Vec::new();
    for mut table in tables {
        found.is_remote |= REMOTE.iter().any(|name| table.has(name));
        match source(&mut table, issuer, secrets) {
            None => {}
            Some(Keys::Public(more)) => {
                if more.iter().any(|source| is_among(&sources, source)) {
                    context.error(&table.origin, "`keys` names this source twice");
                }
                sources.extend(more);
            }
            Some(alone @ (Keys::Secret(_) | Keys::Generate(_))) => {
                if several {
                    context.error_hint(
                        &table.origin,
                        "`secret` and `generate` stand alone, not in a list of sources",
                        "several sources can only be of public keys",
                    );
                }
                found.keys = alone;
            }
        }
        table.finish();
    }
    if !sources.is_empty() {
        found.keys = Keys::Public(sources);
    }
    found
}

/// The tables of `keys`.
fn tables<'a>(reader: &Reader<'a>, node: &'a Node) -> Vec<Reader<'a>> {
    let nodes = match &node.value {
        Value::Table(_) => std::slice::from_ref(node),
        Value::Array(nodes) => nodes.as_slice(),
        Value::Text(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime => {
            let message = format!(
                "`keys` takes a table, or a list of tables, not {}",
                node.kind()
            );
            let context = reader.context;
            context.error_hint(&node.origin, message, EXAMPLE);
            return Vec::new();
        }
    };
    if nodes.is_empty() {
        let message = "`keys` names no source";
        reader.context.error_hint(&node.origin, message, EXAMPLE);
    }
    let tables = nodes.iter().filter_map(|node| {
        let table = reader.expect_table("keys", node)?;
        let origin = node.origin.clone();
        Some(Reader::new(
            reader.context,
            "issuers.keys",
            Some(table),
            origin,
        ))
    });
    tables.collect()
}

/// Whether the same keys are read or fetched already: two schedules for one URL would be of no use.
fn is_among(sources: &[KeySource], wanted: &KeySource) -> bool {
    sources.iter().any(|source| match (source, wanted) {
        (KeySource::Remote(a), KeySource::Remote(b)) => a.location == b.location,
        (KeySource::JwksFile(a), KeySource::JwksFile(b)) => a == b,
        (KeySource::PemFiles(a), KeySource::PemFiles(b)) => a == b,
        (
            KeySource::Remote(_)
            | KeySource::JwksFile(_)
            | KeySource::PemFiles(_)
            | KeySource::Store,
            _,
        ) => false,
    })
}

/// The one source of a table.
fn source(keys: &mut Reader<'_>, issuer: &str, secrets: &mut Vec<SecretUse>) -> Option<Keys> {
    // Each is asked for, so that it is known.
    let remote = remote(keys, issuer).map(|remote| KeySource::Remote(Box::new(remote)));
    let jwks_file = keys.path("jwks_file");
    let jwks_file = jwks_file.map(|path| KeySource::JwksFile(path.value));
    let pem_files = pem_files(keys);
    let pem_files = keys
        .has("pem_files")
        .then_some(KeySource::PemFiles(pem_files));
    let public = remote.or(jwks_file).or(pem_files).map(Keys::from);
    let secret = secret(keys, secrets);
    let found = public.or(secret).or(generate(keys));

    let named: Vec<&str> = SOURCES.into_iter().filter(|name| keys.has(name)).collect();
    if named.is_empty() {
        // A slip of the pen is an error by itself.
        let is_slip = |name: &str| suggest::nearest(name, SOURCES).is_some();
        if !keys.unasked().any(is_slip) {
            let message = "`keys` names no source";
            keys.context.error_hint(&keys.origin, message, EXAMPLE);
        }
    } else if named.len() > 1 {
        let message = format!("`keys` names several sources: {}", suggest::list(&named));
        let hint = if named.contains(&"secret") || named.contains(&"generate") {
            "keep one of them"
        } else {
            "keep one of them, or write a list with a table for each: keys = [{ .. }, { .. }]"
        };
        keys.context.error_hint(&keys.origin, message, hint);
    }
    found
}

fn secret(keys: &mut Reader<'_>, secrets: &mut Vec<SecretUse>) -> Option<Keys> {
    let text = keys.text("secret")?;
    secrets.push(keys.context.secret_use(&text));
    Some(Keys::Secret(Secret::new(
        text.value.value.clone().into_bytes(),
    )))
}

fn generate(keys: &mut Reader<'_>) -> Option<Keys> {
    let text = keys.text("generate")?;
    let algorithm = algorithm(keys, &text)?;
    if algorithm.family() == KeyFamily::Hmac {
        let message = "`generate` makes a key pair, not an HMAC secret";
        keys.context
            .error_hint(&text.origin, message, "write generate = \"EdDSA\"");
    }
    Some(Keys::Generate(algorithm))
}

fn pem_files(keys: &mut Reader<'_>) -> Vec<PemFile> {
    let mut files: Vec<PemFile> = Vec::new();
    let origin = keys.origin_of("pem_files");
    let readers = keys.tables("pem_files", "issuers.keys.pem_files");
    if keys.is_empty_list("pem_files") {
        let example = "write pem_files = [{ path = \"key.pem\", kid = \"a\" }]";
        keys.context
            .error_hint(&origin, "`pem_files` names no file", example);
    }
    for mut reader in readers {
        let path = reader.path("path");
        if !reader.has("path") {
            reader.missing("path", "write { path = \"key.pem\", kid = \"a\" }");
        }
        let kid = reader.text("kid");
        let kid: Option<Box<str>> = kid.map(|text| text.value.value.as_str().into());
        if kid.is_some() && files.iter().any(|file| file.kid == kid) {
            let message = format!("the kid `{}` stands twice", kid.as_deref().unwrap_or(""));
            reader.context.error(&reader.origin_of("kid"), message);
        }
        reader.finish();
        files.push(PemFile {
            path: path.map(|path| path.value).unwrap_or_default(),
            kid,
        });
    }
    files
}

/// What keys and algorithms must have in common.
pub(super) fn check_keys(context: &Context<'_>, found: &FoundKeys, algorithms: AlgorithmSet) {
    if algorithms.is_empty() {
        return;
    }
    let origin = &found.origin;
    let shared = HMAC.iter().any(|(hmac, _)| algorithms.contains(*hmac));
    match &found.keys {
        Keys::Secret(secret) => {
            if !shared {
                let hint = "write algorithms = [\"HS256\"], or give public keys";
                context.error_hint(origin, "`secret` is for HS256, HS384 and HS512", hint);
                return;
            }
            let needed = HMAC.iter().filter(|(hmac, _)| algorithms.contains(*hmac));
            if let Some((hmac, bytes)) = needed.max_by_key(|(_, bytes)| *bytes)
                && secret.len() < *bytes
            {
                let message = format!(
                    "`secret` is shorter than the {bytes} bytes that {} needs",
                    hmac.name()
                );
                let hint = format!("make one with `openssl rand -hex {}`", bytes / 2);
                context.error_hint(origin, message, hint);
            }
        }
        Keys::Generate(algorithm) => {
            if !algorithms.contains(*algorithm) {
                let name = algorithm.name();
                let message = format!("`generate` makes a key for {name}, which is not listed");
                let hint = format!("add \"{name}\" to `algorithms`");
                context.error_hint(origin, message, hint);
            }
        }
        Keys::Public(_) => {
            if shared {
                let hint = "write keys = { secret = \"${file:..}\" }";
                context.error_hint(origin, "HMAC algorithms need a `secret`", hint);
            }
        }
    }
}

/// HMAC algorithms and the bytes their secrets have at least (RFC 7518 §3.2).
const HMAC: [(Algorithm, usize); 3] = [
    (Algorithm::Hs256, 32),
    (Algorithm::Hs384, 48),
    (Algorithm::Hs512, 64),
];
