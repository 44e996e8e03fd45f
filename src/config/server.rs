//! `[server]`, `[server.limits]`, `[admin]` and `[log]`.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::headers::TrustedProxies;
use crate::secret::Secret;

use super::context::At;
use super::raw::{Node, Text, Value};
use super::reader::{OFF, Reader};
use super::routes::is_host_name;
use super::units::format_size;
use super::{
    Admin, AdminAccess, BadSignatureLimits, Certificates, Limits, Log, LogFormat, SecretUse,
    Server, defaults,
};

/// `[server]`, and its `strip`.
pub(super) fn server(mut reader: Reader<'_>) -> (Server, Vec<String>) {
    let limits = limits(reader.table("limits", "server.limits"));
    let listen = listen(&mut reader);
    let workers = workers(&mut reader);
    let server = Server {
        listen,
        workers,
        tls: certificates(&mut reader),
        trusted_proxies: TrustedProxies(networks(&mut reader, "trusted_proxies")),
        realm: realm(&mut reader),
        token_cache: token_cache(&mut reader, workers, limits.token_bytes),
        limits,
    };
    let strip = strip(&mut reader);
    reader.finish();
    (server, strip)
}

fn listen(reader: &mut Reader<'_>) -> Vec<SocketAddr> {
    let texts = reader.texts("listen", &[defaults::LISTEN]);
    let Some(texts) = texts else {
        return defaults::LISTEN.parse().into_iter().collect();
    };
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for text in &texts {
        let Some(address) = address(reader, text) else {
            continue;
        };
        // Port 0 is a new port each time.
        if address.port() != 0 && addresses.contains(&address) {
            let message = format!("`{address}` stands twice in `listen`");
            reader.context.error(&text.origin, message);
        }
        addresses.push(address);
    }
    if reader.is_empty_list("listen") {
        let origin = reader.origin_of("listen");
        reader
            .context
            .error_hint(&origin, "`listen` is empty", "leave it out for the default");
    }
    addresses
}

fn address(reader: &Reader<'_>, text: &At<&Text>) -> Option<SocketAddr> {
    let parsed = text.value.value.parse().ok();
    if parsed.is_none() {
        let shown = text.value.shown();
        let hint = match shown.split_once(':') {
            Some(("", port)) => format!("write \"0.0.0.0:{port}\" or \"[::]:{port}\""),
            Some(("localhost", port)) => format!("write \"127.0.0.1:{port}\""),
            _ => "write an address and a port: \"0.0.0.0:8443\", \"[::]:8443\"".to_owned(),
        };
        let message = format!("`{shown}` is not an address with a port");
        reader.context.error_hint(&text.origin, message, hint);
    }
    parsed
}

fn workers(reader: &mut Reader<'_>) -> NonZeroUsize {
    let automatic = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let Some(node) = reader.node("workers", || Some("\"auto\"".to_owned())) else {
        return automatic();
    };
    if matches!(&node.value, Value::Text(text) if text.value == "auto") {
        return automatic();
    }
    if let Value::Integer(number) = node.value {
        let number = usize::try_from(number).ok().and_then(NonZeroUsize::new);
        if let Some(number) = number.filter(|n| n.get() <= defaults::MOST_WORKERS) {
            return number;
        }
        let most = defaults::MOST_WORKERS;
        let message = format!("`workers` takes \"auto\" or 1 to {most}");
        reader.context.error(&node.origin, message);
    } else {
        reader.wrong_kind("workers", node, "\"auto\" or a number");
    }
    NonZeroUsize::MIN
}

