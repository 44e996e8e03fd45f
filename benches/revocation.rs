//! What asking the revocation set costs: when nothing is new, when something is, and all of it at no, one million and ten
//! million entries.
//!
//! The goals: at most 5 ns where nothing is new, 500 ns for all kinds at ten million. The tokens are few, since a decision
//! has just read the one it asks about; their issuers are many, so that the places where each of the six digests is looked
//! for are not in the processor's caches.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use criterion::{Criterion, criterion_group, criterion_main};
use portcullis::clock::UnixTime;
use portcullis::jwt::ClaimsSet;
use portcullis::revocation::{
    Revocation, RevocationKind, RevocationSet, RevocationTarget, RevocationWriter, TokenFacts,
};

/// The allocator of the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ISSUER: &str = "https://login.example.com/realms/demo";

const MILLION: u32 = 1_000_000;

const ENTRIES: u32 = 10 * MILLION;

const TOKENS: u32 = 64;

/// Issuers whose tokens are looked for.
const ISSUERS: u32 = 1 << 16;

/// So many revocations of every kind, most of them of single tokens, none of them of ours.
fn full(entries: u32) -> RevocationWriter {
    let mut writer = RevocationWriter::new().expect("random bytes");
    let mut load = writer.load();
    let mut value = String::new();
    for number in 0..entries {
        let kind = match number % 100 {
            0 => RevocationKind::Sid,
            1 => RevocationKind::Sub,
            2 => RevocationKind::Client,
            3 => RevocationKind::Kid,
            _ => RevocationKind::Jti,
        };
        value.clear();
        write!(value, "revoked-{number:08}-4d5e-9f0e-6c1f4f3a").expect("a string");
        load.add(&Revocation {
            issuer: ISSUER,
            target: RevocationTarget::new(kind, &value),
            before: None,
            until: Some(UnixTime::from_seconds(2_000_000_000)),
        });
    }
    load.add(&Revocation {
        issuer: ISSUER,
        target: RevocationTarget::All,
        before: Some(UnixTime::from_seconds(1)),
        until: None,
    });
    load.finish();
    writer
}

fn tokens() -> Vec<ClaimsSet> {
    let claims = (0..TOKENS).map(|number| {
        let json = format!(
            r#"{{"iss":"{ISSUER}","jti":"{number:08}-7d6c-4d5e-9f0e-6c1f4f3a2b1c","sid":"{number:08}-3c0e-4c0f-8f6e-52a3a3e1d111","sub":"{number:08}-2f5e-4a6b-8a55-0d9c8f1f5c11","client_id":"web","iat":1700000000}}"#
        );
        ClaimsSet::parse(URL_SAFE_NO_PAD.encode(json).as_bytes()).expect("a claims set")
    });
    claims.collect()
}

fn issuers() -> Vec<String> {
    (0..ISSUERS)
        .map(|number| format!("https://login.example.com/realms/{number:05x}"))
        .collect()
}

fn facts<'a>(issuer: &'a str, claims: &'a ClaimsSet) -> TokenFacts<'a> {
    TokenFacts {
        issuer,
        kid: Some("2026-11"),
        claims,
    }
}

fn bench(c: &mut Criterion) {
    let (tokens, issuers) = (tokens(), issuers());
    let mut group = c.benchmark_group("revocation");
    group
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_millis(1500))
        .sample_size(20);
    let mut run = |name: &str, set: Arc<RevocationSet>, seen| {
        let mut turn = issuers.iter().cycle().zip(tokens.iter().cycle());
        group.bench_function(name, |b| {
            b.iter(|| {
                let (issuer, claims) = turn.next().expect("a cycle has no end");
                black_box(&*set).check(&facts(issuer, claims), black_box(seen))
            });
        });
    };
    run("empty", Arc::new(RevocationSet::empty()), None);
    run("all kinds at one million", full(MILLION).publish(), None);
    let mut writer = full(ENTRIES);
    let set = writer.publish();
    let seen = set.version();
    run("unchanged", Arc::clone(&set), Some(seen));
    run("all kinds at ten million", set, None);
    writer.add(&Revocation {
        issuer: ISSUER,
        target: RevocationTarget::Jti("new"),
        before: None,
        until: None,
    });
    run("one jti is new", writer.publish(), Some(seen));
    group.finish();

    // The writer's side, for the same set.
    let mut group = c.benchmark_group("revocation writer");
    group
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_millis(1500))
        .sample_size(10);
    let mut number = 0_u64;
    group.bench_function("add and publish at ten million", |b| {
        b.iter(|| {
            number += 1;
            writer.add(&Revocation {
                issuer: ISSUER,
                target: RevocationTarget::Jti(&number.to_string()),
                before: None,
                until: None,
            });
            writer.publish()
        });
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
