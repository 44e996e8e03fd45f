//! `[[issuers]]`

use std::sync::Arc;
use std::time::Duration;

use crate::jwt::{Algorithm, AlgorithmSet, AudienceMatch, IssuerPolicy, KeyFamily};

use super::context::At;
use super::keys::{check_keys, keys};
use super::logout::logout;
use super::names::Names;
use super::raw::Text;
use super::reader::Reader;
use super::remote_keys::refresh;
use super::{Issuer, LOCAL_ISSUER, SecretUse, defaults, suggest};

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
    let mut names = Names::new("issuer").reserving(LOCAL_ISSUER);
    let mut issuers: Vec<Issuer> = Vec::new();
    for mut reader in readers {
        let name = names.read(&mut reader);
        let issuer = issuer(&mut reader, name, &issuers, secrets);
        if let Some(other) = same_issuer(&issuers, &issuer.policy.issuer) {
            let message = format!(
                "issuer `{}` has the same `issuer` as `{other}`: a token could mean either",
                issuer.name
            );
            reader.context.error(&reader.origin_of("issuer"), message);
        }
        issuers.push(issuer);
        reader.finish();
    }
    (issuers, names)
}

/// The name of the one that has this `iss`.
pub(super) fn same_issuer(issuers: &[Issuer], issuer: &str) -> Option<Arc<str>> {
    let known = |other: &&Issuer| !issuer.is_empty() && *other.policy.issuer == *issuer;
    issuers
        .iter()
        .find(known)
        .map(|other| Arc::clone(&other.name))
}

fn issuer(
    reader: &mut Reader<'_>,
    name: Arc<str>,
    others: &[Issuer],
    secrets: &mut Vec<SecretUse>,
) -> Issuer {
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
    let found = keys(reader, &policy.issuer, secrets);
    check_keys(reader.context, &found, policy.algorithms);
    Issuer {
        name,
        place: reader.context.source.place(&found.origin),
        policy,
        refresh: refresh(reader, found.is_remote),
        logout: logout(reader, others),
        keys: found.keys,
    }
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

pub(super) fn algorithm(reader: &Reader<'_>, text: &At<&Text>) -> Option<Algorithm> {
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
