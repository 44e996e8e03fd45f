//! `bench`: what this machine can check, in this process alone: no socket, no file of yours.

mod command;
mod fixture;
mod measure;
mod table;

pub(super) use command::Bench;
