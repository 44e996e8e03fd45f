//! Claim headers and claim rules.

use http::HeaderName;

use crate::headers::{ArrayStyle, ClaimHeader, is_reserved_name};
use crate::json::ClaimPath;

use super::context::Context;
use super::raw::{Entry, Value};
use super::reader::Reader;
use super::source::Origin;
use super::{Rule, Test};

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

fn claim_path(context: &Context<'_>, text: &str, origin: &Origin) -> Option<ClaimPath> {
    match ClaimPath::parse(text) {
        Ok(path) => Some(path),
        Err(error) => {
            context.error(origin, format!("`{text}`: {error}"));
            None
        }
    }
}

/// `claims` of a route.
pub(super) fn rules(reader: &mut Reader<'_>) -> Vec<Rule> {
    let context = reader.context;
    let entries = reader.entries("claims");
    entries
        .iter()
        .filter_map(|entry| rule(context, entry))
        .collect()
}

fn rule(context: &Context<'_>, entry: &Entry) -> Option<Rule> {
    let claim = claim_path(context, &entry.name, &entry.origin);
    let Value::Table(table) = &entry.node.value else {
        let message = format!("a claim rule is a table, not {}", entry.node.kind());
        context.error_hint(
            &entry.node.origin,
            message,
            format!(
                "write {} = {{ equals = .. }} or {{ contains = .. }}",
                entry.name
            ),
        );
        return None;
    };
    let origin = entry.node.origin.clone();
    let mut reader = Reader::new(context, "routes.claims", Some(table), origin);
    let equals = reader.node("equals", || None);
    let contains = reader.node("contains", || None);
    let (node, is_equals) = match (equals, contains) {
        (Some(node), None) => (node, true),
        (None, Some(node)) => (node, false),
        (Some(_), Some(_)) => {
            let message = "a claim rule has `equals` or `contains`, not both";
            context.error(&entry.node.origin, message);
            return None;
        }
        (None, None) => {
            let name = &entry.name;
            let message = format!("the rule on `{name}` has neither `equals` nor `contains`");
            // TOML reads `realm_access.roles` as a table in a table.
            let hint = match table.entries.first() {
                Some(inner) if matches!(inner.node.value, Value::Table(_)) => {
                    format!("quote the path: \"{name}.{}\" = {{ .. }}", inner.name)
                }
                _ => format!("write {name} = {{ equals = .. }} or {{ contains = .. }}"),
            };
            context.error_hint(&entry.origin, message, hint);
            return None;
        }
    };
    reader.finish();
    let Some(value) = json(&node.value) else {
        let message = format!("a claim cannot be compared with {}", node.kind());
        context.error(&node.origin, message);
        return None;
    };
    let test = if is_equals {
        Test::Equals(value)
    } else {
        Test::Contains(value)
    };
    Some(Rule {
        claim: claim?,
        name: entry.name.as_str().into(),
        test,
    })
}

/// A claim rule's value as JSON; `None` for what JSON has not.
fn json(value: &Value) -> Option<serde_json::Value> {
    Some(match value {
        Value::Text(text) => text.value.clone().into(),
        Value::Integer(number) => (*number).into(),
        Value::Float(number) => serde_json::Number::from_f64(*number)?.into(),
        Value::Boolean(boolean) => (*boolean).into(),
        Value::Array(nodes) => {
            let items: Option<Vec<_>> = nodes.iter().map(|node| json(&node.value)).collect();
            items?.into()
        }
        Value::Datetime | Value::Table(_) => return None,
    })
}
