//! `token`: mint and inspect.

mod command;
mod inspect;
mod mint;
mod signer;

pub(super) use command::Token;
pub(super) use mint::random_jti;
