//! What everybody may read: the keys (RFC 7517) and the metadata (RFC 8414).

use serde_json::{Value, json};

use crate::issuer::respond::{Answer, Refusal, document};
use crate::issuer::service::Call;

/// `GET /jwks.json`
pub(in crate::issuer) fn key_set(call: &Call) -> Result<Answer, Refusal> {
    let keys = call.secrets.ring.jwks().ok_or(Refusal::NoKeys)?;
    Ok(document(keys))
}

/// The metadata, at the place of RFC 8414 and at the one where `OpenID` clients look.
pub(in crate::issuer) fn metadata(call: &Call) -> Result<Answer, Refusal> {
    let local = call.local()?;
    let issuer = &*local.url.text;
    let at = |path: &str| Value::String(format!("{issuer}{path}"));
    let mut grants = vec!["refresh_token", "client_credentials"];
    if local.password_grant {
        grants.push("password");
    }
    let with_secret = json!(["client_secret_basic", "client_secret_post"]);
    let any = json!(["client_secret_basic", "client_secret_post", "none"]);
    let body = json!({
        "issuer": issuer,
        "token_endpoint": at("/token"),
        "jwks_uri": at("/jwks.json"),
        "revocation_endpoint": at("/revoke"),
        "introspection_endpoint": at("/introspect"),
        // Required (RFC 8414 §2), although there is no authorization endpoint: clients look for the member.
        "response_types_supported": [],
        "grant_types_supported": grants,
        "token_endpoint_auth_methods_supported": any,
        "revocation_endpoint_auth_methods_supported": any,
        "introspection_endpoint_auth_methods_supported": with_secret,
    });
    Ok(document(body.to_string()))
}

#[cfg(test)]
mod tests;
