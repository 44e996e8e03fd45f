//! The faults: after each of them the last good set stays in force.

use miniz_oxide::deflate::compress_to_vec_zlib;
use serde_json::{Value, json};

use super::super::harness::provider::{JWKS, Part, Provider, ok, set_of, status};
use super::key;

/// Where a redirect leads that is followed: to keys that must never be in force.
pub(super) const ELSEWHERE: &str = "/elsewhere";

/// One way to fail.
pub(super) struct Fault {
    /// The name of its row, and of its issuer.
    pub(super) name: &'static str,
    /// Makes a provider fail so.
    pub(super) cause: Box<dyn Fn(&Provider) + Send + Sync>,
    /// What the operator reads of it.
    pub(super) says: &'static str,
}

fn fault(
    name: &'static str,
    says: &'static str,
    cause: impl Fn(&Provider) + Send + Sync + 'static,
) -> Fault {
    Fault {
        name,
        cause: Box::new(cause),
        says,
    }
}

/// An answer that is always the same.
fn answer(name: &'static str, says: &'static str, parts: Vec<Part>) -> Fault {
    fault(name, says, move |provider| {
        provider.serve(JWKS, parts.clone());
    })
}

/// 200 with a body that is no key set to use.
fn body(name: &'static str, says: &'static str, body: &str) -> Fault {
    answer(name, says, vec![ok("", body)])
}

/// A status with a body that would do.
fn only_status(name: &'static str, code: &'static str, text: &str) -> Fault {
    let body = if code == "204" { "" } else { &good() };
    let line = format!("{code} {text}");
    answer(name, code, vec![status(&line, "", body)])
}

/// 302 to a URL, with a body that would do.
fn redirect(name: &'static str, to: impl Fn(&Provider) -> String + Send + Sync + 'static) -> Fault {
    fault(name, "302", move |provider| {
        let to = to(provider);
        provider.serve(ELSEWHERE, vec![ok("", &good())]);
        let fields = format!("Location: {to}\r\n");
        provider.serve(JWKS, vec![status("302 Found", &fields, &good())]);
    })
}

/// The set that would follow: with a key of its own.
fn good() -> String {
    set_of(&[key("a"), key("b")])
}

fn bytes(text: impl Into<Vec<u8>>) -> Part {
    Part::Send(text.into())
}

/// The head of an answer whose body has that many bytes.
fn head(length: usize) -> Part {
    bytes(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    ))
}

/// 200 with these bytes.
fn raw(fields: &str, body: &[u8]) -> Vec<Part> {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{fields}\r\n");
    vec![bytes(head), bytes(body)]
}

/// A key set of one key that is changed.
fn changed(change: Value) -> String {
    let mut jwk = key("b").public_jwk().expect("a public half");
    let (Value::Object(change), Some(members)) = (change, jwk.as_object_mut()) else {
        panic!("an object");
    };
    for (name, value) in change {
        if value.is_null() {
            members.remove(&name);
        } else {
            members.insert(name, value);
        }
    }
    json!({ "keys": [jwk] }).to_string()
}

/// A row of a table: a fault, and the provider of its own that has it.
pub(super) struct Row {
    pub(super) fault: Fault,
    pub(super) provider: Provider,
}

/// All faults, and providers that are still good: they publish key `a`.
pub(super) fn rows() -> Vec<Row> {
    let row = |fault| Row {
        fault,
        provider: Provider::start(&[key("a")]),
    };
    faults().into_iter().map(row).collect()
}

fn faults() -> Vec<Fault> {
    let mut all = connection();
    all.extend(answers());
    all.extend(sizes());
    all.extend(bodies());
    all.extend(useless_keys());
    all
}

/// The provider does not talk, or not to the end.
fn connection() -> Vec<Fault> {
    let set = good();
    let half = set.len() / 2;
    let first = || bytes(&set.as_bytes()[..half]);
    vec![
        fault("refuses", "connect", Provider::kill),
        answer("hangs", "5 s", vec![Part::Hold]),
        answer("headers-only", "5 s", vec![head(set.len()), Part::Hold]),
        answer(
            "byte-a-second",
            "5 s",
            vec![head(set.len()), Part::Drip(set.clone().into_bytes())],
        ),
        answer("reset-at-once", "reset", vec![Part::Reset]),
        answer(
            "reset-in-mid-body",
            "reset",
            vec![head(set.len()), first(), Part::Reset],
        ),
        answer("closes-at-once", "closed", vec![Part::Close]),
        answer(
            "closes-in-mid-body",
            "end of file",
            vec![head(set.len()), first(), Part::Close],
        ),
        answer(
            "no-http",
            "HTTP",
            vec![bytes("SSH-2.0-OpenSSH_9.9\r\n\r\n"), Part::Close],
        ),
    ]
}

