//! `[[routes]]`

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;
use percent_encoding::percent_decode_str;

use crate::headers::{PathAllow, StripSet};

use super::claims::{PlacedHeader, claim_headers, merged};
use super::context::Context;
use super::names::Names;
use super::reader::Reader;
use super::requirements::{overrides, requirements};
use super::server::networks;
use super::token_places::token_from;
use super::upstreams::{implicit, url};
use super::{
    Authentication, HostPattern, Issuer, LOCAL_ISSUER_ROUTE, Preflight, Requirements, Route,
    TokenPlace, Upstream, suggest,
};

/// What routes refer to.
pub(super) struct Referred<'a> {
    pub(super) issuers: &'a [Issuer],
    pub(super) issuer_names: &'a Names,
    pub(super) upstream_names: &'a Names,
    pub(super) claim_headers: &'a [PlacedHeader],
    /// `strip` of `[server]`.
    pub(super) strip: &'a [String],
}

/// All routes; `upstreams` grows by those that routes give as a URL.
pub(super) fn routes(
    readers: Vec<Reader<'_>>,
    upstreams: &mut Vec<Upstream>,
    referred: &Referred<'_>,
) -> Vec<Route> {
    let mut names = Names::new("route").reserving(LOCAL_ISSUER_ROUTE);
    let mut taken = Taken::default();
    let mut routes = Vec::new();
    let mut tokens = Vec::new();
    for mut reader in readers {
        let name = names.read(&mut reader);
        let places = token_from(&mut reader);
        let route = route(&mut reader, name, places.places(), upstreams, referred);
        taken.add(&reader, &route);
        routes.push(route);
        tokens.push((reader.context, places));
        reader.finish();
    }
    // What one route sets is stripped on all of them.
    let claim_headers = routes.iter().flat_map(|route| &route.claim_headers);
    let claim_headers = claim_headers.map(|header| header.name.as_str());
    let stripped = StripSet::new(claim_headers.chain(referred.strip.iter().map(String::as_str)));
    for (context, places) in tokens {
        places.refuse_stripped(context, &stripped);
    }
    routes
}

fn route(
    reader: &mut Reader<'_>,
    name: Arc<str>,
    token_from: Vec<TokenPlace>,
    upstreams: &mut Vec<Upstream>,
    referred: &Referred<'_>,
) -> Route {
    let modes = [
        ("required", Authentication::Required),
        ("optional", Authentication::Optional),
        ("none", Authentication::None),
    ];
    let preflights = [("deny", Preflight::Deny), ("forward", Preflight::Forward)];
    let auth = reader.choice("auth", &modes);
    let own = claim_headers(reader);
    let requirements = requirements(reader, &Requirements::default());
    let route = Route {
        name,
        place: reader.context.source.place(&reader.origin),
        hosts: hosts(reader),
        path: path(reader),
        methods: methods(reader),
        upstream: upstream(reader, upstreams, referred),
        auth,
        issuers: issuers(reader, auth, referred),
        overrides: overrides(reader, &requirements),
        requirements,
        token_from,
        forward_token: reader.boolean("forward_token", false),
        outlive_token: reader.boolean("outlive_token", false),
        server_timing: networks(reader, "server_timing"),
        strip_prefix: reader.boolean("strip_prefix", false),
        path_allow: path_allow(reader),
        preflight: reader.choice("preflight", &preflights),
        // `off` lifts the server's limit for this route.
        body_bytes: reader.size_or_off("body_bytes", None),
        claim_headers: merged(reader.context, referred.claim_headers, own),
    };
    if auth == Authentication::None {
        refuse_token_keys(reader);
    }
    route
}

/// A route that reads no token cannot ask anything of one.
fn refuse_token_keys(reader: &Reader<'_>) {
    for key in [
        "issuers",
        "scopes",
        "any_scope",
        "audiences",
        "claims",
        "overrides",
        "claim_headers",
        "token_from",
        "forward_token",
        "outlive_token",
    ] {
        if reader.has(key) {
            reader.context.error_hint(
                &reader.origin_of(key),
                format!("`{key}` has no meaning with auth = \"none\", which reads no token"),
                "write auth = \"required\", or remove it",
            );
        }
    }
}

fn hosts(reader: &mut Reader<'_>) -> Vec<HostPattern> {
    let mut hosts = Vec::new();
    for text in reader.texts("hosts", &[]).unwrap_or_default() {
        match host(&text.value.value) {
            Ok(host) if hosts.contains(&host) => {
                let message = format!("`{}` stands twice in `hosts`", text.value.shown());
                reader.context.error(&text.origin, message);
            }
            Ok(host) => hosts.push(host),
            Err(hint) => {
                let message = format!("`{}` is not a host", text.value.shown());
                reader.context.error_hint(&text.origin, message, hint);
            }
        }
    }
    hosts
}

