//! HTTP/2 connections that no good client opens: malformed frames and fields, lengths that lie, floods.
//!
//! `tests/vectors/data/raw_h2.json` has them with the outcome that is right. After each one a request on a new
//! connection must work, over the same upstream connections, and get its own answer.

mod by_hand;
mod frames;

use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout};

use self::frames::Answer;
use super::harness::upstream::normal;
use super::harness::{GatewayBuilder, Received, Request, TestGateway, Upstream, h2};

const CASES: &str = include_str!("../vectors/data/raw_h2.json");
const KEYS: &str = include_str!("../vectors/data/jwks.json");

/// Cases that we do not follow, with the reason.
const EXCEPTIONS: &[(&str, &str)] = &[
    (
        "pseudo-path-fragment",
        "`http` drops a fragment before anybody sees it; what is decided on is what is sent on",
    ),
    (
        "trailer-pseudo",
        "`h2` drops pseudo fields of a trailer section, and nothing of them is sent on",
    ),
];

/// Gateways side by side: most of a case is waiting for what does not come.
const SHARDS: usize = 6;

/// How long nothing may come before an exchange counts as over.
const QUIET: Duration = Duration::from_millis(300);

/// How long a first answer may take.
const PATIENCE: Duration = Duration::from_millis(2500);

/// How long a case waits for the gateway to close where it must: that is a limit of some seconds.
const LIMIT: Duration = Duration::from_secs(20);

#[derive(Deserialize)]
struct Case {
    name: String,
    class: String,
    level: String,
    expect: String,
    bytes_b64: Option<String>,
    zlib_b64: Option<String>,
    /// The gateway has to end the connection, which takes it some time.
    wait_s: Option<u64>,
    #[serde(default)]
    goaway: Vec<String>,
    upstream_max: Option<usize>,
    #[serde(default)]
    upstream_must_have: Vec<String>,
    #[serde(default)]
    upstream_must_not_have: Vec<String>,
}

impl Case {
    fn bytes(&self) -> Vec<u8> {
        let decode = |text: &String| STANDARD.decode(text).expect("base64");
        let plain = self.bytes_b64.as_ref().map(decode);
        let deflated = || decode(self.zlib_b64.as_ref().expect("bytes in one form"));
        plain.unwrap_or_else(|| {
            miniz_oxide::inflate::decompress_to_vec_zlib(&deflated()).expect("zlib")
        })
    }
}

fn cases() -> Vec<Case> {
    let cases: Vec<Case> = serde_json::from_str(CASES).expect("the cases");
    assert_eq!(cases.len(), 70);
    cases
}

#[test]
fn every_case_has_its_outcome() {
    let cases = cases();
    let failures: Vec<String> = thread::scope(|scope| {
        let shards: Vec<_> = (0..SHARDS)
            .map(|shard| {
                let cases = cases.iter().skip(shard).step_by(SHARDS);
                scope.spawn(move || run(cases))
            })
            .collect();
        let results = shards
            .into_iter()
            .map(|shard| shard.join().expect("a shard"));
        results.flatten().collect()
    });
    let count = failures.len();
    assert!(count == 0, "{count} failed:\n{}", failures.join("\n"));
}

#[test]
fn exceptions_name_cases() {
    let cases = cases();
    for (name, reason) in EXCEPTIONS {
        assert!(
            cases.iter().any(|case| case.name == *name),
            "{name}: {reason}"
        );
    }
}

fn start(upstream: &Upstream) -> TestGateway {
    GatewayBuilder::new(upstream)
        .tls()
        .keys(KEYS)
        .limits("header_timeout = \"3s\"")
        .claim_headers(
            "\"X-User\" = \"sub\"\n\"X-Roles\" = { claim = \"roles\", array = \"csv\" }\n",
        )
        .route("/public", "auth = \"none\"")
        .route("/api", "")
        .route("/admin", "scopes = [\"admin\"]")
        .start()
}

