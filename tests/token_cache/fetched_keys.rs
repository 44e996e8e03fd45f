//! Keys that are fetched again while tokens are remembered.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use portcullis::clock::{Clock, UnixTime};
use portcullis::config::{self, Environment};
use portcullis::gate::{Reason, WorkerMemory};
use portcullis::keys::{self, RemoteKeySets, SourceId};
use portcullis::metrics::Metrics;
use portcullis::snapshot::{Fixtures, Snapshot};
use serde_json::json;

use crate::world::{ISSUERS, Published, START, TokenSpec, ask, published};

/// A worker of a gateway with one issuer, whose keys are fetched.
struct Worker {
    _directory: tempfile::TempDir,
    fixtures: Fixtures,
    snapshot: Snapshot,
    memory: WorkerMemory,
}

impl Worker {
    fn new(keys: &[(usize, u8)]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let text = format!(
            "[[issuers]]\nname = \"a\"\nissuer = \"{}\"\naudiences = [\"aud0\"]\nalgorithms = [\"EdDSA\"]\n\
             keys = {{ jwks_url = \"https://provider.test/keys\" }}\n\
             [[routes]]\nname = \"a\"\npath = \"/a\"\nupstream = \"http://127.0.0.1:9\"\n",
            ISSUERS[0]
        );
        let config = config::parse(
            &text,
            Path::new("test.toml"),
            directory.path(),
            &Environment::default(),
        );
        let config = config.unwrap_or_else(|errors| panic!("{errors}"));
        let clock = Clock::manual(UnixTime::from_seconds(START)).0;
        let fixtures = Fixtures {
            metrics: Metrics::new(1, Reason::NAMES),
            tickets: rustls::crypto::aws_lc_rs::Ticketer::new().expect("randomness"),
            keys: Arc::new(RemoteKeySets::new(directory.path(), clock.clone())),
            clock,
        };
        fetched(&config, &fixtures, keys);
        let snapshot = Snapshot::build(config, None, &fixtures);
        Self {
            snapshot: snapshot.unwrap_or_else(|errors| panic!("{errors}")),
            _directory: directory,
            fixtures,
            memory: WorkerMemory::new(1 << 20),
        }
    }

    /// A refresh found these keys: (which, kid).
    fn refresh(&mut self, keys: &[(usize, u8)]) {
        let config = Arc::clone(&self.snapshot.config);
        fetched(&config, &self.fixtures, keys);
        let local = &self.snapshot.local_keys[0];
        let loaded = keys::load_remote(&config.issuers[0], local, &self.fixtures.keys);
        self.snapshot = self.snapshot.with_issuer_keys(0, loaded);
    }

    /// A reload that changes nothing.
    fn reload(&mut self) {
        let config = Arc::clone(&self.snapshot.config).as_ref().clone();
        let next = Snapshot::build(config, Some(&self.snapshot), &self.fixtures);
        self.snapshot = next.unwrap_or_else(|errors| panic!("{errors}"));
    }

    fn reason(&mut self, token: &str) -> Option<Reason> {
        ask(&self.snapshot, &mut self.memory, "/a", token, 0).reason()
    }

    /// Hits and misses since the last call.
    fn counts(&mut self) -> (u64, u64) {
        let counts = self.memory.take_counts();
        (counts.hits, counts.misses)
    }
}

fn fetched(config: &config::Config, fixtures: &Fixtures, keys: &[(usize, u8)]) {
    let id = SourceId::all_of(&config.issuers[0]).next().expect("one");
    let keys = keys.iter().map(|(key, kid)| {
        published(&Published {
            key: *key,
            kid: Some(*kid),
        })
    });
    let document = json!({ "keys": keys.collect::<Vec<_>>() }).to_string();
    let put = fixtures
        .keys
        .put(&id, document.into_bytes(), None, fixtures.clock.now());
    assert!(put.is_ok());
    let kept = fixtures.keys.current(&id, Duration::from_hours(1));
    assert!(kept.is_some());
}

fn token(key: usize, kid: u8) -> String {
    let spec = TokenSpec {
        key,
        kid,
        ..TokenSpec::default()
    };
    spec.sign()
}

#[test]
fn a_refresh_that_keeps_a_key_keeps_its_cached_tokens() {
    let mut worker = Worker::new(&[(0, 0)]);
    let old = token(0, 0);
    assert_eq!(worker.reason(&old), None);
    assert_eq!(worker.counts(), (0, 1));
    // Nothing new, a key more, another order, a reload.
    worker.refresh(&[(0, 0)]);
    assert_eq!(worker.reason(&old), None);
    worker.refresh(&[(0, 0), (1, 1)]);
    assert_eq!(worker.reason(&old), None);
    worker.refresh(&[(1, 1), (0, 0)]);
    assert_eq!(worker.reason(&old), None);
    worker.reload();
    assert_eq!(worker.reason(&old), None);
    assert_eq!(worker.counts(), (4, 0), "and no signature was checked");
    assert_eq!(worker.reason(&token(1, 1)), None);
}

#[test]
fn a_refresh_that_removes_a_key_ends_its_cached_tokens_and_no_others() {
    let mut worker = Worker::new(&[(0, 0), (1, 1)]);
    let (old, new) = (token(0, 0), token(1, 1));
    assert_eq!(worker.reason(&old), None);
    assert_eq!(worker.reason(&new), None);
    let _ = worker.counts();
    worker.refresh(&[(1, 1)]);
    assert_eq!(worker.reason(&old), Some(Reason::UnknownKey));
    assert_eq!(worker.reason(&new), None);
    assert_eq!(worker.counts(), (1, 1));
    // Another key takes the name of the one that was removed.
    worker.refresh(&[(1, 1), (2, 0)]);
    assert_eq!(worker.reason(&old), Some(Reason::BadSignature));
    // And it comes back.
    worker.refresh(&[(0, 0), (1, 1)]);
    assert_eq!(worker.reason(&old), None);
    assert_eq!(worker.reason(&new), None);
}