fn host(text: &str) -> Result<HostPattern, &'static str> {
    let lower = text.to_ascii_lowercase();
    if lower == "*" {
        return Err("leave `hosts` out for any host");
    }
    if let Some(rest) = lower.strip_prefix("*.") {
        return if is_host_name(rest) {
            Ok(HostPattern::Wildcard(rest.into()))
        } else {
            Err("a wildcard is `*.` and a host: \"*.example.com\"")
        };
    }
    let address = lower
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    if address.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok())
        || is_host_name(&lower)
    {
        return Ok(HostPattern::Exact(lower.into()));
    }
    Err(match lower.as_str() {
        host if host.contains("://") => "leave the scheme out",
        host if host.contains(':') => "leave the port out: hosts are compared without it",
        host if host.contains('*') => "a wildcard is `*.` and a host: \"*.example.com\"",
        host if !host.is_ascii() => "write the name in its ASCII form, `xn--..`",
        _ => "write it as in \"api.example.com\"",
    })
}

/// Lower-case letters, digits, `-`, `_` in labels of 1 to 63; compose names its services with `_`.
pub(super) fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte)
            })
    };
    text.len() <= 253 && text.split('.').all(label)
}

fn path(reader: &mut Reader<'_>) -> Box<str> {
    let Some(text) = reader.required_text("path", "write path = \"/\" for all paths") else {
        return "/".into();
    };
    match decoded_path(&text.value.value) {
        Ok(path) => path,
        Err((problem, hint)) => {
            let message = format!("`{}` {problem}", text.value.shown());
            // It repeats the path, and what was filled in is shown nowhere.
            let hint = hint.filter(|_| text.value.raw.is_none());
            reader.context.error_with(&text.origin, message, hint);
            "/".into()
        }
    }
}

type PathProblem = (&'static str, Option<String>);

/// The path percent-decoded. Only what no server can read in two ways is accepted.
fn decoded_path(text: &str) -> Result<Box<str>, PathProblem> {
    let prefix = text.trim_end_matches(['*', '/']);
    let prefix = if prefix.is_empty() { "/" } else { prefix };
    if !text.starts_with('/') {
        let hint = format!("write \"/{}\"", prefix.trim_start_matches('/'));
        return Err(("does not begin with `/`", Some(hint)));
    }
    if text.contains('*') || text.contains(['{', '}']) {
        let hint = format!("a path is a prefix: \"{prefix}\" serves all below it");
        return Err(("is a pattern", text.ends_with('*').then_some(hint)));
    }
    if text.len() > 1 && text.ends_with('/') && !text.ends_with("//") {
        let hint = format!("write \"{prefix}\": it serves itself and all below it");
        return Err(("ends with `/`", Some(hint)));
    }
    if text.contains("//") {
        return Err(("has an empty segment", None));
    }
    if let Some(problem) = wrong_escape(text) {
        return Err((problem, None));
    }
    let Ok(decoded) = percent_decode_str(text).decode_utf8() else {
        return Err(("is not UTF-8 when decoded", None));
    };
    if decoded.contains(['?', '#', ';', '\\']) || decoded.contains(char::is_control) {
        return Err(("holds `?`, `#`, `;`, `\\` or a control character", None));
    }
    if decoded
        .split('/')
        .any(|segment| matches!(segment.trim(), "." | ".."))
    {
        return Err(("has a dot segment", None));
    }
    Ok(decoded.into())
}

/// An escape that is broken, or that stands for a byte which changes the path's structure.
fn wrong_escape(text: &str) -> Option<&'static str> {
    for part in text.split('%').skip(1) {
        let byte = part
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        // `from_str_radix` takes a sign.
        let byte = byte.filter(|_| !part.starts_with('+'));
        match byte {
            None => return Some("has a `%` that is no escape"),
            Some(b'/' | b'\\' | b'%' | b'.') => return Some("escapes `/`, `\\`, `%` or `.`"),
            Some(_) => {}
        }
    }
    None
}

pub(super) fn methods(reader: &mut Reader<'_>) -> Vec<Method> {
    let mut methods = Vec::new();
    for text in reader.texts("methods", &[]).unwrap_or_default() {
        let shown = text.value.shown();
        let Ok(method) = Method::from_bytes(text.value.value.as_bytes()) else {
            reader
                .context
                .error(&text.origin, format!("`{shown}` is not a method"));
            continue;
        };
        let upper = method.as_str().to_ascii_uppercase();
        if method == Method::CONNECT {
            reader
                .context
                .error(&text.origin, "CONNECT is never forwarded");
        } else if method.as_str() != upper {
            let message = format!("`{shown}` is no method: methods have upper-case names");
            let hint = format!("did you mean `{upper}`?");
            reader.context.error_hint(&text.origin, message, hint);
        } else if methods.contains(&method) {
            let message = format!("`{method}` stands twice in `methods`");
            reader.context.error(&text.origin, message);
        } else {
            methods.push(method);
        }
    }
    methods
}

