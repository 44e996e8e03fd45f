//! The product: one synchronous decision on one request, with the time as an argument.
//!
//! No I/O, no lock, no clock. [`decide`] is the only way to an [`Admission`], and the proxy forwards nothing without one.

mod admitted_token;
mod authenticate;
mod budget;
mod credentials;
mod decide;
mod endpoint;
mod key_tallies;
mod memory;
mod observe;
mod rejection;
mod unknown_kids;

pub use admitted_token::AdmittedToken;
pub use budget::{CLIENTS, RetryAfter, SignatureBudget};
pub use credentials::PlaceError;
pub use decide::{Admission, Head, Peer, decide};
pub use endpoint::{OwnRequest, own_request};
pub use memory::{MemoryCounts, WorkerMemory};
pub use observe::Observer;
pub use rejection::{Detail, Reason, Rejection};

pub use crate::jwt::Unobserved;