fn run<'c>(cases: impl Iterator<Item = &'c Case>) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let upstream = Upstream::start();
    let gateway = start(&upstream);
    let mut failures = Vec::new();
    for case in cases {
        upstream.forget();
        let answer = runtime.block_on(exchange(&gateway, case));
        thread::sleep(Duration::from_millis(20));
        let left_out = EXCEPTIONS.iter().any(|(name, _)| *name == case.name);
        if case.level != "policy" && !left_out {
            let problems = judge(case, &answer, &upstream.requests());
            if !problems.is_empty() {
                let (name, level) = (&case.name, &case.level);
                failures.push(format!("{name} ({level}): {}", problems.join("; ")));
            }
        }
        let control = Request::post("/public/echo", case.name.clone());
        let reply = h2::send(&gateway, &control);
        if (reply.status, reply.text()) != (200, case.name.clone()) {
            failures.push(format!("{}: the request after it got {reply:?}", case.name));
        }
    }
    failures
}

/// Sends the bytes, and reads what comes meanwhile and afterwards.
async fn exchange(gateway: &TestGateway, case: &Case) -> Answer {
    let bytes = case.bytes();
    let (mut from, mut to) = tokio::io::split(h2::connect(gateway.address()).await);
    // A gateway that has had enough closes before it has read all.
    let sender = tokio::spawn(async move {
        let _ = to.write_all(&bytes).await;
        let _ = to.flush().await;
        to
    });
    let mut got = Vec::new();
    let mut buffer = [0; 16 * 1024];
    let began = Instant::now();
    let closed = loop {
        let limit = match case.wait_s {
            Some(_) => LIMIT,
            None if got.is_empty() || !sender.is_finished() => PATIENCE,
            None => QUIET,
        };
        match timeout(limit, from.read(&mut buffer)).await {
            Ok(Ok(0) | Err(_)) => break true,
            Ok(Ok(count)) => got.extend_from_slice(&buffer[..count]),
            Err(_) => break false,
        }
        if began.elapsed() > LIMIT {
            break false;
        }
    };
    sender.abort();
    frames::read(&got, closed)
}

fn judge(case: &Case, answer: &Answer, received: &[Received]) -> Vec<String> {
    let mut problems = Vec::new();
    if !is_expected(case, answer) {
        problems.push(format!("{answer:?}, not {}", case.expect));
    }
    let faults = |status: &&u16| **status >= 500 && **status != 501;
    if let Some(status) = answer.statuses.iter().find(faults) {
        problems.push(format!("fault {status}"));
    }
    let complete = received.iter().filter(|request| request.complete).count();
    if case.upstream_max.is_some_and(|most| complete > most) {
        problems.push(format!("{complete} requests at the upstream: {received:?}"));
    }
    for request in received {
        for field in &case.upstream_must_not_have {
            if has(request, field) {
                problems.push(format!("upstream field {field}"));
            }
        }
        for field in &case.upstream_must_have {
            if !has(request, field) {
                problems.push(format!("upstream lacks {field}"));
            }
        }
    }
    problems
}

/// Whether a field or trailer `Name: value` came, in any spelling of its name.
fn has(request: &Received, field: &str) -> bool {
    let (name, value) = field.split_once(": ").expect("a name and a value");
    let trailers = request.trailers.iter();
    let like = trailers.filter(|trailer| normal(&trailer.0) == normal(name));
    like.map(|trailer| &trailer.1)
        .chain(&request.like(name))
        .any(|found| found == value.as_bytes())
}

fn is_expected(case: &Case, answer: &Answer) -> bool {
    let ended = answer.closed || answer.goaway.is_some_and(|code| code != 0);
    let broken = ended || answer.resets > 0;
    let statuses = &answer.statuses;
    match case.expect.as_str() {
        "bounded" if case.class == "flood" => case.wait_s.is_none() || answer.closed,
        "connection-error" => ended || case.goaway.iter().any(|code| code == "ignored"),
        "stream-error-or-400" => {
            let refused = |status: &u16| matches!(status, 400 | 431 | 501);
            broken || (!statuses.is_empty() && statuses.iter().all(refused))
        }
        "401-or-stream-error" => broken || statuses.contains(&401),
        "200+401" => {
            let mut sorted = statuses.clone();
            sorted.sort_unstable();
            sorted == [200, 401]
        }
        // `200`, `400-404-405-501`, `200-or-400`.
        several => {
            let named = |status: &u16| several.contains(&status.to_string());
            statuses.iter().any(named) || (several.starts_with("400") && broken)
        }
    }
}
