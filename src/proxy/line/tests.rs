use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn entry() -> Entry<'static> {
    Entry {
        time: jiff::Timestamp::from_millisecond(1_800_000_000_007).unwrap(),
        request_id: "abc",
        client: [192, 0, 2, 7].into(),
        method: "GET",
        host: "api.example.com:8443",
        path: "/orders/1",
        route: Some("orders"),
        status: 401,
        reason: Some("expired"),
        detail: Some("expired at 2026-11-23T00:00:00Z, 3 s ago"),
        issuer: None,
        subject: None,
        duration: Duration::from_micros(2_000_345),
        upstream: None,
        bytes_in: 0,
        bytes_out: 120,
        version: "1.1",
        tls: true,
    }
}

fn written(entry: &Entry<'_>, json: bool) -> String {
    let mut out = Vec::new();
    entry.write(json, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_json_line() {
    assert_eq!(
        written(&entry(), true),
        concat!(
            r#"{"time":"2027-01-15T08:00:00.007Z","request_id":"abc","client":"192.0.2.7","#,
            r#""method":"GET","host":"api.example.com:8443","path":"/orders/1","route":"orders","#,
            r#""status":401,"reason":"expired","detail":"expired at 2026-11-23T00:00:00Z, 3 s ago","#,
            r#""duration_seconds":2.000345,"bytes_in":0,"bytes_out":120,"version":"1.1","tls":true}"#,
            "\n"
        )
    );
}

#[test]
fn a_text_line() {
    let mut entry = entry();
    entry.reason = None;
    entry.detail = None;
    entry.status = 200;
    entry.issuer = Some("corp");
    entry.subject = Some("a b=\"c\"\u{1b}[31m");
    entry.upstream = Some(Duration::from_micros(12));
    assert_eq!(
        written(&entry, false),
        concat!(
            "time=2027-01-15T08:00:00.007Z request_id=abc client=192.0.2.7 method=GET ",
            "host=api.example.com:8443 path=/orders/1 route=orders status=200 issuer=corp ",
            r#"subject="a b=\"c\"\u001b[31m" duration_seconds=2.000345 upstream_seconds=0.000012 "#,
            "bytes_in=0 bytes_out=120 version=1.1 tls=true\n"
        )
    );
}

#[test]
fn long_texts_are_cut_at_a_character() {
    let subject = "é".repeat(200);
    let mut entry = entry();
    entry.subject = Some(&subject);
    let line: serde_json::Value = serde_json::from_str(&written(&entry, true)).unwrap();
    assert_eq!(line["subject"], format!("{}…", "é".repeat(128)));

    let path = format!("/{}", "a".repeat(5000));
    entry.path = &path;
    let line: serde_json::Value = serde_json::from_str(&written(&entry, true)).unwrap();
    assert_eq!(line["path"].as_str().unwrap().len(), 2048 + "…".len());
    assert!(written(&entry, false).contains(r#"a\u2026""#));
}

proptest! {
    #[test]
    fn any_text_survives_json_and_stays_on_its_line(text in any::<String>()) {
        let mut entry = entry();
        entry.host = &text;
        entry.method = "BREW";
        let json = written(&entry, true);
        prop_assert!(json.trim_end_matches('\n').bytes().all(|byte| matches!(byte, b' '..=b'~')));
        let line: serde_json::Value = serde_json::from_str(&json).unwrap();
        prop_assert!(text.len() > HOST_BYTES || line["host"] == text);
        let plain = written(&entry, false);
        prop_assert!(plain.trim_end_matches('\n').bytes().all(|byte| matches!(byte, b' '..=b'~')));
        prop_assert_eq!(plain.lines().count(), 1);
    }
}

#[test]
fn what_looks_like_a_token_in_a_path_is_cut_off() {
    for (path, logged) in [
        (
            "/reset/eyJhbGciOiJFZERTQSJ9.e30.c2ln/now",
            r"/reset/eyJ\u2026/now",
        ),
        ("/t=eyJhbGciOiJFZERTQSJ9/eyJh", r"/t=eyJ\u2026/eyJ\u2026"),
        ("/keyj/ey/J", "/keyj/ey/J"),
    ] {
        let mut entry = entry();
        entry.path = path;
        let line = written(&entry, true);
        assert!(line.contains(&format!(r#""path":"{logged}""#)), "{line}");
    }
}
