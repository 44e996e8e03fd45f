//! Keys that were fetched, while files change or are wrong.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc as threads;

use serde_json::Value;

use crate::clock::{Clock, UnixTime};
use crate::config::Environment;
use crate::jwt::SigningKey;
use crate::keys::testing::{jwk, key, set};
use crate::keys::{KeySourceStatuses, SourceState};

use super::*;

const NOW: i64 = 1_700_000_000;

/// Nobody listens there: what is fetched is put into the registry by the tests.
const URL: &str = "http://127.0.0.1:1/keys";

/// A real reloader of real files: `corp` has a file and a remote source, `local` has a file, `cloud` only a remote source.
struct Rig {
    directory: tempfile::TempDir,
    publisher: Arc<ArcSwap<Snapshot>>,
    fixtures: Fixtures,
    seconds: Arc<AtomicI64>,
    changed: mpsc::Sender<Arc<str>>,
    statuses: Arc<KeySourceStatuses>,
    handle: ReloadHandle,
    /// A build has read everything, and waits for `go` before it ends; if anybody holds it up.
    hold: Arc<Mutex<Option<Hold>>>,
}

struct Hold {
    built: threads::Sender<()>,
    go: threads::Receiver<()>,
}

impl Rig {
    async fn start() -> Self {
        Self::start_with(&text("", URL)).await
    }

    async fn start_with(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().to_owned();
        fs::write(root.join("gateway.toml"), text).unwrap();
        for name in ["corp.json", "local.json"] {
            fs::write(root.join(name), set(&[jwk(&key(), name)])).unwrap();
        }
        let (clock, seconds) = Clock::manual(UnixTime::from_seconds(NOW));
        let fixtures = Fixtures {
            keys: Arc::new(RemoteKeySets::new(&root.join("state"), clock.clone())),
            clock,
            ..fixtures()
        };
        let source = Source::File(root.join("gateway.toml"), Environment::default());
        let config = source.load().unwrap_or_else(|errors| panic!("{errors}"));
        let first = Snapshot::build(config, None, &fixtures);
        let mut first = first.unwrap_or_else(|errors| panic!("{errors}"));
        let files = source.files(&first.config);
        let mut feed = KeyFeed::new(&fixtures);
        let (changed, statuses) = (feed.teller(), feed.statuses());
        feed.settle(&mut first).await;
        let publisher = Arc::new(ArcSwap::from_pointee(first));
        let hold: Arc<Mutex<Option<Hold>>> = Arc::default();
        let (waiting, with) = (Arc::clone(&hold), fixtures.clone());
        let build: Build = Arc::new(move |running: &Snapshot| {
            let built = source.build(running, &with);
            if let Some(hold) = lock(&waiting).take() {
                hold.built.send(()).unwrap();
                hold.go.recv().unwrap();
            }
            built
        });
        let handle = start_with(build, &files, Arc::clone(&publisher), &fixtures, feed);
        Self {
            directory,
            publisher,
            fixtures,
            seconds,
            changed,
            statuses,
            handle,
            hold,
        }
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.directory.path().join(name), content).unwrap();
    }

    /// A fetch of a source has ended: without a word to the reloader yet.
    fn fetched(&self, issuer: &str, keys: &[Value]) {
        let snapshot = self.publisher.load_full();
        let mut issuers = snapshot.config.issuers.iter();
        let issuer = issuers.find(|known| &*known.name == issuer).unwrap();
        let id = SourceId::all_of(issuer).next().unwrap();
        let now = self.fixtures.clock.now();
        let put = self.fixtures.keys.put(&id, set(keys), None, now);
        assert!(put.is_ok());
        self.fixtures.keys.keep(&id);
    }

    async fn tell(&self, issuer: &str) {
        self.changed.send(issuer.into()).await.unwrap();
    }

    /// The kids in force.
    fn kids(&self, issuer: &str) -> Vec<String> {
        let snapshot = self.publisher.load();
        let mut issuers = snapshot.issuers.iter();
        let issuer = issuers.find(|known| &*known.name == issuer).unwrap();
        let keys = issuer.keys.iter().filter_map(|key| key.kid());
        keys.map(str::to_owned).collect()
    }

    /// Waits until these are the kids in force.
    async fn wait_for(&self, issuer: &str, kids: &[&str]) {
        let wait = async {
            while self.kids(issuer) != kids {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(10), wait).await;
        assert!(waited.is_ok(), "{:?} is not {kids:?}", self.kids(issuer));
    }

    /// Waits until the reloader has taken all messages before this one.
    async fn settled(&self) {
        // It takes messages and requests one after the other, in whatever order: twice is enough.
        for _ in 0..2 {
            while self.changed.capacity() != self.changed.max_capacity() {
                tokio::task::yield_now().await;
            }
            self.handle.reload(true).await;
        }
    }

    /// The next build stops when it has read everything.
    fn hold_up(&self) -> (threads::Receiver<()>, threads::Sender<()>) {
        let (built, has_built) = threads::channel();
        let (let_go, go) = threads::channel();
        *lock(&self.hold) = Some(Hold { built, go });
        (has_built, let_go)
    }
}

