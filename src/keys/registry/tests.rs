mod files;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::config::Issuer;
use crate::keys::testing::{fresh_set, issuer, jwk, jwks_url, key, set};

use super::*;

const NOW: i64 = 1_700_000_000;
const DAY: Duration = Duration::from_hours(24);

fn at(seconds: i64) -> UnixTime {
    UnixTime::from_seconds(NOW + seconds)
}

fn id_of(issuer: &Issuer) -> SourceId {
    SourceId::all_of(issuer).next().expect("a remote source")
}

fn id(url: &str) -> SourceId {
    id_of(&issuer(jwks_url(url)))
}

/// A registry, its clock and its state directory.
struct Rig {
    state: tempfile::TempDir,
    clock: Clock,
    seconds: Arc<AtomicI64>,
    sets: RemoteKeySets,
    id: SourceId,
}

impl Rig {
    fn new() -> Self {
        let state = tempfile::tempdir().unwrap();
        let (clock, seconds) = Clock::manual(at(0));
        Self {
            sets: RemoteKeySets::new(state.path(), clock.clone()),
            id: id("https://a.test/keys"),
            state,
            clock,
            seconds,
        }
    }

    fn advance(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    fn put(&self, document: &[u8]) -> SetChange {
        let now = self.clock.now();
        let etag = Some("\"e\"".into());
        let change = self.sets.put(&self.id, document.to_vec(), etag, now);
        self.sets.keep(&self.id);
        change.unwrap()
    }

    fn confirm(&self, now: UnixTime) -> bool {
        let confirmed = self.sets.confirm(&self.id, now);
        self.sets.keep(&self.id);
        confirmed
    }

    fn current(&self) -> Option<Arc<HeldSet>> {
        self.sets.current(&self.id, DAY)
    }

    /// The next process.
    fn restart(&mut self) {
        self.sets = RemoteKeySets::new(self.state.path(), self.clock.clone());
    }

    fn files(&self) -> Vec<PathBuf> {
        let directory = fs::read_dir(self.state.path().join("key-sets"));
        let mut files: Vec<PathBuf> = directory
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        files
    }

    /// The one file.
    fn file(&self) -> PathBuf {
        let files = self.files();
        assert_eq!(files.len(), 1, "{files:?}");
        files.into_iter().next().unwrap()
    }
}

fn changed(shrunk: bool, alternates: bool) -> SetChange {
    SetChange::Changed { shrunk, alternates }
}

#[test]
fn a_set_is_in_force_until_it_is_stale() {
    let rig = Rig::new();
    assert!(rig.current().is_none());
    let document = fresh_set(&["a"]);
    assert_eq!(rig.put(&document), changed(false, false));
    let held = rig.current().unwrap();
    assert_eq!(&*held.document, &*document);
    assert_eq!(held.etag.as_deref(), Some("\"e\""));
    assert_eq!((held.fetched, held.from_disk), (at(0), false));
    rig.advance(86_400);
    assert!(rig.current().is_some());
    rig.advance(1);
    assert!(rig.current().is_none());
    // Who waits longer still has it.
    assert!(rig.sets.current(&rig.id, 2 * DAY).is_some());
    // And the provider may say that it is still right.
    assert!(rig.confirm(rig.clock.now()));
    assert_eq!(rig.current().unwrap().fetched, at(86_401));
}

#[test]
fn what_changes_is_said() {
    let (a, b, c) = (
        jwk(&key(), "a"),
        jwk(&key(), "b"),
        serde_json::json!({ "kty": "RSA", "kid": "c", "n": "AQAB", "e": "AQAB" }),
    );
    let mut renamed = a.clone();
    renamed["kid"] = "z".into();
    let mut narrowed = a.clone();
    narrowed["alg"] = "EdDSA".into();
    narrowed["key_ops"] = serde_json::json!(["sign"]);
    let rig = Rig::new();
    let steps = [
        (set(&[a.clone(), b.clone()]), changed(false, false)),
        (set(&[a.clone(), b.clone()]), SetChange::Same),
        // Another order, another spelling, something else beside it.
        (set(&[b.clone(), a.clone()]), SetChange::Same),
        (
            serde_json::json!({ "more": 1, "keys": [a, b] })
                .to_string()
                .into_bytes(),
            SetChange::Same,
        ),
        // A key that is not used is said, too.
        (
            set(&[a.clone(), b.clone(), c.clone()]),
            changed(false, false),
        ),
        (set(&[renamed.clone(), b.clone()]), changed(false, false)),
        (set(&[narrowed.clone(), b.clone()]), changed(false, false)),
        // Half as many are not less than half.
        (set(&[a.clone(), b.clone()]), changed(false, false)),
        (set(std::slice::from_ref(&a)), changed(false, false)),
        (fresh_set(&["1", "2", "3"]), changed(false, false)),
        (set(std::slice::from_ref(&b)), changed(true, false)),
    ];
    for (step, (document, change)) in steps.iter().enumerate() {
        assert_eq!(rig.put(document), *change, "step {step}");
        assert_eq!(&*rig.current().unwrap().document, &**document);
    }
}

#[test]
fn a_set_that_comes_back_alternates() {
    let rig = Rig::new();
    let (one, two, three) = (fresh_set(&["1"]), fresh_set(&["2"]), fresh_set(&["3"]));
    let steps = [
        (&one, changed(false, false)),
        (&two, changed(false, false)),
        (&two, SetChange::Same),
        (&one, changed(false, true)),
        (&two, changed(false, true)),
        (&three, changed(false, false)),
        (&one, changed(false, false)),
    ];
    for (step, (document, change)) in steps.into_iter().enumerate() {
        assert_eq!(rig.put(document), change, "step {step}");
    }
}

#[test]
fn what_is_no_set_or_an_empty_one_changes_nothing() {
    let rig = Rig::new();
    let good = fresh_set(&["a"]);
    rig.put(&good);
    let too_large = vec![b' '; (1 << 20) + 1];
    for bad in [
        &b""[..],
        b"<html>",
        b"{}",
        b"{\"keys\":null}",
        b"{\"keys\":[]}",
        b"{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}",
        &good[..good.len() - 1],
        &too_large,
    ] {
        let refused = rig.sets.put(&rig.id, bad.to_vec(), None, at(1));
        assert!(refused.is_err(), "{:?}", String::from_utf8_lossy(bad));
        assert_eq!(&*rig.current().unwrap().document, &*good);
        assert_eq!(rig.current().unwrap().fetched, at(0));
    }
}

#[test]
fn a_key_that_was_gone_for_a_while_was_first_seen_before() {
    let mut rig = Rig::new();
    let (one, other) = (fresh_set(&["a"]), fresh_set(&["b"]));
    rig.put(&one);
    rig.advance(50);
    rig.put(&other);
    rig.advance(50);
    rig.restart();
    rig.put(&one);
    let times: Vec<_> = rig
        .current()
        .unwrap()
        .first_seen
        .values()
        .copied()
        .collect();
    assert!(
        times.contains(&at(0)) && times.contains(&at(50)),
        "{times:?}"
    );
    // But not of any number of keys.
    for _ in 0..105 {
        rig.put(&fresh_set(&["x"]));
    }
    assert_eq!(rig.current().unwrap().first_seen.len(), 101);
}

#[test]
fn no_key_was_first_seen_in_the_future() {
    let rig = Rig::new();
    let document = fresh_set(&["a"]);
    rig.put(&document);
    rig.advance(-100);
    rig.put(&document);
    let held = rig.current().unwrap();
    let times: Vec<_> = held.first_seen.values().collect();
    assert_eq!(times, [&at(-100)]);
}

#[test]
fn a_clock_that_is_set_back_does_not_make_keys_last_longer() {
    let rig = Rig::new();
    rig.put(&fresh_set(&["a"]));
    rig.advance(-1_000_000);
    assert_eq!(rig.current().unwrap().fetched, rig.clock.now());
    rig.advance(86_401);
    assert!(rig.current().is_none());
}

#[test]
fn a_registry_of_nothing_keeps_nothing() {
    let sets = RemoteKeySets::none();
    let source = id("https://a.test/keys");
    assert!(sets.current(&source, DAY).is_none());
    assert!(!sets.confirm(&source, at(0)));
    sets.retain(&[]);
}

#[test]
fn only_the_sources_in_force_are_known() {
    let rig = Rig::new();
    let other = id("https://b.test/keys");
    rig.sets
        .put(&other, fresh_set(&["b"]), None, at(0))
        .unwrap();
    rig.sets.keep(&other);
    rig.put(&fresh_set(&["a"]));
    rig.sets.retain(std::slice::from_ref(&other));
    assert!(rig.sets.current(&other, DAY).is_some());
    // Its last fetch ended after it had gone.
    fs::remove_file(Directory::of(rig.state.path()).file(&rig.id)).unwrap();
    assert_eq!(rig.put(&fresh_set(&["late"])), SetChange::Same);
    assert!(!rig.confirm(at(1)));
    assert!(rig.current().is_none());
    assert_eq!(rig.files().len(), 1);
}
