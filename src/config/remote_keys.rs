//! Keys that are fetched: `discovery` and `jwks_url` of `keys`, what stands beside them, and `[issuers.refresh]`.

use http::Uri;

use super::context::At;
use super::key_url::{KeyUrlError, KeyUrlRules, parse_key_url};
use super::raw::{Node, Text, Value};
use super::reader::Reader;
use super::source::without_credentials;
use super::units::format_duration;
use super::{KeyLocation, KeyRefresh, RemoteKeys, defaults};

/// The names of the sources that are fetched.
pub(super) const REMOTE: [&str; 2] = ["discovery", "jwks_url"];

/// What may stand beside them.
const OPTIONS: [&str; 4] = ["allow_http", "allow_link_local", "ca", "proxy"];

/// The remote source of one table of `keys`, if it has one; `issuer` is whose keys they are.
pub(super) fn remote(keys: &mut Reader<'_>, issuer: &str) -> Option<RemoteKeys> {
    let discovery = keys.node("discovery", || None);
    let jwks_url = keys.text("jwks_url");
    let rules = KeyUrlRules {
        allow_http: keys.boolean("allow_http", false),
        allow_link_local: keys.boolean("allow_link_local", false),
    };
    let ca = keys.path("ca").map(|path| path.value);
    let proxy = keys.text("proxy").and_then(|text| proxy(keys, &text));
    let name = REMOTE.into_iter().find(|name| keys.has(name));
    let Some(name) = name else {
        refuse_options(keys);
        return None;
    };
    let location = match discovery {
        Some(node) => metadata(keys, node, issuer, rules).map(KeyLocation::Discovery),
        None => jwks_url.and_then(|text| url(keys, &text, rules).map(KeyLocation::Jwks)),
    };
    Some(RemoteKeys {
        place: keys.context.source.place(&keys.origin_of(name)),
        location: location?,
        allow_http: rules.allow_http,
        allow_link_local: rules.allow_link_local,
        ca,
        proxy,
    })
}

fn refuse_options(keys: &Reader<'_>) {
    for option in OPTIONS.into_iter().filter(|option| keys.has(option)) {
        keys.context.error_hint(
            &keys.origin_of(option),
            format!("`{option}` is for keys that are fetched"),
            "it stands beside `discovery` or `jwks_url`",
        );
    }
}

fn url(keys: &Reader<'_>, text: &At<&Text>, rules: KeyUrlRules) -> Option<Uri> {
    match parse_key_url(&text.value.value, rules) {
        Ok(url) => Some(url),
        Err(error) => {
            let shown = without_credentials(text.value.shown());
            let message = format!("`{shown}` {error}");
            keys.context.error_hint(&text.origin, message, error.hint());
            None
        }
    }
}

