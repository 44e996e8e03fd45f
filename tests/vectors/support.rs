//! The issuer of the vectors, and how their files are read.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use portcullis::clock::UnixTime;
use portcullis::jwt::{
    Algorithm, AlgorithmSet, AudienceMatch, CompactJws, Issuer, IssuerPolicy, JoseHeader, KeySet,
    PreparedKeys, TokenError, VerifyingKey, parse_jwk_set,
};
use portcullis::secret::Secret;
use serde_json::Value;

/// 2026-01-01T00:00:00Z: the time of all checks.
pub(crate) const NOW: UnixTime = UnixTime::from_seconds(1_767_225_600);

pub(crate) const ISSUER: &str = "https://issuer.test";
pub(crate) const AUDIENCE: &str = "api";

/// The cases of a data file.
pub(crate) fn cases(text: &str) -> Vec<Value> {
    serde_json::from_str(text).expect("a JSON array of cases")
}

/// A member of a case that is a string.
pub(crate) fn text<'c>(case: &'c Value, name: &str) -> &'c str {
    case[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name} of {case}"))
}

/// The issuer of the vectors with these keys.
pub(crate) fn issuer(keys: Vec<VerifyingKey>, algorithms: AlgorithmSet) -> Arc<Issuer> {
    let (keys, _) = KeySet::new(keys, algorithms);
    Arc::new(Issuer {
        name: "vectors".into(),
        policy: Arc::new(IssuerPolicy {
            issuer: ISSUER.into(),
            audiences: vec![AUDIENCE.into()],
            audience_match: AudienceMatch::Any,
            audience_claim: "aud".into(),
            algorithms,
            leeway: Duration::from_secs(30),
            require: Vec::new(),
            token_types: vec!["at+jwt".into(), "jwt".into()],
            max_lifetime: None,
            accept_cnf: false,
        }),
        keys,
    })
}

/// The keys of a JWK Set; symmetric ones, which the loader of sets refuses, as secrets of the configuration.
pub(crate) fn keys(set: &Value) -> Vec<VerifyingKey> {
    let mut keys = parse_jwk_set(set.to_string().as_bytes())
        .expect("a JWK Set")
        .keys;
    for jwk in set["keys"].as_array().expect("keys") {
        keys.extend(secret_key(jwk));
    }
    keys
}

/// The key of an `oct` JWK, if it is one that a configuration could hold.
pub(crate) fn secret_key(jwk: &Value) -> Option<VerifyingKey> {
    if jwk["kty"] != "oct" {
        return None;
    }
    // As lenient as can be: one key of json_web_key#4 has unused bits set, and its kid is the point of that case.
    let lenient = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let secret = GeneralPurpose::new(&URL_SAFE, lenient)
        .decode(text(jwk, "k"))
        .expect("base64url");
    let algorithm = Algorithm::from_name(jwk["alg"].as_str().unwrap_or("HS256"))?;
    let key = VerifyingKey::from_secret(&Secret::new(secret), [algorithm].into_iter().collect());
    let key = key.ok()?;
    Some(match jwk["kid"].as_str() {
        Some(kid) => key.with_kid(kid),
        None => key,
    })
}

/// All algorithms: what the keys themselves allow decides.
pub(crate) fn all_algorithms() -> AlgorithmSet {
    Algorithm::ALL.into_iter().collect()
}

/// Checks a JWS whose payload need not be a claims set.
pub(crate) fn verify_jws(token: &[u8], keys: &KeySet) -> Result<(), TokenError> {
    let jws = CompactJws::parse(token)?;
    let header = JoseHeader::parse(jws.header)?;
    let key = keys
        .find(header.kid.as_deref(), header.algorithm)
        .map_err(|_| TokenError::UnknownKey)?;
    let mut prepared = PreparedKeys::default();
    key.check(
        header.algorithm,
        jws.signing_input,
        jws.signature,
        &mut prepared,
    )?;
    jws.payload_bytes().map(|_| ())
}
