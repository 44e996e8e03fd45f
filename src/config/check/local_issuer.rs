//! The local issuer, and the paths that it and providers' logout tokens take from routes.

use crate::config::{HostPattern, IssuerUrl, LocalIssuer, Route};

use super::warning::Findings;

pub(super) fn check(found: &mut Findings<'_>) {
    let config = found.config;
    if let Some(local) = &config.local_issuer {
        over_http(found, local);
        without_tls(found, local);
        secrets(found, local);
        for (index, route) in config.routes.iter().enumerate() {
            hidden_by_local(found, &local.url, index, route);
        }
    }
    for (index, route) in config.routes.iter().enumerate() {
        hidden_by_logout(found, index, route);
    }
}

fn over_http(found: &mut Findings<'_>, local: &LocalIssuer) {
    if local.url.secure {
        return;
    }
    if !local.url.is_loopback() {
        let message = "passwords and tokens cross the network in plain text: serve the local issuer under https";
        found.warn("local-issuer-over-http", "local_issuer.issuer", message);
    }
    if local.cookies {
        let message = "without https the cookies have neither `Secure` nor the `__Host-` prefix: any site or port of that \
                       host can read or replace them";
        found.warn("cookies-over-http", "local_issuer.cookies", message);
    }
}

/// Its URL is https, and nobody is known who could end TLS.
fn without_tls(found: &mut Findings<'_>, local: &LocalIssuer) {
    let server = &found.config.server;
    if local.url.secure && server.tls.is_none() && server.trusted_proxies.0.is_empty() {
        let message = "the local issuer is under https, and this gateway has no `tls`: set it, or name the proxies that end TLS \
                       in `trusted_proxies`, without which wrong passwords of everyone count against the proxy's address";
        found.warn("local-issuer-without-tls", "local_issuer.issuer", message);
    }
}

fn secrets(found: &mut Findings<'_>, local: &LocalIssuer) {
    if local.password_grant {
        let message = "with the password grant every client sees the passwords of its users, and nothing can be asked \
                       besides (RFC 9700 §2.4): let them sign in at /login";
        found.warn("password-grant", "local_issuer.password_grant", message);
    }
    // With PostgreSQL it must be there.
    if local.encryption_key.is_none() {
        let message = "without `encryption_key` one is made in the state directory, beside the database that it protects: \
                       a backup of both gives the signing keys away";
        found.warn(
            "encryption-key-made",
            "local_issuer.encryption_key",
            message,
        );
    }
}

fn hidden_by_local(found: &mut Findings<'_>, url: &IssuerUrl, index: usize, route: &Route) {
    if !url.covers(&route.path) || !serves(route, &url.host) {
        return;
    }
    let message = format!(
        "route `{}` is never reached at `{}`: the local issuer answers there, at {}",
        route.name,
        url.host,
        match &*url.path {
            "" => "every path".to_owned(),
            path => format!("`{path}`, below it and at `{}`", url.metadata_path()),
        }
    );
    let path = format!("routes[{index}].path");
    found.warn("unreachable-route", &path, message);
}

fn hidden_by_logout(found: &mut Findings<'_>, index: usize, route: &Route) {
    for issuer in &found.config.issuers {
        if let Some(logout) = &issuer.logout
            && logout.path == route.path
        {
            let message = format!(
                "route `{}` does not get requests to `{}` itself: logout tokens of `{}` are expected there",
                route.name, route.path, issuer.name
            );
            let path = format!("routes[{index}].path");
            found.warn("unreachable-route", &path, message);
        }
    }
}

/// Whether a route serves a host; IPv6 addresses have brackets in routes.
fn serves(route: &Route, host: &str) -> bool {
    let fits = |pattern: &HostPattern| match pattern {
        HostPattern::Exact(name) => name.trim_matches(['[', ']']) == host,
        HostPattern::Wildcard(parent) => host
            .strip_suffix(&**parent)
            .is_some_and(|rest| rest.ends_with('.')),
    };
    route.hosts.is_empty() || route.hosts.iter().any(fits)
}
