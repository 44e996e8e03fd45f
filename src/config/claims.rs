//! Claim headers.

use http::HeaderName;

use crate::headers::{ArrayStyle, ClaimHeader, is_reserved_name};
use crate::json::ClaimPath;

use super::context::Context;
use super::raw::{Entry, Value};
use super::reader::Reader;
use super::source::Origin;

/// A claim header and where its name stands.
#[derive(Clone, Debug)]
pub(super) struct PlacedHeader {
    pub(super) header: ClaimHeader,
    pub(super) origin: Origin,
}

/// The entries of `[claim_headers]`, or of a route's `claim_headers`.
pub(super) fn claim_headers(reader: &mut Reader<'_>) -> Vec<PlacedHeader> {
    let context = reader.context;
    let mut headers: Vec<PlacedHeader> = Vec::new();
    for entry in reader.entries("claim_headers") {
        let Some(header) = claim_header(context, entry) else {
            continue;
        };
        refuse_collision(context, &headers, &header);
        headers.push(header);
    }
    headers
}

/// The global headers and a route's own, which win by name.
pub(super) fn merged(
    context: &Context<'_>,
    global: &[PlacedHeader],
    own: Vec<PlacedHeader>,
) -> Vec<ClaimHeader> {
    let kept: Vec<PlacedHeader> = global
        .iter()
        .filter(|header| own.iter().all(|own| own.header.name != header.header.name))
        .cloned()
        .collect();
    for header in &own {
        refuse_collision(context, &kept, header);
    }
    kept.into_iter()
        .chain(own)
        .map(|placed| placed.header)
        .collect()
}

/// A name as upstreams with CGI manners read it: there `_`, `.` and `-` are one.
pub(super) fn normal_name(name: &HeaderName) -> String {
    name.as_str().replace(['_', '.'], "-")
}

fn refuse_collision(context: &Context<'_>, others: &[PlacedHeader], header: &PlacedHeader) {
    let normal = normal_name(&header.header.name);
    let other = others
        .iter()
        .find(|other| normal_name(&other.header.name) == normal);
    if let Some(other) = other {
        let message = format!(
            "the claim headers `{}` and `{}` are one for many upstreams",
            other.header.name, header.header.name
        );
        context.error(&header.origin, message);
    }
}

fn claim_header(context: &Context<'_>, entry: &Entry) -> Option<PlacedHeader> {
    let name = HeaderName::from_bytes(entry.name.as_bytes()).ok();
    match &name {
        None => {
            let message = format!("`{}` is not a field name", entry.name);
            context.error(&entry.origin, message);
        }
        Some(name) if is_reserved_name(name) => {
            let message = format!("a claim header may not be named `{}`", entry.name);
            let hint = "HTTP itself or a proxy gives that field a meaning: write \"X-Auth-..\"";
            context.error_hint(&entry.origin, message, hint);
        }
        Some(_) => {}
    }
    let (claim, array) = match &entry.node.value {
        Value::Table(table) => {
            let origin = entry.node.origin.clone();
            let mut reader = Reader::new(context, "claim_headers", Some(table), origin);
            let claim =
                reader.required_text("claim", "write { claim = \"roles\", array = \"csv\" }");
            let styles = [
                ("csv", ArrayStyle::Csv),
                ("json", ArrayStyle::Json),
                ("repeat", ArrayStyle::Repeat),
            ];
            let array = reader.choice("array", &styles);
            reader.finish();
            let claim = claim.map(|claim| (claim.value.value.as_str(), claim.origin));
            (claim, array)
        }
        Value::Text(text) => {
            let claim = (text.value.as_str(), entry.node.origin.clone());
            (Some(claim), ArrayStyle::default())
        }
        Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime
        | Value::Array(_) => {
            let message = format!(
                "a claim header takes a claim or {{ claim, array }}, not {}",
                entry.node.kind()
            );
            context.error(&entry.node.origin, message);
            (None, ArrayStyle::default())
        }
    };
    let (claim, origin) = claim?;
    let header = ClaimHeader {
        name: name?,
        claim: claim_path(context, claim, &origin)?,
        array,
    };
    Some(PlacedHeader {
        header,
        origin: entry.origin.clone(),
    })
}

pub(super) fn claim_path(context: &Context<'_>, text: &str, origin: &Origin) -> Option<ClaimPath> {
    match ClaimPath::parse(text) {
        Ok(path) => Some(path),
        Err(error) => {
            context.error(origin, format!("`{text}`: {error}"));
            None
        }
    }
}