/// A configuration with three issuers.
fn text(more: &str, url: &str) -> String {
    let issuer = |name: &str, keys: &str| {
        format!(
            "[[issuers]]\nname = \"{name}\"\nissuer = \"https://{name}.test\"\naudiences = [\"api\"]\n\
             algorithms = [\"EdDSA\"]\nkeys = {keys}\n"
        )
    };
    let remote = format!("{{ jwks_url = \"{url}\" }}");
    format!(
        "{}{}{}[[routes]]\nname = \"all\"\npath = \"/\"\nupstream = \"http://127.0.0.1:9\"\n\
         issuers = [\"corp\", \"files\", \"cloud\"]\n{more}",
        issuer(
            "corp",
            &format!("[{{ jwks_file = \"corp.json\" }}, {remote}]")
        ),
        issuer("files", "{ jwks_file = \"local.json\" }"),
        issuer("cloud", &remote),
    )
}

const MORE: &str = "[[routes]]\nname = \"more\"\npath = \"/more\"\nupstream = \"http://127.0.0.1:9\"\nauth = \"none\"\n";

fn routes(rig: &Rig) -> usize {
    rig.publisher.load().config.routes.len()
}

#[tokio::test]
async fn fetched_keys_come_into_force_and_all_else_is_shared() {
    let rig = Rig::start().await;
    let before = rig.publisher.load_full();
    assert_eq!(rig.kids("cloud"), [""; 0]);
    rig.fetched("cloud", &[jwk(&key(), "a")]);
    rig.tell("cloud").await;
    rig.wait_for("cloud", &["a"]).await;
    let after = rig.publisher.load_full();
    assert_ne!(after.id, before.id);
    assert_eq!(after.generation, before.generation);
    assert!(Arc::ptr_eq(&after.routes, &before.routes));
    assert!(Arc::ptr_eq(&after.config, &before.config));
    assert!(Arc::ptr_eq(&after.upstreams[0], &before.upstreams[0]));
    assert!(Arc::ptr_eq(&after.issuers[0], &before.issuers[0]));
    assert!(Arc::ptr_eq(&after.issuers[1], &before.issuers[1]));
    let policy = |snapshot: &Snapshot| Arc::clone(&snapshot.issuers[2].policy);
    assert!(Arc::ptr_eq(&policy(&after), &policy(&before)));
    let shown = rig.fixtures.metrics.encode();
    assert!(shown.contains("portcullis_issuer_keys{issuer=\"cloud\"} 1\n"));
    assert!(shown.contains("portcullis_config_reloads_total{result=\"success\"} 0\n"));
    // A reload afterwards finds nothing new.
    let report = rig.handle.reload(false).await;
    assert!(report.applied && report.changes.is_empty(), "{report:?}");
    assert_eq!(rig.kids("cloud"), ["a"]);
}

#[tokio::test]
async fn keys_of_the_store_come_into_force_like_fetched_ones() {
    let local = "[local_issuer]\nissuer = \"https://gw.test/auth\"\naudience = \"api\"\n";
    let rig = Rig::start_with(&format!("{}{local}", text("", URL))).await;
    let state = |rig: &Rig| rig.statuses.of("local")[0].state;
    assert_eq!(state(&rig), SourceState::Never);
    assert_eq!(rig.kids("local"), [""; 0], "and that is no error");
    rig.fetched("local", &[jwk(&key(), "a")]);
    rig.tell("local").await;
    rig.wait_for("local", &["a"]).await;
    assert_eq!(state(&rig), SourceState::Fresh);
    let snapshot = rig.publisher.load_full();
    let source = snapshot.issuers[3].keys.iter().next().unwrap().source();
    assert_eq!(source.map(|source| &**source), Some("the store"));
    // It stays over a reload, and over a restart whose store is away.
    rig.write("gateway.toml", format!("{}{local}", text(MORE, URL)));
    assert!(rig.handle.reload(false).await.applied);
    assert_eq!(rig.kids("local"), ["a"]);
    let state_directory = rig.directory.path().join("state");
    let restarted = Fixtures {
        keys: Arc::new(RemoteKeySets::new(
            &state_directory,
            rig.fixtures.clock.clone(),
        )),
        ..rig.fixtures.clone()
    };
    let config = rig.publisher.load().config.as_ref().clone();
    let first = Snapshot::build(config, None, &restarted);
    let first = first.unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(first.issuers[3].keys.iter().len(), 1);
}

