//! Byte sequences that HTTP/1.1 servers disagree about: framing, smuggling, targets, Host, spoofed fields, limits.
//!
//! `tests/vectors/data/raw_http.json` has them with the outcome that is right. After each one a request on a new
//! connection must work, over the same upstream connections, and get its own answer.

mod judge;
mod laxest;

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use self::judge::judge;
use super::harness::{GatewayBuilder, Received, Request, TestGateway, Upstream};

const CASES: &str = include_str!("../vectors/data/raw_http.json");
const KEYS: &str = include_str!("../vectors/data/jwks.json");

/// Cases that we do not follow, with the reason.
const EXCEPTIONS: &[(&str, &str)] = &[];

/// Gateways side by side: most of a case is waiting for what does not come.
const SHARDS: usize = 8;

/// How long nothing may come before an exchange counts as over.
const QUIET: Duration = Duration::from_millis(300);

/// How long a first answer may take.
const PATIENCE: Duration = Duration::from_millis(2500);

#[derive(Deserialize)]
struct Case {
    name: String,
    class: String,
    bytes_b64: String,
    expect: String,
    status: Vec<u16>,
    upstream: Expected,
    level: String,
    #[serde(default)]
    close_after_send: bool,
    responses: Option<usize>,
    second_status: Option<Vec<u16>>,
    alt: Option<Alternative>,
}

/// Another outcome that is also right.
#[derive(Deserialize)]
struct Alternative {
    status: Vec<u16>,
    upstream: Expected,
}

/// What the upstream may have seen.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Expected {
    max_requests: Option<usize>,
    aborted_ok: bool,
    must_not_contain_b64: Vec<String>,
    must_not_have_header: Vec<String>,
    must_not_have_trailer: Vec<String>,
    must_have_header: Vec<String>,
    header_count: std::collections::BTreeMap<String, usize>,
    header: std::collections::BTreeMap<String, String>,
    header_absent: Vec<String>,
    body: Option<String>,
    body_bytes: Option<usize>,
    path: Option<String>,
    query: Option<String>,
    path_rule: Option<serde_json::Value>,
    location_rule: Option<serde_json::Value>,
}

/// What came of a case.
struct Outcome {
    answer: Vec<u8>,
    closed: bool,
    received: Vec<Received>,
}

#[test]
fn every_case_has_its_outcome() {
    let cases: Vec<Case> = serde_json::from_str(CASES).expect("the cases");
    assert_eq!(cases.len(), 239);
    let token = token_of(&cases);
    let failures: Vec<String> = thread::scope(|scope| {
        let shards: Vec<_> = (0..SHARDS)
            .map(|shard| {
                let cases = cases.iter().skip(shard).step_by(SHARDS);
                let token = &token;
                scope.spawn(move || run(cases, token))
            })
            .collect();
        let results = shards
            .into_iter()
            .map(|shard| shard.join().expect("a shard"));
        results.flatten().collect()
    });
    assert!(
        failures.is_empty(),
        "{} failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn exceptions_name_cases() {
    let cases: Vec<Case> = serde_json::from_str(CASES).expect("the cases");
    for (name, reason) in EXCEPTIONS {
        assert!(
            cases.iter().any(|case| case.name == *name),
            "{name}: {reason}"
        );
    }
}

/// The token of the first case, which is good until the year 2100.
fn token_of(cases: &[Case]) -> String {
    let bytes = STANDARD.decode(&cases[0].bytes_b64).expect("base64");
    let text = String::from_utf8(bytes).expect("text");
    let (_, token) = text.split_once("Bearer ").expect("a token");
    token.lines().next().expect("a line").to_owned()
}

fn start(upstream: &Upstream) -> TestGateway {
    GatewayBuilder::new(upstream)
        .keys(KEYS)
        .claim_headers(
            "\"X-User\" = \"sub\"\n\"X-Roles\" = { claim = \"roles\", array = \"csv\" }\n",
        )
        .route("/public", "auth = \"none\"")
        .route("/api", "")
        .route("/admin", "scopes = [\"admin\"]")
        .start()
}

fn run<'c>(cases: impl Iterator<Item = &'c Case>, token: &str) -> Vec<String> {
    let upstream = Upstream::start();
    let gateway = start(&upstream);
    let mut failures = Vec::new();
    for case in cases {
        upstream.forget();
        let bytes = STANDARD.decode(&case.bytes_b64).expect("base64");
        let (answer, closed) = exchange(gateway.address(), bytes, case.close_after_send);
        thread::sleep(Duration::from_millis(20));
        let outcome = Outcome {
            answer,
            closed,
            received: upstream.requests(),
        };
        let left_out = EXCEPTIONS.iter().any(|(name, _)| *name == case.name);
        if case.level != "policy" && !left_out {
            let problems = judge(case, &outcome);
            if !problems.is_empty() {
                failures.push(format!(
                    "{} ({}): {}",
                    case.name,
                    case.level,
                    problems.join("; ")
                ));
            }
        }
        let control = Request::post("/api/echo", case.name.clone()).token(token);
        let reply = gateway.send(&control);
        if (reply.status, reply.text()) != (200, case.name.clone()) {
            failures.push(format!("{}: the request after it got {reply:?}", case.name));
        }
    }
    failures
}

/// Sends the bytes and reads what comes. They are sent by another thread: a gateway may answer before it has read all.
fn exchange(address: SocketAddr, bytes: Vec<u8>, close_after_send: bool) -> (Vec<u8>, bool) {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream
        .set_read_timeout(Some(Duration::from_millis(50)))
        .expect("a timeout");
    let mut sending = stream.try_clone().expect("a second handle");
    let sender = thread::spawn(move || {
        let _ = sending.write_all(&bytes);
        if close_after_send {
            let _ = sending.shutdown(Shutdown::Write);
        }
    });
    let mut answer = Vec::new();
    let mut buffer = [0; 16 * 1024];
    let start = Instant::now();
    let mut last = start;
    let closed = loop {
        match stream.read(&mut buffer) {
            Ok(0) => break true,
            Ok(count) => {
                answer.extend_from_slice(&buffer[..count]);
                last = Instant::now();
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) =>
            {
                let limit = if answer.is_empty() { PATIENCE } else { QUIET };
                if last.elapsed() > limit && sender.is_finished() || start.elapsed() > PATIENCE * 4
                {
                    break false;
                }
            }
            Err(_) => break true,
        }
    };
    let _ = stream.shutdown(Shutdown::Both);
    let _ = sender.join();
    (answer, closed)
}
