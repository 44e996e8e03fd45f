//! Tables of paths.

use proptest::prelude::*;

use super::*;

fn allow(encoded_slash: bool, double_slash: bool) -> PathAllow {
    PathAllow {
        encoded_slash,
        double_slash,
    }
}

#[test]
fn plain_paths_are_taken_as_they_are() {
    for path in [
        "/",
        "/api",
        "/api/",
        "/api/x",
        "/a-b_c~d/e.f",
        "/Api/01HZXABC",
        "/a/.b",
        "/a/..b",
        "/a/b..c",
        "/a/@x:1/(y)!$&'*+,=",
        "/{id}|\"",
    ] {
        let checked = check_path(path).unwrap();
        assert!(matches!(checked.decoded, Cow::Borrowed(same) if same == path));
        assert_eq!(checked.laxest, None, "{path}");
        assert_eq!(checked.holds, PathAllow::default());
    }
}

#[test]
fn escapes_are_decoded_once() {
    for (path, decoded) in [
        ("/a%20b", "/a b"),
        ("/%41pi", "/Api"),
        ("/%c3%a9t%C3%A9", "/été"),
        ("/100%25", "/100%"),
        ("/%7Euser", "/~user"),
    ] {
        let checked = check_path(path).unwrap();
        assert_eq!(checked.decoded, decoded);
        assert_eq!(checked.laxest, None, "{path}");
        assert_eq!(checked.holds, PathAllow::default());
    }
}

#[test]
fn what_a_lax_upstream_reads_otherwise_has_its_laxest_reading() {
    for (path, decoded, laxest) in [
        ("/public;v=1/x", "/public;v=1/x", "/public/x"),
        ("/admin./x", "/admin./x", "/admin/x"),
        ("/Admin./X", "/Admin./X", "/admin/x"),
        ("/%61dmin%20/x", "/admin /x", "/admin/x"),
        ("/%2561dmin/x", "/%61dmin/x", "/admin/x"),
        ("/%252561dmin/x", "/%2561dmin/x", "/admin/x"),
        ("/a%252Fb", "/a%2Fb", "/a/b"),
        ("/a%3bb/c", "/a;b/c", "/a/c"),
        ("/a%EF%BC%8Fb", "/a\u{ff0f}b", "/a/b"),
        ("/a%E2%88%95b", "/a\u{2215}b", "/a/b"),
        ("/a%25c0%25afb", "/a%c0%afb", "/a/b"),
        ("/caf%C3%89/x", "/caf\u{c9}/x", "/caf\u{e9}/x"),
        ("/adm%C4%B0n", "/adm\u{130}n", "/admin"),
        ("/adm%C4%B1n", "/adm\u{131}n", "/admin"),
        ("/u%C5%BFers", "/u\u{17f}ers", "/users"),
        ("/%E2%84%AAeys", "/\u{212a}eys", "/keys"),
        ("/%EF%BD%81dm%EF%BC%A9n", "/\u{ff41}dm\u{ff29}n", "/admin"),
        ("/admin.%20./x", "/admin. ./x", "/admin/x"),
        ("/.../admin", "/.../admin", "/admin"),
        ("/a%3Fb%23c", "/a?b#c", "/a"),
        ("/admin%3Fx/y", "/admin?x/y", "/admin/y"),
        ("/admin%2523", "/admin%23", "/admin"),
    ] {
        let checked = check_path(path).unwrap();
        assert_eq!(checked.decoded, decoded);
        assert_eq!(checked.laxest.as_deref(), Some(laxest), "{path}");
        assert_eq!(checked.holds, PathAllow::default());
    }
}

#[test]
fn what_a_route_must_allow_is_noted() {
    for (path, decoded, laxest, holds) in [
        ("/a%2Fb", "/a%2Fb", "/a/b", allow(true, false)),
        ("/a%2fb%5Cc", "/a%2fb%5Cc", "/a/b/c", allow(true, false)),
        ("/a%5cb", "/a%5cb", "/a/b", allow(true, false)),
        ("/%2fadmin/x", "/%2fadmin/x", "/admin/x", allow(true, false)),
        ("/a//b", "/a//b", "/a/b", allow(false, true)),
        ("//a", "//a", "/a", allow(false, true)),
        ("/a//", "/a//", "/a", allow(false, true)),
        ("//a%2F", "//a%2F", "/a", allow(true, true)),
    ] {
        let checked = check_path(path).unwrap();
        assert_eq!(checked.decoded, decoded);
        assert_eq!(checked.laxest.as_deref(), Some(laxest), "{path}");
        assert_eq!(checked.holds, holds, "{path}");
    }
}

