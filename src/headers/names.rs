//! Field names as the laxest server reads them, and the names that have a meaning of their own.

use http::{HeaderMap, HeaderName};
use smallvec::SmallVec;

/// What CGI and its heirs make of a byte of a name: lower case, and `-` for all that is no letter or digit.
///
/// They turn `X-User`, `x_user` and `X.User` into one variable, so a client could set it by any of them.
pub(super) const fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() {
        byte.to_ascii_lowercase()
    } else {
        b'-'
    }
}

/// Whether `name` is a spelling of `folded`.
pub(super) fn is_spelling(name: &str, folded: &str) -> bool {
    name.len() == folded.len() && begins_with(name, folded)
}

/// Whether both are spellings of one name.
pub(super) fn is_same_spelling(name: &str, other: &str) -> bool {
    name.len() == other.len()
        && name
            .bytes()
            .zip(other.bytes())
            .all(|(byte, other)| fold(byte) == fold(other))
}

/// Removes the field `name` in every spelling; in every other one than its own, if that is to be kept.
pub fn remove_spellings(headers: &mut HeaderMap, name: &HeaderName, keep_own: bool) {
    remove_where(headers, |found| {
        is_same_spelling(found, name.as_str()) && !(keep_own && found == name.as_str())
    });
}

/// Whether `name` begins with a spelling of `folded`.
pub(super) fn begins_with(name: &str, folded: &str) -> bool {
    name.len() >= folded.len()
        && name
            .bytes()
            .zip(folded.bytes())
            .all(|(byte, other)| fold(byte) == other)
}

/// `Forwarded`, `X-Forwarded-*`, `X-Real-IP`, `X-Original-*`, `X-Rewrite-URL`, and what [`is_override`] finds, in any
/// spelling.
pub(super) fn is_forwarding(name: &str) -> bool {
    match name.as_bytes().first() {
        Some(b'f' | b'F') => is_spelling(name, "forwarded"),
        Some(b'x' | b'X') => {
            FORWARDING_PREFIXES
                .iter()
                .any(|prefix| begins_with(name, prefix))
                || FORWARDING.iter().any(|known| is_spelling(name, known))
                || is_override(name)
        }
        _ => false,
    }
}

/// The names by which servers let a client have another method than the one that was decided on.
pub(super) fn is_override(name: &str) -> bool {
    OVERRIDES.iter().any(|known| is_spelling(name, known))
}

/// Whether `name` is, in any spelling, a field that a connection, the framing, the routing, credentials, cookies or
/// forwarding depend on.
pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED.iter().any(|known| is_spelling(name, known)) || is_forwarding(name)
}

/// Whether `name` is a reserved field in another spelling than its own.
pub(super) fn is_disguised(name: &str) -> bool {
    // Without an early end: names are short, and nearly all are plain to their end.
    let plain = name
        .bytes()
        .fold(true, |plain, byte| plain & PLAIN[usize::from(byte)]);
    !plain && is_reserved(name)
}

/// Whether there is a field whose name `wanted` picks.
pub(super) fn has(headers: &HeaderMap, wanted: impl Fn(&str) -> bool) -> bool {
    headers.keys().any(|name| wanted(name.as_str()))
}

/// Removes every line of the fields whose names `doomed` picks. Without one, this allocates nothing.
pub(super) fn remove_where(headers: &mut HeaderMap, doomed: impl Fn(&str) -> bool) {
    // Most messages have none: a list is made for those that do.
    if !has(headers, &doomed) {
        return;
    }
    let names: SmallVec<[HeaderName; 4]> = headers
        .keys()
        .filter(|name| doomed(name.as_str()))
        .cloned()
        .collect();
    for name in names {
        headers.remove(name);
    }
}

/// The bytes that [`fold`] leaves as they are.
const PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < u8::MAX {
        table[byte as usize] = fold(byte) == byte;
        byte += 1;
    }
    table
};

/// `x-forwarded` without more is no known field, and not one to let through either.
const FORWARDING_PREFIXES: [&str; 2] = ["x-forwarded", "x-original-"];
const FORWARDING: [&str; 2] = ["x-real-ip", "x-rewrite-url"];
const OVERRIDES: [&str; 3] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
];

const RESERVED: [&str; 21] = [
    // The connection (RFC 9110 §7.6.1).
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
    "http2-settings",
    // Framing.
    "content-length",
    "transfer-encoding",
    // Routing, and what we tell the upstream ourselves.
    "host",
    "expect",
    "max-forwards",
    "via",
    "x-request-id",
    // Credentials and cookies.
    "authorization",
    "proxy-authorization",
    "proxy-authenticate",
    "www-authenticate",
    "cookie",
    "cookie2",
    "set-cookie",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_name_is_found() {
        for name in [
            "x-user", "X-User", "x_user", "X.USER", "x user", "x~user", "x-uSER",
        ] {
            assert!(is_spelling(name, "x-user"), "{name}");
        }
        for name in ["xuser", "x-users", "x-use", "x--user", "-x-user", ""] {
            assert!(!is_spelling(name, "x-user"), "{name}");
        }
    }

    #[test]
    fn forwarding_fields_in_any_spelling() {
        for name in [
            "forwarded",
            "Forwarded",
            "x-forwarded-for",
            "x_forwarded_for",
            "X.Forwarded.Host",
            "x-forwarded-prefix",
            "x-forwarded",
            "x-real-ip",
            "x_real_ip",
            "x-original-url",
            "x-original_host",
            "x-rewrite-url",
            "x-http-method-override",
            "x_http_method_override",
            "x-http-method",
            "X-Method-Override",
        ] {
            assert!(is_forwarding(name), "{name}");
        }
        for name in [
            "x-request-id",
            "x-auth-subject",
            "from",
            "forwarded-for",
            "x-real-ips",
            "accept",
        ] {
            assert!(!is_forwarding(name), "{name}");
        }
    }

    #[test]
    fn removing_takes_every_line() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x_user", "a"),
            ("x_user", "b"),
            ("x.user", "c"),
            ("x-other", "d"),
        ] {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        remove_where(&mut headers, |name| is_spelling(name, "x-user"));
        assert_eq!(headers.len(), 1);
        assert_eq!(headers["x-other"], "d");
    }
}
