//! Who wants to know how a decision came about: the access log now, `explain` too.

use crate::headers::Client;
use crate::jwt::VerifiedToken;
use crate::routing::Route;

/// Told of each step as it is taken. The default does nothing and costs nothing.
pub trait Observer {
    /// Who asks.
    fn client(&mut self, _client: Client) {}
    /// The route that was found.
    fn route(&mut self, _route: &std::sync::Arc<Route>) {}
    /// A token that passed every check that does not depend on the route, and its issuer's index in the snapshot.
    fn token(&mut self, _issuer: usize, _token: &VerifiedToken) {}
}

/// Nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {}
