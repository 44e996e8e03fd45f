//! Where an issuer's keys come from: files, secrets, and keys made for trying out.

mod generate;
mod load;

pub use generate::{GeneratedKey, generated_key};
pub use load::{KeysError, LoadedKeys, load};
