use http::header::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;

fn headers(lines: &[(HeaderName, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        headers.append(name.clone(), value);
    }
    headers
}

fn seconds(lines: &[(HeaderName, &str)]) -> Option<u64> {
    max_age(&headers(lines)).map(|age| age.as_secs())
}

#[test]
fn cache_control_says_how_long_an_answer_is_fresh() {
    for (line, fresh) in [
        ("", None),
        (",, ,", None),
        ("public", None),
        ("private, must-revalidate", None),
        ("max-age=300", Some(300)),
        ("Max-Age=300", Some(300)),
        ("public,max-age=300,immutable", Some(300)),
        (" , max-age = 300 , ", Some(300)),
        ("max-age=\"300\"", Some(300)),
        ("max-age=\"3\\00\"", Some(300)),
        ("max-age=0", Some(0)),
        ("max-age=007", Some(7)),
        ("s-maxage=5", None),
        ("s-maxage=5, max-age=300", Some(300)),
        ("no-cache", Some(0)),
        ("No-Store", Some(0)),
        ("max-age=300, no-cache", Some(0)),
        ("no-cache=\"set-cookie, x\", max-age=300", Some(0)),
        // In a quoted string stands no directive.
        ("ext=\"no-store, max-age=1\", max-age=300", Some(300)),
        ("ext=\"a\\\", no-store\", max-age=300", Some(300)),
        ("ext=\"no end, max-age=1", None),
        ("ext=a\"b, max-age=300", Some(300)),
        // The shortest counts.
        ("max-age=300, max-age=60", Some(60)),
        ("max-age=60, max-age=300", Some(60)),
        // What is no number is stale.
        ("max-age", Some(0)),
        ("max-age=", Some(0)),
        ("max-age=\"\"", Some(0)),
        ("max-age=-1", Some(0)),
        ("max-age=+5", Some(0)),
        ("max-age=1.5", Some(0)),
        ("max-age=1e3", Some(0)),
        ("max-age=5 6", Some(0)),
        ("max-age=\"5\"6", Some(0)),
        ("max-age=\"5\"\"6\"", Some(0)),
        ("max-age=\"5\" , x", Some(5)),
        ("max-age=5s", Some(0)),
        // More than fits.
        ("max-age=2147483649", Some(1 << 31)),
        ("max-age=18446744073709551616", Some(1 << 31)),
        ("max-age=99999999999999999999999999999999999", Some(1 << 31)),
        // Other directives.
        ("xmax-age=1", None),
        ("max-age2=1", None),
    ] {
        assert_eq!(seconds(&[(CACHE_CONTROL, line)]), fresh, "{line}");
    }
}

#[test]
fn all_lines_count_and_the_age_is_taken_off() {
    let line = |text| (CACHE_CONTROL, text);
    for (lines, fresh) in [
        (vec![], None),
        (vec![(AGE, "5")], None),
        (vec![line("max-age=300"), line("no-cache")], Some(0)),
        (vec![line("public"), line("max-age=300")], Some(300)),
        (vec![line("max-age=300"), (AGE, "100")], Some(200)),
        (vec![line("max-age=300"), (AGE, "301")], Some(0)),
        (
            vec![line("max-age=300"), (AGE, "99999999999999999999")],
            Some(0),
        ),
        (vec![line("max-age=300"), (AGE, " 100 , 7")], Some(200)),
        (
            vec![line("max-age=300"), (AGE, "100"), (AGE, "7")],
            Some(200),
        ),
        (vec![line("max-age=300"), (AGE, "-1")], Some(300)),
        (vec![line("max-age=300"), (AGE, "")], Some(300)),
    ] {
        assert_eq!(seconds(&lines), fresh, "{lines:?}");
    }
}

#[test]
fn a_line_that_is_not_ascii_hides_nothing() {
    let mut headers = HeaderMap::new();
    let line = HeaderValue::from_bytes(b"x=\xff\xfe, max-age=7, \xff").unwrap();
    headers.insert(CACHE_CONTROL, line);
    assert_eq!(max_age(&headers), Some(Duration::from_secs(7)));
}

#[test]
fn only_a_valid_entity_tag_is_kept() {
    let long = |length: usize| format!("\"{}\"", "a".repeat(length - 2));
    for (tag, kept) in [
        ("\"abc\"", true),
        ("\"\"", true),
        ("W/\"abc\"", true),
        ("\"a'b\\c,d\"", true),
        (&long(256), true),
        (&long(257), false),
        ("", false),
        ("abc", false),
        ("\"abc", false),
        ("abc\"", false),
        ("\"", false),
        ("W/", false),
        ("w/\"abc\"", false),
        ("W/ \"abc\"", false),
        ("\"a\"b\"", false),
        ("\"a b\"", false),
        ("\"a\tb\"", false),
        ("\"ä\"", false),
        ("\"a\", \"b\"", false),
    ] {
        let found = etag(&headers(&[(ETAG, tag)]));
        assert_eq!(found.as_deref(), kept.then_some(tag), "{tag}");
    }
    assert_eq!(etag(&HeaderMap::new()), None);
    let two = headers(&[(ETAG, "\"a\""), (ETAG, "\"a\"")]);
    assert_eq!(etag(&two), None);
}

proptest! {
    #[test]
    fn any_line_is_read_to_its_end_and_its_directives_are_pieces_of_it(
        line in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        for (name, value) in Directives(&line) {
            prop_assert!(name.len() + value.map_or(0, |value| value.len()) <= line.len());
            prop_assert!(!name.contains(&b','));
        }
    }

    #[test]
    fn directives_are_found_among_any_others(
        before in "[a-z]{1,8}(=[a-z0-9]{1,8}|=\"[a-z, =]{0,8}\")?",
        seconds in 0_u64..=1 << 31,
        quoted in any::<bool>(),
        after in "[a-z]{1,8}(=\"([a-z, =]|\\\\\\\\|\\\\\"){0,8}\")?",
        space in "[ \t]{0,2},[ \t]{0,2}",
    ) {
        let quote = if quoted { "\"" } else { "" };
        let line = format!("{before}{space}max-age={quote}{seconds}{quote}{space}{after}");
        let fresh = max_age(&headers(&[(CACHE_CONTROL, &line)]));
        prop_assert_eq!(fresh, Some(Duration::from_secs(seconds)), "{}", line);
    }

    #[test]
    fn a_directive_more_never_makes_an_answer_fresher(
        line in "[a-z=0-9\", -]{0,40}",
        seconds in 0_u64..1000,
    ) {
        let alone = headers(&[(CACHE_CONTROL, &format!("max-age={seconds}"))]);
        let both = headers(&[(CACHE_CONTROL, &format!("max-age={seconds}")), (CACHE_CONTROL, &line)]);
        prop_assert!(max_age(&both) <= max_age(&alone));
    }
}
