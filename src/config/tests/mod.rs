//! Whole texts: what they become, and what is said about them.

mod bad;
mod environment;
mod good;
