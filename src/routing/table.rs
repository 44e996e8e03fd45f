//! The route table: host, then the longest path prefix at a segment border, then the method. No fall-through.

use std::sync::Arc;

use http::Method;

use crate::headers::Target;

use super::{Route, RouteIndex, RouteKey};

/// All routes, indexed. A look-up costs the same with one route and with ten thousand.
#[derive(Default)]
pub struct RouteTable {
    routes: Vec<Arc<Route>>,
    index: RouteIndex,
}

/// Why a request has no route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoRoute {
    /// No host and path fits: 404. So it is with `OPTIONS *`.
    NotFound,
    /// They fit, the method does not: 405 with these in `Allow`.
    MethodNotAllowed(Vec<Method>),
    /// The path's laxest reading leads to another route: 400.
    Ambiguous,
}

impl RouteTable {
    /// Indexes the routes. The configuration has made sure that no two serve the same host, path and method.
    #[must_use]
    pub fn new(routes: Vec<Route>) -> Self {
        let keys = routes.iter().map(|route| RouteKey {
            hosts: &route.hosts,
            path: &route.path,
            methods: &route.methods,
            preflight: route.preflight,
        });
        let index = RouteIndex::new(keys);
        Self {
            routes: routes.into_iter().map(Arc::new).collect(),
            index,
        }
    }

    /// The route of a request.
    ///
    /// # Errors
    /// As [`NoRoute`] says.
    pub fn find(&self, target: &Target<'_>, method: &Method) -> Result<&Arc<Route>, NoRoute> {
        let number = self.index.find(target, method)?;
        self.routes.get(number).ok_or(NoRoute::NotFound)
    }

    /// The route that lets a CORS preflight pass: an OPTIONS with Origin that asks for `requested` in
    /// Access-Control-Request-Method. `None` if it is a request like any other.
    #[must_use]
    pub fn find_preflight(&self, target: &Target<'_>, requested: &Method) -> Option<&Arc<Route>> {
        let number = self.index.find_preflight(target, requested)?;
        self.routes.get(number)
    }

    /// All routes, in the order of the configuration.
    pub fn iter(&self) -> std::slice::Iter<'_, Arc<Route>> {
        self.routes.iter()
    }
}

impl<'t> IntoIterator for &'t RouteTable {
    type Item = &'t Arc<Route>;
    type IntoIter = std::slice::Iter<'t, Arc<Route>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