fn certificates(reader: &mut Reader<'_>) -> Option<Certificates> {
    let node = reader.node("tls", || None)?;
    match &node.value {
        Value::Table(_) => certificate(reader, node),
        Value::Array(nodes) => {
            let mut pairs: Vec<(PathBuf, PathBuf)> = Vec::new();
            for node in nodes {
                match certificate(reader, node) {
                    Some(Certificates::Files(more)) => pairs.extend(more),
                    Some(Certificates::SelfSigned(_)) => reader.context.error(
                        &node.origin,
                        "`self_signed` stands alone, not in a list of certificates",
                    ),
                    None => {}
                }
            }
            if nodes.is_empty() {
                reader.context.error_hint(
                    &node.origin,
                    "`tls` is an empty list",
                    "leave it out for plaintext, or write { cert = \"..\", key = \"..\" }",
                );
            }
            Some(Certificates::Files(pairs))
        }
        Value::Text(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime => {
            let expected = "{ cert, key }, a list of them, or { self_signed = [..] }";
            reader.wrong_kind("tls", node, expected);
            None
        }
    }
}

fn certificate(parent: &Reader<'_>, node: &Node) -> Option<Certificates> {
    let Value::Table(table) = &node.value else {
        parent.wrong_kind("tls", node, "a table with `cert` and `key`");
        return None;
    };
    let context = parent.context;
    let mut reader = Reader::new(context, "server.tls", Some(table), node.origin.clone());
    let cert = reader.path("cert");
    let key = reader.path("key");
    let names = if reader.has("self_signed") {
        Some(reader.required_texts("self_signed", "name the hosts: [\"localhost\"]"))
    } else {
        // Asked for, so that it is known.
        let _ = reader.node("self_signed", || None);
        None
    };
    let found = match (cert, key, names) {
        (Some(cert), Some(key), None) => Some(Certificates::Files(vec![(cert.value, key.value)])),
        (None, None, Some(names)) => Some(Certificates::SelfSigned(self_signed(&reader, names))),
        (None, None, None) => {
            let hint = "write { cert = \"..\", key = \"..\" } or { self_signed = [\"localhost\"] }";
            context.error_hint(&node.origin, "`tls` has no `cert` and `key`", hint);
            None
        }
        (_, _, Some(_)) => {
            let message = "`self_signed` excludes `cert` and `key`";
            context.error(&node.origin, message);
            None
        }
        (Some(_), None, None) => {
            context.error(&node.origin, "`tls` has a `cert`, but no `key`");
            None
        }
        (None, Some(_), None) => {
            context.error(&node.origin, "`tls` has a `key`, but no `cert`");
            None
        }
    };
    reader.finish();
    found
}

fn self_signed(reader: &Reader<'_>, names: Vec<At<&Text>>) -> Vec<String> {
    let mut found = Vec::new();
    for name in names {
        let text = name.value.value.to_ascii_lowercase();
        let host = text.strip_prefix("*.").unwrap_or(&text);
        if is_host_name(host) || host.parse::<std::net::IpAddr>().is_ok() {
            found.push(text);
        } else {
            let message = format!("`{}` is not a host name or address", name.value.shown());
            reader.context.error(&name.origin, message);
        }
    }
    found
}

/// A list of networks, none by default; a lone address is a network of one.
pub(super) fn networks(reader: &mut Reader<'_>, key: &'static str) -> Vec<IpNet> {
    let mut networks = Vec::new();
    for text in reader.texts(key, &[]).unwrap_or_default() {
        let parsed = text.value.value.parse::<IpNet>();
        let single = text.value.value.parse::<std::net::IpAddr>();
        match (parsed, single) {
            (Ok(network), _) => networks.push(network),
            (Err(_), Ok(address)) => networks.push(IpNet::from(address)),
            (Err(_), Err(_)) => {
                let message = format!("`{}` is not a network", text.value.shown());
                let hint = "write an address and a prefix length: \"10.0.0.0/8\", \"fd00::/8\"";
                reader.context.error_hint(&text.origin, message, hint);
            }
        }
    }
    networks
}

/// RFC 9110 §5.6.4: it is sent as a quoted string, so nothing in it may need an escape.
fn realm(reader: &mut Reader<'_>) -> Box<str> {
    let realm = reader.text_or("realm", defaults::REALM);
    let wrong = |c: char| c == '"' || c == '\\' || !(' '..='~').contains(&c);
    if realm.value.contains(wrong) {
        reader.context.error(
            &realm.origin,
            "`realm` takes printable ASCII without quotes and backslashes",
        );
    }
    realm.value.into()
}

/// Each worker has its share, and a share that cannot hold one token would be there for nothing.
fn token_cache(reader: &mut Reader<'_>, workers: NonZeroUsize, token_bytes: usize) -> usize {
    let range = defaults::LEAST_TOKEN_CACHE..=defaults::MOST_TOKEN_CACHE;
    let Some(bytes) = reader.size_or_none("token_cache", range, defaults::TOKEN_CACHE) else {
        return 0;
    };
    let share = saturating(bytes) / workers;
    if share < token_bytes {
        let origin = reader.origin_of("token_cache");
        let message = format!(
            "`token_cache` of {} is less than one token of `token_bytes` for each of {workers} workers",
            format_size(bytes)
        );
        let least = (token_bytes as u64).saturating_mul(workers.get() as u64);
        let hint = format!("write at least \"{}\", or \"off\"", format_size(least));
        reader.context.error_hint(&origin, message, hint);
    }
    saturating(bytes)
}

fn strip(reader: &mut Reader<'_>) -> Vec<String> {
    let Some(texts) = reader.texts("strip", defaults::STRIP) else {
        return defaults::STRIP.iter().map(ToString::to_string).collect();
    };
    let mut patterns = Vec::new();
    for text in texts {
        let pattern = &text.value.value;
        let name = pattern.strip_suffix('*').unwrap_or(pattern);
        if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
            let message = format!("`{}` is not a field name", text.value.shown());
            let hint = "write a name, or its beginning and `*`: \"X-User\", \"X-Auth-*\"";
            reader.context.error_hint(&text.origin, message, hint);
            continue;
        }
        let prefix = name.to_ascii_lowercase().replace('_', "-");
        let hit = NEVER_STRIPPED.iter().find(|field| {
            **field == prefix || (pattern.ends_with('*') && field.starts_with(&prefix))
        });
        match hit {
            Some(field) => {
                let message = format!("`{}` would remove `{field}`", text.value.shown());
                reader.context.error(&text.origin, message);
            }
            None => patterns.push(pattern.clone()),
        }
    }
    patterns
}

