//! Every JSON type of a claim, in every style, as the upstream sees it.

use std::fmt::Write as _;

use serde_json::json;

use super::harness::tokens::claims_with;
use super::harness::{GatewayBuilder, Request, Upstream, mint};

/// A claim, the style of its header, and the lines that the upstream gets.
const TABLE: &[(&str, &str, &[&str])] = &[
    ("text", "csv", &["J%C3%B6rg, 100%25"]),
    ("text", "json", &["J%C3%B6rg, 100%25"]),
    ("text", "repeat", &["J%C3%B6rg, 100%25"]),
    ("evil", "csv", &["a%0D%0AX-Auth-Roles: admin%00"]),
    ("number", "csv", &["42"]),
    ("number", "repeat", &["42"]),
    ("fraction", "json", &["1.5"]),
    ("yes", "csv", &["true"]),
    ("no", "json", &["false"]),
    ("nothing", "csv", &[]),
    ("nothing", "json", &[]),
    ("absent", "repeat", &[]),
    ("roles", "csv", &["viewer%2Cadmin,ops 1"]),
    ("roles", "json", &["[\"viewer,admin\",\"ops 1\"]"]),
    ("roles", "repeat", &["viewer%2Cadmin", "ops 1"]),
    ("mixed", "csv", &["1,true,{\"a\":1}"]),
    ("mixed", "repeat", &["1", "true", "{\"a\":1}"]),
    ("empty", "csv", &[]),
    ("empty", "json", &["[]"]),
    ("empty", "repeat", &[]),
    (
        "object",
        "csv",
        &["{\"city\":\"K%C3%B6ln\",\"zip\":\"1,2\"}"],
    ),
    ("object.city", "csv", &["K%C3%B6ln"]),
    ("object.city.no", "csv", &[]),
    ("\\\"https://x.example/roles\\\"", "csv", &["far"]),
];

#[test]
fn every_type_of_claim_reaches_the_upstream_in_every_style() {
    let mut settings = String::new();
    for (row, (claim, style, _)) in TABLE.iter().enumerate() {
        let _ = writeln!(
            settings,
            "\"X-Claim-{row}\" = {{ claim = \"{claim}\", array = \"{style}\" }}"
        );
    }
    let upstream = Upstream::start();
    let gateway = GatewayBuilder::new(&upstream)
        .claim_headers(&settings)
        .route("/api", "")
        .start();
    let token = mint(&claims_with(json!({
        "text": "Jörg, 100%", "evil": "a\r\nX-Auth-Roles: admin\0", "number": 42, "fraction": 1.5,
        "yes": true, "no": false, "roles": ["viewer,admin", "ops 1"], "mixed": [1, true, null, { "a": 1 }],
        "empty": [], "object": { "city": "Köln", "zip": "1,2" }, "https://x.example/roles": "far",
    })));
    // What the client sends under these names never counts, whether there is a claim or none.
    let mut request = Request::get("/api").token(&token);
    for row in 0..TABLE.len() {
        request = request
            .field(&format!("X-Claim-{row}"), "forged")
            .field(&format!("x_claim_{row}"), "forged");
    }
    assert_eq!(gateway.send(&request).status, 200);
    let seen = upstream.only();
    for (row, (claim, style, expected)) in TABLE.iter().enumerate() {
        let lines = seen.like(&format!("x-claim-{row}"));
        let expected: Vec<&[u8]> = expected.iter().map(|line| line.as_bytes()).collect();
        assert_eq!(lines, expected, "{claim} as {style}");
    }
}
