//! What a provider says about how long its answer is good: `Cache-Control`, `Age`, `ETag` (RFC 9110, RFC 9111).

use std::time::Duration;

use http::HeaderMap;
use http::header::{AGE, CACHE_CONTROL, ETAG};

/// Bytes of an entity-tag that are kept. Servers use a hash: twenty to seventy.
const ETAG_MAX: usize = 256;

/// For how long an answer is fresh from now on; `None` if it does not say.
///
/// `max-age` minus `Age`; zero with `no-cache` or `no-store`. `s-maxage` is for caches that many share. Of several `max-age` the
/// shortest counts, and one that is no number makes the answer stale (RFC 9111 §4.2.1): both only make us ask sooner.
pub(super) fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let mut shortest: Option<u64> = None;
    for line in headers.get_all(CACHE_CONTROL) {
        for (name, value) in Directives(line.as_bytes()) {
            let seconds = if name.eq_ignore_ascii_case(b"max-age") {
                value.and_then(|value| delta_seconds(&value)).unwrap_or(0)
            } else if name.eq_ignore_ascii_case(b"no-cache")
                || name.eq_ignore_ascii_case(b"no-store")
            {
                0
            } else {
                continue;
            };
            shortest = Some(shortest.map_or(seconds, |other| other.min(seconds)));
        }
    }
    let fresh = shortest?.saturating_sub(age(headers));
    Some(Duration::from_secs(fresh))
}

/// How old the answer was when it came (RFC 9111 §5.1): the first value counts, one that is no number does not.
fn age(headers: &HeaderMap) -> u64 {
    let first = headers.get(AGE).and_then(|line| {
        let line = line.as_bytes();
        let first = line.split(|byte| *byte == b',').next()?;
        delta_seconds(first.trim_ascii())
    });
    first.unwrap_or(0)
}

/// RFC 9111 §1.2.2: digits only; more than anyone needs is 2³¹.
fn delta_seconds(text: &[u8]) -> Option<u64> {
    const MOST: u64 = 1 << 31;
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = text.iter().fold(0_u64, |number, digit| {
        (number * 10 + u64::from(digit - b'0')).min(MOST)
    });
    Some(number)
}

/// The directives of a `Cache-Control` line: names, and values without their quotes (RFC 9111 §5.2, both forms of a value).
struct Directives<'l>(&'l [u8]);

impl<'l> Iterator for Directives<'l> {
    type Item = (&'l [u8], Option<Vec<u8>>);

    fn next(&mut self) -> Option<Self::Item> {
        // Empty elements are allowed (RFC 9110 §5.6.1).
        let separates = |byte: &u8| matches!(byte, b',' | b' ' | b'\t');
        let start = self.0.iter().position(|byte| !separates(byte))?;
        let line = &self.0[start..];
        let end = line.iter().position(|byte| matches!(byte, b',' | b'='));
        let end = end.unwrap_or(line.len());
        let name = line[..end].trim_ascii();
        let rest = &line[end..];
        let Some(value) = rest.strip_prefix(b"=") else {
            self.0 = rest;
            return Some((name, None));
        };
        let (value, rest) = take_value(value);
        self.0 = rest;
        Some((name, Some(value)))
    }
}

/// A value, and what is behind it from the comma on. Behind the end of a quoted string there may only be space: else the quote stays
/// in the value, which is then no number.
fn take_value(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let text = text.trim_ascii_start();
    let mut value = Vec::new();
    let mut quoted = false;
    let mut bytes = text.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' if at == 0 => quoted = true,
            b'"' if quoted => {
                quoted = false;
                let rest = text[at + 1..].trim_ascii_start();
                if !matches!(rest.first(), None | Some(b',')) {
                    value.push(b'"');
                }
            }
            b'\\' if quoted => value.extend(bytes.next().map(|(_, byte)| *byte)),
            b',' if !quoted => return (value.trim_ascii_end().to_vec(), &text[at..]),
            byte => value.push(*byte),
        }
    }
    (value.trim_ascii_end().to_vec(), &[])
}

/// The entity-tag of an answer, if there is one, and it is valid.
pub(super) fn etag(headers: &HeaderMap) -> Option<Box<str>> {
    let mut lines = headers.get_all(ETAG).iter();
    let line = lines.next()?;
    if lines.next().is_some() {
        return None;
    }
    let tag = std::str::from_utf8(line.as_bytes()).ok()?;
    is_etag(tag).then(|| tag.into())
}

/// Whether a text is an entity-tag (RFC 9110 §8.8.3) of ASCII, short enough to be kept and sent back.
pub(super) fn is_etag(text: &str) -> bool {
    let opaque = text.strip_prefix("W/").unwrap_or(text);
    let inside = opaque
        .strip_prefix('"')
        .and_then(|opaque| opaque.strip_suffix('"'));
    text.len() <= ETAG_MAX
        && inside.is_some_and(|inside| {
            let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'"';
            inside.bytes().all(allowed)
        })
}

#[cfg(test)]
mod tests;
