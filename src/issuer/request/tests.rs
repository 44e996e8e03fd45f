use http::HeaderValue;

use super::*;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

fn read(content_type: &str, body: impl AsRef<[u8]>) -> Result<Parameters, RequestError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
    Parameters::read(None, &headers, body.as_ref())
}

fn error(content_type: &str, body: impl AsRef<[u8]>) -> Option<RequestError> {
    read(content_type, body).err()
}

#[test]
fn forms_and_json_say_the_same() {
    for (content_type, body) in [
        (
            FORM,
            "username=zo%C3%AB+m&cookies=true&empty=&password=a%00b%26%3D",
        ),
        (
            FORM,
            "&username=zoë%20m&&password=a%00b%26%3d&cookies=true&",
        ),
        (
            JSON,
            r#"{"username":"zoë m","cookies":true,"empty":"","password":"a\u0000b&="}"#,
        ),
        (
            "Application/JSON ; Charset=\"UTF-8\"",
            r#" {"password":"a\u0000b&=","username":"zoë m","cookies":true} "#,
        ),
    ] {
        let given = read(content_type, body).ok().unwrap();
        assert_eq!(given.text("username"), Ok(Some("zoë m")), "{body}");
        assert_eq!(given.required("username"), Ok("zoë m"));
        assert_eq!(given.flag("cookies"), Ok(true));
        let password = Password::new(b"a\0b&=".to_vec()).unwrap();
        assert_eq!(given.password("password"), Ok(password));
        // RFC 6749 §3.2: without a value is left out.
        for name in ["empty", "nothing"] {
            assert_eq!(given.text(name), Ok(None));
            assert_eq!(given.required(name), Err(RequestError::Missing(name)));
            assert_eq!(given.password(name), Err(RequestError::Missing(name)));
            assert_eq!(given.flag(name), Ok(false));
        }
    }
}

