//! Who wants to know how a decision came about: the access log, and `explain`.

use std::sync::Arc;

use http::HeaderMap;

use crate::config::TokenPlace;
use crate::headers::{Client, Target};
use crate::jwt::{TokenObserver, Unobserved, VerifiedToken};
use crate::routing::Route;

/// Told of each step as it is taken, in the order of [`decide`](super::decide). The default does nothing and costs nothing.
pub trait Observer: TokenObserver {
    /// Who asks.
    #[inline]
    fn client(&mut self, _client: Client) {}
    /// The target is well-formed.
    #[inline]
    fn target(&mut self, _target: &Target<'_>) {}
    /// The route that was found. `preflight`: it lets this CORS preflight pass without a token.
    #[inline]
    fn route(&mut self, _route: &Arc<Route>, _preflight: bool) {}
    /// The fields that are left, once what no client may set is gone and before anything is inserted.
    #[inline]
    fn stripped(&mut self, _headers: &HeaderMap) {}
    /// No token came, and the route admits that.
    #[inline]
    fn anonymous(&mut self) {}
    /// The token of the request, and where it stands.
    #[inline]
    fn credentials(&mut self, _place: &TokenPlace, _token: &[u8]) {}
    /// The token was verified before, and what it was judged by is still in force: no further check of it is told.
    #[inline]
    fn known(&mut self) {}
    /// A token that passed every check that does not depend on the route, and its issuer's index in the snapshot.
    #[inline]
    fn token(&mut self, _issuer: usize, _token: &VerifiedToken) {}
}

impl Observer for Unobserved {}
