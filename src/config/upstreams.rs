//! `[[upstreams]]`

use std::net::Ipv6Addr;
use std::sync::Arc;

use super::context::{At, Context};
use super::names::Names;
use super::raw::Text;
use super::reader::Reader;
use super::routes::is_host_name;
use super::source::without_credentials;
use super::{Host, Place, Upstream, UpstreamUrl, defaults};

/// All upstreams with a table of their own.
pub(super) fn upstreams(readers: Vec<Reader<'_>>) -> (Vec<Upstream>, Names) {
    let mut names = Names::new("upstream");
    let mut upstreams = Vec::new();
    for mut reader in readers {
        let name = names.read(&mut reader);
        upstreams.push(upstream(&mut reader, name));
        reader.finish();
    }
    (upstreams, names)
}

fn upstream(reader: &mut Reader<'_>, name: Arc<str>) -> Upstream {
    let timeouts = defaults::LEAST_TIMEOUT..=defaults::MOST_TIMEOUT;
    let hosts = [("keep", Host::Keep), ("upstream", Host::Upstream)];
    let texts = reader.required_texts("urls", "write urls = [\"http://orders:8080\"]");
    let mut urls = Vec::new();
    for text in &texts {
        let Some(url) = url(reader.context, text) else {
            continue;
        };
        if urls.contains(&url) {
            let message = format!("`{}` stands twice in `urls`", text.value.shown());
            reader.context.error(&text.origin, message);
        }
        urls.push(url);
    }
    Upstream {
        name,
        place: reader.context.source.place(&reader.origin_of("ca")),
        urls,
        ca: reader.path("ca").map(|path| path.value),
        connect_timeout: reader.duration(
            "connect_timeout",
            timeouts.clone(),
            defaults::CONNECT_TIMEOUT,
        ),
        response_timeout: reader.duration(
            "response_timeout",
            timeouts.clone(),
            defaults::RESPONSE_TIMEOUT,
        ),
        idle_timeout: reader.duration("idle_timeout", timeouts, defaults::UPSTREAM_IDLE_TIMEOUT),
        max_idle: reader.number("max_idle", 0..=100_000, defaults::MAX_IDLE),
        host: reader.choice("host", &hosts),
    }
}

/// The upstream of a route that gives a URL.
pub(super) fn implicit(url: UpstreamUrl, place: Place) -> Upstream {
    Upstream {
        name: url_name(&url).into(),
        place,
        urls: vec![url],
        ca: None,
        connect_timeout: defaults::CONNECT_TIMEOUT,
        response_timeout: defaults::RESPONSE_TIMEOUT,
        idle_timeout: defaults::UPSTREAM_IDLE_TIMEOUT,
        max_idle: defaults::MAX_IDLE,
        host: Host::Keep,
    }
}

/// The URL in one spelling, so that two routes with the same share an upstream.
fn url_name(url: &UpstreamUrl) -> String {
    let scheme = if url.tls { "https" } else { "http" };
    if url.host.contains(':') {
        format!("{scheme}://[{}]:{}", url.host, url.port)
    } else {
        format!("{scheme}://{}:{}", url.host, url.port)
    }
}

/// `http://host:port` and nothing more: a path would rewrite what was authorized.
pub(super) fn url(context: &Context<'_>, text: &At<&Text>) -> Option<UpstreamUrl> {
    match parse_url(&text.value.value) {
        Ok(url) => Some(url),
        Err((problem, hint)) => {
            let shown = without_credentials(text.value.shown());
            context.error_hint(&text.origin, format!("`{shown}` {problem}"), hint);
            None
        }
    }
}

fn parse_url(text: &str) -> Result<UpstreamUrl, (&'static str, &'static str)> {
    const FORM: &str = "write \"http://host:port\" or \"https://host:port\"";
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(("is not a URL", FORM));
    };
    let tls = match scheme.to_ascii_lowercase().as_str() {
        "http" => false,
        "https" => true,
        _ => return Err(("has another scheme than http and https", FORM)),
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains('@') {
        return Err(("holds credentials, which are not sent", FORM));
    }
    if authority.contains(['/', '?', '#']) {
        let hint =
            "the path of the request is forwarded as it came; `strip_prefix` removes the route's";
        return Err(("has a path or a query", hint));
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(("has a broken address", FORM))?;
            if host.parse::<Ipv6Addr>().is_err() {
                return Err(("has a broken address", FORM));
            }
            (
                host,
                port.strip_prefix(':').or(port.is_empty().then_some("")),
            )
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, Some("")),
        },
    };
    let named = authority.starts_with('[') || is_host_name(&host.to_ascii_lowercase());
    if !named {
        return Err(("has no valid host", FORM));
    }
    let port = match port {
        Some("") if authority.ends_with(':') => None,
        Some("") => Some(if tls { 443 } else { 80 }),
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => port.parse().ok(),
        Some(_) | None => None,
    };
    let port = port
        .filter(|port| *port > 0)
        .ok_or(("has no valid port", FORM))?;
    Ok(UpstreamUrl {
        tls,
        host: host.to_ascii_lowercase().into(),
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_a_scheme_a_host_and_a_port() {
        for (text, name) in [
            ("http://orders:8080", "http://orders:8080"),
            ("http://Orders", "http://orders:80"),
            ("HTTPS://orders/", "https://orders:443"),
            ("http://10.0.0.1:9000", "http://10.0.0.1:9000"),
            ("http://[::1]:9000", "http://[::1]:9000"),
            ("https://[::1]", "https://[::1]:443"),
            ("http://my_service:1", "http://my_service:1"),
        ] {
            let url = parse_url(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
            assert_eq!(url_name(&url), name, "{text}");
        }
        for text in [
            "orders:8080",
            "ftp://orders",
            "http://",
            "http://:80",
            "http://orders:",
            "http://orders:0",
            "http://orders:65536",
            "http://orders:+80",
            "http://u:p@orders",
            "http://orders/path",
            "http://orders?x",
            "http://orders#x",
            "http://orders//",
            "http://[::1",
            "http://[::1]80",
            "http://[orders]:80",
            "http://a b",
            "http://a%20b",
            "http://ä",
            "http://a:1:2",
        ] {
            assert!(parse_url(text).is_err(), "{text}");
        }
    }
}
