//! No accepted path leads to another route by any reading of it.
//!
//! `laxest` is written from the definition of N(path) that the vectors state, not from the code under test: up to three
//! decodings, look-alikes of dots and slashes, backslashes, NUL, `;params`, dot segments, white space, dots at the end of
//! a name, and case; and beyond it dots and blanks in any order, fullwidth letters, and the case of every script.

use http::{HeaderMap, HeaderValue, Method, Uri, Version, header};
use portcullis::config::Preflight;
use portcullis::headers::{PathAllow, Target, laxest_reading};
use portcullis::routing::{NoRoute, RouteIndex, RouteKey};
use proptest::prelude::*;

/// N(path), by the definition.
fn laxest(path: &[u8]) -> Vec<u8> {
    let mut path = before(path, b"?#").to_vec();
    for _ in 0..3 {
        path = unquote(&path);
    }
    for (from, to) in [
        (&b"\xc0\xae"[..], b'.'),
        (b"\xe0\x80\xae", b'.'),
        (b"\xc0\xaf", b'/'),
        (b"\xef\xbc\x8e", b'.'),
        (b"\xef\xbc\x8f", b'/'),
        (b"\xe2\x88\x95", b'/'),
        (b"\\", b'/'),
    ] {
        path = replace(&path, from, to);
    }
    let mut out: Vec<Vec<u8>> = Vec::new();
    for segment in before(&path, b"\0").split(|byte| *byte == b'/') {
        let space = |byte: &u8| b" \t\r\n".contains(byte);
        let name = before(segment, b";?#");
        let start = name.iter().position(|byte| !space(byte));
        let end = name.iter().rposition(|byte| !space(byte));
        let name = start
            .zip(end)
            .map_or(&b""[..], |(start, end)| &name[start..=end]);
        match name {
            b"" | b"." => {}
            b".." => drop(out.pop()),
            name => {
                let kept = |byte: &u8| *byte != b'.' && !space(byte);
                if let Some(last) = name.iter().rposition(kept) {
                    out.push(name[..=last].to_vec());
                }
            }
        }
    }
    without_case(&[b"/", &out.join(&b'/')[..]].concat())
}

/// As a server that compares names of any script without case would: Unicode's simple foldings and some more.
fn without_case(path: &[u8]) -> Vec<u8> {
    if path.is_ascii() {
        return path.to_ascii_lowercase();
    }
    let text = String::from_utf8_lossy(path).replace('\u{130}', "i");
    let narrow = |character: char| match u32::from(character) {
        wide @ (0xff10..=0xff19 | 0xff21..=0xff3a | 0xff41..=0xff5a) => {
            char::from_u32(wide - 0xfee0).expect("a letter or digit")
        }
        _ => character,
    };
    let text: String = text.chars().map(narrow).collect();
    let upper: String = text.chars().flat_map(char::to_uppercase).collect();
    let lower: String = upper.chars().flat_map(char::to_lowercase).collect();
    lower.into_bytes()
}

fn before<'b>(bytes: &'b [u8], ends: &[u8]) -> &'b [u8] {
    bytes
        .split(|byte| ends.contains(byte))
        .next()
        .unwrap_or_default()
}

fn unquote(bytes: &[u8]) -> Vec<u8> {
    let mut parts = bytes.split(|byte| *byte == b'%');
    let mut out = parts.next().unwrap_or_default().to_vec();
    for part in parts {
        let digits = part
            .get(..2)
            .filter(|two| two.iter().all(u8::is_ascii_hexdigit));
        if let Some(digits) = digits {
            let value = |digit: u8| char::from(digit).to_digit(16).unwrap_or_default();
            let byte = value(digits[0]) * 16 + value(digits[1]);
            out.push(u8::try_from(byte).expect("two hexadecimal digits are a byte"));
            out.extend_from_slice(&part[2..]);
        } else {
            out.push(b'%');
            out.extend_from_slice(part);
        }
    }
    out
}

