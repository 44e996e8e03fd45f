//! What a provider may answer.

use portcullis::jwt::SigningKey;
use serde_json::{Value, json};

/// One part of what is done with a request. What follows the last one is the next request.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    /// Sends bytes as they are.
    Send(Vec<u8>),
    /// Sends these, one a second.
    Drip(Vec<u8>),
    /// Sends that many spaces.
    Fill(u64),
    /// Neither sends nor closes, until the test lets it go.
    Hold,
    /// Ends the connection with RST.
    Reset,
    /// Closes the connection.
    Close,
}

/// 200 with a body of known length.
pub(crate) fn ok(fields: &str, body: &str) -> Part {
    status("200 OK", fields, body)
}

/// An answer with a body of known length, in JSON unless the fields say what else.
pub(crate) fn status(status: &str, fields: &str, body: &str) -> Part {
    let kind = if fields.to_ascii_lowercase().contains("content-type:") {
        ""
    } else {
        "Content-Type: application/json\r\n"
    };
    let length = if status.starts_with("204") || status.starts_with("304") {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", body.len())
    };
    let text = format!("HTTP/1.1 {status}\r\n{length}{kind}{fields}\r\n{body}");
    Part::Send(text.into_bytes())
}

/// A JWK Set of the public halves.
pub(crate) fn set_of(keys: &[&SigningKey]) -> String {
    let keys: Vec<Value> = keys.iter().filter_map(|key| key.public_jwk()).collect();
    json!({ "keys": keys }).to_string()
}

/// The metadata of an issuer.
pub(crate) fn metadata(issuer: &str, jwks_uri: &str) -> String {
    json!({ "issuer": issuer, "jwks_uri": jwks_uri }).to_string()
}
