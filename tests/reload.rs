//! Reloads of real files: what a running gateway makes of swapped volumes, renames, and files that are wrong.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use portcullis::clock::{Clock, UnixTime};
use portcullis::config::{self, AdminAccess, Environment};
use portcullis::gate::Reason;
use portcullis::jwt::{self, Algorithm, SigningKey};
use portcullis::metrics::Metrics;
use portcullis::net::make_self_signed;
use portcullis::reload::{KeyFeed, ReloadHandle, ReloadReport, Source, start};
use portcullis::snapshot::{Fixtures, Snapshot};
use serde_json::json;

/// 2027-01-15.
const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

/// A reloader over a directory of real files. Nothing listens: what counts is the snapshot in force.
struct Rig {
    directory: tempfile::TempDir,
    publisher: Arc<ArcSwap<Snapshot>>,
    metrics: Arc<Metrics>,
    handle: ReloadHandle,
}

impl Rig {
    /// Starts with the files that `lay_out` puts into the directory; `gateway.toml` must be one of them.
    fn start(lay_out: impl FnOnce(&Path)) -> Self {
        Self::start_from(lay_out, |root, environment| {
            Source::File(root.join("gateway.toml"), environment)
        })
    }

    fn start_from(
        lay_out: impl FnOnce(&Path),
        source: impl FnOnce(&Path, Environment) -> Source,
    ) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        lay_out(directory.path());
        let state = directory.path().join("state").display().to_string();
        let environment = Environment([("STATE_DIRECTORY".to_owned(), state)].into());
        let source = source(directory.path(), environment);
        let config = match &source {
            Source::File(file, environment) => config::load(file, environment),
            Source::Text(text, root, environment) => {
                config::parse(text, Path::new("gateway.toml"), root, environment)
            }
        };
        let config = config.unwrap_or_else(|errors| panic!("{errors}"));
        let fixtures = Fixtures {
            metrics: Metrics::new(1, Reason::NAMES),
            tickets: rustls::crypto::aws_lc_rs::Ticketer::new().expect("randomness"),
            clock: Clock::manual(NOW).0,
            keys: Arc::default(),
        };
        let first = Snapshot::build(config, None, &fixtures);
        let publisher = Arc::new(ArcSwap::from_pointee(
            first.unwrap_or_else(|errors| panic!("{errors}")),
        ));
        let metrics = Arc::clone(&fixtures.metrics);
        let feed = KeyFeed::new(&fixtures);
        Self {
            handle: start(source, Arc::clone(&publisher), fixtures, feed),
            directory,
            publisher,
            metrics,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Replaces a file as careful programs do: written aside, then renamed.
    fn replace(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path("aside"), content).expect("written");
        fs::rename(self.path("aside"), self.path(name)).expect("renamed");
    }

