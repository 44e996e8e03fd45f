//! Which route a request takes, and what the route asks of a token.

mod access;
mod index;
mod route;
mod table;

pub use access::{Access, AccessError, Claimant, Requirement};
pub use index::{RouteIndex, RouteKey};
pub use route::Route;
pub use table::{NoRoute, RouteTable};