/// Without these no request could be framed, routed or authenticated.
const NEVER_STRIPPED: &[&str] = &[
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

fn limits(mut reader: Reader<'_>) -> Limits {
    let timeouts = defaults::LEAST_TIMEOUT..=defaults::MOST_TIMEOUT;
    let or_nothing = Duration::ZERO..=defaults::MOST_TIMEOUT;
    let header_range = defaults::LEAST_HEADER_BYTES..=defaults::MOST_HEADER_BYTES;
    let token_range = 256..=defaults::MOST_HEADER_BYTES;
    let r = &mut reader;
    let header_bytes = r.size("header_bytes", header_range, defaults::HEADER_BYTES);
    let token_bytes = r.size("token_bytes", token_range, defaults::TOKEN_BYTES);
    let streams = r.number("streams", 1..=100_000, defaults::STREAMS);
    let limits = Limits {
        connections: r.number("connections", 1..=10_000_000, defaults::CONNECTIONS),
        connections_per_client: r.number_or_off("connections_per_client", 1..=10_000_000, None),
        connection_age: r.duration_or_off("connection_age", timeouts.clone()),
        header_bytes: saturating(header_bytes),
        header_count: r.number("header_count", 8..=10_000, defaults::HEADER_COUNT),
        header_timeout: r.duration("header_timeout", timeouts.clone(), defaults::HEADER_TIMEOUT),
        idle_timeout: r.duration("idle_timeout", timeouts.clone(), defaults::IDLE_TIMEOUT),
        handshake_timeout: r.duration(
            "handshake_timeout",
            timeouts.clone(),
            defaults::HANDSHAKE_TIMEOUT,
        ),
        body_bytes: r
            .size_or_off("body_bytes", Some(OFF))
            .filter(|size| *size < u64::MAX),
        body_idle_timeout: r.duration(
            "body_idle_timeout",
            timeouts.clone(),
            defaults::BODY_IDLE_TIMEOUT,
        ),
        write_timeout: r.duration("write_timeout", timeouts.clone(), defaults::WRITE_TIMEOUT),
        streams: u32::try_from(streams).unwrap_or(u32::MAX),
        token_bytes: saturating(token_bytes),
        bad_signatures: bad_signatures(r),
        upgrade_idle_timeout: r.duration(
            "upgrade_idle_timeout",
            timeouts,
            defaults::UPGRADE_IDLE_TIMEOUT,
        ),
        drain_delay: r.duration("drain_delay", or_nothing.clone(), defaults::DRAIN_DELAY),
        drain_timeout: r.duration("drain_timeout", or_nothing, defaults::DRAIN_TIMEOUT),
    };
    if limits.token_bytes > limits.header_bytes {
        let origin = reader.origin_of(if reader.has("token_bytes") {
            "token_bytes"
        } else {
            "header_bytes"
        });
        reader.context.error_hint(
            &origin,
            format!(
                "`token_bytes` is above `header_bytes`, which a token is a part of: {} and {}",
                format_size(token_bytes),
                format_size(header_bytes)
            ),
            "raise `header_bytes`, or lower `token_bytes`",
        );
    }
    reader.finish();
    limits
}

fn bad_signatures(reader: &mut Reader<'_>) -> BadSignatureLimits {
    let mut per_second = |key, default| {
        let number = reader.number_or_off(key, 1..=defaults::MOST_BAD_SIGNATURES, Some(default))?;
        u32::try_from(number).ok().and_then(NonZeroU32::new)
    };
    BadSignatureLimits {
        per_client: per_second(
            "bad_signatures_per_client",
            defaults::BAD_SIGNATURES_PER_CLIENT,
        ),
        per_worker: per_second(
            "bad_signatures_per_worker",
            defaults::BAD_SIGNATURES_PER_WORKER,
        ),
    }
}

/// A size in memory; on 64-bit machines nothing is cut.
fn saturating(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// `[admin]`
pub(super) fn admin(
    mut reader: Reader<'_>,
    server: &Server,
    secrets: &mut Vec<SecretUse>,
) -> Admin {
    let text = reader.text_or("listen", defaults::ADMIN_LISTEN);
    let plain = Text::plain(text.value);
    let text = At {
        value: &plain,
        origin: text.origin,
    };
    let listen = match plain.value.as_str() {
        OFF => None,
        _ => address(&reader, &text),
    };
    let token = reader.text("token");
    let access = match &token {
        Some(token) => {
            check_admin_token(&reader, token);
            secrets.push(reader.context.secret_use(token));
            AdminAccess::Token(Secret::new(token.value.value.clone().into_bytes()))
        }
        None => AdminAccess::Loopback,
    };
    if let Some(address) = listen {
        if token.is_none() && !address.ip().to_canonical().is_loopback() {
            reader.context.error_hint(
                &text.origin,
                format!("the admin listener on {address} is not on loopback and has no `token`"),
                "write token = \"${file:/run/secrets/admin-token}\", or listen on 127.0.0.1",
            );
        }
        if address.port() != 0 && server.listen.contains(&address) {
            let message = format!("`{address}` is an address of [server] too");
            reader.context.error(&text.origin, message);
        }
    }
    reader.finish();
    Admin { listen, access }
}

/// RFC 6750 §2.1: what can stand in `Authorization: Bearer`.
fn check_admin_token(reader: &Reader<'_>, token: &At<&Text>) {
    let value = &token.value.value;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
    if !value.chars().all(allowed) {
        reader.context.error(
            &token.origin,
            "the admin token takes letters, digits and -._~+/= only, to be sent as a bearer token",
        );
    } else if value.len() < defaults::LEAST_ADMIN_TOKEN_BYTES {
        let least = defaults::LEAST_ADMIN_TOKEN_BYTES;
        reader.context.error_hint(
            &token.origin,
            format!("the admin token is shorter than {least} characters"),
            "make one with `openssl rand -hex 32`",
        );
    }
}

/// `[log]`
pub(super) fn log(mut reader: Reader<'_>) -> Log {
    let formats = [
        ("auto", LogFormat::Auto),
        ("text", LogFormat::Text),
        ("json", LogFormat::Json),
    ];
    let log = Log {
        format: reader.choice("format", &formats),
        access: reader.boolean("access", defaults::LOG_ACCESS),
    };
    reader.finish();
    log
}
