//! What the gateway answers itself, before any route.

use std::sync::Arc;

use http::request::Parts;

use crate::config::{Config, LOCAL_ISSUER_ROUTE};
use crate::headers::Target;
use crate::metrics::{Metrics, RouteMetrics};

/// Whose request it is, when no route gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// The local issuer's: below its path, or its metadata (RFC 8414 §3.1).
    Issuer,
    /// Back-channel logout of the issuer of that index.
    Logout(usize),
}

/// The endpoints of a configuration; by default none.
#[derive(Debug, Default)]
pub struct LocalEndpoints(Option<Served>);

#[derive(Debug)]
struct Served {
    issuer: Option<IssuerPlace>,
    /// Exact paths on any host.
    logouts: Vec<(Box<str>, usize)>,
    metrics: Arc<RouteMetrics>,
}

/// Where the local issuer is served.
#[derive(Debug)]
struct IssuerPlace {
    /// Lower case, without port and brackets.
    host: Box<str>,
    /// `/auth`, or empty: then it has the whole host.
    path: Box<str>,
    /// The path of its metadata, which stands before its own path (RFC 8414 §3.1).
    metadata: Box<str>,
}

impl LocalEndpoints {
    /// Those of a configuration.
    #[must_use]
    pub fn of(config: &Config, metrics: &Metrics) -> Self {
        let url = config.local_issuer.as_ref().map(|issuer| &issuer.url);
        let issuers = config.issuers.iter().enumerate();
        let logouts: Vec<_> = issuers
            .filter_map(|(index, issuer)| Some((issuer.logout.as_ref()?.path.clone(), index)))
            .collect();
        if url.is_none() && logouts.is_empty() {
            return Self(None);
        }
        Self(Some(Served {
            issuer: url.map(|url| IssuerPlace::new(&url.host, &url.path)),
            logouts,
            metrics: metrics.route(LOCAL_ISSUER_ROUTE),
        }))
    }

    /// Whose request this is, and what counts it; `None`: a route's, or one that is refused as malformed.
    ///
    /// Paths compare as they were sent. Whoever spells one differently gets what routes say of it.
    #[must_use]
    #[inline]
    pub fn find(&self, head: &Parts) -> Option<(Endpoint, &Arc<RouteMetrics>)> {
        let served = self.0.as_ref()?;
        served.find(head).map(|found| (found, &served.metrics))
    }
}

impl Served {
    fn find(&self, head: &Parts) -> Option<Endpoint> {
        let path = head.uri.path();
        let logout = self.logouts.iter().find(|(logout, _)| **logout == *path);
        let issuer = self.issuer.as_ref().filter(|issuer| issuer.has(path));
        if logout.is_none() && issuer.is_none() {
            return None;
        }
        // Only now: most requests are those of routes, and are looked at closely there.
        let target = Target::parse(&head.method, &head.uri, &head.headers, head.version).ok()?;
        if let Some((_, issuer)) = logout {
            return Some(Endpoint::Logout(*issuer));
        }
        let is_host = issuer?.is_host(target.host.as_deref()?);
        is_host.then_some(Endpoint::Issuer)
    }
}

impl IssuerPlace {
    fn new(host: &str, path: &str) -> Self {
        Self {
            host: host.into(),
            path: path.into(),
            metadata: ["/.well-known/oauth-authorization-server", path]
                .concat()
                .into(),
        }
    }

    /// `host` is lower case, an IPv6 address in its brackets.
    fn is_host(&self, host: &str) -> bool {
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        bare.unwrap_or(host) == &*self.host
    }

    /// Whether a path is below its own, at the border of a segment.
    fn has(&self, path: &str) -> bool {
        let rest = path.strip_prefix(&*self.path);
        let below = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        below || path == &*self.metadata
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn endpoints(host: &str, path: &str) -> LocalEndpoints {
        LocalEndpoints(Some(Served {
            issuer: Some(IssuerPlace::new(host, path)),
            logouts: vec![("/logout/corp".into(), 2)],
            metrics: Metrics::new(1, &[]).route(LOCAL_ISSUER_ROUTE),
        }))
    }

    fn found(endpoints: &LocalEndpoints, host: &str, target: &str) -> Option<Endpoint> {
        let request = Request::get(target).header("host", host).body(()).unwrap();
        let found = endpoints.find(&request.into_parts().0);
        found.map(|(endpoint, _)| endpoint)
    }

    #[test]
    fn paths_end_at_the_border_of_a_segment() {
        let auth = endpoints("gw.test", "/auth");
        for (target, expected) in [
            ("/auth", true),
            ("/auth/", true),
            ("/auth/login", true),
            ("/auth/login?a=b", true),
            ("/auth?a=b", true),
            ("/auth/.well-known/openid-configuration", true),
            ("/.well-known/oauth-authorization-server/auth", true),
            ("/.well-known/oauth-authorization-server", false),
            ("/.well-known/oauth-authorization-server/auth/x", false),
            ("/authority", false),
            ("/auth;a", false),
            ("/auth%2flogin", false),
            ("/%61uth/login", false),
            ("/Auth/login", false),
            ("/", false),
            ("/x/auth/login", false),
            ("http://gw.test/auth/login", true),
            ("http://evil.test/auth/login", false),
            // Refused, and that is for the decision to say.
            ("/auth/../auth/login", false),
            ("/auth/%2e%2e/x", false),
        ] {
            let found = found(&auth, "gw.test", target);
            assert_eq!(found, expected.then_some(Endpoint::Issuer), "{target}");
        }
    }

    #[test]
    fn an_issuer_without_a_path_has_its_host() {
        let root = endpoints("auth.test", "");
        for target in ["/", "/login", "/.well-known/oauth-authorization-server"] {
            assert_eq!(found(&root, "auth.test", target), Some(Endpoint::Issuer));
            assert_eq!(found(&root, "api.test", target), None);
        }
    }

    #[test]
    fn hosts_compare_without_case_and_port() {
        for (configured, host, expected) in [
            ("gw.test", "GW.test:8443", true),
            ("gw.test", "gw.test.", true),
            ("gw.test", "evil.test", false),
            ("gw.test", "gw.test.evil.test", false),
            ("gw.test", "", false),
            ("::1", "[::1]:8443", true),
            ("::1", "[::2]", false),
        ] {
            let found = found(&endpoints(configured, "/auth"), host, "/auth/login");
            assert_eq!(found, expected.then_some(Endpoint::Issuer), "{host}");
        }
    }

    #[test]
    fn logout_is_an_exact_path_on_any_host() {
        let endpoints = endpoints("gw.test", "/auth");
        for (target, expected) in [
            ("/logout/corp", Some(Endpoint::Logout(2))),
            ("/logout/corp?x", Some(Endpoint::Logout(2))),
            ("/logout/corp/", None),
            ("/logout/Corp", None),
            ("/logout", None),
        ] {
            assert_eq!(found(&endpoints, "any.test", target), expected, "{target}");
        }
    }

    #[test]
    fn what_has_no_endpoints_finds_none_in_anything() {
        let none = LocalEndpoints::default();
        assert_eq!(found(&none, "gw.test", "/auth/login"), None);
    }
}
