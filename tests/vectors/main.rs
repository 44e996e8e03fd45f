//! Tokens and keys that others wrote, and a second implementation as oracle.
//!
//! `data/README.md` says where each file comes from. Every test asserts how many cases it ran: an empty file fails.

mod key_sets;
mod oracle;
mod support;
mod tokens;
mod wycheproof;
