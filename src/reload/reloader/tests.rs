use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::config::Config;
use crate::net::{CertificateInfo, ServerTls};
use crate::reload::testing::{config, fixtures, issuer_with_keys, route, snapshot};

use super::*;

mod fetched_keys;

/// A reloader whose configuration is one file: each word is the name of a route, `bad` fails, `panic` panics, `kid:a` is
/// a key of the issuer `corp`, and a word that begins with `/` is a file that must exist.
struct Rig {
    directory: tempfile::TempDir,
    publisher: Arc<ArcSwap<Snapshot>>,
    metrics: Arc<Metrics>,
    builds: Arc<AtomicUsize>,
    handle: ReloadHandle,
}

impl Rig {
    fn start(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("gateway.toml");
        fs::write(&file, text).unwrap();
        let fixtures = fixtures();
        let Ok(first) = build(&file, 0) else {
            panic!("the first configuration is good");
        };
        let publisher = Arc::new(ArcSwap::from_pointee(first.snapshot));
        let builds = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&builds);
        let path = file.clone();
        let builder: Build = Arc::new(move |running: &Snapshot| {
            count.fetch_add(1, Ordering::SeqCst);
            build(&path, running.generation)
        });
        let files = BTreeSet::from([file]);
        let feed = KeyFeed::new(&fixtures);
        let handle = start_with(builder, &files, Arc::clone(&publisher), &fixtures, feed);
        Self {
            directory,
            publisher,
            metrics: fixtures.metrics,
            builds,
            handle,
        }
    }

    fn write(&self, text: &str) {
        fs::write(self.directory.path().join("gateway.toml"), text).unwrap();
    }

    fn generation(&self) -> u64 {
        self.publisher.load().generation
    }

    /// Waits for a report that the watcher caused.
    async fn report(&self, wanted: impl Fn(&ReloadReport) -> bool) -> ReloadReport {
        let wait = async {
            loop {
                if let Some(report) = self.handle.last().filter(&wanted) {
                    return report;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let long = Duration::from_secs(10);
        tokio::time::timeout(long, wait).await.expect("a report")
    }
}

fn build(file: &Path, generation: u64) -> Result<Built, BuildFailure> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let mut files = BTreeSet::from([file.to_owned()]);
    let mut new = config();
    let mut kids = Vec::new();
    for word in text.split_whitespace() {
        assert!(word != "panic", "a fault of the builder");
        if word == "bad" {
            return Err(BuildFailure {
                error: format!("{word} in {text:?}"),
                files,
            });
        }
        if word.starts_with('/') {
            files.insert(word.into());
        } else if let Some(kid) = word.strip_prefix("kid:") {
            kids.push(kid);
        } else {
            new.routes.push(route(word));
        }
    }
    if let Some(absent) = files.iter().find(|file| !file.exists()) {
        return Err(BuildFailure {
            error: format!("{} is missing", absent.display()),
            files,
        });
    }
    let mut snapshot = snapshot(generation + 1, new);
    snapshot.issuers = vec![issuer_with_keys("corp", &kids)];
    Ok(Built {
        contents: Contents::read(&files),
        snapshot,
        needs_restart: vec![],
    })
}

#[tokio::test]
async fn a_changed_file_is_picked_up() {
    let rig = Rig::start("orders");
    assert_eq!(rig.handle.last(), None);
    rig.write("orders stock");
    let report = rig.report(|report| report.applied).await;
    assert_eq!(report.changes, [r#"route "stock" added"#]);
    assert_eq!((report.generation, rig.generation()), (2, 2));
    assert_eq!(report.at, "2023-11-14T22:13:20.000Z");
    assert!(
        rig.metrics
            .encode()
            .contains("portcullis_config_generation 2\n")
    );
}

#[tokio::test]
async fn a_key_that_was_removed_is_gone_and_a_new_one_is_there() {
    let rig = Rig::start("kid:a kid:b");
    let issuer: Arc<str> = "corp".into();
    let thumbprint =
        |kid: &str| *issuer_with_keys("corp", &[kid]).keys.iter().as_slice()[0].thumbprint();
    assert!(
        rig.metrics
            .encode()
            .contains("portcullis_issuer_keys{issuer=\"corp\"} 2\n")
    );
    assert!(
        rig.handle
            .key_loaded_at(&issuer, &thumbprint("a"))
            .is_some()
    );
    rig.write("kid:b kid:c kid:d");
    let report = rig.report(|report| report.applied).await;
    let expected = [r#"keys of issuer "corp": c added, d added, a removed"#];
    assert_eq!(report.changes, expected);
    assert!(
        rig.metrics
            .encode()
            .contains("portcullis_issuer_keys{issuer=\"corp\"} 3\n")
    );
    assert_eq!(rig.handle.key_loaded_at(&issuer, &thumbprint("a")), None);
    assert!(
        rig.handle
            .key_loaded_at(&issuer, &thumbprint("d"))
            .is_some()
    );
}

#[tokio::test]
async fn the_same_bytes_again_change_nothing() {
    let rig = Rig::start("orders");
    rig.write("orders");
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(rig.builds.load(Ordering::SeqCst), 0);
    rig.write("stock");
    rig.report(|report| report.applied).await;
    assert_eq!(rig.builds.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_wrong_file_keeps_what_is_in_force_until_it_is_right() {
    let rig = Rig::start("orders");
    rig.write("bad");
    let report = rig.report(|report| report.error.is_some()).await;
    assert_eq!(report.error.as_deref(), Some("bad in \"bad\""));
    assert!(!report.applied && report.generation == 1 && rig.generation() == 1);
    let shown = rig.metrics.encode();
    assert!(shown.contains("portcullis_config_last_reload_successful 0\n"));
    assert!(shown.contains("portcullis_config_reloads_total{result=\"failure\"} 1\n"));
    rig.write("stock");
    rig.report(|report| report.applied).await;
    assert_eq!(rig.generation(), 2);
    let shown = rig.metrics.encode();
    assert!(shown.contains("portcullis_config_last_reload_successful 1\n"));
}

#[tokio::test]
async fn a_file_that_a_failed_reload_missed_is_waited_for() {
    let rig = Rig::start("orders");
    let elsewhere = tempfile::tempdir().unwrap();
    let key = elsewhere.path().join("key.pem");
    rig.write(&format!("orders {}", key.display()));
    rig.report(|report| report.error.is_some()).await;
    fs::write(&key, "a key").unwrap();
    rig.report(|report| report.applied).await;
    // And it is watched from then on.
    fs::write(&key, "another key").unwrap();
    rig.report(|report| report.generation == 3).await;
}

#[tokio::test]
async fn a_dry_run_says_what_would_change_and_changes_nothing() {
    let rig = Rig::start("orders");
    rig.write("stock");
    let report = rig.handle.reload(true).await;
    assert!(!report.applied && report.error.is_none());
    let expected = [r#"route "orders" removed"#, r#"route "stock" added"#];
    assert_eq!(report.changes, expected);
    assert_eq!(report.generation, 1);
    let report = rig.handle.reload(false).await;
    assert!(report.applied && report.generation == 2);
    assert_eq!(report.changes, expected);
    assert_eq!(rig.handle.last(), Some(report));
}

#[tokio::test]
async fn a_request_reloads_at_once_and_tells_of_failures() {
    let rig = Rig::start("orders");
    let report = rig.handle.reload(false).await;
    assert!(report.applied && report.changes.is_empty());
    rig.write("bad");
    let report = rig.handle.reload(true).await;
    assert_eq!(report.error.as_deref(), Some("bad in \"bad\""));
    let report = rig.handle.reload(false).await;
    assert!(report.error.is_some() && report.generation == 2);
    assert_eq!(rig.generation(), 2);
}

#[tokio::test]
async fn what_was_reloaded_on_request_is_not_reloaded_again() {
    let rig = Rig::start("orders");
    rig.write("stock");
    let report = rig.handle.reload(false).await;
    assert_eq!(report.changes.len(), 2);
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(rig.builds.load(Ordering::SeqCst), 1);
    assert_eq!(rig.handle.last(), Some(report));
}

#[tokio::test]
async fn a_builder_that_panics_keeps_what_is_in_force() {
    let rig = Rig::start("orders");
    rig.write("panic");
    let report = rig.handle.reload(false).await;
    assert!(
        report
            .error
            .is_some_and(|error| error.starts_with("internal"))
    );
    rig.write("stock");
    assert!(rig.handle.reload(false).await.applied);
}

#[tokio::test]
async fn many_reloads_at_once_are_one_after_the_other() {
    let rig = Rig::start("orders");
    let asked = (0..40).map(|_| {
        let handle = rig.handle.clone();
        tokio::spawn(async move { handle.reload(false).await.generation })
    });
    let mut generations = Vec::new();
    for task in asked.collect::<Vec<_>>() {
        generations.push(task.await.unwrap());
    }
    generations.sort_unstable();
    assert_eq!(generations, (2..=41).collect::<Vec<u64>>());
}

#[tokio::test]
async fn files_are_watched_although_nobody_can_ask() {
    let Rig {
        directory,
        publisher,
        handle,
        ..
    } = Rig::start("orders");
    drop(handle);
    fs::write(directory.path().join("gateway.toml"), "stock").unwrap();
    let wait = async {
        while publisher.load().generation != 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let long = Duration::from_secs(10);
    assert!(tokio::time::timeout(long, wait).await.is_ok());
}

#[test]
fn a_handle_outlives_its_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let rig = runtime.block_on(async { Rig::start("orders") });
    drop(runtime);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let report = runtime.block_on(rig.handle.reload(false));
    assert_eq!(report.error.as_deref(), Some("the process is ending"));
}

/// A reloader that nobody runs.
fn idle(snapshot: Snapshot) -> Reloader {
    let publisher = Arc::new(ArcSwap::from_pointee(snapshot));
    let (requests, _) = mpsc::channel(1);
    let known = Arc::new(Known {
        publisher,
        clock: fixtures().clock,
        last: Mutex::default(),
        loaded: Mutex::default(),
    });
    Reloader {
        build: Arc::new(|running| {
            let next = snapshot_of(running.config.as_ref().clone(), running.generation + 1, 365);
            Ok(Built {
                snapshot: next,
                contents: Contents::default(),
                needs_restart: vec![],
            })
        }),
        watcher: Watcher::new(),
        view: View::default(),
        contents: Contents::default(),
        failed: None,
        known: Arc::clone(&known),
        metrics: fixtures().metrics,
        sets: Arc::default(),
        feed: KeyFeed::new(&fixtures()),
        _handle: ReloadHandle { requests, known },
    }
}

/// A snapshot with one certificate that ends in `days` days.
fn snapshot_of(config: Config, generation: u64, days: u64) -> Snapshot {
    let resolver = rustls::server::ResolvesServerCertUsingSni::new();
    let tls = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    let mut snapshot = snapshot(generation, config);
    snapshot.tls = Some(ServerTls {
        config: Arc::new(tls),
        certificates: vec![CertificateInfo {
            names: vec!["localhost".into()],
            expires: fixtures()
                .clock
                .now()
                .plus(Duration::from_secs(days * 86_400)),
            file: "state/tls/a.pem".into(),
        }],
    });
    snapshot
}

#[tokio::test]
async fn a_certificate_that_we_made_is_made_anew_before_it_ends() {
    let made = Certificates::SelfSigned(vec!["localhost".into()]);
    let given = Certificates::Files(vec![("a.pem".into(), "a.key".into())]);
    for (tls, days, cause, generation) in [
        (&made, 2, Cause::Poll, 2),
        (&made, 2, Cause::Event, 1),
        (&made, 4, Cause::Poll, 1),
        (&given, 2, Cause::Poll, 1),
    ] {
        let mut config = config();
        config.server.tls = Some(tls.clone());
        let mut reloader = idle(snapshot_of(config, 1, days));
        reloader.look(cause).await;
        let found = reloader.known.publisher.load().generation;
        assert_eq!(found, generation, "{tls:?} {days}");
        // And once only.
        reloader.look(cause).await;
        assert_eq!(reloader.known.publisher.load().generation, generation);
    }
}

#[tokio::test]
async fn the_same_failure_is_counted_once_while_nothing_changes() {
    let mut reloader = idle(snapshot(1, config()));
    reloader.build = Arc::new(|_| {
        Err(BuildFailure {
            error: "still bad".into(),
            files: BTreeSet::new(),
        })
    });
    reloader.reload(Trigger::Request).await;
    let first = lock(&reloader.known.last).clone();
    for _ in 0..3 {
        reloader.look(Cause::Poll).await;
    }
    let shown = reloader.metrics.encode();
    assert!(shown.contains("portcullis_config_reloads_total{result=\"failure\"} 1\n"));
    assert_eq!(*lock(&reloader.known.last), first);
    // What was missing has come, where nobody watches.
    reloader.build = idle(snapshot(1, config())).build;
    reloader.look(Cause::Poll).await;
    assert_eq!(reloader.known.publisher.load().generation, 2);
    reloader.look(Cause::Poll).await;
    assert_eq!(reloader.known.publisher.load().generation, 2);
}

#[test]
fn certificates_are_shown_by_place_and_file_name() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let reloader = idle(snapshot(1, config()));
    reloader.show(&snapshot_of(config(), 3, 0));
    let shown = reloader.metrics.encode();
    let name = "portcullis_tls_certificate_expiry_timestamp_seconds";
    let line = format!("{name}{{certificate=\"0:a.pem\"}} 1700000000\n");
    assert!(shown.contains(&line), "{shown}");
}

#[test]
fn a_key_keeps_the_time_of_its_first_load() {
    let (clock, seconds) = crate::clock::Clock::manual(UnixTime::from_seconds(10));
    let known = Known {
        publisher: Arc::new(ArcSwap::from_pointee(snapshot(1, config()))),
        clock,
        last: Mutex::default(),
        loaded: Mutex::default(),
    };
    let issuer: Arc<str> = "corp".into();
    let key = |byte: u8| (Arc::clone(&issuer), [byte; 32]);
    let at = |byte: u8| {
        lock(&known.loaded)
            .get(&key(byte))
            .map(|time| time.seconds())
    };
    known.note_keys([key(1), key(2)].into_iter(), &KeyTimes::new());
    seconds.store(20, Ordering::Relaxed);
    let seen = [(key(1), 1), (key(4), 4), (key(2), 15)];
    let seen = seen.map(|(key, at)| (key, UnixTime::from_seconds(at)));
    known.note_keys([key(2), key(3), key(4)].into_iter(), &seen.into());
    assert_eq!((at(1), at(2), at(3)), (None, Some(10), Some(20)));
    assert_eq!(at(4), Some(4), "an earlier process saw it");
}
