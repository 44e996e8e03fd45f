//! The local issuer: sign-in, tokens and sessions, off the workers.

mod access_token;
mod answer_time;
mod attempts;
mod handle;
mod hashing;
#[expect(dead_code, unused_imports, reason = "the service shows it")]
mod page;
mod refresh_token;
mod request;
mod rotation;
mod sealed;
mod signing;
mod signing_key;

pub use access_token::{AccessToken, MintError, Minted};
pub use handle::{IssuerHandle, IssuerRequest, IssuerRequests};
pub use refresh_token::{FamilySecret, RefreshToken};
pub use rotation::{
    KeyKeeper, KeyKeeperParts, RotateError, RotatedKey, RotatedKeys, TooManyKeys, rotate_by_hand,
};
pub use sealed::{KeyCheckError, SealError, Sealer};
pub use signing::KeyRing;
pub use signing_key::SigningKeyError;
