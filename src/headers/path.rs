//! Paths: which are refused, what routes are matched on, and how the laxest upstream would read them.

use std::borrow::Cow;

use super::{PathAllow, TargetError};

/// A path that is not refused.
#[derive(Debug)]
pub(super) struct CheckedPath<'r> {
    pub(super) decoded: Cow<'r, str>,
    pub(super) laxest: Option<Box<str>>,
    pub(super) holds: PathAllow,
}

/// Checks a path without query; it begins with `/`.
///
/// Refused are dot segments in any of three decodings, also behind `;params` or between spaces; controls in any of
/// them; slashes in `;params` by any of them; raw backslashes; non-ASCII bytes; invalid percent escapes; and what is not UTF-8 once it is decoded, which
/// takes overlong dots and slashes with it.
pub(super) fn check_path(path: &str) -> Result<CheckedPath<'_>, TargetError> {
    if !path.starts_with('/') {
        return Err(TargetError::Malformed("the path begins without a slash"));
    }
    let scan = scan(path)?;
    let holds = PathAllow {
        encoded_slash: false,
        double_slash: scan.double_slash,
    };
    if scan.percent {
        return check_encoded(path, holds);
    }
    let odd_segments = scan.odd && check_segments(path)?;
    let differs = scan.double_slash || odd_segments;
    Ok(CheckedPath {
        decoded: Cow::Borrowed(path),
        laxest: differs.then(|| laxest_reading(path.as_bytes())),
        holds,
    })
}

/// The rest of a path behind the segments of a route's prefix: it begins with exactly one `/`.
///
/// `path` is raw and was routed to the prefix, so that its first segments are those of the prefix, however encoded.
#[must_use]
pub fn without_prefix<'p>(path: &'p str, prefix: &str) -> &'p str {
    let mut rest = path;
    for _ in prefix.split('/').filter(|segment| !segment.is_empty()) {
        let segment = rest.strip_prefix('/').unwrap_or(rest);
        rest = segment.find('/').map_or("/", |end| &segment[end..]);
    }
    while rest.starts_with("//") {
        rest = &rest[1..];
    }
    rest
}

/// What the laxest upstream would make of a path (up to three decodings, overlong UTF-8, backslashes, `;params`, dot
/// segments, case of any script, fullwidth letters, dots and blanks at the end of a name): no accepted path may lead to
/// another route by it.
#[must_use]
pub fn laxest_reading(path: &[u8]) -> Box<str> {
    let text = Lax::read(path).text;
    String::from_utf8_lossy(&text).into_owned().into_boxed_str()
}

/// What one pass over the bytes of a path finds.
struct Scan {
    percent: bool,
    double_slash: bool,
    /// A byte that may make the laxest reading another one.
    odd: bool,
}

fn scan(path: &str) -> Result<Scan, TargetError> {
    let mut found = Scan {
        percent: false,
        double_slash: false,
        odd: false,
    };
    let mut last = 0;
    for &byte in path.as_bytes() {
        match byte {
            b'/' => found.double_slash |= last == b'/',
            b'%' => found.percent = true,
            b'.' | b';' => found.odd = true,
            b'\\' => return Err(TargetError::EncodedSlash),
            b'!'..=b'~' => {}
            _ => {
                return Err(TargetError::Malformed(
                    "a raw control or non-ASCII byte in the path",
                ));
            }
        }
        last = byte;
    }
    Ok(found)
}

/// Refuses dot segments; whether parameters or trailing dots make the laxest reading another one.
fn check_segments(path: &str) -> Result<bool, TargetError> {
    let mut differs = false;
    for segment in path.split('/') {
        let name = segment
            .split_once(';')
            .map_or(segment, |(name, _parameters)| name);
        if matches!(name, "." | "..") {
            return Err(TargetError::DotSegment);
        }
        differs |= name.len() != segment.len() || name.ends_with('.');
    }
    Ok(differs)
}

