use serde_json::json;

use crate::keys::scripted::rules;

use super::*;

const ISSUER: &str = "https://login.example.com/tenant";

/// What a document says under strict rules, or what is wrong with it.
fn read(document: &str) -> Result<String, String> {
    let mut rules = rules();
    rules.allow_http = false;
    let uri = jwks_uri(document.as_bytes(), ISSUER, &rules);
    uri.map(|uri| uri.to_string())
        .map_err(|error| error.to_string())
}

fn metadata(jwks_uri: &str) -> String {
    json!({ "issuer": ISSUER, "jwks_uri": jwks_uri, "x": [1, {}] }).to_string()
}

#[test]
fn the_keys_may_be_anywhere_that_the_rules_allow() {
    for uri in [
        "https://login.example.com/keys",
        "https://keys.elsewhere.test:8443/a/b?policy=c",
        "http://localhost:8080/keys",
        "http://127.0.0.1:8080/keys",
        "https://10.0.0.1/keys",
    ] {
        assert_eq!(read(&metadata(uri)).as_deref(), Ok(uri));
    }
    let plain = metadata("http://provider:8080/keys");
    let allowed = jwks_uri(plain.as_bytes(), ISSUER, &rules()).unwrap();
    assert_eq!(allowed, "http://provider:8080/keys");
}

#[test]
fn a_document_that_says_nothing_of_the_keys_is_named() {
    let no_document = |text: &str| format!("not a metadata document: {text}");
    for (document, text) in [
        ("", no_document("not JSON (it is empty)")),
        (
            "<!doctype html>",
            no_document("not JSON (it looks like HTML)"),
        ),
        ("\u{1f}", no_document("not JSON (it begins with \"·\")")),
        ("{", no_document("not JSON")),
        ("{} {}", no_document("not JSON")),
        ("[]", no_document("not an object")),
        (
            "null",
            no_document("not an object (it begins with \"null\")"),
        ),
        (
            "{\"issuer\":\"a\",\"issuer\":\"a\"}",
            no_document("a member stands twice"),
        ),
        (
            "{\"issuer\":\"a\",\"jwks_uri\":{\"a\":1,\"a\":2}}",
            no_document("a member stands twice"),
        ),
        ("{}", "the metadata have no string \"issuer\"".to_owned()),
        (
            "{\"issuer\":1}",
            "the metadata have no string \"issuer\"".to_owned(),
        ),
        (
            "{\"issuer\":[\"a\"]}",
            "the metadata have no string \"issuer\"".to_owned(),
        ),
    ] {
        assert_eq!(read(document), Err(text), "{document}");
    }
    for document in [
        json!({ "issuer": ISSUER }),
        json!({ "issuer": ISSUER, "jwks_uri": null }),
        json!({ "issuer": ISSUER, "jwks_uri": ["https://a.test/"] }),
    ] {
        let text = "the metadata have no string \"jwks_uri\"".to_owned();
        assert_eq!(read(&document.to_string()), Err(text));
    }
}

#[test]
fn the_issuer_is_compared_exactly() {
    for other in [
        "https://login.example.com/tenant/",
        "https://login.example.com/Tenant",
        "https://LOGIN.example.com/tenant",
        "https://login.example.com:443/tenant",
        "https://login.example.com/%74enant",
        "http://login.example.com/tenant",
        " https://login.example.com/tenant",
        "https://login.example.com",
        "",
    ] {
        let document = json!({ "issuer": other, "jwks_uri": "https://a.test/" }).to_string();
        let text =
            format!("the metadata are of the issuer {other:?}, but {ISSUER:?} is configured");
        assert_eq!(read(&document), Err(text));
    }
    let long = json!({ "issuer": "\n".repeat(1000), "jwks_uri": "https://a.test/" }).to_string();
    let error = read(&long).unwrap_err();
    assert!(error.contains(&format!("{}…", "·".repeat(100))), "{error}");
}

#[test]
fn a_jwks_uri_that_the_rules_forbid_is_named_without_its_secrets() {
    for (uri, shown, text) in [
        ("/keys", "/keys", "is not an absolute URL"),
        ("", "", "is not an absolute URL"),
        (
            "file:///etc/passwd",
            "file:///etc/passwd",
            "has another scheme than https",
        ),
        (
            "https://a.test/#x",
            "https://a.test/",
            "has a fragment, which is never sent",
        ),
        (
            "https://u:word@a.test/?x",
            "https://a.test/",
            "holds credentials, which are not sent",
        ),
        ("https:///keys", "https:///keys", "has no valid host"),
        (
            "https://a.test/\nb",
            "https://a.test/·b",
            "holds characters that no URL has",
        ),
        (
            "http://a.test/keys?code=word",
            "http://a.test/keys",
            "is plain http to another machine: whoever is on the way can choose the keys",
        ),
        (
            "https://169.254.169.254/latest",
            "https://169.254.169.254/latest",
            "leads to a link-local address, or to that of a metadata service",
        ),
        (
            "https://2852039166/",
            "https://2852039166/",
            "has no valid host",
        ),
    ] {
        let text = format!("jwks_uri {shown:?} of the metadata {text}");
        assert_eq!(read(&metadata(uri)), Err(text));
    }
}
