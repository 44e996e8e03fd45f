//! Tables of claim headers.

use crate::json::{self, Document};

use super::*;

fn set() -> StripSet {
    StripSet::new([
        "X-User",
        "X-Roles",
        "X-Auth-*",
        "*",
        "Remote_User",
        "X-User",
    ])
}

#[test]
fn every_spelling_of_a_claim_header_matches() {
    for name in [
        "x-user",
        "X-User",
        "X-USER",
        "x_user",
        "X_User",
        "x.user",
        "x user",
        "x~user",
        "x-roles",
        "x_roles",
        "x-auth-",
        "x-auth-subject",
        "x_auth_subject",
        "X.Auth.Anything",
        "remote-user",
        "remote_user",
    ] {
        assert!(set().matches(name), "{name}");
    }
    for name in [
        "",
        "x",
        "x-use",
        "x-users",
        "xuser",
        "x-auth",
        "authorization",
        "host",
        "accept",
        "x-forwarded-for",
        "-x-user",
    ] {
        assert!(!set().matches(name), "{name}");
    }
    assert!(!StripSet::default().matches("x-user"));
}

#[test]
fn every_line_in_every_spelling_is_stripped() {
    let mut headers = HeaderMap::new();
    for name in [
        "x-user",
        "x-user",
        "x_user",
        "x.user",
        "x-auth-email",
        "accept",
        "host",
    ] {
        let name = HeaderName::from_static(name);
        headers.append(name, HeaderValue::from_static("admin"));
    }
    set().strip(&mut headers);
    let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    left.sort_unstable();
    assert_eq!(left, ["accept", "host"]);
}

fn claims() -> Document {
    let text = br#"{
        "sub": "alice", "name": "J\u00f6rg, 100%", "evil": "a\r\nX-Roles: admin\u0000\u007f\t", "edges": " alice ",
        "space": " ", "empty": "", "age": 42, "score": 1.5, "admin": true, "guest": false, "nothing": null,
        "roles": ["viewer,admin", "ops 1", "\u00fc%"], "none": [], "nulls": [null],
        "mixed": ["a", null, 1, true, ["x", "y"], {"k": "v"}, " b", ""],
        "address": {"city": "K\u00f6ln", "zip": "1,2"}
    }"#;
    json::parse(text).unwrap()
}

/// The lines that a claim becomes.
fn lines(claim: &str, array: ArrayStyle) -> Vec<String> {
    let name = HeaderName::from_static("x-claim");
    let mut headers = HeaderMap::new();
    let header = ClaimHeader {
        name: name.clone(),
        claim: ClaimPath::parse(claim).unwrap(),
        array,
    };
    let fields = ClaimHeaders::new(vec![header]).fields(
        claims().root().as_object().unwrap(),
        &mut FieldWriter::default(),
    );
    fields.insert_into(&mut headers);
    let lines = headers.get_all(&name).iter();
    lines
        .map(|line| line.to_str().unwrap().to_owned())
        .collect()
}