fn check_encoded(path: &str, mut holds: PathAllow) -> Result<CheckedPath<'_>, TargetError> {
    let decoded = decode_once(path, &mut holds.encoded_slash)?;
    let lax = Lax::read(path.as_bytes());
    if lax.controls {
        return Err(TargetError::Malformed("an encoded control in the path"));
    }
    if lax.dot_segment {
        return Err(TargetError::DotSegment);
    }
    if hides_slash(path.as_bytes()) {
        return Err(TargetError::Malformed("an encoded slash in a parameter"));
    }
    // Case and one slash at the end are no difference here: the route table folds case, and no prefix ends in a slash.
    let trimmed = |text: &[u8]| text.strip_suffix(b"/").map_or(text.len(), <[u8]>::len);
    let (plain, reading) = (decoded.as_bytes(), &lax.text[..]);
    let differs = !plain[..trimmed(plain)].eq_ignore_ascii_case(&reading[..trimmed(reading)]);
    Ok(CheckedPath {
        laxest: differs.then(|| String::from_utf8_lossy(&lax.text).into()),
        decoded: Cow::Owned(decoded),
        holds,
    })
}

/// Decodes each percent escape once, but `%2F` and `%5C`: a segment stays one segment.
fn decode_once(path: &str, encoded_slash: &mut bool) -> Result<String, TargetError> {
    let bytes = path.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'%' {
            decoded.push(bytes[at]);
            at += 1;
            continue;
        }
        match escape(&bytes[at..]) {
            None => return Err(TargetError::Malformed("an invalid percent escape")),
            Some(b'/' | b'\\') => {
                *encoded_slash = true;
                decoded.extend_from_slice(&bytes[at..at + 3]);
            }
            Some(byte) => decoded.push(byte),
        }
        at += 3;
    }
    String::from_utf8(decoded)
        .map_err(|_| TargetError::Malformed("the path is not UTF-8 once it is decoded"))
}

/// The byte of the percent escape that `bytes` begin with.
fn escape(bytes: &[u8]) -> Option<u8> {
    let &[b'%', high, low, ..] = bytes else {
        return None;
    };
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    };
    Some(digit(high)? << 4 | digit(low)?)
}

/// The laxest reading, and what was met on the way.
struct Lax {
    text: Vec<u8>,
    dot_segment: bool,
    controls: bool,
}

impl Lax {
    fn read(path: &[u8]) -> Self {
        let end = path.iter().position(|byte| matches!(byte, b'?' | b'#'));
        let mut bytes = path[..end.unwrap_or(path.len())].to_vec();
        for _ in 0..DECODINGS {
            decode_leniently(&mut bytes);
        }
        let controls = bytes.iter().any(u8::is_ascii_control);
        let bytes = fold_lookalikes(&bytes);
        let end = bytes.iter().position(|&byte| byte == 0);
        let mut segments: Vec<&[u8]> = Vec::new();
        let mut dot_segment = false;
        for segment in bytes[..end.unwrap_or(bytes.len())].split(|&byte| byte == b'/') {
            let name = trim(&segment[..parameters(segment).unwrap_or(segment.len())]);
            match name {
                b"" => {}
                b"." => dot_segment = true,
                b".." => {
                    dot_segment = true;
                    segments.pop();
                }
                // Windows drops dots and blanks at the end of a name, in any order: nothing is left of these.
                _ if without_end(name).is_empty() => {
                    dot_segment |= name.iter().any(|byte| is_blank(*byte));
                }
                _ => segments.push(name),
            }
        }
        Self {
            text: join(&segments),
            dot_segment,
            controls,
        }
    }
}

/// Where the parameters of a segment begin: at `;`, or at a `?` or `#` that was encoded, behind which a server that reads
/// the decoded path as a target sees no path any more.
fn parameters(segment: &[u8]) -> Option<usize> {
    segment
        .iter()
        .position(|byte| matches!(byte, b';' | b'?' | b'#'))
}

