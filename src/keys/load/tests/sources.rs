//! Issuers with several sources, remote ones among them.

use crate::clock::Clock;
use crate::jwt::KeyLookupError;
use crate::keys::testing::{issuer_of, jwk, jwks_url, key, set};

use super::*;

const URL: &str = "https://a.test/keys";
const OTHER: &str = "https://b.test/keys";

/// A directory for files, and a registry.
struct Rig {
    directory: tempfile::TempDir,
    sets: RemoteKeySets,
    seconds: Arc<std::sync::atomic::AtomicI64>,
}

impl Rig {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (clock, seconds) = Clock::manual(UnixTime::from_seconds(NOW));
        Self {
            sets: RemoteKeySets::new(&directory.path().join("state"), clock),
            directory,
            seconds,
        }
    }

    fn file(&self, name: &str, keys: &[serde_json::Value]) -> KeySource {
        let file = self.directory.path().join(name);
        fs::write(&file, set(keys)).unwrap();
        KeySource::JwksFile(file)
    }

    fn pem(&self, kid: &str) -> KeySource {
        let path = self.directory.path().join(format!("{kid}.pem"));
        fs::write(&path, P256).unwrap();
        KeySource::PemFiles(vec![PemFile {
            path,
            kid: Some(kid.into()),
        }])
    }

    fn fetched(&self, url: &str, keys: &[serde_json::Value]) {
        let issuer = issuer_of(vec![remote(url)]);
        let id = SourceId::all_of(&issuer).next().unwrap();
        let now = UnixTime::from_seconds(NOW);
        self.sets.put(&id, set(keys), None, now).unwrap();
    }

    fn load(&self, sources: &[KeySource]) -> Result<LoadedKeys, KeysError> {
        let issuer = issuer_of(sources.to_vec());
        super::super::load(&issuer, self.directory.path(), &self.sets)
    }

    /// The name of a source, without the directory.
    fn source<'s>(&self, source: Option<&'s Arc<str>>) -> &'s str {
        let source = source.map_or("", |source| &**source);
        let directory = self.directory.path().to_str().unwrap();
        let name = source.strip_prefix(directory).unwrap_or(source);
        name.trim_start_matches('/')
    }

    /// `kid source` of each key in use.
    fn used(&self, loaded: &LoadedKeys) -> Vec<String> {
        let keys = loaded.keys.iter();
        keys.map(|key| format!("{} {}", key.kid().unwrap_or("-"), self.source(key.source())))
            .collect()
    }

    /// `kid index source` of each key left out.
    fn left_out(&self, loaded: &LoadedKeys) -> Vec<String> {
        let mut lines: Vec<String> = loaded
            .skipped
            .iter()
            .map(|key| {
                let kid = key.kid.as_deref().unwrap_or("-");
                format!("{kid} {} {}", key.index, self.source(key.source.as_ref()))
            })
            .collect();
        lines.sort();
        lines
    }
}

fn remote(url: &str) -> KeySource {
    KeySource::Remote(Box::new(jwks_url(url)))
}

const NONE: [&str; 0] = [];

#[test]
fn all_sources_serve_together() {
    let rig = Rig::new();
    rig.fetched(URL, &[jwk(&key(), "a")]);
    rig.fetched(OTHER, &[jwk(&key(), "b"), jwk(&key(), "c")]);
    let sources = [
        remote(URL),
        rig.file("one.json", &[jwk(&key(), "d")]),
        remote(OTHER),
        rig.pem("e"),
        rig.file("two.json", &[jwk(&key(), "f")]),
    ];
    let loaded = rig.load(&sources).unwrap();
    let mut used = rig.used(&loaded);
    used.sort();
    let expected = [
        "a https://a.test/keys",
        "b https://b.test/keys",
        "c https://b.test/keys",
        "d one.json",
        "e e.pem",
        "f two.json",
    ];
    assert_eq!(used, expected);
    assert_eq!(rig.left_out(&loaded), NONE);
}

#[test]
fn a_remote_source_that_has_given_nothing_is_no_error() {
    let rig = Rig::new();
    let loaded = rig.load(&[remote(URL)]).unwrap();
    let found = loaded.keys.find(Some("a"), Algorithm::EdDsa);
    assert_eq!(found.err(), Some(KeyLookupError::Empty));
    let file = rig.file("one.json", &[jwk(&key(), "d")]);
    let loaded = rig.load(&[remote(URL), file]).unwrap();
    assert_eq!(rig.used(&loaded), ["d one.json"]);
    // Nor one whose keys are all for something else.
    let mut encrypts = jwk(&key(), "a");
    encrypts["use"] = "enc".into();
    rig.fetched(URL, &[encrypts, jwk(&es384(), "b")]);
    let loaded = rig.load(&[remote(URL)]).unwrap();
    assert_eq!(rig.used(&loaded), NONE);
    let expected = ["a 0 https://a.test/keys", "b 1 https://a.test/keys"];
    assert_eq!(rig.left_out(&loaded), expected);
}

fn es384() -> SigningKey {
    SigningKey::generate(Algorithm::Es384).unwrap()
}

