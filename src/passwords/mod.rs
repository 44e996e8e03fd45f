//! Passwords and their hashes: what a hash may look like, and whether a password is the one.
//!
//! New hashes are argon2id. Hashes of other programs are read and verified too, so that users can move here with their
//! passwords; [`Verdict::RightButOutdated`] is the moment to replace them. A hash comes out of a database or a file
//! that somebody else may have written: its parameters are bounded before anything is allocated for them.
//!
//! Pure: salts are arguments. Hashing takes tens of milliseconds and megabytes by design, so it has no place on an
//! async runtime.

mod argon;
mod bcrypt;
mod hash;
mod htpasswd;
mod password;
mod verify;

pub use argon::Cost;
pub use hash::{Kind, PasswordHash, PasswordHashError};
pub use password::{Password, PasswordError};
pub use verify::{Exhausted, Verdict, dummy, hash, verify};