#[test]
fn dot_segments_are_refused_in_any_encoding() {
    for path in [
        "/a/..%20./b",
        "/a/.%20./b",
        "/a/.%20..",
        "/.",
        "/..",
        "/./a",
        "/a/..",
        "/a/../b",
        "/a/./b",
        "/public/%2E%2E/admin/x",
        "/public/.%2e/admin/x",
        "/public/%2e./admin/x",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/public/%252e%252e/admin",
        "/public/%25252e./admin",
        "/public/..;/admin/x",
        "/public/..;a=b/admin/x",
        "/public/.;/../admin/x",
        "/public/..%3bx/admin",
        "/public/..%5cadmin/x",
        "/admin/..%2fpublic/x",
        "/a%2f..%2fb",
        "/public/..%20/admin/x",
        "/public/%20../admin/x",
        "/public/%EF%BC%8E%EF%BC%8E/admin",
        "/public/%25c0%25ae%25c0%25ae/admin",
        "/public//../admin/x",
    ] {
        let error = check_path(path).unwrap_err();
        assert_eq!(error, TargetError::DotSegment, "{path}");
    }
}

#[test]
fn a_raw_backslash_is_refused_whatever_a_route_allows() {
    for path in ["/public/..\\admin\\x", "/a\\b", "/a%20\\b"] {
        let error = check_path(path).unwrap_err();
        assert_eq!(error, TargetError::EncodedSlash, "{path}");
    }
}

#[test]
fn malformed_paths_are_refused() {
    for path in [
        "",
        "a",
        "/public/%",
        "/public/%4",
        "/public/%zz",
        "/public/%u002e",
        "/%%20",
        "/a%00",
        "/a%2500",
        "/a%252500",
        "/a%0d%0ab",
        "/a%7f",
        "/public/..%09/admin/x",
        "/a\tb",
        "/a b",
        "/a\u{7f}",
        "/public/\u{e9}/x",
        "/public/%ff",
        "/public/%e9",
        "/public/%c0%ae%c0%ae/admin/x",
        "/public/%e0%80%ae%e0%80%ae/admin/x",
        "/public%c0%afadmin",
        "/%ed%a0%80",
    ] {
        let error = check_path(path).unwrap_err();
        assert!(matches!(error, TargetError::Malformed(_)), "{path}");
    }
}

#[test]
fn the_laxest_reading_of_what_is_never_accepted() {
    for (path, laxest) in [
        (&b"/public/../admin/x"[..], "/admin/x"),
        (b"/../../x", "/x"),
        (b"/a\\b", "/a/b"),
        (b"/public/%2e%2e;x/Admin", "/admin"),
        (b"/a/%c0%ae%c0%ae%c0%afb", "/b"),
        (b"/a/%e0%80%ae./b", "/b"),
        (b"/a%00/../b", "/a"),
        (b"/a?/../b", "/a"),
        (b"/a#b", "/a"),
        (b"/ a\t/b", "/a/b"),
        (b"/.../x", "/x"),
        (b"/.. ./x", "/x"),
        (b"%zz/%4", "/%zz/%4"),
        (b"", "/"),
    ] {
        assert_eq!(&*laxest_reading(path), laxest, "{path:?}");
    }
}

#[test]
fn a_prefix_is_taken_off_by_segments() {
    for (path, prefix, rest) in [
        ("/orders/7", "/orders", "/7"),
        ("/orders", "/orders", "/"),
        ("/orders/", "/orders", "/"),
        ("/orders//7", "/orders", "/7"),
        ("/orders///", "/orders", "/"),
        ("/%6frders/a%2Fb", "/orders", "/a%2Fb"),
        ("/a/b/c/", "/a/b", "/c/"),
        ("/caf%c3%a9/x", "/café", "/x"),
        ("/x/y", "/", "/x/y"),
        ("//x", "/", "/x"),
        ("/", "/", "/"),
    ] {
        assert_eq!(without_prefix(path, prefix), rest, "{path} {prefix}");
    }
}

/// Paths of pieces that one decoder or another takes for something else.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/",
        "//",
        ".",
        "..",
        "a",
        "B",
        ";",
        ";x",
        "%2e",
        "%2E",
        "%2f",
        "%5C",
        "%25",
        "2e",
        "2f",
        "%3b",
        "%20",
        "%",
        "c0%ae",
        "%ef%bc%8e",
        "%c3%a9",
        "\\",
        " ",
    ]);
    prop::collection::vec(piece, 0..10).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #[test]
    fn an_accepted_path_has_no_reading_with_dot_segments(path in pieces()) {
        if let Ok(checked) = check_path(&path) {
            let mut bytes = path.clone().into_bytes();
            for _ in 0..4 {
                let segments = bytes.split(|byte| matches!(byte, b'/' | b'\\'));
                for segment in segments {
                    let name = segment.split(|byte| *byte == b';').next().unwrap();
                    prop_assert!(!matches!(name, b"." | b".."), "{}", path);
                }
                decode_leniently(&mut bytes);
            }
            prop_assert_eq!(checked.holds.double_slash, path.contains("//"));
        }
    }

    #[test]
    fn without_a_laxest_reading_the_path_reads_so_but_for_case(path in pieces()) {
        if let Ok(CheckedPath { decoded, laxest: None, .. }) = check_path(&path) {
            let trim = |text: &str| text.strip_suffix('/').unwrap_or(text).to_ascii_lowercase();
            prop_assert_eq!(trim(&laxest_reading(path.as_bytes())), trim(&decoded));
        }
    }
}
