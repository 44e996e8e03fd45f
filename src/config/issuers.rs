//! `[[issuers]]`

use std::sync::Arc;
use std::time::Duration;

use crate::jwt::{Algorithm, AlgorithmSet, AudienceMatch, IssuerPolicy, KeyFamily};
use crate::secret::Secret;

use super::context::At;
use super::names::Names;
use super::raw::Text;
use super::reader::Reader;
use super::source::Origin;
use super::{Issuer, KeyRefresh, KeySource, Keys, PemFile, SecretUse, defaults, suggest};

/// The registered names that are taken; `Ed25519` is another name of `EdDSA` (RFC 9864).
const ALGORITHMS: &[&str] = &[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
    "Ed25519", "HS256", "HS384", "HS512",
];

/// All issuers. A wrong one is there too, so that routes may name it; the errors say what is wrong.
pub(super) fn issuers(
    readers: Vec<Reader<'_>>,
    secrets: &mut Vec<SecretUse>,
) -> (Vec<Issuer>, Names) {
    let mut names = Names::new("issuer");
    let mut issuers: Vec<Issuer> = Vec::new();
    for mut reader in readers {
        let name = names.read(&mut reader);
        let (issuer, keys_origin) = issuer(&mut reader, name, secrets);
        if let Some(other) = same_issuer(&issuers, &issuer) {
            let message = format!(
                "issuer `{}` has the same `issuer` as `{other}`: a token could mean either",
                issuer.name
            );
            reader.context.error(&reader.origin_of("issuer"), message);
        }
        check_keys(&reader, &issuer, &keys_origin);
        issuers.push(issuer);
        reader.finish();
    }
    (issuers, names)
}

fn same_issuer(issuers: &[Issuer], issuer: &Issuer) -> Option<Arc<str>> {
    let known = |other: &&Issuer| {
        !issuer.policy.issuer.is_empty() && other.policy.issuer == issuer.policy.issuer
    };
    issuers
        .iter()
        .find(known)
        .map(|other| Arc::clone(&other.name))
}

fn issuer(
    reader: &mut Reader<'_>,
    name: Arc<str>,
    secrets: &mut Vec<SecretUse>,
) -> (Issuer, Origin) {
    let value = reader.required_text("issuer", "write what its tokens have in `iss`, exactly");
    let audiences = reader.required_texts(
        "audiences",
        "name what its tokens must have in `aud`: audiences = [\"orders-api\"]",
    );
    let matches = [("any", AudienceMatch::Any), ("all", AudienceMatch::All)];
    let policy = IssuerPolicy {
        issuer: value.map_or_else(Box::default, |text| text.value.value.as_str().into()),
        audiences: boxed(&audiences),
        audience_match: reader.choice("audience_match", &matches),
        audience_claim: reader
            .text_or("audience_claim", defaults::AUDIENCE_CLAIM)
            .value
            .into(),
        algorithms: algorithms(reader),
        leeway: reader.duration(
            "leeway",
            Duration::ZERO..=defaults::MOST_LEEWAY,
            defaults::LEEWAY,
        ),
        require: boxed(&reader.texts("require", &[]).unwrap_or_default()),
        token_types: token_types(reader),
        max_lifetime: reader.duration_or_off(
            "max_lifetime",
            Duration::from_secs(1)..=defaults::MOST_LIFETIME,
        ),
        accept_cnf: reader.boolean("accept_cnf", false),
    };
    let (keys, keys_origin) = keys(reader, secrets);
    let place = reader.context.source.place(&keys_origin);
    let issuer = Issuer {
        name,
        place,
        policy,
        keys,
        refresh: KeyRefresh::default(),
    };
    (issuer, keys_origin)
}

fn boxed(texts: &[At<&Text>]) -> Vec<Box<str>> {
    texts
        .iter()
        .map(|text| text.value.value.as_str().into())
        .collect()
}

fn algorithms(reader: &mut Reader<'_>) -> AlgorithmSet {
    let texts = reader.required_texts(
        "algorithms",
        "name what it signs with: algorithms = [\"RS256\"]",
    );
    let mut found = AlgorithmSet::default();
    let mut shared = false;
    let mut public = false;
    for text in &texts {
        if let Some(algorithm) = algorithm(reader, text) {
            found.insert(algorithm);
            shared |= algorithm.family() == KeyFamily::Hmac;
            public |= algorithm.family() != KeyFamily::Hmac;
        }
    }
    if shared && public {
        reader.context.error_hint(
            &reader.origin_of("algorithms"),
            "HMAC and public-key algorithms in one issuer",
            "a public key could be taken for an HMAC secret: make two issuers",
        );
    }
    found
}

