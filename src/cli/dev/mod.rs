//! `dev`: a gateway that needs nothing. It makes a key, a certificate, an upstream that shows what it received, and a
//! token, and prints `curl` lines to paste.

mod command;
mod echo;
mod template;
mod welcome;

pub(super) use command::Dev;
