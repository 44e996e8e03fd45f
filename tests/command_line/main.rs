//! The built binary as an operator meets it: what is typed, what it prints, which code it ends with, which signals it
//! takes.

mod audit;
mod checking;
mod clients;
mod commands;
mod developing;
mod explaining;
mod policies;
mod process;
mod remote;
mod revocations;
mod rotation;
mod running;
mod sessions;
mod signed_in;
mod tokens;
mod users;