    /// Waits for a report that nobody asked for.
    async fn report(&self, wanted: impl Fn(&ReloadReport) -> bool) -> ReloadReport {
        let wait = async {
            loop {
                if let Some(report) = self.handle.last().filter(&wanted) {
                    return report;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let long = Duration::from_secs(20);
        tokio::time::timeout(long, wait)
            .await
            .unwrap_or_else(|_| panic!("no such report: {:?}", self.handle.last()))
    }

    /// Whether a token of `key` is good for the snapshot in force.
    fn admits(&self, key: &SigningKey) -> bool {
        let claims =
            json!({ "iss": "https://issuer.test", "aud": "api", "exp": NOW.seconds() + 60 });
        let token = key.sign("JWT", &claims).expect("signed");
        let snapshot = self.publisher.load();
        jwt::verify(token.as_bytes(), &snapshot.issuers, |_| true, NOW).is_ok()
    }
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::EdDsa).expect("a key")
}

fn jwks(keys: &[&SigningKey]) -> String {
    let keys: Vec<_> = keys.iter().filter_map(|key| key.public_jwk()).collect();
    json!({ "keys": keys }).to_string()
}

/// A configuration with one issuer; `more` goes to the end.
fn gateway(server: &str, more: &str) -> String {
    format!(
        r#"
[server]
{server}

[[issuers]]
name = "corp"
issuer = "https://issuer.test"
audiences = ["api"]
algorithms = ["EdDSA"]
keys = {{ jwks_file = "jwks.json" }}

[[routes]]
name = "app"
path = "/"
upstream = "http://127.0.0.1:9"
{more}
"#
    )
}

#[tokio::test]
async fn a_key_that_was_replaced_by_a_rename_counts_no_more() {
    let (old, both, new) = (key(), key(), key());
    let rig = Rig::start(|root| {
        fs::write(root.join("gateway.toml"), gateway("", "")).unwrap();
        fs::write(root.join("jwks.json"), jwks(&[&old, &both])).unwrap();
    });
    assert!(rig.admits(&old) && rig.admits(&both) && !rig.admits(&new));
    rig.replace("jwks.json", jwks(&[&both, &new]));
    let report = rig.report(|report| report.applied).await;
    assert!(!rig.admits(&old) && rig.admits(&both) && rig.admits(&new));
    let added = format!("{} added", new.kid());
    let removed = format!("{} removed", old.kid());
    let expected = format!("keys of issuer \"corp\": {added}, {removed}");
    assert_eq!(report.changes, [expected]);
}

#[tokio::test]
async fn every_swap_of_a_mounted_volume_is_taken_over() {
    let keys = [key(), key(), key()];
    let publish = |root: &Path, version: usize| {
        let name = format!("..v{version}");
        fs::create_dir(root.join(&name)).unwrap();
        let content = jwks(&[&keys[version]]);
        fs::write(root.join(&name).join("jwks.json"), content).unwrap();
        fs::write(root.join(&name).join("gateway.toml"), gateway("", "")).unwrap();
        symlink(&name, root.join("..data_tmp")).unwrap();
        fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
    };
    let rig = Rig::start(|root| {
        publish(root, 0);
        for file in ["jwks.json", "gateway.toml"] {
            symlink(Path::new("..data").join(file), root.join(file)).unwrap();
        }
    });
    for (version, generation) in [(1, 2), (2, 3)] {
        publish(rig.directory.path(), version);
        fs::remove_dir_all(rig.path(&format!("..v{}", version - 1))).unwrap();
        rig.report(|report| report.generation == generation).await;
        assert!(rig.admits(&keys[version]) && !rig.admits(&keys[version - 1]));
    }
}

#[tokio::test]
async fn key_files_that_are_wrong_keep_the_old_keys() {
    let (old, new) = (key(), key());
    let rig = Rig::start(|root| {
        fs::write(root.join("gateway.toml"), gateway("", "")).unwrap();
        fs::write(root.join("jwks.json"), jwks(&[&old])).unwrap();
    });
    let good = jwks(&[&new]);
    for wrong in ["", &good[..good.len() / 2], "{\"keys\":[]}", "<html>"] {
        rig.replace("jwks.json", wrong);
        let report = rig.handle.reload(false).await;
        let error = report.error.unwrap();
        assert!(error.contains("jwks.json"), "{wrong:?}: {error}");
        assert!(rig.admits(&old) && report.generation == 1);
    }
    fs::remove_file(rig.path("jwks.json")).unwrap();
    rig.report(|report| {
        report
            .error
            .as_ref()
            .is_some_and(|error| error.contains("cannot read"))
    })
    .await;
    assert!(rig.admits(&old));
    // Written in two steps, each of which the watcher may see.
    fs::write(rig.path("jwks.json"), &good[..good.len() / 2]).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    fs::write(rig.path("jwks.json"), &good).unwrap();
    rig.report(|report| report.applied).await;
    assert!(rig.admits(&new) && !rig.admits(&old));
}

#[tokio::test]
async fn a_wrong_configuration_is_named_with_its_place() {
    let rig = Rig::start(|root| {
        fs::write(root.join("gateway.toml"), gateway("", "")).unwrap();
        fs::write(root.join("jwks.json"), jwks(&[&key()])).unwrap();
    });
    fs::write(rig.path("gateway.toml"), gateway("listne = []", "")).unwrap();
    let report = rig.report(|report| report.error.is_some()).await;
    let error = report.error.unwrap();
    assert!(error.contains("gateway.toml:3:1"), "{error}");
    assert!(!report.applied && rig.publisher.load().generation == 1);
    let shown = rig.metrics.encode();
    assert!(shown.contains("portcullis_config_last_reload_successful 0\n"));

    let more = "[[routes]]\nname = \"new\"\npath = \"/new\"\nupstream = \"http://127.0.0.1:9\"";
    fs::write(rig.path("gateway.toml"), gateway("realm = \"x\"", more)).unwrap();
    let report = rig.report(|report| report.applied).await;
    let expected = [
        r#"route "new" added"#,
        r#"[server] realm changed from "portcullis" to "x""#,
    ];
    assert_eq!(report.changes, expected);
    assert_eq!(&*rig.publisher.load().realm, "x");
}

#[tokio::test]
async fn what_a_start_refuses_a_reload_refuses_too() {
    let rig = Rig::start(|root| {
        fs::write(root.join("gateway.toml"), gateway("", "")).unwrap();
        fs::write(root.join("jwks.json"), jwks(&[&key()])).unwrap();
    });
    // The admin listener of the configuration in force, for every client with a token.
    let admin = rig.publisher.load().config.admin.listen.unwrap();
    let more = format!(
        "[[upstreams]]\nname = \"inside\"\nurls = [\"http://{admin}\"]\nhost = \"upstream\"\n\
         [[routes]]\nname = \"new\"\npath = \"/new\"\nupstream = \"inside\""
    );
    rig.replace("gateway.toml", gateway("", &more));
    let report = rig.report(|report| report.error.is_some()).await;
    let error = report.error.unwrap();
    assert!(error.contains("error[admin-is-upstream]"), "{error}");
    assert!(!report.applied && rig.publisher.load().generation == 1);
}

#[tokio::test]
async fn a_certificate_is_replaced_once_its_key_fits() {
    let pair = |root: &Path, name: &str| {
        let names = [format!("{name}.test")];
        make_self_signed(&names, &root.join(name), NOW).unwrap()
    };
    let tls = "tls = { cert = \"server.pem\", key = \"server.key\" }";
    let rig = Rig::start(|root| {
        let (cert, key_file) = pair(root, "old");
        fs::copy(cert, root.join("server.pem")).unwrap();
        fs::copy(key_file, root.join("server.key")).unwrap();
        fs::write(root.join("gateway.toml"), gateway(tls, "")).unwrap();
        fs::write(root.join("jwks.json"), jwks(&[&key()])).unwrap();
    });
    let names = || {
        let snapshot = rig.publisher.load();
        snapshot.tls.as_ref().unwrap().certificates[0].names.clone()
    };
    assert_eq!(names(), ["old.test"]);
    let (cert, key_file) = pair(rig.directory.path(), "new");
    rig.replace("server.pem", fs::read(cert).unwrap());
    rig.report(|report| report.error.is_some()).await;
    assert_eq!(names(), ["old.test"]);
    rig.replace("server.key", fs::read(key_file).unwrap());
    let report = rig.report(|report| report.applied).await;
    assert_eq!(names(), ["new.test"]);
    assert_eq!(report.changes.len(), 2, "{:?}", report.changes);
}

#[tokio::test]
async fn a_value_read_from_a_file_is_watched_too() {
    let admin = "[admin]\ntoken = \"${file:token}\"";
    let rig = Rig::start(|root| {
        fs::write(root.join("token"), "the-first-admin-token").unwrap();
        fs::write(root.join("gateway.toml"), gateway("", admin)).unwrap();
        fs::write(root.join("jwks.json"), jwks(&[&key()])).unwrap();
    });
    rig.replace("token", "the-second-admin-token");
    let report = rig.report(|report| report.applied).await;
    assert_eq!(report.changes, ["access to the admin listener changed"]);
    assert!(!format!("{report:?}").contains("the-second"));
    let AdminAccess::Token(token) = rig.publisher.load().config.admin.access.clone() else {
        panic!("a token is configured");
    };
    assert_eq!(token.expose(), b"the-second-admin-token");
}

#[tokio::test]
async fn what_needs_a_restart_is_said_and_stays() {
    let rig = Rig::start(|root| {
        let server = "listen = [\"127.0.0.1:1\"]";
        fs::write(root.join("gateway.toml"), gateway(server, "")).unwrap();
        fs::write(root.join("jwks.json"), jwks(&[&key()])).unwrap();
    });
    let server = "listen = [\"127.0.0.1:2\"]\nworkers = 3\ntls = { self_signed = [\"a.test\"] }";
    fs::write(rig.path("gateway.toml"), gateway(server, "")).unwrap();
    let report = rig.report(|report| report.applied).await;
    assert_eq!(
        report.needs_restart,
        ["[server] listen", "[server] workers", "[server] tls"]
    );
    let snapshot = rig.publisher.load();
    assert_eq!(snapshot.config.server.listen[0].port(), 1);
    assert!(snapshot.tls.is_none());
}

#[tokio::test]
async fn a_text_in_memory_follows_its_key_files() {
    let (old, new) = (key(), key());
    let rig = Rig::start_from(
        |root| fs::write(root.join("jwks.json"), jwks(&[&old])).unwrap(),
        |root, environment| Source::Text(gateway("", ""), root.to_owned(), environment),
    );
    rig.replace("jwks.json", jwks(&[&new]));
    rig.report(|report| report.applied).await;
    assert!(rig.admits(&new) && !rig.admits(&old));
}
