//! Why that route, and no other.

use crate::config::HostPattern;
use crate::routing::{Route, RouteTable};

use super::Finding;
use super::walk::SeenTarget;

/// Other routes that are named, at most.
const NAMED: usize = 5;

/// What made the route fit, and which others would have.
pub(super) fn found(route: &Route, target: &SeenTarget, routes: &RouteTable) -> Vec<Finding> {
    let host = target.host.as_deref().unwrap_or_default();
    let fitting = route.hosts.iter().find(|pattern| fits(pattern, host));
    let why = match fitting {
        Some(HostPattern::Exact(name)) => format!("names the host {name}"),
        Some(HostPattern::Wildcard(name)) => format!("takes the hosts *.{name}"),
        None => "takes any host".to_owned(),
    };
    let methods = match route.methods.as_slice() {
        [] => "any method".to_owned(),
        methods => names(methods.iter().map(http::Method::as_str)),
    };
    let mut findings = vec![
        Finding::noted("route", &*route.name),
        Finding::noted("host", why),
        Finding::noted("path", format!("begins with {}", route.path)),
        Finding::noted("methods", methods),
    ];
    let others: Vec<&str> = below(routes, target)
        .filter(|other| other.name != route.name)
        .map(|other| &*other.name)
        .collect();
    if !others.is_empty() {
        let text = format!("{}: a longer path or a nearer host wins", some(&others));
        findings.push(Finding::noted("not", text));
    }
    findings
}

/// What stands nearest, for a request that has no route.
pub(super) fn missing(target: &SeenTarget, routes: &RouteTable) -> Vec<Finding> {
    let host = target.host.as_deref().unwrap_or_default();
    let here: Vec<String> = routes
        .iter()
        .filter(|route| route.hosts.is_empty() || route.hosts.iter().any(|it| fits(it, host)))
        .map(|route| format!("{} ({})", route.name, route.path))
        .collect();
    let here: Vec<&str> = here.iter().map(String::as_str).collect();
    let text = if here.is_empty() {
        format!("none for host {host}")
    } else {
        some(&here)
    };
    vec![Finding::noted("routes of this host", text)]
}

/// Routes that fit host and path, whatever their method.
fn below<'r>(
    routes: &'r RouteTable,
    target: &SeenTarget,
) -> impl Iterator<Item = &'r std::sync::Arc<Route>> {
    let host = target.host.clone().unwrap_or_default();
    let path = target.decoded.clone();
    routes.iter().filter(move |route| {
        let at_host = route.hosts.is_empty() || route.hosts.iter().any(|it| fits(it, &host));
        let rest = path.strip_prefix(&*route.path);
        at_host
            && (&*route.path == "/" || rest.is_some_and(|it| it.is_empty() || it.starts_with('/')))
    })
}

fn fits(pattern: &HostPattern, host: &str) -> bool {
    match pattern {
        HostPattern::Exact(name) => **name == *host,
        HostPattern::Wildcard(name) => {
            let labels = host.strip_suffix(&**name);
            labels.is_some_and(|labels| labels.len() > 1 && labels.ends_with('.'))
        }
    }
}

fn names<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

/// The first few, and how many more there are.
fn some(all: &[&str]) -> String {
    let text = names(all.iter().take(NAMED).copied());
    match all.len().saturating_sub(NAMED) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}
