//! The local issuer: sign-in, tokens and sessions, off the workers.

mod access_token;
mod handle;
mod refresh_token;
mod sealed;
mod signing;

pub use access_token::{AccessToken, MintError, Minted};
pub use handle::{IssuerHandle, IssuerRequest, IssuerRequests};
pub use refresh_token::{FamilySecret, RefreshToken};
pub use sealed::{SealError, Sealer};
pub use signing::KeyRing;
