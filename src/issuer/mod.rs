//! The local issuer: sign-in, tokens and sessions, off the workers.

mod access_token;
mod answer_time;
mod attempts;
mod back_channel;
mod caller;
mod client;
mod cookies;
mod endpoints;
mod handle;
mod hashing;
mod page;
mod place;
mod refresh_token;
mod refusals;
mod request;
mod respond;
mod rotation;
mod scopes;
mod sealed;
mod service;
mod sign_in;
mod signing;
mod signing_key;
mod start;
mod status;
mod tokens;

#[cfg(test)]
mod testing;

pub use access_token::{AccessToken, MintError, Minted};
pub use handle::{Asked, IssuerHandle, IssuerRequest, IssuerRequests};
pub use refresh_token::{FamilySecret, RefreshToken};
pub use rotation::{
    Haste, KeyKeeper, KeyKeeperParts, RotateError, RotatedKey, RotatedKeys, TooManyKeys,
    rotate_by_hand,
};
pub use sealed::{KeyCheckError, SealError, Sealer};
pub use service::CatchUp;
pub use signing::{KeyProblem, KeyRing};
pub use signing_key::SigningKeyError;
pub use start::{IssuerParts, IssuerTask, start};
pub use status::{IssuerWatch, LocalIssuerStatus};
