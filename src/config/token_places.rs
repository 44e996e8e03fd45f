//! `token_from` of a route.

use http::HeaderName;

use crate::headers::{CookieNames, StripSet, is_reserved_name};

use super::TokenPlace;
use super::context::{At, Context};
use super::raw::{Node, Text, Value};
use super::reader::Reader;
use super::source::Origin;

const EXAMPLE: &str = "write \"authorization\", { header = \"..\" }, { cookie = \"..\" }, { query = \"..\" } or { subprotocol = \"..\" }";

/// Where tokens may stand, and where each is written.
pub(super) struct PlacedTokens {
    places: Vec<(TokenPlace, Origin)>,
}

/// `token_from`; `Authorization` alone if it is absent.
pub(super) fn token_from(reader: &mut Reader<'_>) -> PlacedTokens {
    let default = || Some("[\"authorization\"]".to_owned());
    let Some(node) = reader.node("token_from", default) else {
        let places = vec![(TokenPlace::Authorization, reader.origin.clone())];
        return PlacedTokens { places };
    };
    let nodes = node.list().unwrap_or(std::slice::from_ref(node));
    if nodes.is_empty() {
        let message = "`token_from` is empty: no token could come";
        reader.context.error_hint(&node.origin, message, EXAMPLE);
    }
    let mut places: Vec<(TokenPlace, Origin)> = Vec::new();
    for node in nodes {
        let Some(place) = place(reader, node) else {
            continue;
        };
        if places.iter().any(|(other, _)| is_same(other, &place)) {
            let message = format!("{place} stands twice in `token_from`");
            reader.context.error(&node.origin, message);
        } else if matches!(place, TokenPlace::Subprotocol(_))
            && let Some((other, _)) = places
                .iter()
                .find(|(other, _)| matches!(other, TokenPlace::Subprotocol(_)))
        {
            let message = format!("{other} and {place}: an answer can select only one");
            reader.context.error(&node.origin, message);
        }
        places.push((place, node.origin.clone()));
    }
    PlacedTokens { places }
}

impl PlacedTokens {
    /// A field that is taken away from everybody carries no token. `stripped` is what no client may set.
    pub(super) fn refuse_stripped(&self, context: &Context<'_>, stripped: &StripSet) {
        for (place, origin) in &self.places {
            if let TokenPlace::Header(name) = place
                && stripped.matches(name.as_str())
            {
                let message = format!(
                    "no token can come in `{name}`: clients may not set it (claim headers and `strip`)"
                );
                context.error_hint(origin, message, "choose another field");
            }
        }
    }

    pub(super) fn places(&self) -> Vec<TokenPlace> {
        self.places.iter().map(|(place, _)| place.clone()).collect()
    }
}

fn place(reader: &Reader<'_>, node: &Node) -> Option<TokenPlace> {
    let context = reader.context;
    if let Value::Table(table) = &node.value {
        let mut reader = Reader::new(
            context,
            "routes.token_from",
            Some(table),
            node.origin.clone(),
        );
        let named = [
            ("header", reader.text("header")),
            ("cookie", reader.text("cookie")),
            ("query", reader.text("query")),
            ("subprotocol", reader.text("subprotocol")),
        ];
        let set = named.iter().filter(|(key, _)| reader.has(key)).count();
        if set != 1 {
            let message = "a place of `token_from` has one key";
            context.error_hint(&node.origin, message, EXAMPLE);
        }
        let (kind, text) = named.into_iter().find(|(_, text)| text.is_some())?;
        let place = text.and_then(|text| named_place(&reader, kind, &text));
        reader.finish();
        return place;
    }
    let text = node.text();
    if text.is_some_and(|text| text.value == "authorization") {
        return Some(TokenPlace::Authorization);
    }
    let message = match text {
        Some(text) => format!("`{}` is no place for a token", text.shown()),
        None => format!("a place for a token is not {}", node.kind()),
    };
    context.error_hint(&node.origin, message, EXAMPLE);
    None
}

