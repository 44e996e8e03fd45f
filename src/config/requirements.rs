//! What a route asks of good tokens, and what it asks of some requests instead.

use ipnet::IpNet;

use super::reader::Reader;
use super::routes::methods;
use super::rules::rules;
use super::server::networks;
use super::{Override, Requirements};

/// The keys of a route or an override; what is not set is as in `otherwise`.
pub(super) fn requirements(reader: &mut Reader<'_>, otherwise: &Requirements) -> Requirements {
    let own = Requirements {
        scopes: scopes(reader, "scopes"),
        any_scope: scopes(reader, "any_scope"),
        audiences: audiences(reader),
        claims: rules(reader),
    };
    let other = otherwise.clone();
    Requirements {
        scopes: if reader.has("scopes") {
            own.scopes
        } else {
            other.scopes
        },
        any_scope: if reader.has("any_scope") {
            own.any_scope
        } else {
            other.any_scope
        },
        audiences: if reader.has("audiences") {
            own.audiences
        } else {
            other.audiences
        },
        claims: if reader.has("claims") {
            own.claims
        } else {
            other.claims
        },
    }
}

/// `[[routes.overrides]]`
pub(super) fn overrides(reader: &mut Reader<'_>, route: &Requirements) -> Vec<Override> {
    let readers = reader.tables("overrides", "routes.overrides");
    readers
        .into_iter()
        .map(|mut reader| {
            let methods = methods(&mut reader);
            let (clients, not_clients) = when(&mut reader);
            if !reader.has("methods") && !reader.has("when") {
                reader.context.error_hint(
                    &reader.origin,
                    "an override that fits every request is the route itself",
                    "write methods = [..] or when = { client = [..] }",
                );
            }
            let requirements = requirements(&mut reader, route);
            let says = ["scopes", "any_scope", "audiences", "claims"];
            if !says.iter().any(|key| reader.has(key)) {
                reader.context.error_hint(
                    &reader.origin,
                    "the override changes nothing",
                    "write `scopes`, `any_scope`, `audiences` or `claims`; an empty one asks for nothing",
                );
            }
            reader.finish();
            Override {
                methods,
                clients,
                not_clients,
                requirements,
            }
        })
        .collect()
}

/// `when`: where the client is, and where it is not.
fn when(reader: &mut Reader<'_>) -> (Vec<IpNet>, Vec<IpNet>) {
    let mut when = reader.table("when", "routes.overrides.when");
    let clients = networks(&mut when, "client");
    let not_clients = networks(&mut when, "not_client");
    when.finish();
    (clients, not_clients)
}

fn audiences(reader: &mut Reader<'_>) -> Vec<Box<str>> {
    let mut audiences: Vec<Box<str>> = Vec::new();
    for text in reader.texts("audiences", &[]).unwrap_or_default() {
        if text.value.value.is_empty() {
            reader.context.error(&text.origin, "an audience has a name");
        }
        audiences.push(text.value.value.as_str().into());
    }
    audiences
}

/// RFC 6749 §3.3: what a scope token may hold; it is sent in a challenge.
fn scopes(reader: &mut Reader<'_>, key: &'static str) -> Vec<Box<str>> {
    let mut scopes: Vec<Box<str>> = Vec::new();
    for text in reader.texts(key, &[]).unwrap_or_default() {
        let wrong = |c: char| !('!'..='~').contains(&c) || c == '"' || c == '\\';
        if text.value.value.contains(wrong) {
            let message = format!("`{}` is not one scope", text.value.shown());
            let hint = "several scopes are a list: [\"a\", \"b\"]";
            reader.context.error_hint(&text.origin, message, hint);
        }
        scopes.push(text.value.value.as_str().into());
    }
    scopes
}
