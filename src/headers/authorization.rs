//! Bearer credentials (RFC 6750 §2.1, RFC 9110 §11.4).

use http::HeaderMap;

/// Why there is no token to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// No `Authorization` line.
    #[error("no Authorization field")]
    Absent,
    /// More than one line, or a list.
    #[error("repeated Authorization field")]
    Repeated,
    /// Another scheme, no token, or bytes that no token68 has.
    #[error("Authorization is not Bearer credentials")]
    NotBearer,
}

/// The token of the request's Bearer credentials, as bytes of the field value.
///
/// The scheme compares without case (RFC 9110 §11.1); exactly one space stands before the token.
///
/// # Errors
/// As [`CredentialsError`] says.
pub fn bearer_token(_headers: &HeaderMap) -> Result<&[u8], CredentialsError> {
    todo!("headers helper")
}