/// Whether some decoding finds a slash in parameters that another one drops as a whole: `/;%252fx/admin` is `/admin` to
/// who drops them first, and `/x/admin` to who decodes first. Only here does the laxest reading have a segment more than
/// one on the way to it.
fn hides_slash(path: &[u8]) -> bool {
    let mut bytes = path.to_vec();
    for _ in 0..=DECODINGS {
        let segments = bytes.split(|byte| *byte == b'/');
        for dropped in segments.filter_map(|segment| segment.get(parameters(segment)?..)) {
            let mut dropped = dropped.to_vec();
            for _ in 0..DECODINGS {
                decode_leniently(&mut dropped);
            }
            if fold_lookalikes(&dropped).contains(&b'/') {
                return true;
            }
        }
        decode_leniently(&mut bytes);
    }
    false
}

/// Without white space at both ends.
fn trim(mut name: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = name
        && is_blank(*first)
    {
        name = rest;
    }
    while let [rest @ .., last] = name
        && is_blank(*last)
    {
        name = rest;
    }
    name
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Without the dots and blanks at its end.
fn without_end(mut name: &[u8]) -> &[u8] {
    while let [rest @ .., last] = name
        && (*last == b'.' || is_blank(*last))
    {
        name = rest;
    }
    name
}

/// The segments as a path, without case, each without the dots and blanks at its end.
fn join(segments: &[&[u8]]) -> Vec<u8> {
    let mut text = Vec::new();
    for segment in segments {
        text.push(b'/');
        text.extend_from_slice(without_end(segment));
    }
    if text.is_empty() {
        text.push(b'/');
    }
    text.make_ascii_lowercase();
    if text.is_ascii() {
        return text;
    }
    let folded: String = String::from_utf8_lossy(&text)
        .chars()
        .map(plain_letter)
        // By way of upper case, so that all letters meet that share one: `\u{17f}` and `s`, `\u{131}` and `i`.
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect();
    folded.into_bytes()
}

/// The ASCII letter or digit that its fullwidth form stands for, and `i` for `\u{130}`, whose lower case has two
/// characters.
fn plain_letter(character: char) -> char {
    match character {
        '\u{130}' => 'i',
        '\u{ff10}'..='\u{ff19}' | '\u{ff21}'..='\u{ff3a}' | '\u{ff41}'..='\u{ff5a}' => {
            char::from_u32(u32::from(character) - 0xfee0).unwrap_or(character)
        }
        other => other,
    }
}

/// Decodes every valid percent escape in place and leaves the others.
fn decode_leniently(bytes: &mut Vec<u8>) {
    let (mut read, mut write) = (0, 0);
    while read < bytes.len() {
        let (byte, length) = escape(&bytes[read..]).map_or((bytes[read], 1), |byte| (byte, 3));
        bytes[write] = byte;
        read += length;
        write += 1;
    }
    bytes.truncate(write);
}

/// Backslashes, and byte sequences that some decoders take for a dot or a slash.
fn fold_lookalikes(bytes: &[u8]) -> Vec<u8> {
    let mut folded = bytes.to_vec();
    if folded.iter().all(|byte| byte.is_ascii() && *byte != b'\\') {
        return folded;
    }
    // One after the other, as a reader with several such steps would do.
    for (sequence, byte) in LOOKALIKES {
        let mut next = Vec::with_capacity(folded.len());
        let mut rest = &folded[..];
        while let Some(&first) = rest.first() {
            if let Some(after) = rest.strip_prefix(*sequence) {
                next.push(*byte);
                rest = after;
            } else {
                next.push(first);
                rest = &rest[1..];
            }
        }
        folded = next;
    }
    folded
}

/// More decodings than this no known chain of servers does.
const DECODINGS: usize = 3;

/// Overlong UTF-8 (two and three bytes), fullwidth forms, the division slash, and the backslash.
const LOOKALIKES: &[(&[u8], u8)] = &[
    (b"\xc0\xae", b'.'),
    (b"\xe0\x80\xae", b'.'),
    (b"\xc0\xaf", b'/'),
    (b"\xef\xbc\x8e", b'.'),
    (b"\xef\xbc\x8f", b'/'),
    (b"\xe2\x88\x95", b'/'),
    (b"\\", b'/'),
];

#[cfg(test)]
mod tests;
