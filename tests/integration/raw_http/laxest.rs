//! What the laxest upstream would make of a path.

/// Decoded up to three times, with overlong and full-width spellings, backslashes, `;params` and dot segments resolved,
/// trailing dots dropped, in lower case.
pub(super) fn laxest_path(target: &[u8]) -> Vec<u8> {
    let end = target.iter().position(|byte| matches!(byte, b'?' | b'#'));
    let mut path = target[..end.unwrap_or(target.len())].to_vec();
    for _ in 0..3 {
        path = decode(&path);
    }
    for (from, to) in SPELLINGS {
        path = replace(&path, from, *to);
    }
    path = replace(&path, b"\\", b'/');
    path.truncate(
        path.iter()
            .position(|byte| *byte == 0)
            .unwrap_or(path.len()),
    );
    let mut segments: Vec<Vec<u8>> = Vec::new();
    for segment in path.split(|byte| *byte == b'/') {
        let segment = segment
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default();
        match segment.trim_ascii() {
            b"" | b"." => {}
            b".." => drop(segments.pop()),
            other => {
                let length = other
                    .iter()
                    .rposition(|byte| *byte != b'.')
                    .map_or(0, |last| last + 1);
                segments.push(other[..length].to_ascii_lowercase());
            }
        }
    }
    let mut read = vec![b'/'];
    read.extend(segments.join(&b'/'));
    read
}

/// Bytes that some decoders take for a dot or a slash.
const SPELLINGS: &[(&[u8], u8)] = &[
    (b"\xc0\xae", b'.'),
    (b"\xe0\x80\xae", b'.'),
    (b"\xc0\xaf", b'/'),
    (b"\xef\xbc\x8e", b'.'),
    (b"\xef\xbc\x8f", b'/'),
    (b"\xe2\x88\x95", b'/'),
];

fn decode(path: &[u8]) -> Vec<u8> {
    percent_encoding::percent_decode(path).collect()
}

fn replace(path: &[u8], from: &[u8], to: u8) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some(first) = rest.first() {
        if let Some(after) = rest.strip_prefix(from) {
            replaced.push(to);
            rest = after;
        } else {
            replaced.push(*first);
            rest = &rest[1..];
        }
    }
    replaced
}

#[test]
fn paths_are_read_as_leniently_as_can_be() {
    for (target, read) in [
        (&b"/public/../admin?x"[..], &b"/admin"[..]),
        (b"/public/%252e%252e/Admin", b"/admin"),
        (b"/public\\..\\admin", b"/admin"),
        (b"/public/..;x=1/admin.", b"/admin"),
        (b"//public/./x", b"/public/x"),
        (b"/public/%c0%ae%c0%ae/admin", b"/admin"),
        (b"/public/a%00/../admin", b"/public/a"),
    ] {
        assert_eq!(
            laxest_path(target),
            read,
            "{:?}",
            String::from_utf8_lossy(target)
        );
    }
}
