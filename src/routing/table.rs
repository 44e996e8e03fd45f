//! The route table: host, then the longest path prefix at a segment border, then the method. No fall-through.

use std::sync::Arc;

use http::Method;

use crate::headers::Target;

use super::Route;

/// All routes, indexed. A look-up costs the same with one route and with ten thousand.
#[derive(Default)]
pub struct RouteTable {}

/// Why a request has no route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoRoute {
    /// No host and path fits: 404.
    NotFound,
    /// They fit, the method does not: 405 with these in `Allow`.
    MethodNotAllowed(Vec<Method>),
    /// The path's laxest reading leads to another route: 400.
    Ambiguous,
}

impl RouteTable {
    /// Indexes the routes. The configuration has made sure that no two serve the same host, path and method.
    #[must_use]
    pub fn new(_routes: Vec<Route>) -> Self {
        todo!("headers helper")
    }

    /// The route of a request.
    ///
    /// # Errors
    /// As [`NoRoute`] says.
    pub fn find(&self, _target: &Target<'_>, _method: &Method) -> Result<&Arc<Route>, NoRoute> {
        todo!("headers helper")
    }

    /// All routes, in the order of the configuration.
    pub fn iter(&self) -> std::slice::Iter<'_, Arc<Route>> {
        todo!()
    }
}