/// `discovery`: the metadata documents to try.
fn metadata(keys: &Reader<'_>, node: &Node, issuer: &str, rules: KeyUrlRules) -> Option<Vec<Uri>> {
    match &node.value {
        Value::Boolean(true) => derived(keys, node, issuer, rules),
        Value::Boolean(false) => {
            keys.context.error_hint(
                &node.origin,
                "`discovery` is false",
                "write discovery = true, or the URL of the metadata; or leave it out and name another source",
            );
            None
        }
        Value::Text(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Datetime
        | Value::Array(_)
        | Value::Table(_) => {
            let Some(text) = node.text() else {
                keys.wrong_kind("discovery", node, "true or a URL");
                return None;
            };
            if text.value == "true" {
                let message = "`discovery` is a text, and `true` is no URL";
                let hint = "write discovery = true, without quotes";
                keys.context.error_hint(&node.origin, message, hint);
                return None;
            }
            let text = At {
                value: text,
                origin: node.origin.clone(),
            };
            url(keys, &text, rules).map(|url| vec![url])
        }
    }
}

/// Where the metadata of an issuer is: as `OpenID` providers have it, and as authorization servers have it.
fn derived(keys: &Reader<'_>, node: &Node, issuer: &str, rules: KeyUrlRules) -> Option<Vec<Uri>> {
    if issuer.is_empty() {
        // There is an error already.
        return None;
    }
    let problem = match parse_key_url(issuer, rules) {
        // RFC 8414 §2: an issuer has neither query nor fragment.
        Ok(_) if issuer.contains('?') => ("has a query".to_owned(), METADATA_URL),
        Ok(_) => match metadata_urls(issuer) {
            Some(urls) => return Some(urls),
            None => ("is too long".to_owned(), METADATA_URL),
        },
        Err(error @ (KeyUrlError::PlainHttp | KeyUrlError::LinkLocal)) => {
            (error.to_string(), error.hint())
        }
        Err(error) => (error.to_string(), METADATA_URL),
    };
    let message = format!(
        "`discovery = true` finds the metadata below the issuer's URL, but `issuer` {}",
        problem.0
    );
    keys.context.error_hint(&node.origin, message, problem.1);
    None
}

const METADATA_URL: &str =
    "write the URL of its metadata document: discovery = \"https://host/..\"";

/// `OpenID` Connect Discovery 1.0 §4.1 appends; RFC 8414 §3.1 inserts between host and path. Both without the slash that ends
/// the issuer.
fn metadata_urls(issuer: &str) -> Option<Vec<Uri>> {
    let issuer = issuer.strip_suffix('/').unwrap_or(issuer);
    let host = issuer.find("://")? + "://".len();
    let path = issuer[host..]
        .find('/')
        .map_or(issuer.len(), |slash| host + slash);
    let (origin, path) = issuer.split_at(path);
    let urls = [
        format!("{issuer}/.well-known/openid-configuration"),
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
    ];
    urls.iter().map(|url| url.parse().ok()).collect()
}

/// `proxy`: `http://host:port` and nothing more.
fn proxy(keys: &Reader<'_>, text: &At<&Text>) -> Option<Uri> {
    const FORM: &str = "write \"http://host:port\"";
    const ENCRYPTED: &str = "write \"http://host:port\": what passes through it to an https URL is encrypted all the same";
    // Which proxy there is the operator knows, wherever it is: the rules are for where keys come from.
    let anything = KeyUrlRules {
        allow_http: true,
        allow_link_local: true,
    };
    let problem = match parse_key_url(&text.value.value, anything) {
        Ok(url) if url.scheme_str() != Some("http") => ("is no http proxy".to_owned(), ENCRYPTED),
        Err(KeyUrlError::Scheme) => ("is no http proxy".to_owned(), ENCRYPTED),
        Ok(url) if url.path() != "/" || url.query().is_some() => {
            ("has a path or a query".to_owned(), FORM)
        }
        Ok(url) => return Some(url),
        Err(error @ KeyUrlError::Credentials) => (
            error.to_string(),
            "let the proxy know this machine by its address",
        ),
        Err(error) => (error.to_string(), FORM),
    };
    let shown = without_credentials(text.value.shown());
    let message = format!("`proxy`: `{shown}` {}", problem.0);
    keys.context.error_hint(&text.origin, message, problem.1);
    None
}

/// `[issuers.refresh]`. `remote`: whether the issuer has a source that is fetched.
pub(super) fn refresh(issuer: &mut Reader<'_>, remote: bool) -> KeyRefresh {
    let set = issuer.has("refresh");
    let mut reader = issuer.table("refresh", "issuers.refresh");
    let refresh = KeyRefresh {
        interval: reader.duration(
            "interval",
            defaults::LEAST_KEY_TIME..=defaults::MOST_KEY_INTERVAL,
            defaults::KEY_INTERVAL,
        ),
        unknown_kid_gap: reader.duration(
            "unknown_kid_gap",
            defaults::LEAST_KEY_TIME..=defaults::MOST_UNKNOWN_KID_GAP,
            defaults::UNKNOWN_KID_GAP,
        ),
        stale_for: reader.duration(
            "stale_for",
            defaults::LEAST_KEY_TIME..=defaults::MOST_KEYS_STALE_FOR,
            defaults::KEYS_STALE_FOR,
        ),
    };
    if set && !remote {
        reader.context.error_hint(
            &reader.origin,
            "`refresh` is for keys that are fetched, and this issuer has none",
            "leave it out: files are read again when they change",
        );
    } else if refresh.stale_for < refresh.interval {
        let key = ["stale_for", "interval"]
            .into_iter()
            .find(|key| reader.has(key));
        let message = format!(
            "`stale_for` is {}, less than `interval`, which is {}: keys would be dropped before they are fetched again",
            format_duration(refresh.stale_for),
            format_duration(refresh.interval)
        );
        let hint = "`stale_for` is how long an outage of the provider may last: hours";
        reader
            .context
            .error_hint(&reader.origin_of(key.unwrap_or_default()), message, hint);
    }
    reader.finish();
    refresh
}
