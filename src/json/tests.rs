use std::fmt::Write as _;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::parse::FEW_MEMBERS;
use super::*;

fn document(text: &str) -> Document {
    parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn values_keep_their_kind_order_and_text() {
    for text in [
        "null",
        "true",
        "-9223372036854775808",
        "18446744073709551615",
        "1.5",
        r#""\u0001 \" é""#,
        r#"{"b":[1,{"a":null}],"a":"x","":false}"#,
    ] {
        assert_eq!(document(text).root().to_json(), text);
    }
    let value = parse(br#" {"b" : [1, 2.5] , "a":"\u00e9\/"} "#).unwrap();
    assert_eq!(value.root().to_json(), r#"{"b":[1,2.5],"a":"é/"}"#);
}

#[test]
fn what_is_not_json_is_refused() {
    let deep = format!("{}{}", "[".repeat(128), "]".repeat(128));
    for text in [
        &b""[..],
        b"{",
        b"{} x",
        b"{}{}",
        b"{,}",
        b"{\"a\":1,}",
        b"{a:1}",
        b"NaN",
        b"Infinity",
        b"1e400",
        b"01",
        b"'a'",
        b"\"\n\"",
        b"\"\xff\"",
        b"\"\xc0\xaf\"",
        b"\"\xed\xa0\x80\"",
        b"\"\\ud800\"",
        b"\xef\xbb\xbf{}",
        b"/**/{}",
        deep.as_bytes(),
    ] {
        assert_eq!(parse(text), Err(JsonError::Syntax), "{text:?}");
    }
    let deepest = format!("{}{}", "[".repeat(127), "]".repeat(127));
    assert!(parse(deepest.as_bytes()).is_ok());
}

#[test]
fn a_member_may_stand_once_at_any_depth_and_in_any_spelling() {
    for text in [
        r#"{"a":1,"a":1}"#,
        r#"{"exp":1,"\u0065xp":2}"#,
        r#"{"x":[{"y":{"a":1,"b":2,"a":3}}]}"#,
    ] {
        let parsed = parse(text.as_bytes());
        assert_eq!(parsed, Err(JsonError::DuplicateMember), "{text}");
    }
    assert!(parse(br#"{"a":{"a":1},"A":2}"#).is_ok());
}

#[test]
fn repeated_members_are_found_in_objects_of_every_size() {
    for size in 1..2 * FEW_MEMBERS {
        let members: Vec<String> = (0..size).map(|i| format!("\"m{i}\":0")).collect();
        let members = members.join(",");
        assert!(parse(format!("{{{members}}}").as_bytes()).is_ok());
        for again in 0..size {
            let text = format!("{{{members},\"m{again}\":1}}");
            assert_eq!(parse(text.as_bytes()), Err(JsonError::DuplicateMember));
        }
    }
}

#[test]
fn claim_paths_are_toml_dotted_keys() {
    let claims = document(
        r#"{"realm_access":{"roles":1},"https://x.example/roles":2,"a":{"b.c":3,"":4},"é\"\n":{"x":5}}"#,
    );
    for (text, found) in [
        ("realm_access.roles", Some("1")),
        (" realm_access \t. roles ", Some("1")),
        (r#""https://x.example/roles""#, Some("2")),
        ("'https://x.example/roles'", Some("2")),
        (r#"a."b.c""#, Some("3")),
        ("a.'b.c'", Some("3")),
        (r#"a."""#, Some("4")),
        (r#""\u00e9\"\n".x"#, Some("5")),
        ("a.b.c", None),
        ("realm_access.roles.deeper", None),
        ("realm_access.none", None),
        ("none", None),
    ] {
        let path = ClaimPath::parse(text).unwrap();
        let value = path
            .find(claims.root().as_object().unwrap())
            .map(|value| value.to_json());
        assert_eq!(value.as_deref(), found, "{text}");
        assert_eq!(ClaimPath::parse(&path.to_string()), Ok(path));
    }
}

#[test]
fn what_is_not_a_dotted_key_is_refused() {
    for text in [
        "",
        " ",
        ".",
        "a.",
        ".a",
        "a..b",
        "a b",
        "a=1",
        "a # b",
        "a\nb",
        "a/b",
        "é",
        "https://x.example/roles",
        "\"a",
        "'a",
        "\"a\"b",
        "\"a\nb\"",
        r#""\q""#,
        r#""""a""""#,
        "'''a'''",
        "[t]",
    ] {
        assert_eq!(ClaimPath::parse(text), Err(ClaimPathError), "{text:?}");
    }
}

/// The same value as `serde_json` has it, and whether it has a member twice in one object.
fn as_serde(value: &Value<'_>) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => number.clone().into(),
        Value::String(text) => (*text).into(),
        Value::Array(elements) => elements.iter().map(|element| as_serde(&element)).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.to_owned(), as_serde(&value)))
            .collect(),
    }
}

/// Holds that `text` is taken and read as `serde_json` does, but for members that stand twice.
fn read_alike(text: &[u8]) {
    let theirs = serde_json::from_slice::<serde_json::Value>(text).ok();
    match parse(text) {
        Ok(ours) => assert_eq!(Some(as_serde(&ours.root())), theirs, "{text:?}"),
        Err(JsonError::Syntax) => assert_eq!(theirs, None, "{text:?}"),
        // What follows is not looked at any more.
        Err(JsonError::DuplicateMember) => {}
    }
}

/// What JSON is made of, and some of what it is not.
const PIECES: [&str; 34] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\"",
    "\\",
    "\\\"",
    "\\u00e9",
    "\\ud83d",
    "\\ude00",
    "\\n",
    " ",
    "\n",
    "\u{1f}",
    "\u{7f}",
    "é",
    "😀",
    "true",
    "false",
    "null",
    "0",
    "-0",
    "1",
    "18446744073709551615",
    "-",
    "+",
    ".",
    "e5",
    "E-",
    "abcdefgh",
    "\"a\":",
];

/// JSON of a few levels, with spaces and escapes that mean nothing.
fn json_text() -> impl Strategy<Value = String> {
    let text = vec(select(&PIECES[8..][..23]), 0..6).prop_map(|pieces| {
        let pieces: String = pieces.concat();
        serde_json::Value::from(pieces).to_string()
    });
    let number = (any::<i64>(), any::<u64>(), any::<f64>(), 0..4_u8).prop_map(
        |(i, u, f, which)| match which {
            0 => i.to_string(),
            1 => u.to_string(),
            2 => serde_json::Value::from(f).to_string(),
            _ => (u % 100).to_string(),
        },
    );
    let word = select(
        &[
            "null",
            "true",
            "false",
            "\"\\u0041\\/\"",
            "1e3",
            "-0",
            "1.0E+2",
        ][..],
    );
    let leaf = prop_oneof![text.clone(), number, word.prop_map(str::to_owned)];
    leaf.prop_recursive(4, 64, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(|all| format!("[ {}]", all.join(" ,\t"))),
            vec((text.clone(), inner), 0..6).prop_map(|all| {
                let mut object = String::from("{");
                for (at, (name, value)) in all.iter().enumerate() {
                    let comma = if at > 0 { ",\r\n" } else { "" };
                    let _ = write!(object, "{comma}{name} :{value}");
                }
                object + "}"
            }),
        ]
    })
}

proptest! {
    #[test]
    fn texts_are_read_as_another_parser_reads_them(text in json_text()) {
        read_alike(text.as_bytes());
    }

    #[test]
    fn damaged_texts_are_refused_as_another_parser_refuses_them(
        text in json_text(),
        damage in vec((any::<prop::sample::Index>(), select(&PIECES[..]), any::<bool>()), 1..4),
    ) {
        let mut bytes = text.into_bytes();
        for (at, piece, replaces) in damage {
            let at = at.index(bytes.len() + 1);
            let end = if replaces { (at + piece.len()).min(bytes.len()) } else { at };
            bytes.splice(at..end, piece.bytes());
        }
        read_alike(&bytes);
    }

    #[test]
    fn whatever_pieces_come_two_parsers_agree(pieces in vec(select(&PIECES[..]), 0..12)) {
        read_alike(pieces.concat().as_bytes());
    }

    #[test]
    fn whatever_bytes_come_two_parsers_agree(inside in vec(any::<u8>(), 0..24)) {
        let mut text = vec![b'"'];
        text.extend_from_slice(&inside);
        text.push(b'"');
        read_alike(&text);
        read_alike(&inside);
    }
}
