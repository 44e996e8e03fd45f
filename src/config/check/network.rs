//! Listeners, upstreams and limits.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::config::{Authentication, Certificates, Host, Upstream, UpstreamUrl};

use super::warning::Findings;

pub(super) fn check(found: &mut Findings<'_>) {
    listeners(found);
    trusted_proxies(found);
    bad_signatures(found);
    for index in 0..found.config.upstreams.len() {
        upstream(found, index);
    }
    clear_text_upstreams(found);
}

fn listeners(found: &mut Findings<'_>) {
    let config = found.config;
    match &config.server.tls {
        Some(Certificates::SelfSigned(_)) => found.warn(
            "self-signed-certificate",
            "server.tls.self_signed",
            "no client trusts a self-signed certificate: give `cert` and `key` in production",
        ),
        Some(Certificates::Files(_)) => {}
        None => {
            let open = config
                .server
                .listen
                .iter()
                .any(|address| !loopback(address.ip()));
            let tokens = config
                .routes
                .iter()
                .any(|route| route.auth != Authentication::None);
            // With trusted proxies it is they who end TLS.
            if open && tokens && config.server.trusted_proxies.0.is_empty() {
                found.warn(
                    "tokens-over-plaintext",
                    "server.listen",
                    "tokens come in over plain HTTP, where the network can read them: set `tls`, \
                     or name the proxies that end TLS in `trusted_proxies`",
                );
            }
        }
    }
    if let Some(admin) = config.admin.listen
        && !loopback(admin.ip())
    {
        found.warn(
            "admin-off-loopback",
            "admin.listen",
            format!(
                "the admin listener on {admin} is plain HTTP: its token can be read on the way"
            ),
        );
    }
}

fn trusted_proxies(found: &mut Findings<'_>) {
    for (index, network) in found.config.server.trusted_proxies.0.iter().enumerate() {
        if is_wide(network) {
            found.warn(
                "trusts-everyone",
                &format!("server.trusted_proxies[{index}]"),
                format!("anyone in {network} can claim any client address: name the proxies"),
            );
        }
    }
}

fn bad_signatures(found: &mut Findings<'_>) {
    let limits = found.config.server.limits.bad_signatures;
    for (limit, key) in [
        (limits.per_client, "bad_signatures_per_client"),
        (limits.per_worker, "bad_signatures_per_worker"),
    ] {
        if limit.is_none() {
            found.warn(
                "bad-signatures-unlimited",
                &format!("server.limits.{key}"),
                format!("with {key} = \"off\" forged tokens can keep a worker busy"),
            );
        }
    }
}

/// Wider than any private network: the largest is a /8, the unique local addresses of IPv6 are a /7.
pub(super) fn is_wide(network: &IpNet) -> bool {
    let least = match network.addr() {
        IpAddr::V4(_) => 8,
        IpAddr::V6(_) => 7,
    };
    network.prefix_len() < least
}

fn upstream(found: &mut Findings<'_>, index: usize) {
    let config = found.config;
    let upstream = &config.upstreams[index];
    let path = place_of_upstream(found, index);
    for url in &upstream.urls {
        if let Some(admin) = config.admin.listen
            && same_address(url, admin)
        {
            let message = format!(
                "upstream `{}` is the admin listener: its routes would lead to it",
                upstream.name
            );
            // With the client's Host the admin listener refuses; with its own it would answer.
            if upstream.host == Host::Upstream {
                found.refuse("admin-is-upstream", &path, message);
            } else {
                found.warn("admin-is-upstream", &path, message);
            }
        }
        if config
            .server
            .listen
            .iter()
            .any(|own| same_address(url, *own))
        {
            let message = format!(
                "upstream `{}` is this gateway: a request would go round until a limit ends it",
                upstream.name
            );
            found.refuse("gateway-is-upstream", &path, message);
        }
    }
    if upstream.ca.is_some() && upstream.urls.iter().all(|url| !url.tls) {
        let message = format!(
            "`ca` of upstream `{}` is not used: no URL is https",
            upstream.name
        );
        found.warn("unused-ca", &format!("{path}.ca"), message);
    }
    if !config.routes.iter().any(|route| route.upstream == index) {
        let message = format!("no route leads to upstream `{}`", upstream.name);
        found.warn("unused-upstream", &path, message);
    }
}

/// An upstream that a route gave as a URL stands at that route.
fn place_of_upstream(found: &Findings<'_>, index: usize) -> String {
    let config = found.config;
    let explicit = format!("upstreams[{index}]");
    if config.places.is_set(&explicit) {
        return explicit;
    }
    let route = config
        .routes
        .iter()
        .position(|route| route.upstream == index);
    format!("routes[{}].upstream", route.unwrap_or(0))
}

/// `Authorization` leaves with the request where it is forwarded, and where it is never looked at.
fn clear_text_upstreams(found: &mut Findings<'_>) {
    let config = found.config;
    for (index, route) in config.routes.iter().enumerate() {
        let in_clear = config.upstreams.get(route.upstream).is_some_and(clear_text);
        if route.forward_token && in_clear {
            let message = format!(
                "route `{}` sends tokens over plain HTTP to another machine: use https, or \
                 forward_token = false",
                route.name
            );
            found.warn(
                "token-to-clear-text-upstream",
                &format!("routes[{index}].forward_token"),
                message,
            );
        }
    }
}

fn clear_text(upstream: &Upstream) -> bool {
    upstream.urls.iter().any(|url| {
        let local = url.host.parse().is_ok_and(loopback) || &*url.host == "localhost";
        !url.tls && !local
    })
}

fn loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Whether a URL reaches a listener of this machine.
fn same_address(url: &UpstreamUrl, listener: SocketAddr) -> bool {
    if url.port != listener.port() {
        return false;
    }
    let host = match &*url.host {
        "localhost" => IpAddr::from([127, 0, 0, 1]),
        host => match host.parse::<IpAddr>() {
            Ok(address) => address.to_canonical(),
            Err(_) => return false,
        },
    };
    let listener = listener.ip().to_canonical();
    host == listener
        || host.is_unspecified() && listener.is_loopback()
        || listener.is_unspecified() && (host.is_loopback() || host.is_unspecified())
        || host.is_loopback() && listener.is_loopback() && &*url.host == "localhost"
}

/// Each client needs a file, and so does its upstream; some are needed besides.
pub(super) fn check_file_limit(found: &mut Findings<'_>, limits: &str) {
    const BESIDES: usize = 100;
    let Some(line) = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
    else {
        return;
    };
    // `Max open files  <soft>  <hard>  files`: the soft limit is raised to the hard one.
    let hard = line
        .split_whitespace()
        .nth(4)
        .and_then(|hard| hard.parse::<usize>().ok());
    let connections = found.config.server.limits.connections;
    let needed = connections.saturating_mul(2).saturating_add(BESIDES);
    if let Some(hard) = hard.filter(|hard| *hard < needed) {
        found.warn(
            "file-limit-too-low",
            "server.limits.connections",
            format!(
                "{connections} connections need up to {needed} open files, and {hard} are allowed: \
                 raise LimitNOFILE, or lower `connections`"
            ),
        );
    }
}