fn algorithm(reader: &Reader<'_>, text: &At<&Text>) -> Option<Algorithm> {
    let name = text.value.value.as_str();
    // Asked of our list first: what it does not name is not configured by accident.
    let found = ALGORITHMS
        .contains(&name)
        .then(|| Algorithm::from_name(name))
        .flatten();
    if found.is_none() {
        let shown = text.value.shown();
        let hint = if shown.eq_ignore_ascii_case("none") {
            Some("a token without a signature proves nothing, and is always refused".to_owned())
        } else {
            suggest::nearest(shown, ALGORITHMS.iter().copied()).map_or_else(
                || Some(format!("known: {}", ALGORITHMS.join(", "))),
                |near| Some(format!("did you mean `{near}`?")),
            )
        };
        let message = format!("`{shown}` is no algorithm");
        reader.context.error_with(&text.origin, message, hint);
    }
    found
}

/// RFC 7515 §4.1.9: `application/` may be left out, and media types compare without case.
fn token_types(reader: &mut Reader<'_>) -> Vec<Box<str>> {
    let normal = |name: &str| -> Box<str> {
        let lower = name.to_ascii_lowercase();
        lower.strip_prefix("application/").unwrap_or(&lower).into()
    };
    let Some(texts) = reader.texts("token_types", defaults::TOKEN_TYPES) else {
        return defaults::TOKEN_TYPES
            .iter()
            .map(|name| normal(name))
            .collect();
    };
    if reader.is_empty_list("token_types") {
        reader.context.error_hint(
            &reader.origin_of("token_types"),
            "`token_types` is empty, so every token would be refused",
            "leave it out for the default",
        );
    }
    let names = texts.iter().map(|text| normal(&text.value.value));
    names.collect()
}

/// `keys`: exactly one source.
fn keys(reader: &mut Reader<'_>, secrets: &mut Vec<SecretUse>) -> (Keys, Origin) {
    let absent = !reader.has("keys");
    let parent = reader.origin.clone();
    let mut keys = reader.table("keys", "issuers.keys");
    let context = keys.context;
    let origin = keys.origin.clone();
    let mut found: Vec<(&str, Keys)> = Vec::new();
    if let Some(path) = keys.path("jwks_file") {
        found.push(("jwks_file", KeySource::JwksFile(path.value).into()));
    }
    let files = pem_files(&mut keys);
    if keys.has("pem_files") {
        found.push(("pem_files", KeySource::PemFiles(files).into()));
    }
    if let Some(text) = keys.text("secret") {
        secrets.push(context.secret_use(&text));
        let secret = Secret::new(text.value.value.clone().into_bytes());
        found.push(("secret", Keys::Secret(secret)));
    }
    if let Some(text) = keys.text("generate")
        && let Some(algorithm) = algorithm(&keys, &text)
    {
        if algorithm.family() == KeyFamily::Hmac {
            let message = "`generate` makes a key pair, not an HMAC secret";
            context.error_hint(&text.origin, message, "write generate = \"EdDSA\"");
        }
        found.push(("generate", Keys::Generate(algorithm)));
    }
    let example = "write keys = { jwks_file = \"..\" }, { pem_files = [{ path = \"..\" }] }, \
                   { secret = \"${file:..}\" } or { generate = \"EdDSA\" }";
    let is_wrong = ["jwks_file", "secret", "generate"]
        .iter()
        .any(|key| keys.has(key));
    if absent {
        context.error_hint(&parent, "[[issuers]] has no `keys`", example);
    } else if found.is_empty() && !is_wrong {
        context.error_hint(&origin, "`keys` names no source", example);
    } else if found.len() > 1 {
        let names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
        let message = format!("`keys` names several sources: {}", suggest::list(&names));
        context.error_hint(&origin, message, "keep one of them");
    }
    keys.finish();
    let source = found.into_iter().next().map(|(_, source)| source);
    (source.unwrap_or(Keys::Public(Vec::new())), origin)
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
fn check_keys(reader: &Reader<'_>, issuer: &Issuer, origin: &Origin) {
    let context = reader.context;
    let algorithms = issuer.policy.algorithms;
    if algorithms.is_empty() {
        return;
    }
    let shared = HMAC.iter().any(|(hmac, _)| algorithms.contains(*hmac));
    match &issuer.keys {
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
