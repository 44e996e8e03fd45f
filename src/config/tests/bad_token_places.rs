//! Errors in `token_from`.

use crate::config::testing::{assert_error, small_with};

/// A list, the error, and its help.
const LISTS: &[(&str, &str, &str)] = &[
    ("[]", "`token_from` is empty", "authorization"),
    ("[1]", "a place for a token is not", "authorization"),
    (
        "[\"cookie\"]",
        "`cookie` is no place for a token",
        "authorization",
    ),
    ("[{}]", "has one key", "cookie"),
    (
        "[{ cookie = \"a\", query = \"b\" }]",
        "has one key",
        "cookie",
    ),
    ("[{ coookie = \"a\" }]", "has one key", ""),
    (
        "[\"authorization\", \"authorization\"]",
        "Authorization stands twice",
        "",
    ),
    (
        "[{ header = \"X-A_b\" }, { header = \"x-a-b\" }]",
        "the field x-a-b stands twice",
        "",
    ),
    (
        "[{ query = \"a_b\" }, { query = \"A.B\" }]",
        "the query parameter A.B stands twice",
        "",
    ),
    (
        "[{ subprotocol = \"a\" }, { subprotocol = \"b\" }]",
        "can select only one",
        "",
    ),
    (
        "[{ header = \"Authorization\" }]",
        "no token can come in header",
        "[\"authorization\"]",
    ),
    (
        "[{ header = \"a b\" }]",
        "no token can come in header",
        "letters",
    ),
    (
        "[{ header = \"X-Auth-Token\" }]",
        "clients may not set it",
        "another field",
    ),
    (
        "[{ cookie = \"a b\" }]",
        "no token can come in cookie",
        "no cookie name",
    ),
    (
        "[{ query = \"a%62\" }]",
        "no token can come in query",
        "letters",
    ),
    (
        "[{ subprotocol = \"a, b\" }]",
        "no token can come in subprotocol",
        "no subprotocol",
    ),
];

#[test]
fn wrong_places_for_a_token() {
    for (list, message, help) in LISTS {
        let to = format!("token_from = {list}\npath = ");
        assert_error(&small_with("path = ", &to), message, help);
    }
}

#[test]
fn names_with_another_meaning() {
    for name in [
        "Cookie",
        "Host",
        "x_forwarded_for",
        "Proxy-Authorization",
        "Content-Type",
        "Origin",
        "Sec-WebSocket-Protocol",
        "Access-Control-Request-Method",
        "If-Match",
        "Referer",
    ] {
        let to = format!("token_from = [{{ header = {name:?} }}]\npath = ");
        let text = small_with("path = ", &to);
        assert_error(&text, "no token can come in header", "a meaning");
    }
    for name in [
        "portcullis",
        "portcullis-refresh",
        "__Host-portcullis",
        "__host-Portcullis",
        "__Secure-portcullis-refresh",
    ] {
        let to = format!("token_from = [{{ cookie = {name:?} }}]\npath = ");
        let text = small_with("path = ", &to);
        assert_error(&text, "no token can come in cookie", "local issuer");
    }
    let none = "auth = \"none\"\ntoken_from = [\"authorization\"]\npath = ";
    assert_error(&small_with("path = ", none), "no meaning with auth", "");
    let claimed =
        "claim_headers = { \"X-Mine\" = \"sub\" }\ntoken_from = [{ header = \"x_mine\" }]\npath = ";
    assert_error(
        &small_with("path = ", claimed),
        "clients may not set it",
        "another field",
    );
}