fn upstream(
    reader: &mut Reader<'_>,
    upstreams: &mut Vec<Upstream>,
    referred: &Referred<'_>,
) -> usize {
    let example = "write upstream = \"http://orders:8080\", or the name of an [[upstreams]]";
    let Some(text) = reader.required_text("upstream", example) else {
        return 0;
    };
    if !text.value.value.contains("://") {
        return referred
            .upstream_names
            .find(reader.context, &text)
            .unwrap_or(0);
    }
    let Some(url) = url(reader.context, &text) else {
        return 0;
    };
    let new = implicit(url, reader.context.source.place(&text.origin));
    let known = upstreams.iter().position(|other| other.name == new.name);
    known.unwrap_or_else(|| {
        upstreams.push(new);
        upstreams.len() - 1
    })
}

fn issuers(reader: &mut Reader<'_>, auth: Authentication, referred: &Referred<'_>) -> Vec<usize> {
    let texts = reader.texts("issuers", &[]).unwrap_or_default();
    if auth == Authentication::None {
        return Vec::new();
    }
    let mut found = Vec::new();
    for text in &texts {
        match referred.issuer_names.find(reader.context, text) {
            Some(index) if found.contains(&index) => {
                let message = format!("`{}` stands twice in `issuers`", text.value.shown());
                reader.context.error(&text.origin, message);
            }
            Some(index) => found.push(index),
            None => {}
        }
    }
    if reader.has("issuers") && !reader.is_empty_list("issuers") {
        return found;
    }
    match referred.issuer_names.len() {
        0 => reader.context.error_hint(
            &reader.origin_of("auth"),
            "the route needs a token, but there are no [[issuers]]",
            "add [[issuers]], or write auth = \"none\" to let everyone pass",
        ),
        1 => found.push(0),
        _ => {
            let names: Vec<&str> = referred
                .issuers
                .iter()
                .map(|issuer| &*issuer.name)
                .collect();
            reader.context.error_hint(
                &reader.origin_of("issuers"),
                "with several [[issuers]], a route that admits tokens names its `issuers`",
                format!("choose from {}", suggest::list(&names)),
            );
        }
    }
    found
}

fn path_allow(reader: &mut Reader<'_>) -> PathAllow {
    const KNOWN: [&str; 2] = ["encoded_slash", "double_slash"];
    let mut allow = PathAllow::default();
    for text in reader.texts("path_allow", &[]).unwrap_or_default() {
        match text.value.value.as_str() {
            "encoded_slash" => allow.encoded_slash = true,
            "double_slash" => allow.double_slash = true,
            _ => {
                let message = format!("`{}` is nothing a path can be allowed", text.value.shown());
                let hint = suggest::hint(text.value.shown(), &KNOWN);
                reader.context.error_with(&text.origin, message, hint);
            }
        }
    }
    allow
}

/// Which methods of which host and path already have a route.
#[derive(Default)]
struct Taken(HashMap<HostAndPath, Vec<NamedMethods>>);

/// `None` is any host.
type HostAndPath = (Option<HostPattern>, Box<str>);
type NamedMethods = (Arc<str>, Vec<Method>);

impl Taken {
    /// Routes of one host and path must have disjoint methods: there is no order between them.
    fn add(&mut self, reader: &Reader<'_>, route: &Route) {
        let hosts: Vec<Option<HostPattern>> = if route.hosts.is_empty() {
            vec![None]
        } else {
            route.hosts.iter().cloned().map(Some).collect()
        };
        let mut reported = false;
        for host in hosts {
            let others = self.0.entry((host, route.path.clone())).or_default();
            for (name, methods) in others.iter() {
                if !reported && overlap(methods, &route.methods) {
                    report_overlap(reader.context, reader, route, name);
                    reported = true;
                }
            }
            others.push((Arc::clone(&route.name), route.methods.clone()));
        }
    }
}

fn report_overlap(context: &Context<'_>, reader: &Reader<'_>, route: &Route, other: &str) {
    let message = format!(
        "the routes `{other}` and `{}` serve the same host, path and method",
        route.name
    );
    let hint = "give them other paths, hosts or `methods`; GET includes HEAD";
    context.error_hint(&reader.origin_of("path"), message, hint);
}

fn overlap(a: &[Method], b: &[Method]) -> bool {
    let has = |methods: &[Method], method: &Method| {
        methods.is_empty()
            || methods.contains(method)
            || (*method == Method::HEAD && methods.contains(&Method::GET))
    };
    a.is_empty()
        || b.is_empty()
        || a.iter().any(|method| has(b, method))
        || b.iter().any(|method| has(a, method))
}