#[test]
fn a_set_that_is_too_old_is_not_there() {
    let rig = Rig::new();
    rig.fetched(URL, &[jwk(&key(), "a")]);
    let stale_for = KeyRefresh::default().stale_for.as_secs();
    let stale_for = i64::try_from(stale_for).unwrap();
    for (age, keys) in [(0, 1), (stale_for, 1), (stale_for + 1, 0)] {
        rig.seconds
            .store(NOW + age, std::sync::atomic::Ordering::Relaxed);
        let loaded = rig.load(&[remote(URL)]).unwrap();
        assert_eq!(loaded.keys.iter().len(), keys, "{age}");
    }
}

#[test]
fn a_local_source_must_be_right_whatever_the_others_have() {
    let rig = Rig::new();
    rig.fetched(URL, &[jwk(&key(), "a")]);
    let good = rig.file("good.json", &[jwk(&key(), "b")]);
    let absent = rig.directory.path().join("absent.json");
    for (bad, name) in [
        (rig.file("empty.json", &[]), "empty.json"),
        (rig.file("other.json", &[jwk(&es384(), "x")]), "other.json"),
        (KeySource::JwksFile(absent), "absent.json"),
    ] {
        for sources in [
            vec![remote(URL), good.clone(), bad.clone()],
            vec![bad.clone(), good.clone(), remote(URL)],
        ] {
            let error = rig.load(&sources).unwrap_err();
            assert!(error.file.ends_with(name), "{error}");
        }
    }
}

#[test]
fn a_kid_of_different_keys_in_two_sources_names_neither() {
    let rig = Rig::new();
    let (one, bad) = (key(), serde_json::json!({ "kid": "bad" }));
    rig.fetched(URL, &[bad.clone(), jwk(&key(), "same"), jwk(&key(), "a")]);
    rig.fetched(OTHER, &[jwk(&key(), "b"), bad.clone()]);
    let file = rig.file("one.json", &[bad, jwk(&key(), "c"), jwk(&one, "same")]);
    let sources = [remote(URL), file.clone(), remote(OTHER), rig.pem("b")];
    let loaded = rig.load(&sources).unwrap();
    assert_eq!(rig.used(&loaded), ["c one.json", "a https://a.test/keys"]);
    let expected = [
        "b 0 b.pem",
        "b 0 https://b.test/keys",
        "bad 0 https://a.test/keys",
        "bad 0 one.json",
        "bad 1 https://b.test/keys",
        "same 1 https://a.test/keys",
        "same 2 one.json",
    ];
    assert_eq!(rig.left_out(&loaded), expected);
    // Also where the file would be alone in having a key.
    rig.fetched(URL, &[jwk(&key(), "same")]);
    let alone = rig.file("alone.json", &[jwk(&one, "same")]);
    let loaded = rig.load(&[remote(URL), alone]).unwrap();
    assert_eq!(rig.used(&loaded), NONE);
}

#[test]
fn a_kid_that_one_source_gives_to_two_keys_is_not_saved_by_another() {
    let rig = Rig::new();
    let (one, other) = (key(), key());
    rig.fetched(
        URL,
        &[jwk(&one, "a"), jwk(&other, "a"), jwk(&key(), "right")],
    );
    rig.fetched(OTHER, &[jwk(&one, "a")]);
    let loaded = rig.load(&[remote(URL), remote(OTHER)]).unwrap();
    assert_eq!(rig.used(&loaded), ["right https://a.test/keys"]);
    assert_eq!(loaded.skipped.len(), 3);
}

#[test]
fn local_sources_that_leave_each_other_no_key_are_an_error() {
    let rig = Rig::new();
    let one = rig.file("one.json", &[jwk(&key(), "a")]);
    let two = rig.file("two.json", &[jwk(&key(), "a")]);
    let error = rig.load(&[one, two]).unwrap_err();
    assert_eq!(error.file, Path::new("issuers.corp.keys"));
    assert!(error.problem.contains("different keys"), "{error}");
}

#[test]
fn a_key_of_two_sources_is_one() {
    let rig = Rig::new();
    let one = key();
    rig.fetched(URL, &[jwk(&one, "a"), jwk(&key(), "b")]);
    let file = rig.file("one.json", &[jwk(&one, "a")]);
    let loaded = rig.load(&[remote(URL), file]).unwrap();
    assert_eq!(rig.used(&loaded), ["a one.json", "b https://a.test/keys"]);
    assert_eq!(rig.left_out(&loaded), NONE);
}

#[test]
fn what_was_fetched_is_looked_at_again_without_the_files() {
    let rig = Rig::new();
    rig.fetched(URL, &[jwk(&key(), "a")]);
    let sources = [rig.file("one.json", &[jwk(&key(), "c")]), remote(URL)];
    let loaded = rig.load(&sources).unwrap();
    fs::write(rig.directory.path().join("one.json"), "broken").unwrap();
    rig.fetched(URL, &[jwk(&key(), "b")]);
    let issuer = issuer_of(sources.to_vec());
    let loaded = load_remote(&issuer, &loaded.local, &rig.sets);
    assert_eq!(rig.used(&loaded), ["c one.json", "b https://a.test/keys"]);
}
