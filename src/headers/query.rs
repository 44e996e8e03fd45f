//! One parameter of a query: found as it was sent, taken out byte for byte.

use std::borrow::Cow;

use http::uri::{InvalidUri, PathAndQuery};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use percent_encoding::percent_decode;

use super::names::fold;

/// A parameter stands twice, or in a spelling that some server reads as its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("repeated query parameter, or another spelling of it")]
pub struct AmbiguousParameter;

/// The value of the parameter `name`, not decoded, if it is there.
///
/// Parameters end at `&`. Some servers end them at `;` too, decode names (once or twice), drop what stands around them, or
/// take `.`, ` ` and `[` for `_`: what only they would find counts as a second one.
///
/// # Errors
/// [`AmbiguousParameter`].
pub fn query_parameter<'q>(
    query: &'q str,
    name: &str,
) -> Result<Option<&'q str>, AmbiguousParameter> {
    let mut value = None;
    let mut parts = parts(query).peekable();
    while let Some(part) = parts.next() {
        let (written, own) = part.text.split_once('=').unwrap_or((part.text, ""));
        if !is_read_as(written, name) {
            continue;
        }
        let ends_plainly = parts.peek().is_none_or(|next| next.separator == "&");
        if written != name || part.separator == ";" || !ends_plainly || value.is_some() {
            return Err(AmbiguousParameter);
        }
        value = Some(own);
    }
    Ok(value)
}

/// A target without the parameter `name`, in every spelling; `None` if it is not there.
///
/// # Errors
/// None: parts of a target make a target.
pub fn without_parameter(
    target: &PathAndQuery,
    name: &str,
) -> Result<Option<PathAndQuery>, InvalidUri> {
    let Some(rest) = target.query().and_then(|query| remaining(query, name)) else {
        return Ok(None);
    };
    let target = joined(target.path(), &rest);
    PathAndQuery::from_maybe_shared(bytes::Bytes::from(target)).map(Some)
}

/// Takes the parameter `name` out of the fields that tell a URL of the request, or of the page that it comes from.
pub fn remove_from_urls(headers: &mut HeaderMap, name: &str) {
    for field in URLS {
        let Some(value) = headers.get(&field) else {
            continue;
        };
        // Nobody writes two, and what is no text cannot be read.
        let one = headers.get_all(&field).iter().count() == 1;
        let Some(text) = value.to_str().ok().filter(|_| one) else {
            headers.remove(field);
            continue;
        };
        let (url, fragment) = text.split_at(text.find('#').unwrap_or(text.len()));
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let Some(rest) = remaining(query, name) else {
            continue;
        };
        match HeaderValue::try_from(joined(path, &rest) + fragment) {
            Ok(value) => drop(headers.insert(field, value)),
            Err(_) => drop(headers.remove(field)),
        }
    }
}

/// `Referer`, and what proxies before us say of the target (only trusted ones are heard).
const URLS: [HeaderName; 5] = [
    header::REFERER,
    HeaderName::from_static("x-original-uri"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-rewrite-url"),
    HeaderName::from_static("x-forwarded-uri"),
];

/// A query without the parameter, and without one of the separators around it; `None` if it is not there.
fn remaining(query: &str, name: &str) -> Option<String> {
    let is_it = |part: &Part<'_>| {
        let written = part.text.split('=').next().unwrap_or_default();
        is_read_as(written, name)
    };
    if !parts(query).any(|part| is_it(&part)) {
        return None;
    }
    let mut rest = String::with_capacity(query.len());
    let kept = parts(query).filter(|part| !is_it(part));
    for (index, part) in kept.enumerate() {
        if index > 0 {
            rest.push_str(part.separator);
        }
        rest.push_str(part.text);
    }
    Some(rest)
}

fn joined(path: &str, query: &str) -> String {
    if query.is_empty() {
        path.to_owned()
    } else {
        [path, "?", query].concat()
    }
}

/// What stands between separators, and the one before it; the first has none.
struct Part<'q> {
    separator: &'q str,
    text: &'q str,
}

fn parts(query: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = Some(query);
    let mut separator = "";
    std::iter::from_fn(move || {
        let here = rest?;
        let end = here.find(['&', ';']);
        let (text, behind) = here.split_at(end.unwrap_or(here.len()));
        let (next, behind) = behind.split_at(usize::from(end.is_some()));
        rest = end.map(|_| behind);
        let before = std::mem::replace(&mut separator, next);
        Some(Part {
            separator: before,
            text,
        })
    })
}

/// Whether some server takes what was written for `name`.
fn is_read_as(written: &str, name: &str) -> bool {
    if written == name {
        return true;
    }
    let mut bytes = Cow::Borrowed(written.as_bytes());
    for _ in 0..MOST_DECODINGS {
        if !bytes.contains(&b'%') {
            break;
        }
        bytes = Cow::Owned(percent_decode(&bytes).collect());
    }
    let blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'+';
    let start = bytes.iter().position(|byte| !blank(byte));
    let bytes = &bytes[start.unwrap_or(bytes.len())..];
    let same = |bytes: &[u8]| {
        bytes.len() == name.len()
            && bytes
                .iter()
                .zip(name.bytes())
                .all(|(one, other)| fold(*one) == fold(other))
    };
    let end = bytes.iter().rposition(|byte| !blank(byte));
    let word = &bytes[..end.map_or(0, |end| end + 1)];
    // `name[]` is a list for some, and a NUL ends a name for others.
    let stem = bytes.iter().position(|byte| matches!(byte, b'[' | 0));
    same(word) || stem.is_some_and(|stem| same(&bytes[..stem]))
}

/// A server that decodes more often than twice reads no query at all.
const MOST_DECODINGS: usize = 3;

#[cfg(test)]
mod tests;