/// The place of that kind and name; a name that cannot be is told.
fn named_place(reader: &Reader<'_>, kind: &str, text: &At<&Text>) -> Option<TokenPlace> {
    let name = text.value.value.as_str();
    let made = match kind {
        "header" => header(name).map(TokenPlace::Header),
        "cookie" => cookie(name).map(|()| TokenPlace::Cookie(name.into())),
        "query" => query(name).map(|()| TokenPlace::Query(name.into())),
        _ => subprotocol(name).map(|()| TokenPlace::Subprotocol(name.into())),
    };
    made.map_err(|hint| {
        let message = format!("no token can come in {kind} `{}`", text.value.shown());
        reader.context.error_hint(&text.origin, message, hint);
    })
    .ok()
}

fn header(name: &str) -> Result<HeaderName, &'static str> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let name = HeaderName::from_bytes(name.as_bytes()).ok();
    let Some(name) = name.filter(|name| name.as_str().bytes().all(good)) else {
        return Err("its name is letters, digits, `-` and `_`");
    };
    if name.as_str() == "authorization" {
        return Err("write token_from = [\"authorization\"]");
    }
    if is_reserved_name(&name) || StripSet::new(MEANINGFUL).matches(name.as_str()) {
        return Err("HTTP itself, a browser or a proxy gives that field a meaning");
    }
    Ok(name)
}

/// Fields that say something else, which the gateway or an upstream would miss when they are taken away.
const MEANINGFUL: [&str; 24] = [
    "Accept*",
    "Access-Control-*",
    "Age",
    "Allow",
    "Authentication-*",
    "Cache-Control",
    "Content-*",
    "Date",
    "From",
    "If-*",
    "Last-Event-ID",
    "Location",
    "Origin",
    "Pragma",
    "Prefer",
    "Priority",
    "Range",
    "Referer",
    "Sec-*",
    "Server-Timing",
    "Traceparent",
    "Tracestate",
    "User-Agent",
    "Vary",
];

/// RFC 6265 §4.1.1: a token (RFC 9110 §5.6.2).
fn cookie(name: &str) -> Result<(), &'static str> {
    if !is_token(name) {
        return Err("it is no cookie name");
    }
    let ours = [CookieNames::SECURE, CookieNames::PLAIN];
    if ours
        .iter()
        .flat_map(|names| [names.access, names.refresh])
        .any(|own| own.eq_ignore_ascii_case(name))
    {
        return Err("the local issuer's cookies are read where a route admits `local`");
    }
    Ok(())
}

/// RFC 3986 §2.3: what needs no escape.
fn query(name: &str) -> Result<(), &'static str> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if !name.is_empty() && name.bytes().all(good) {
        Ok(())
    } else {
        Err("its name is letters, digits, `-`, `.`, `_` and `~`")
    }
}

/// RFC 6455 §4.1: a token.
fn subprotocol(name: &str) -> Result<(), &'static str> {
    if is_token(name) {
        Ok(())
    } else {
        Err("it is no subprotocol")
    }
}

fn is_token(name: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(good)
}

/// Whether both are one for some upstream: fields in any spelling, the others in any case.
fn is_same(one: &TokenPlace, other: &TokenPlace) -> bool {
    match (one, other) {
        (TokenPlace::Header(one), TokenPlace::Header(other)) => {
            StripSet::new([one.as_str()]).matches(other.as_str())
        }
        (TokenPlace::Query(one), TokenPlace::Query(other)) => {
            StripSet::new([&**one]).matches(other)
        }
        (TokenPlace::Cookie(one), TokenPlace::Cookie(other))
        | (TokenPlace::Subprotocol(one), TokenPlace::Subprotocol(other)) => {
            one.eq_ignore_ascii_case(other)
        }
        (one, other) => one == other,
    }
}
