//! `test`: cases of requests and tokens, and what the configuration has to make of them.

mod command;
mod judge;
mod keys;
mod report;
mod suite;

pub(super) use command::Test;
