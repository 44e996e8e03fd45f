//! What a decision costs, for each algorithm: the whole of [`decide`], what it costs when the token is known, and beside
//! them the check of the same signature and jsonwebtoken's `decode` of the same token; and what refusals cost.
//! `cargo bench --bench decide`; the figures stand in docs/benchmarks.md.

use std::fmt::Write;
use std::hint::black_box;
use std::net::Ipv4Addr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use http::HeaderMap;
use jsonwebtoken::{DecodingKey, Validation};
use portcullis::explain::{KeyFacts, KeyOrigin, Question, explain};
use portcullis::gate::{Observer, Unobserved, WorkerMemory, decide};
use portcullis::headers::Target;
use portcullis::jwt::{
    Algorithm, CompactJws, PreparedKey, TokenCheck, TokenObserver, VerifyingKey,
};
use portcullis::keys::KeyRequester;
use portcullis::metrics::WorkerId;
use serde_json::json;
use support::{Fixture, ISSUER, NOW, ROUTES, SECRET, claims, claims_with, get, head};

#[expect(dead_code, reason = "each binary uses a part of it")]
#[path = "../tests/support/mod.rs"]
mod support;

/// The allocator of the binary: reading claims is in good part allocating.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::Rs256,
    Algorithm::Ps256,
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::EdDsa,
    Algorithm::Hs256,
];

/// [`ROUTES`], and `filler` more that nobody asks for.
fn routes(filler: usize) -> String {
    // However many forgeries come, each is looked at: that is what is measured.
    let mut text = format!(
        "{ROUTES}\n[server.limits]\nbad_signatures_per_client = \"off\"\nbad_signatures_per_worker = \"off\"\n"
    );
    for number in 0..filler {
        let _ = write!(
            text,
            "[[routes]]\nname = \"r{number}\"\npath = \"/filler/{number}\"\nupstream = \"http://127.0.0.1:9\"\n"
        );
    }
    text
}

/// With a token: the decision when it is seen for the first time and when it is known; the signature of the same token
/// alone, checked by the same library with a prepared key; and the library that verifies the same token.
///
/// The goals: `decide` costs at most 3 µs more than `signature`, and `cached` at most 0.3 µs more than a public route.
fn with_token(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("token");
    for algorithm in ALGORITHMS {
        let fixture = Fixture::new(&[algorithm], &routes(0));
        let token = fixture.sign(algorithm, &claims());
        let field = format!("Bearer {token}");
        let request = || head(get("/orders/1").header("authorization", &field));
        let mut memory = WorkerMemory::of_worker(WorkerId(0), 0);
        assert!(
            fixture.decide_with(&mut memory, &mut request()).is_ok(),
            "{algorithm:?}: what is measured is no refusal"
        );
        group.bench_function(BenchmarkId::new("decide", algorithm.name()), |bencher| {
            bencher.iter_batched(
                request,
                |mut head| black_box(fixture.decide_with(&mut memory, &mut head).is_ok()),
                BatchSize::SmallInput,
            );
        });
        let mut memory = WorkerMemory::of_worker(WorkerId(0), 1 << 20);
        group.bench_function(BenchmarkId::new("cached", algorithm.name()), |bencher| {
            bencher.iter_batched(
                request,
                |mut head| black_box(fixture.decide_with(&mut memory, &mut head).is_ok()),
                BatchSize::SmallInput,
            );
        });
        group.bench_function(BenchmarkId::new("signature", algorithm.name()), |bencher| {
            let (input, key, signature) = signature(&fixture, algorithm, &token);
            bencher.iter(|| assert!(key.verifies(black_box(input), &signature)));
        });
        let (key, validation) = oracle(&fixture, algorithm);
        group.bench_function(
            BenchmarkId::new("jsonwebtoken", algorithm.name()),
            |bencher| {
                bencher.iter(|| {
                    let decoded = jsonwebtoken::decode::<serde_json::Value>(
                        black_box(&token),
                        &key,
                        &validation,
                    );
                    black_box(decoded.is_ok())
                });
            },
        );
    }
    group.finish();
}

