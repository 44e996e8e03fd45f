//! Issuers, routes and claim headers: who passes, and what upstreams believe.

use std::collections::HashMap;
use std::time::Duration;

use crate::config::claims::normal_name;
use crate::config::{Authentication, HostPattern, Keys, Requirements, Route};
use crate::headers::laxest_reading;

use super::network;
use super::warning::Findings;

pub(super) fn check(found: &mut Findings<'_>) {
    for index in 0..found.config.issuers.len() {
        issuer(found, index);
    }
    no_protection(found);
    for index in 0..found.config.routes.len() {
        route(found, index);
    }
    public_above_protected(found);
    public_prefix_stripped(found);
    unreachable_routes(found);
    claim_headers(found);
}

fn issuer(found: &mut Findings<'_>, index: usize) {
    let config = found.config;
    let issuer = &config.issuers[index];
    let (name, policy) = (&issuer.name, &issuer.policy);
    let path = |key: &str| format!("issuers[{index}].{key}");
    if policy.leeway > Duration::from_mins(2) {
        let message = format!("tokens of `{name}` pass more than 2 minutes after they expired");
        found.warn("leeway-over-2m", &path("leeway"), message);
    }
    if policy
        .max_lifetime
        .is_some_and(|most| most > Duration::from_hours(24))
    {
        let message = format!("tokens of `{name}` may live for more than a day");
        found.warn("max-lifetime-over-1d", &path("max_lifetime"), message);
    }
    if policy.accept_cnf {
        let message = format!(
            "tokens of `{name}` that are bound to a sender pass without the proof: who steals one \
             can use it"
        );
        found.warn("sender-binding-ignored", &path("accept_cnf"), message);
    }
    match &issuer.keys {
        Keys::Secret(_) => {
            let message =
                format!("whoever checks tokens of `{name}` can make them: prefer public keys");
            found.warn("shared-secret", &path("keys"), message);
        }
        Keys::Generate(_) => {
            let message = format!(
                "the key of `{name}` was made by this gateway, for trying out: any token minted \
                 here is believed"
            );
            found.warn("generated-key", &path("keys"), message);
        }
        Keys::Public(_) => {}
    }
    if !config
        .routes
        .iter()
        .any(|route| route.issuers.contains(&index))
    {
        let message = format!("no route admits tokens of `{name}`");
        let local = config.local_issuer.as_ref();
        let path = match local.filter(|local| local.issuer == index) {
            Some(_) => "local_issuer.issuer".to_owned(),
            None => path("name"),
        };
        found.warn("unused-issuer", &path, message);
    }
}

fn no_protection(found: &mut Findings<'_>) {
    let routes = &found.config.routes;
    if routes.is_empty() {
        found.warn(
            "no-routes",
            "routes",
            "there are no [[routes]]: every request gets 404",
        );
    } else if routes
        .iter()
        .all(|route| route.auth == Authentication::None)
    {
        found.warn(
            "no-route-needs-a-token",
            "routes",
            "every route has auth = \"none\": this gateway protects nothing",
        );
    }
}

fn route(found: &mut Findings<'_>, index: usize) {
    let route = &found.config.routes[index];
    let name = &route.name;
    let asks = route.requirements != Requirements::default() || !route.overrides.is_empty();
    if route.auth == Authentication::Optional && asks {
        let message = format!(
            "route `{name}` asks for scopes or claims, and lets requests without a token pass: \
             write auth = \"required\""
        );
        found.warn(
            "optional-with-rules",
            &format!("routes[{index}].auth"),
            message,
        );
    }
    for (place, network) in route.server_timing.iter().enumerate() {
        if network::is_wide(network) {
            let message = format!(
                "route `{name}` tells anyone in {network} how long it takes to decide and to answer: \
                 name those who measure"
            );
            found.warn(
                "server-timing-for-everyone",
                &format!("routes[{index}].server_timing[{place}]"),
                message,
            );
        }
    }
    let lax = route.path_allow.encoded_slash || route.path_allow.double_slash;
    if lax && route.auth != Authentication::Required {
        let message = format!(
            "route `{name}` needs no token and takes paths that servers read differently: what \
             reaches the upstream may be another path than it seems"
        );
        let path = format!("routes[{index}].path_allow");
        found.warn("lax-paths-without-token", &path, message);
    }
}

/// Whatever a protected route does not match falls to the public one above it.
fn public_above_protected(found: &mut Findings<'_>) {
    let routes = &found.config.routes;
    let public: Vec<(usize, &Route)> = numbered(routes, Authentication::None);
    let protected: Vec<(usize, &Route)> = numbered(routes, Authentication::Required);
    let mut warned = Vec::new();
    for (index, above) in public {
        let below = protected.iter().find(|(_, below)| {
            below.path != above.path && under(&below.path, &above.path) && share_host(above, below)
        });
        if let Some((_, below)) = below {
            warned.push((index, above.name.clone(), below.name.clone()));
        }
    }
    for (index, above, below) in warned {
        let message = format!(
            "the public route `{above}` lies above the protected `{below}`: a path that misses \
             `{below}` by a letter needs no token"
        );
        let path = format!("routes[{index}].auth");
        found.warn("public-route-above-protected", &path, message);
    }
}