/// An answer that is not 200.
fn answers() -> Vec<Fault> {
    vec![
        only_status("status-204", "204", "No Content"),
        only_status("status-206", "206", "Partial Content"),
        only_status("status-404", "404", "Not Found"),
        only_status("status-429", "429", "Too Many Requests"),
        only_status("status-500", "500", "Internal Server Error"),
        only_status("status-503", "503", "Service Unavailable"),
        answer(
            "status-304-unasked",
            "304",
            vec![status("304 Not Modified", "", "")],
        ),
        redirect("redirect-to-http", |provider| provider.url(ELSEWHERE)),
        redirect("redirect-to-itself", |provider| provider.url(JWKS)),
        redirect("redirect-to-a-file", |_| "file:///etc/passwd".to_owned()),
        redirect("redirect-to-metadata", |_| {
            "http://169.254.169.254/latest/meta-data/".to_owned()
        }),
    ]
}

/// More than is read, or other than it says.
fn sizes() -> Vec<Fault> {
    const HUGE: u64 = 50 << 20;
    let set = good();
    let bomb = compress_to_vec_zlib(&vec![b' '; 10 << 20], 9);
    let length = format!("HTTP/1.1 200 OK\r\nContent-Length: {HUGE}\r\n\r\n");
    let no_length = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    vec![
        answer(
            "huge",
            "1048576",
            vec![bytes(length), Part::Fill(HUGE), Part::Close],
        ),
        answer(
            "huge-unannounced",
            "1048576",
            vec![bytes(no_length), Part::Fill(HUGE), Part::Close],
        ),
        answer(
            "huge-head",
            "head is too large",
            vec![
                bytes("HTTP/1.1 200 OK\r\nX: "),
                Part::Fill(HUGE),
                Part::Close,
            ],
        ),
        answer(
            "length-too-short",
            "JSON",
            vec![head(set.len() / 2), bytes(&*set)],
        ),
        answer(
            "length-too-long",
            "end of file",
            vec![head(set.len() + 10), bytes(&*set), Part::Close],
        ),
        answer(
            "deflate-bomb",
            "Content-Encoding",
            raw("Content-Encoding: deflate\r\n", &bomb),
        ),
        answer(
            "gzip-in-name",
            "Content-Encoding",
            raw("Content-Encoding: gzip\r\n", set.as_bytes()),
        ),
        body("deep", "JSON", &"[".repeat(50_000)),
        body(
            "101-keys",
            "100",
            &json!({ "keys": vec![key("b").public_jwk(); 101] }).to_string(),
        ),
    ]
}

/// 200 with something else than a key set.
fn bodies() -> Vec<Fault> {
    let set = good();
    let utf16: Vec<u8> = [0xFEFF]
        .into_iter()
        .chain(set.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let html = "<!doctype html><title>Sign in</title><p>Your session has ended.";
    vec![
        answer(
            "html",
            "JSON",
            raw("Content-Type: text/html\r\n", html.as_bytes()),
        ),
        body("empty", "JSON", ""),
        body("null", "object", "null"),
        body("array", "object", "[]"),
        body("no-members", "keys", "{}"),
        body("keys-null", "keys", "{\"keys\":null}"),
        body("keys-object", "keys", "{\"keys\":{}}"),
        body("keys-empty", "no key at all", "{\"keys\":[]}"),
        body("not-a-number", "JSON", "{\"keys\":[NaN]}"),
        body("truncated", "JSON", &set[..set.len() - 2]),
        body("two-sets", "JSON", &format!("{set}{set}")),
        body(
            "keys-twice",
            "twice",
            &format!("{{\"keys\":[],{}", &set[1..]),
        ),
        answer("utf-16", "JSON", raw("", &utf16)),
    ]
}

/// Sets in which no key is of use.
fn useless_keys() -> Vec<Fault> {
    let says = "no usable key";
    let secret =
        json!({ "keys": [{ "kty": "oct", "kid": "b", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMko" }] });
    let other = json!({ "keys": [{ "kty": "RSA", "kid": "b", "n": "AQAB", "e": "AQAB" }] });
    let mut twin = key("c").public_jwk().expect("a public half");
    twin["kid"] = "b".into();
    let twins = json!({ "keys": [key("b").public_jwk(), twin] });
    vec![
        body("only-a-secret", says, &secret.to_string()),
        body("only-weak-rsa", says, &other.to_string()),
        body("only-duplicate-kids", says, &twins.to_string()),
        body("only-private", says, &changed(json!({ "d": "AA" }))),
        body(
            "only-for-encryption",
            says,
            &changed(json!({ "use": "enc" })),
        ),
        body(
            "only-another-alg",
            says,
            &changed(json!({ "alg": "RS256" })),
        ),
        body("only-unknown-kty", says, &changed(json!({ "kty": "new" }))),
        body("only-wrong-types", says, &changed(json!({ "x": 1 }))),
        body("only-off-the-curve", says, &changed(json!({ "x": "AA" }))),
    ]
}