/// Refusals, beside the one that reads no token at all. The goal: at most 2 µs more, except for a forgery.
fn refused(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("refused");
    let mut fixture = Fixture::new(&[Algorithm::Rs256], &routes(0));
    let (requester, _requests) = KeyRequester::channel(fixture.metrics.keys("test"));
    fixture.snapshot.key_requesters = vec![Some(requester)];
    let fixture = fixture;
    let other = Fixture::new(&[Algorithm::Rs256], &routes(0));
    let changed = |changes| fixture.sign(Algorithm::Rs256, &claims_with(&changes));
    let good = changed(json!({}));
    for (name, token) in [
        ("missing_token", None),
        ("malformed", Some(good.replace('.', ":"))),
        ("expired", Some(changed(json!({ "exp": 1 })))),
        (
            "wrong_issuer",
            Some(changed(json!({ "iss": "https://foreign.test" }))),
        ),
        ("unknown_key", Some(other.sign(Algorithm::Rs256, &claims()))),
        ("bad_signature", Some(forged(&good))),
    ] {
        let request = || {
            let request = get("/orders/1");
            head(match &token {
                Some(token) => request.header("authorization", format!("Bearer {token}")),
                None => request,
            })
        };
        let mut memory = WorkerMemory::of_worker(WorkerId(0), 1 << 20);
        let mut good = head(get("/orders/1").header("authorization", format!("Bearer {good}")));
        assert!(fixture.decide_with(&mut memory, &mut good).is_ok());
        let refusal = fixture.decide_with(&mut memory, &mut request());
        assert_eq!(
            refusal.err().map(|refusal| refusal.reason.name()),
            Some(name)
        );
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                request,
                |mut head| black_box(fixture.decide_with(&mut memory, &mut head).is_err()),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// `token` with one character of its signature changed.
fn forged(token: &str) -> String {
    let (input, signature) = token.rsplit_once('.').expect("three parts");
    let other = if signature.starts_with('A') { "B" } else { "A" };
    format!("{input}.{other}{}", &signature[1..])
}

/// What is signed, the key that checks it, and the signature.
fn signature<'t>(
    fixture: &Fixture,
    algorithm: Algorithm,
    token: &'t str,
) -> (&'t [u8], PreparedKey, Vec<u8>) {
    let jws = CompactJws::parse(token.as_bytes()).expect("a token");
    let keys = &fixture.snapshot.issuers[0].keys;
    let key = keys
        .iter()
        .find(|key| key.serves(algorithm))
        .expect("a key");
    let prepared = key.prepare(algorithm).expect("a key of that algorithm");
    let signature = URL_SAFE_NO_PAD.decode(jws.signature).expect("base64url");
    (jws.signing_input, prepared, signature)
}

/// Without one: what routing, stripping and the forwarding fields cost, with 2 routes and with 10,000.
fn without_token(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("public");
    for filler in [0, 10_000] {
        let fixture = Fixture::new(&[Algorithm::EdDsa], &routes(filler));
        group.bench_function(BenchmarkId::new("decide", filler + 2), |bencher| {
            bencher.iter_batched(
                || head(get("/open/1")),
                |mut head| black_box(fixture.decide(&mut head).is_ok()),
                BatchSize::SmallInput,
            );
        });
        group.bench_function(BenchmarkId::new("missing_token", filler + 2), |bencher| {
            bencher.iter_batched(
                || head(get("/orders/1")),
                |mut head| black_box(fixture.decide(&mut head).is_err()),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// Notes every step, as whoever wants to know more than the verdict does.
#[derive(Default)]
struct Steps(usize);

impl TokenObserver for Steps {
    fn passed(&mut self, check: TokenCheck<'_>) {
        black_box(&check);
        self.0 += 1;
    }
}

impl Observer for Steps {
    fn target(&mut self, target: &Target<'_>) {
        black_box(target);
        self.0 += 1;
    }

    fn stripped(&mut self, headers: &HeaderMap) {
        black_box(headers);
        self.0 += 1;
    }

    fn known(&mut self) {
        self.0 += 1;
    }
}

/// Where keys come from, for an explanation: nothing is known.
struct NoFacts;

impl KeyFacts for NoFacts {
    fn origin(&self, _issuer: &str, _key: &VerifyingKey) -> KeyOrigin {
        KeyOrigin::default()
    }
}

/// A decision on a known token without an observer and with one that counts, and a whole explanation of the same request.
fn observed(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("observed");
    let fixture = Fixture::new(&[Algorithm::EdDsa], &routes(0));
    let token = fixture.sign(Algorithm::EdDsa, &claims());
    let field = format!("Bearer {token}");
    let request = || head(get("/orders/1").header("authorization", &field));
    let (snapshot, revocations) = (&fixture.snapshot, &fixture.revocations);
    let mut memory = WorkerMemory::of_worker(WorkerId(0), 1 << 20);
    group.bench_function("nobody", |bencher| {
        bencher.iter_batched(
            request,
            |mut head| {
                let (head, nobody) = (&mut head, &mut Unobserved);
                decide(snapshot, revocations, &mut memory, head, NOW, nobody).is_ok()
            },
            BatchSize::SmallInput,
        );
    });
    group.bench_function("steps", |bencher| {
        bencher.iter_batched(
            request,
            |mut head| {
                let mut steps = Steps::default();
                let head = &mut head;
                let decided = decide(snapshot, revocations, &mut memory, head, NOW, &mut steps);
                (decided.is_ok(), black_box(steps.0))
            },
            BatchSize::SmallInput,
        );
    });
    let who = (Ipv4Addr::LOCALHOST.into(), NOW);
    let question = Question::new("GET", "https://api.test/orders/1", &[], Some(&token), who);
    let question = question.expect("a request");
    group.bench_function("explain", |bencher| {
        bencher.iter(|| explain(snapshot, revocations, &NoFacts, black_box(&question)));
    });
    group.finish();
}

/// jsonwebtoken's key and the strictest settings that the token passes.
fn oracle(fixture: &Fixture, algorithm: Algorithm) -> (DecodingKey, Validation) {
    let key = match fixture.public_jwk(algorithm) {
        Some(jwk) => {
            let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(jwk).expect("a JWK");
            DecodingKey::from_jwk(&jwk).expect("a key")
        }
        None => DecodingKey::from_secret(SECRET.as_bytes()),
    };
    let mut validation = Validation::new(algorithm.name().parse().expect("an algorithm it knows"));
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&["api"]);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    validation.validate_nbf = true;
    (key, validation)
}

criterion_group!(benches, with_token, observed, refused, without_token);
criterion_main!(benches);
