//! What a decision costs, for each algorithm: the whole of [`decide`], and jsonwebtoken's `decode` of the same token
//! beside it. `cargo bench --bench decide`; the figures stand in docs/benchmarks.md.

use std::fmt::Write;
use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use jsonwebtoken::{DecodingKey, Validation};
use portcullis::jwt::Algorithm;
use support::{Fixture, ISSUER, ROUTES, claims, get, head};

#[expect(dead_code, reason = "each binary uses a part of it")]
#[path = "../tests/support/mod.rs"]
mod support;

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
    let mut text = ROUTES.to_owned();
    for number in 0..filler {
        let _ = write!(
            text,
            "[[routes]]\nname = \"r{number}\"\npath = \"/filler/{number}\"\nupstream = \"http://127.0.0.1:9\"\n"
        );
    }
    text
}

/// With a verified token: the decision, and the library that verifies the same token.
fn with_token(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("token");
    for algorithm in ALGORITHMS {
        let fixture = Fixture::new(&[algorithm], &routes(0));
        let token = fixture.sign(algorithm, &claims());
        let field = format!("Bearer {token}");
        group.bench_function(BenchmarkId::new("decide", algorithm.name()), |bencher| {
            bencher.iter_batched(
                || head(get("/orders/1").header("authorization", &field)),
                |mut head| black_box(fixture.decide(&mut head).is_ok()),
                BatchSize::SmallInput,
            );
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

/// jsonwebtoken's key and the strictest settings that the token passes.
fn oracle(fixture: &Fixture, algorithm: Algorithm) -> (DecodingKey, Validation) {
    let key = match fixture.public_jwk(algorithm) {
        Some(jwk) => {
            let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(jwk).expect("a JWK");
            DecodingKey::from_jwk(&jwk).expect("a key")
        }
        None => DecodingKey::from_secret(fixture.secret(algorithm).as_bytes()),
    };
    let mut validation = Validation::new(algorithm.name().parse().expect("an algorithm it knows"));
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&["api"]);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    validation.validate_nbf = true;
    (key, validation)
}

criterion_group!(benches, with_token, without_token);
criterion_main!(benches);