#[tokio::test]
async fn what_changes_nothing_is_not_published() {
    let rig = Rig::start().await;
    let (a, b) = (jwk(&key(), "a"), jwk(&key(), "b"));
    rig.fetched("cloud", &[a.clone(), b.clone()]);
    rig.tell("cloud").await;
    rig.wait_for("cloud", &["a", "b"]).await;
    let before = rig.publisher.load().id;
    rig.fetched("cloud", &[b, a]);
    for issuer in ["cloud", "corp", "files", "nobody"] {
        rig.tell(issuer).await;
    }
    rig.settled().await;
    assert_eq!(rig.publisher.load().id, before);
}

#[tokio::test]
async fn only_issuers_that_fetch_can_be_asked_for_newer_keys() {
    let rig = Rig::start().await;
    let asked = |rig: &Rig| -> Vec<bool> {
        let snapshot = rig.publisher.load();
        let requesters = snapshot.key_requesters.iter();
        requesters.map(Option::is_some).collect()
    };
    assert_eq!(asked(&rig), [true, false, true]);
    rig.fetched("cloud", &[jwk(&key(), "a")]);
    rig.tell("cloud").await;
    rig.wait_for("cloud", &["a"]).await;
    assert_eq!(asked(&rig), [true, false, true]);
    rig.write("gateway.toml", text(MORE, URL));
    assert!(rig.handle.reload(false).await.applied);
    assert_eq!(asked(&rig), [true, false, true]);
}

#[tokio::test]
async fn keys_that_are_fetched_during_a_reload_are_not_lost_nor_is_the_reload() {
    let rig = Rig::start().await;
    rig.fetched("cloud", &[jwk(&key(), "old")]);
    // Whether the refresher finds the time to say so, or was replaced before.
    for told in [true, false] {
        let (built, go) = rig.hold_up();
        let more = if told { MORE } else { "" };
        rig.write("gateway.toml", text(more, URL));
        let handle = rig.handle.clone();
        let reload = tokio::spawn(async move { handle.reload(false).await });
        spawn_blocking(move || built.recv().unwrap()).await.unwrap();
        rig.fetched("cloud", &[jwk(&key(), "new"), jwk(&key(), "next")]);
        if told {
            rig.tell("cloud").await;
        }
        assert_ne!(rig.kids("cloud"), ["new", "next"]);
        go.send(()).unwrap();
        assert!(reload.await.unwrap().applied);
        assert_eq!(rig.kids("cloud"), ["new", "next"]);
        assert_eq!(routes(&rig), if told { 2 } else { 1 });
        rig.settled().await;
        assert_eq!(rig.kids("cloud"), ["new", "next"]);
        rig.fetched("cloud", &[jwk(&key(), "old")]);
        rig.tell("cloud").await;
        rig.wait_for("cloud", &["old"]).await;
    }
}

#[tokio::test]
async fn many_changes_and_reloads_at_once_end_with_the_newest_of_both() {
    let rig = Rig::start().await;
    let keys: Vec<SigningKey> = (0..4).map(|_| key()).collect();
    let mut reloads = Vec::new();
    for round in 0..60 {
        let kid = format!("k{round}");
        rig.fetched("cloud", &[jwk(&keys[round % 4], &kid)]);
        rig.fetched("corp", &[jwk(&keys[round % 4], &kid)]);
        rig.tell(["cloud", "corp"][round % 2]).await;
        if round % 10 == 0 {
            let more = if round % 20 == 0 { MORE } else { "" };
            rig.write("gateway.toml", text(more, URL));
            let handle = rig.handle.clone();
            reloads.push(tokio::spawn(async move { handle.reload(false).await }));
        }
    }
    for reload in reloads {
        assert!(reload.await.unwrap().applied);
    }
    rig.tell("cloud").await;
    rig.tell("corp").await;
    rig.wait_for("cloud", &["k59"]).await;
    rig.wait_for("corp", &["corp.json", "k59"]).await;
    assert_eq!(routes(&rig), 1);
}