fn replace(bytes: &[u8], from: &[u8], to: u8) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(from) {
            out.push(to);
            at += from.len();
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}

/// The longest of `prefixes` that `path` is under, by looking at each.
fn longest(path: &[u8], prefixes: &[Vec<u8>]) -> Option<usize> {
    let under = |prefix: &[u8]| {
        prefix == b"/"
            || path
                .strip_prefix(prefix)
                .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    };
    (0..prefixes.len())
        .filter(|number| under(&prefixes[*number]))
        .max_by_key(|number| prefixes[*number].len())
}

fn index(prefixes: &[&str]) -> RouteIndex {
    RouteIndex::new(prefixes.iter().map(|path| RouteKey {
        hosts: &[],
        path,
        methods: &[],
        preflight: Preflight::Deny,
    }))
}

/// What becomes of a raw path: the number of its route, if it is accepted and has one.
fn routed(path: &str, allow: PathAllow, index: &RouteIndex) -> Option<usize> {
    let uri: Uri = path.parse().ok()?;
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, HeaderValue::from_static("gw.test"));
    let target = Target::parse(&Method::GET, &uri, &headers, Version::HTTP_11).ok()?;
    // Never rewritten: what is matched on is what is sent on.
    assert_eq!(target.path.as_bytes(), before(path.as_bytes(), b"?#"));
    let route = index.find(&target, &Method::GET).ok()?;
    target.permitted(allow).ok()?;
    Some(route)
}

const ALLOW_ALL: PathAllow = PathAllow {
    encoded_slash: true,
    double_slash: true,
};

const PREFIXES: [&str; 6] = ["/", "/a", "/a/b", "/public", "/public/admin", "/admin"];

/// Without a catch-all, and with names that are not their own laxest reading.
const ODD_PREFIXES: [&str; 6] = ["/A", "/a/b", "/a;x", "/Public", "/admin.", "/b/A"];

const PIECES: &str = r"
    / / / // a a b A B x public Public admin ADMIN a/b %61 %41 %2561 %252561 %62
    . .. ... %2e %252e %2E%2e %2f %2F %252f %25252F %5c %255c \ ; ;x ;x=/ %3b %253b
    %20 %2520 %09 %00 %2500 %25 % %zz ~ 2e 2f c0%af ?/admin #/admin %3f %23
    %c0%ae %c0%af %e0%80%ae %25c0%25af %25c0%25ae %ef%bc%8e %ef%bc%8f %e2%88%95 %c3%a9 %c3%89 %c4%b0 %c5%bf %ef%bd%81 %ff";

/// Paths of pieces that one decoder or another takes for something else.
fn path() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(PIECES.split_ascii_whitespace().collect::<Vec<_>>());
    let pieces = prop::collection::vec(piece, 0..10);
    (pieces, any::<bool>()).prop_map(|(pieces, rooted)| {
        let slash = if rooted { "/" } else { "/a/" };
        format!("{slash}{}", pieces.concat())
    })
}

/// Readings between the strict and the laxest one, case kept: each step of servers that stop half way, or go on from
/// what one before them has made of the path.
fn partial_readings(path: &str) -> Vec<Vec<u8>> {
    let mut readings = Vec::new();
    read_on(before(path.as_bytes(), b"?#"), 3, &mut readings);
    readings
}

fn read_on(path: &[u8], decodings: usize, readings: &mut Vec<Vec<u8>>) {
    if decodings == 0 {
        return;
    }
    let decoded = unquote(path);
    let turned = replace(&decoded, b"\\", b'/');
    for text in [&decoded, &turned] {
        let segments: Vec<&[u8]> = text.split(|byte| *byte == b'/').skip(1).collect();
        let named = segments
            .iter()
            .map(|segment| before(segment, b";?#"))
            .collect();
        for segments in [segments, named] {
            let mut merged = segments.clone();
            merged.retain(|segment| !segment.is_empty());
            for segments in [segments, merged] {
                let reading = [b"/", &segments.join(&b'/')[..]].concat();
                if !readings.contains(&reading) {
                    read_on(&reading, decodings - 1, readings);
                    readings.push(reading);
                }
            }
        }
    }
}

