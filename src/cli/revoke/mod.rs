//! `revoke`: tokens of any issuer are refused from now on.

mod command;
mod list;

pub(super) use command::Revoke;