#[tokio::test]
async fn a_wrong_file_holds_up_no_fetched_keys() {
    let rig = Rig::start().await;
    rig.fetched("corp", &[jwk(&key(), "a")]);
    rig.tell("corp").await;
    rig.wait_for("corp", &["corp.json", "a"]).await;
    rig.write("corp.json", "broken");
    rig.fetched("corp", &[jwk(&key(), "b")]);
    rig.tell("corp").await;
    // The key that was removed is gone, and what the file held stays.
    rig.wait_for("corp", &["corp.json", "b"]).await;
    let report = rig.handle.reload(false).await;
    assert!(
        report
            .error
            .is_some_and(|error| error.contains("corp.json"))
    );
    assert_eq!(rig.kids("corp"), ["corp.json", "b"]);
    rig.fetched("corp", &[jwk(&key(), "c")]);
    rig.tell("corp").await;
    rig.wait_for("corp", &["corp.json", "c"]).await;
    // And when it is right again, both count.
    rig.write("corp.json", set(&[jwk(&key(), "new file")]));
    assert!(rig.handle.reload(false).await.applied);
    assert_eq!(rig.kids("corp"), ["new file", "c"]);
}

#[tokio::test]
async fn a_set_that_is_too_old_is_dropped_and_comes_back() {
    let rig = Rig::start().await;
    rig.fetched("cloud", &[jwk(&key(), "a")]);
    rig.tell("cloud").await;
    rig.wait_for("cloud", &["a"]).await;
    rig.seconds.fetch_add(86_400, Ordering::Relaxed);
    rig.tell("cloud").await;
    rig.settled().await;
    assert_eq!(rig.kids("cloud"), ["a"]);
    rig.seconds.fetch_add(1, Ordering::Relaxed);
    rig.tell("cloud").await;
    rig.wait_for("cloud", &[]).await;
    let shown = rig.fixtures.metrics.encode();
    assert!(shown.contains("portcullis_issuer_keys{issuer=\"cloud\"} 0\n"));
    rig.fetched("cloud", &[jwk(&key(), "b")]);
    rig.tell("cloud").await;
    rig.wait_for("cloud", &["b"]).await;
}

#[tokio::test]
async fn another_url_starts_without_the_keys_of_the_old_one() {
    let rig = Rig::start().await;
    rig.fetched("cloud", &[jwk(&key(), "a")]);
    rig.tell("cloud").await;
    rig.wait_for("cloud", &["a"]).await;
    rig.write("gateway.toml", text("", "http://127.0.0.1:1/other"));
    assert!(rig.handle.reload(false).await.applied);
    assert_eq!(rig.kids("cloud"), [""; 0]);
    // Back again, while the provider is down.
    rig.write("gateway.toml", text("", URL));
    assert!(rig.handle.reload(false).await.applied);
    assert_eq!(rig.kids("cloud"), ["a"]);
}

#[tokio::test]
async fn a_key_was_first_seen_when_an_earlier_process_saw_it() {
    let rig = Rig::start().await;
    let one = key();
    rig.fetched("cloud", &[jwk(&one, "a")]);
    rig.seconds.fetch_add(1000, Ordering::Relaxed);
    let thumbprint = *one.verifying_key().unwrap().thumbprint();
    let loaded = |handle: &ReloadHandle| handle.key_loaded_at(&"cloud".into(), &thumbprint);
    rig.tell("cloud").await;
    rig.wait_for("cloud", &["a"]).await;
    rig.settled().await;
    assert_eq!(loaded(&rig.handle), Some(UnixTime::from_seconds(NOW)));
}

#[tokio::test]
async fn a_first_snapshot_has_what_the_first_fetches_gave() {
    let rig = Rig::start().await;
    let config = rig.publisher.load().config.as_ref().clone();
    let first = Snapshot::build(config, None, &rig.fixtures);
    let first = first.unwrap_or_else(|errors| panic!("{errors}"));
    let feed = KeyFeed::new(&rig.fixtures);
    assert!(feed.take_first(&first).is_none(), "nothing was fetched");
    rig.fetched("cloud", &[jwk(&key(), "a")]);
    rig.fetched("corp", &[jwk(&key(), "b")]);
    let first = feed.take_first(&first).unwrap();
    let keys: Vec<usize> = first
        .issuers
        .iter()
        .map(|issuer| issuer.keys.iter().len())
        .collect();
    assert_eq!(keys, [2, 1, 1]);
    assert_eq!(first.generation, 1);
}