fn check(path: &str, prefixes: &[&str]) -> Result<(), TestCaseError> {
    for allow in [PathAllow::default(), ALLOW_ALL] {
        let Some(route) = routed(path, allow, &index(prefixes)) else {
            continue;
        };
        // Of a prefix that is decoded already, the percent signs are characters.
        let read = |prefix: &&str| laxest(prefix.replace('%', "%25").as_bytes());
        let readings: Vec<Vec<u8>> = prefixes.iter().map(read).collect();
        let found = longest(&laxest(path.as_bytes()), &readings);
        prop_assert_eq!(
            found.map(|number| &readings[number]),
            Some(&readings[route]),
            "{} is routed to {}",
            path,
            prefixes[route]
        );
        let written: Vec<Vec<u8>> = prefixes
            .iter()
            .map(|prefix| prefix.as_bytes().to_vec())
            .collect();
        for reading in partial_readings(path) {
            // Dropped parameters may leave a prefix that has some; then no route is left, or the one that is read so.
            if let Some(other) = longest(&reading, &written) {
                prop_assert_eq!(other, route, "{} as {}", path, reading.escape_ascii());
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn an_accepted_path_falls_under_its_route_by_its_laxest_reading(path in path()) {
        check(&path, &PREFIXES)?;
    }

    #[test]
    fn so_it_does_with_prefixes_that_read_otherwise(path in path()) {
        check(&path, &ODD_PREFIXES)?;
    }

    #[test]
    fn both_write_the_same_laxest_reading(path in path()) {
        let expected = laxest(path.as_bytes());
        prop_assert_eq!(&*laxest_reading(path.as_bytes()), &*String::from_utf8_lossy(&expected));
    }

    #[test]
    fn any_bytes_have_the_same_laxest_reading(path in prop::collection::vec(any::<u8>(), 0..40)) {
        let expected = laxest(&path);
        prop_assert_eq!(&*laxest_reading(&path), &*String::from_utf8_lossy(&expected));
    }
}

/// What one reading drops as a parameter another one takes for segments.
#[test]
fn a_slash_hidden_in_parameters_is_refused() {
    let index = index(&["/", "/admin"]);
    for path in [
        "/;%252fx/admin",
        "/;a=%252Fx/admin",
        "/%3b%252fx/admin",
        "/;%2fx/admin",
        "/;%255cx/admin",
        "/;%25c0%25afx/admin",
        "/;%E2%88%95x/admin",
        "/%3f%252fx/admin",
        "/%20;%252fx/admin",
        "/%253b%255cx/admin",
        "/%25253b%25255cx/admin",
    ] {
        assert_eq!(routed(path, ALLOW_ALL, &index), None, "{path}");
    }
    assert_eq!(routed("/x;v=1/%2541", ALLOW_ALL, &index), Some(0));
}

/// The property is empty if nothing is accepted.
#[test]
fn enough_paths_are_accepted_and_some_are_ambiguous() {
    let index = index(&PREFIXES);
    for (path, route) in [
        ("/a/b/x", 2),
        ("/a//x", 1),
        ("/a/x%2Fy", 1),
        ("/public/%C3%A9", 3),
        ("/other/Admin", 0),
    ] {
        assert_eq!(routed(path, ALLOW_ALL, &index), Some(route), "{path}");
    }
    assert_eq!(routed("/a/x%2Fy", PathAllow::default(), &index), None);
    let uri: Uri = "/public%2Fadmin".parse().unwrap();
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, HeaderValue::from_static("gw.test"));
    let target = Target::parse(&Method::GET, &uri, &headers, Version::HTTP_11).unwrap();
    assert_eq!(index.find(&target, &Method::GET), Err(NoRoute::Ambiguous));
}
