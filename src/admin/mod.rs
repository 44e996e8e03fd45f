//! The operator's view: livez, readyz, status, metrics, reload. On the control runtime, never starved by traffic.

mod access;
mod routes;
mod status;

pub use routes::{AdminState, serve};
