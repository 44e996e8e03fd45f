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
