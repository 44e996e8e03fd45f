//! JSON Web Tokens: parsing, keys, verification, signing (RFC 7515, 7517, 7518, 7519, 8037, 8725, 9864).
//!
//! Pure: no I/O, no clock, no HTTP. Key material named by a token (`jwk`, `jku`, `x5u`, `x5c`) is never looked at.

mod algorithm;
mod base64url;
mod claims;
mod compact;
mod error;
mod header;
mod issuer;
mod jwk;
mod key_set;
mod logout_token;
mod observe;
mod pem;
mod prepared_key;
mod public_key;
mod sign;
mod verified;
mod verify;
mod verifying_key;

pub use algorithm::{Algorithm, AlgorithmSet, KeyFamily};
pub use claims::ClaimsSet;
pub use compact::CompactJws;
pub use error::{KeyError, TokenError};
pub use header::JoseHeader;
pub use issuer::{AudienceMatch, Issuer, IssuerPolicy, KeyPlace};
pub use jwk::{JWK_SET_MAX_BYTES, JwkSetError, ParsedJwkSet, SkippedKey, parse_jwk_set};
pub use key_set::{KeyLookupError, KeySet};
pub use logout_token::{LoggedOut, LogoutToken, LogoutTokenError};
pub use observe::{TokenCheck, TokenObserver, Unobserved};
pub use prepared_key::{KeyIdentity, PreparedKey, PreparedKeys};
pub use sign::SigningKey;
pub use verified::VerifiedToken;
pub use verify::{ClaimChecks, SignedToken, Unreadable, UnverifiedToken, examine, verify};
pub use verifying_key::VerifyingKey;
