//! `WWW-Authenticate` (RFC 6750 §3).

use http::HeaderValue;

/// What a challenge says besides the realm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge<'a> {
    /// Realm alone: no credentials were sent.
    Missing,
    /// `error="invalid_request"`
    InvalidRequest,
    /// `error="invalid_token"`
    InvalidToken,
    /// `error="insufficient_scope"`, with `scope` unless empty.
    InsufficientScope(&'a [Box<str>]),
}

/// The field value of a Bearer challenge. `realm` holds no quotes, backslashes or controls (the config refuses them).
#[must_use]
pub fn challenge(realm: &str, what: Challenge<'_>) -> HeaderValue {
    let mut text = String::with_capacity(96);
    text.push_str("Bearer realm=\"");
    push_quoted(&mut text, realm);
    let (error, scopes) = match what {
        Challenge::Missing => ("", &[][..]),
        Challenge::InvalidRequest => ("invalid_request", &[][..]),
        Challenge::InvalidToken => ("invalid_token", &[][..]),
        Challenge::InsufficientScope(scopes) => ("insufficient_scope", scopes),
    };
    if !error.is_empty() {
        text.push_str("\", error=\"");
        text.push_str(error);
    }
    for (index, scope) in scopes.iter().enumerate() {
        text.push_str(if index == 0 { "\", scope=\"" } else { " " });
        push_quoted(&mut text, scope);
    }
    text.push('"');
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("Bearer"))
}

/// What a quoted-string may hold as it is; the rest, which the config refuses, is left out.
fn push_quoted(text: &mut String, value: &str) {
    let plain =
        |character: &char| matches!(character, ' '..='~') && !matches!(character, '"' | '\\');
    text.extend(value.chars().filter(plain));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_challenge_in_its_exact_form() {
        let scopes: Vec<Box<str>> = vec!["orders:read".into(), "orders:write".into()];
        for (what, expected) in [
            (Challenge::Missing, r#"Bearer realm="api""#),
            (
                Challenge::InvalidRequest,
                r#"Bearer realm="api", error="invalid_request""#,
            ),
            (
                Challenge::InvalidToken,
                r#"Bearer realm="api", error="invalid_token""#,
            ),
            (
                Challenge::InsufficientScope(&scopes),
                r#"Bearer realm="api", error="insufficient_scope", scope="orders:read orders:write""#,
            ),
            (
                Challenge::InsufficientScope(&[]),
                r#"Bearer realm="api", error="insufficient_scope""#,
            ),
        ] {
            assert_eq!(challenge("api", what), expected);
        }
    }

    #[test]
    fn no_byte_leaves_the_quotes() {
        let scopes: Vec<Box<str>> = vec!["a\"b\\\r\n".into()];
        assert_eq!(
            challenge("x\"\u{e9}\0 y", Challenge::InsufficientScope(&scopes)),
            r#"Bearer realm="x y", error="insufficient_scope", scope="ab""#
        );
    }
}