/// Without its prefix a path may be any other of the upstream's.
fn public_prefix_stripped(found: &mut Findings<'_>) {
    let routes = &found.config.routes;
    let mut warned = Vec::new();
    for (index, public) in numbered(routes, Authentication::None) {
        let same = |protected: &&Route| {
            protected.auth == Authentication::Required && protected.upstream == public.upstream
        };
        let protected = routes.iter().find(same).filter(|_| public.strip_prefix);
        if let Some(protected) = protected {
            let rest = if protected.strip_prefix {
                ""
            } else {
                &*protected.path
            };
            let message = format!(
                "the public route `{}` leads to the upstream of the protected `{}`, and without \
                 its prefix to every path there: `{}{rest}/..` needs no token",
                public.name,
                protected.name,
                public.path.trim_end_matches('/'),
            );
            warned.push((index, message));
        }
    }
    for (index, message) in warned {
        let path = format!("routes[{index}].strip_prefix");
        found.warn("public-prefix-stripped", &path, message);
    }
}

fn numbered(routes: &[Route], auth: Authentication) -> Vec<(usize, &Route)> {
    let all = routes.iter().enumerate();
    all.filter(|(_, route)| route.auth == auth).collect()
}

/// Whether `path` is below `prefix` at a segment border.
fn under(path: &str, prefix: &str) -> bool {
    prefix == "/"
        || path
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.starts_with('/'))
}

/// Whether a request may reach both: by one host, one pattern, or because one of them takes any.
fn share_host(a: &Route, b: &Route) -> bool {
    if a.hosts.is_empty() || b.hosts.is_empty() {
        // Hosts do not fall through: a route for any host serves only those that no route names.
        return a.hosts.is_empty() == b.hosts.is_empty();
    }
    a.hosts.iter().any(|host| b.hosts.contains(host))
}

/// Where paths read alike, requests go to the one that is written as the laxest upstream reads it, or to none.
fn unreachable_routes(found: &mut Findings<'_>) {
    let routes = &found.config.routes;
    let laxest: Vec<Box<str>> = routes
        .iter()
        .map(|route| laxest_reading(route.path.as_bytes()))
        .collect();
    let mut alike: HashMap<(Option<&HostPattern>, &str), Vec<usize>> = HashMap::new();
    for (index, route) in routes.iter().enumerate() {
        for host in hosts(route) {
            alike.entry((host, &laxest[index])).or_default().push(index);
        }
    }
    let mut warned = Vec::new();
    for (index, route) in routes.iter().enumerate() {
        if laxest[index] == route.path {
            continue;
        }
        let others = hosts(route)
            .into_iter()
            .filter_map(|host| alike.get(&(host, &*laxest[index])))
            .flatten();
        if let Some(other) = others
            .copied()
            .find(|other| routes[*other].path != route.path)
        {
            warned.push((index, route.name.clone(), routes[other].name.clone()));
        }
    }
    for (index, name, other) in warned {
        let message = format!(
            "route `{name}` is never reached: servers that do not mind case or spelling take its \
             path for that of `{other}`, so it is refused as ambiguous"
        );
        found.warn(
            "unreachable-route",
            &format!("routes[{index}].path"),
            message,
        );
    }
}

fn hosts(route: &Route) -> Vec<Option<&HostPattern>> {
    if route.hosts.is_empty() {
        return vec![None];
    }
    route.hosts.iter().map(Some).collect()
}

fn claim_headers(found: &mut Findings<'_>) {
    let config = found.config;
    let mut spellings: HashMap<String, http::HeaderName> = HashMap::new();
    let mut warned = Vec::new();
    for (index, route) in config.routes.iter().enumerate() {
        for header in &route.claim_headers {
            let name = &header.name;
            let first = spellings
                .entry(normal_name(name))
                .or_insert_with(|| name.clone());
            if first != name {
                let message = format!(
                    "routes spell one claim header `{first}` and `{name}`: an upstream that sees \
                     both takes them for one"
                );
                warned.push(("claim-headers-collide", index, message));
            }
            // The global ones are in every route, and told once.
            if index == 0
                || config
                    .places
                    .is_set(&format!("routes[{index}].claim_headers"))
            {
                let standard = STANDARD.contains(&name.as_str());
                if standard {
                    let message = format!(
                        "the claim header `{name}` replaces a field that clients send for \
                         another purpose: write `X-Auth-..`"
                    );
                    warned.push(("claim-header-replaces-field", index, message));
                }
            }
        }
    }
    for (code, index, message) in warned {
        let own = format!("routes[{index}].claim_headers");
        let path = if config.places.is_set(&own) {
            own
        } else {
            "claim_headers".to_owned()
        };
        found.warn(code, &path, message);
    }
}

/// Request fields that applications read, and that are not reserved.
const STANDARD: &[&str] = &[
    "accept",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "content-type",
    "from",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "origin",
    "range",
    "referer",
    "traceparent",
    "user-agent",
    "x-csrf-token",
    "x-request-id",
];