#[test]
fn single_values() {
    for (claim, expected) in [
        ("sub", &["alice"][..]),
        ("name", &["J%C3%B6rg, 100%25"]),
        ("evil", &["a%0D%0AX-Roles: admin%00%7F%09"]),
        ("edges", &["%20alice%20"]),
        ("space", &["%20"]),
        ("empty", &[""]),
        ("age", &["42"]),
        ("score", &["1.5"]),
        ("admin", &["true"]),
        ("guest", &["false"]),
        ("nothing", &[]),
        ("absent", &[]),
        ("address.city", &["K%C3%B6ln"]),
        ("address", &[r#"{"city":"K%C3%B6ln","zip":"1,2"}"#]),
    ] {
        for style in [ArrayStyle::Csv, ArrayStyle::Json, ArrayStyle::Repeat] {
            assert_eq!(lines(claim, style), expected, "{claim}");
        }
    }
}

#[test]
fn arrays() {
    for (claim, style, expected) in [
        (
            "roles",
            ArrayStyle::Csv,
            &["viewer%2Cadmin,ops 1,%C3%BC%25"][..],
        ),
        (
            "roles",
            ArrayStyle::Repeat,
            &["viewer%2Cadmin", "ops 1", "%C3%BC%25"],
        ),
        (
            "roles",
            ArrayStyle::Json,
            &[r#"["viewer,admin","ops 1","%C3%BC%25"]"#],
        ),
        ("none", ArrayStyle::Csv, &[]),
        ("none", ArrayStyle::Repeat, &[]),
        ("none", ArrayStyle::Json, &["[]"]),
        ("nulls", ArrayStyle::Csv, &[]),
        ("nulls", ArrayStyle::Repeat, &[]),
        ("nulls", ArrayStyle::Json, &["[null]"]),
        (
            "mixed",
            ArrayStyle::Csv,
            &[r#"a,1,true,["x"%2C"y"],{"k":"v"},%20b,"#],
        ),
        (
            "mixed",
            ArrayStyle::Repeat,
            &[
                "a",
                "1",
                "true",
                r#"["x"%2C"y"]"#,
                r#"{"k":"v"}"#,
                "%20b",
                "",
            ],
        ),
    ] {
        assert_eq!(lines(claim, style), expected, "{claim} {style:?}");
    }
}

#[test]
fn elements_of_csv_hold_percent_encoded_percents() {
    // Else `%2C` inside a role would read as a comma.
    let percent = Value::String("a%2Cb");
    for special in [b',', b'%'] {
        let mut text = String::new();
        assert!(encode(&percent, special, &mut text));
        assert_eq!(text, "a%252Cb");
    }
}

#[test]
fn ours_replace_what_is_there() {
    for style in [ArrayStyle::Csv, ArrayStyle::Json, ArrayStyle::Repeat] {
        for claim in ["sub", "roles"] {
            let name = HeaderName::from_static("x-claim");
            let mut headers = HeaderMap::new();
            headers.append(&name, HeaderValue::from_static("root"));
            headers.append(&name, HeaderValue::from_static("admin"));
            let header = ClaimHeader {
                name: name.clone(),
                claim: ClaimPath::parse(claim).unwrap(),
                array: style,
            };
            let fields = ClaimHeaders::new(vec![header]).fields(
                claims().root().as_object().unwrap(),
                &mut FieldWriter::default(),
            );
            fields.insert_into(&mut headers);
            let lines: Vec<_> = headers.get_all(&name).iter().collect();
            assert!(!lines.is_empty());
            assert!(lines.iter().all(|line| *line != "root" && *line != "admin"));
        }
    }
}

#[test]
fn reserved_names() {
    for name in [
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "content-length",
        "content_length",
        "host",
        "authorization",
        "proxy-authorization",
        "www-authenticate",
        "cookie",
        "set-cookie",
        "forwarded",
        "x-forwarded-user",
        "x_forwarded_user",
        "x-real-ip",
        "x-original-url",
        "via",
        "x-request-id",
    ] {
        assert!(is_reserved_name(&HeaderName::from_static(name)), "{name}");
    }
    for name in [
        "x-auth-subject",
        "x-user",
        "remote-user",
        "x-webauth-user",
        "content-language",
    ] {
        assert!(!is_reserved_name(&HeaderName::from_static(name)), "{name}");
    }
}

#[test]
fn a_framing_or_credential_field_in_disguise_is_removed_and_the_real_one_stays() {
    let mut headers = HeaderMap::new();
    for name in [
        "transfer_encoding",
        "content.length",
        "host",
        "authorization",
        "x_forwarded_for",
        "x-other_field",
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static("x"));
    }
    StripSet::default().strip(&mut headers);
    let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
    left.sort_unstable();
    assert_eq!(left, ["authorization", "host", "x-other_field"]);
}
