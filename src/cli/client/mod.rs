//! `client`: add, list, disable, enable and rotate-secret.

mod add;
mod command;
mod list;
mod rotate_secret;
mod secret;
mod switch;

pub(super) use command::Client;
