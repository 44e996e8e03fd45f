//! The commands: one file each, named as it is typed.
//!
//! A command parses into a struct of what was typed, and `execute` answers with an exit code or a failure that
//! knows its own. What a command says goes to standard output, what went wrong to standard error. Exit codes: 0 ok,
//! 1 failed, 2 usage, 3 refused, 69 port or store unavailable, 78 bad configuration.

mod admin_client;
mod arguments;
mod audit;
mod bench;
mod check;
mod client;
mod columns;
mod command;
mod completions;
mod config_file;
mod dev;
mod explain;
mod failure;
mod healthcheck;
mod keys;
mod man;
mod one_task;
mod operator;
mod output;
mod reload;
mod revoke;
mod run;
mod session;
mod state_directory;
mod status;
mod test;
mod token;
mod user;
mod version;

pub use command::main;
