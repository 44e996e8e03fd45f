//! What others sent, as an error may show it: short, on one line, and nothing of it that could be a secret.

use std::error::Error;

use http::Uri;

/// Characters of someone else's text that an error shows.
const SHOWN: usize = 100;

/// The beginning of a text; what does not print is a dot.
pub(super) fn text(text: &str) -> String {
    beginning(text.chars(), SHOWN)
}

/// The beginning of bytes that should be ASCII.
pub(super) fn bytes(bytes: &[u8]) -> String {
    beginning(bytes.iter().map(|byte| char::from(*byte)), SHOWN)
}

fn beginning(text: impl Iterator<Item = char>, most: usize) -> String {
    let prints = |character: char| character.is_alphanumeric() || character.is_ascii_graphic();
    let mut characters = text.map(|character| match character {
        ' ' => ' ',
        character if prints(character) => character,
        _ => '·',
    });
    let mut shown: String = characters.by_ref().take(most).collect();
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

/// A URL without what may be secret in it: userinfo and query.
pub(super) fn url(url: &Uri) -> String {
    url_text(&url.to_string())
}

/// As [`url`], of what may be none.
pub(super) fn url_text(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let host = url.find("://").map_or(0, |colon| colon + "://".len());
    let (scheme, rest) = url.split_at(host);
    let path = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(path);
    let host = authority.rsplit('@').next().unwrap_or_default();
    let without = format!("{scheme}{host}{path}");
    beginning(without.chars(), 2 * SHOWN)
}

/// An error and its causes.
pub(super) fn causes<'e>(
    error: &'e (dyn Error + 'static),
) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| <dyn Error>::source(*error))
}

/// What a document looks like that is not what it should be: nothing, or text to put behind an error.
///
/// Of JSON nothing is shown: it could be the beginning of a private key.
pub(super) fn looks(document: &[u8]) -> String {
    const BEGINNING: usize = 32;
    let start = document.trim_ascii_start();
    let begins = |prefix: &[u8]| {
        let length = prefix.len();
        start
            .get(..length)
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let what = match start {
        [] => "it is empty".to_owned(),
        [0x1f, 0x8b, ..] => "it is compressed (gzip)".to_owned(),
        [0xef, 0xbb, 0xbf, ..] | [0xfe, 0xff, ..] | [0xff, 0xfe, ..] => {
            "it begins with a byte order mark".to_owned()
        }
        [b'{' | b'[', ..] => return String::new(),
        [b'<', ..] if begins(b"<?xml") => "it looks like XML".to_owned(),
        [b'<', ..] => "it looks like HTML".to_owned(),
        _ => {
            let line = start.split(|byte| matches!(byte, b'\r' | b'\n'));
            let line = line.clone().next().unwrap_or_default();
            let line = String::from_utf8_lossy(line);
            format!("it begins with {:?}", beginning(line.chars(), BEGINNING))
        }
    };
    format!(" ({what})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_is_short_and_prints() {
        for (given, shown) in [
            ("a b", "a b".to_owned()),
            ("a\r\nb\u{1b}[2J\u{202e}", "a··b·[2J·".to_owned()),
            (&"x".repeat(100), "x".repeat(100)),
            (&"ä".repeat(101), format!("{}…", "ä".repeat(100))),
        ] {
            assert_eq!(text(given), shown);
        }
        assert_eq!(bytes(b"/\xff\x00a"), "/ÿ·a");
    }

    #[test]
    fn a_url_is_shown_without_userinfo_and_query() {
        for (given, shown) in [
            ("https://a.test:8443/b?c=d", "https://a.test:8443/b"),
            ("https://user:word@a.test", "https://a.test/"),
            ("http://[::1]:1/x", "http://[::1]:1/x"),
        ] {
            assert_eq!(url(&given.parse().unwrap()), shown);
        }
        for (given, shown) in [
            ("//user:word@a.test/b#c", "//user:word@a.test/b"),
            ("https://user:w@rd@a.test/@b?c", "https://a.test/@b"),
            ("/a?b", "/a"),
            ("", ""),
        ] {
            assert_eq!(url_text(given), shown);
        }
    }

    #[test]
    fn what_a_document_looks_like() {
        for (document, shown) in [
            (&b""[..], " (it is empty)"),
            (b" \n", " (it is empty)"),
            (b"\n<!DOCTYPE html>", " (it looks like HTML)"),
            (b"<HTML>", " (it looks like HTML)"),
            (b"<?XML version", " (it looks like XML)"),
            (b"\x1f\x8b\x08", " (it is compressed (gzip))"),
            (b"\xff\xfe{\0", " (it begins with a byte order mark)"),
            (b"\xef\xbb\xbf{}", " (it begins with a byte order mark)"),
            (b"{\"d\":\"secret", ""),
            (b"[1", ""),
            (b"not found\nx", " (it begins with \"not found\")"),
            (
                b"-----BEGIN PRIVATE KEY-----\nMIIE",
                " (it begins with \"-----BEGIN PRIVATE KEY-----\")",
            ),
            (
                b"0123456789012345678901234567890123",
                " (it begins with \"01234567890123456789012345678901…\")",
            ),
        ] {
            assert_eq!(looks(document), shown, "{document:?}");
        }
    }
}