#[test]
fn what_is_said_twice_is_refused() {
    for (content_type, body) in [
        (FORM, "a=1&a=1"),
        (FORM, "a=1&b=2&%61=3"),
        (FORM, "a&a="),
        (JSON, r#"{"a":"1","a":"1"}"#),
        (JSON, r#"{"a":"1","\u0061":2}"#),
        (JSON, r#"{"a":{"b":1,"b":2}}"#),
    ] {
        assert_eq!(
            error(content_type, body),
            Some(RequestError::Twice),
            "{body}"
        );
    }
}

#[test]
fn what_is_no_form_and_no_object_is_refused() {
    let deep = "[".repeat(200) + &"]".repeat(200);
    for body in [
        "",
        " ",
        "null",
        "[]",
        "\"a\"",
        "1",
        "{",
        "{}{}",
        "{'a':1}",
        "{\"a\":01}",
        "{\"a\":\"\\ud800\"}",
        "\u{feff}{}",
        "a=b",
        &deep,
    ] {
        assert_eq!(error(JSON, body), Some(RequestError::Malformed), "{body}");
    }
    for body in [
        &b"a=%"[..],
        b"a=%4",
        b"a=%zz",
        b"%=1",
        b"a=%+1",
        b"a=\xff",
        b"a=%ff",
        b"a=%C3",
        b"a=1\n",
        b"a=\x001",
        b"a\t=1",
    ] {
        assert_eq!(error(FORM, body), Some(RequestError::Malformed), "{body:?}");
    }
}

#[test]
fn an_empty_body_needs_no_type_and_another_one_does() {
    let nothing = HeaderMap::new();
    assert!(Parameters::read(None, &nothing, b"").is_ok());
    assert!(Parameters::read(Some(""), &nothing, b"").is_ok());
    let typeless = Parameters::read(None, &nothing, b"a=1").err();
    assert_eq!(typeless, Some(RequestError::MediaType));
    assert!(read(FORM, "").is_ok());
}

#[test]
fn only_forms_and_json_in_utf_8_are_read() {
    for (content_type, fits) in [
        (FORM, true),
        ("application/x-www-form-urlencoded;charset=utf-8", true),
        (
            "application/x-www-form-urlencoded; charset=iso-8859-1",
            false,
        ),
        ("application/x-www-form-urlencoded; charset", false),
        ("application/x-www-form-urlencoded; x=y", true),
        ("text/plain", false),
        ("multipart/form-data; boundary=a", false),
        ("application/json5", false),
        ("application/json, text/plain", false),
        ("application/ json", false),
        ("", false),
    ] {
        let refused = error(content_type, "") == Some(RequestError::MediaType);
        assert_eq!(refused, !fits, "{content_type}");
    }
    for charset in ["utf-16", "utf-16le", "utf-7", "us-ascii"] {
        let found = error(&format!("{JSON}; charset={charset}"), "{}");
        assert_eq!(found, Some(RequestError::MediaType));
    }
    for (name, lines) in [
        ("content-encoding", &["gzip"][..]),
        ("content-encoding", &["identity", "identity"]),
        ("content-type", &[FORM, JSON]),
        ("content-type", &[FORM, FORM]),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(FORM));
        headers.remove(name);
        for line in lines {
            headers.append(name, HeaderValue::from_static(line));
        }
        let found = Parameters::read(None, &headers, b"a=1").err();
        assert_eq!(found, Some(RequestError::MediaType), "{name} {lines:?}");
    }
}

#[test]
fn sizes_are_limited() {
    let fits = format!("a={}", "x".repeat(MOST_BYTES - 2));
    assert!(read(FORM, &fits).is_ok());
    assert_eq!(error(FORM, fits + "x"), Some(RequestError::TooLarge));
    let fields = |count: usize| -> String {
        (0..count).fold(String::new(), |text, n| text + &format!("f{n}=1&"))
    };
    assert!(read(FORM, fields(MOST_PARAMETERS)).is_ok());
    let many = error(FORM, fields(MOST_PARAMETERS + 1));
    assert_eq!(many, Some(RequestError::TooMany));
    let members = |count: usize| -> String {
        let members: Vec<String> = (0..count).map(|n| format!("\"f{n}\":1")).collect();
        format!("{{{}}}", members.join(","))
    };
    assert!(read(JSON, members(MOST_PARAMETERS)).is_ok());
    let many = error(JSON, members(MOST_PARAMETERS + 1));
    assert_eq!(many, Some(RequestError::TooMany));
    let password = |length: usize| {
        let given = read(FORM, format!("p={}", "x".repeat(length)))
            .ok()
            .unwrap();
        given.password("p").map(drop)
    };
    assert_eq!(password(1024), Ok(()));
    assert_eq!(password(1025), Err(RequestError::Unacceptable("p")));
}

#[test]
fn nothing_is_read_from_the_target() {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(FORM));
    let found = Parameters::read(Some("password=x"), &headers, b"").err();
    assert_eq!(found, Some(RequestError::InTarget));
}

#[test]
fn other_types_and_controls_are_refused_where_they_matter() {
    for value in ["1", "null", "[\"alice\"]", r#"{"$ne":""}"#, "true"] {
        let body = format!(r#"{{"name":{value},"password":{value},"extra":{value}}}"#);
        let given = read(JSON, body).ok().unwrap();
        assert_eq!(given.text("name"), Err(RequestError::WrongType("name")));
        let password = given.password("password");
        assert_eq!(password, Err(RequestError::WrongType("password")));
        assert_eq!(given.text("other"), Ok(None));
    }
    for value in ["1", "null", "[true]", "\"yes\"", "\"TRUE\""] {
        let given = read(JSON, format!(r#"{{"cookies":{value}}}"#))
            .ok()
            .unwrap();
        let flag = given.flag("cookies");
        assert_eq!(flag, Err(RequestError::WrongType("cookies")), "{value}");
    }
    for value in ["a%00", "%0D%0A", "a%1b[31m", "%7f", "%C2%85"] {
        let given = read(FORM, format!("name={value}")).ok().unwrap();
        let found = given.text("name");
        assert_eq!(found, Err(RequestError::Unacceptable("name")), "{value}");
    }
}

proptest::proptest! {
    /// Whatever comes, it is read or refused; and what a browser would send is read as it was meant.
    #[test]
    fn every_form_is_read_back(name in "[a-z]{1,8}", value in "\\PC{0,40}", junk in proptest::collection::vec(0u8..=255, 0..64)) {
        let _ = read(FORM, &junk);
        let _ = read(JSON, &junk);
        let encoded = percent_encoding::utf8_percent_encode(&value, percent_encoding::NON_ALPHANUMERIC);
        let given = read(FORM, format!("{name}={encoded}")).ok().unwrap();
        let name: &'static str = Box::leak(name.into_boxed_str());
        let expected = Some(value.as_str()).filter(|value| !value.is_empty());
        proptest::prop_assert_eq!(given.text(name), Ok(expected));
    }
}
