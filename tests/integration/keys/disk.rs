//! What was fetched is kept on disk: a gateway that starts while its provider is down has keys, if they are its own, whole
//! and not too old.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::super::harness::process::wait_until;
use super::super::harness::provider::{JWKS, Provider};
use super::super::harness::{TestGateway, Upstream};
use super::{
    BACK_OFF, INTERVAL, STALE_FOR, World, admitted, key, outcome, source, unavailable, unknown,
    wait_for,
};

/// Where sets are kept.
fn kept(directory: &Path) -> PathBuf {
    directory.join("state/key-sets")
}

/// The file of an issuer's only source.
fn file_of(directory: &Path, issuer: &str) -> PathBuf {
    let files = fs::read_dir(kept(directory)).expect("a directory");
    let mut files = files.map(|file| file.expect("a file").path());
    let of = |file: &PathBuf| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(&format!("{issuer}.")) && name.ends_with(".json")
    };
    files.find(of).expect("the file of the issuer")
}

/// A gateway with that issuer, which has fetched its set and kept it.
fn fetched(upstream: &Upstream, provider: &Provider) -> TestGateway {
    let gateway = World::new().jwks("corp", provider).start(upstream);
    wait_for(&gateway, "corp", "a");
    gateway
}

#[test]
fn a_gateway_that_starts_while_the_provider_is_down_serves_from_disk() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a")]);
    let gateway = fetched(&upstream, &provider);
    provider.kill();
    let gateway = gateway.restart(|directory| {
        let mode = |path: &Path| {
            fs::metadata(path)
                .expect("it is there")
                .permissions()
                .mode()
        };
        assert_eq!(mode(&kept(directory)) & 0o777, 0o700);
        assert_eq!(mode(&file_of(directory, "corp")) & 0o777, 0o600);
    });
    assert_eq!(outcome(&gateway, "corp", "a"), admitted());
    assert_eq!(outcome(&gateway, "corp", "b"), unknown());
    assert_eq!(gateway.admin("/readyz").status, 200);
    assert_eq!(source(&gateway, "corp")["state"], "from disk");
    // It goes on as if it had never ended.
    provider.publish(&[key("b")]);
    provider.revive();
    gateway.advance(BACK_OFF);
    wait_for(&gateway, "corp", "b");
    assert_eq!(outcome(&gateway, "corp", "a"), unknown());
    // And again: what is kept is the last set.
    provider.kill();
    let gateway = gateway.restart(|_| {});
    assert_eq!(outcome(&gateway, "corp", "b"), admitted());
    assert_eq!(outcome(&gateway, "corp", "a"), unknown());
}

#[test]
fn without_its_copy_it_says_503_and_heals() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a")]);
    let gateway = fetched(&upstream, &provider);
    provider.kill();
    let gateway = gateway.restart(|directory| {
        fs::remove_file(file_of(directory, "corp")).expect("removed");
    });
    assert_eq!(outcome(&gateway, "corp", "a"), unavailable());
    let ready = gateway.admin("/readyz");
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("issuer corp"), "{}", ready.text());
    provider.revive();
    gateway.advance(BACK_OFF);
    wait_for(&gateway, "corp", "a");
    assert_eq!(gateway.admin("/readyz").status, 200);
}

#[test]
fn a_running_gateway_does_not_need_its_copy() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a")]);
    let directory = tempfile::tempdir().expect("a directory");
    let kept = kept(directory.path());
    let gateway = World::new()
        .jwks("corp", &provider)
        .start_in(&upstream, directory);
    wait_for(&gateway, "corp", "a");
    fs::remove_dir_all(&kept).expect("removed");
    provider.publish(&[key("b")]);
    gateway.advance(INTERVAL);
    wait_for(&gateway, "corp", "b");
    assert!(gateway.reload().error.is_none());
    assert_eq!(outcome(&gateway, "corp", "b"), admitted());
    wait_until("the new set is kept", || kept.exists());
}

#[test]
fn a_directory_that_cannot_be_written_costs_the_copy_alone() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a")]);
    let directory = tempfile::tempdir().expect("a directory");
    fs::create_dir(directory.path().join("state")).expect("a directory");
    fs::write(kept(directory.path()), "in the way").expect("written");
    let gateway = World::new()
        .jwks("corp", &provider)
        .start_in(&upstream, directory);
    wait_for(&gateway, "corp", "a");
    provider.publish(&[key("b")]);
    gateway.advance(INTERVAL);
    wait_for(&gateway, "corp", "b");
    provider.kill();
    let gateway = gateway.restart(|_| {});
    assert_eq!(outcome(&gateway, "corp", "b"), unavailable());
    provider.revive();
    gateway.advance(BACK_OFF);
    wait_for(&gateway, "corp", "b");
}

type Spoil = fn(&Path, &Path);

/// What becomes of a copy, by the name of its row; the second path is that of another issuer's copy.
const SPOILT: [(&str, Spoil); 10] = [
    ("empty", |file, _| write(file, b"")),
    ("garbage", |file, _| write(file, b"\0\xFF not what it was")),
    ("truncated", |file, _| {
        let bytes = read(file);
        write(file, &bytes[..bytes.len() - 1]);
    }),
    ("one-bit", |file, _| {
        let mut bytes = read(file);
        // In the document: a letter becomes another.
        let last = bytes.len() - 20;
        bytes[last] ^= 1;
        write(file, &bytes);
    }),
    ("longer", |file, _| {
        let mut bytes = read(file);
        bytes.extend_from_slice(b" ");
        write(file, &bytes);
    }),
    ("of-another", |file, other| write(file, &read(other))),
    ("document-of-another", |file, other| {
        let (mine, others) = (read(file), read(other));
        let header = |bytes: &[u8]| {
            bytes
                .iter()
                .position(|byte| *byte == b'\n')
                .expect("a line")
        };
        let spliced = [&mine[..header(&mine)], &others[header(&others)..]].concat();
        write(file, &spliced);
    }),
    ("huge", |file, _| {
        let file = fs::OpenOptions::new().write(true).open(file).expect("open");
        file.set_len(8 << 30).expect("a hole");
    }),
    ("directory", |file, _| {
        fs::remove_file(file).expect("removed");
        fs::create_dir(file).expect("a directory");
    }),
    ("gone", |file, _| fs::remove_file(file).expect("removed")),
];

fn read(file: &Path) -> Vec<u8> {
    fs::read(file).expect("read")
}

fn write(file: &Path, bytes: &[u8]) {
    fs::write(file, bytes).expect("written");
}

#[test]
fn a_copy_that_is_not_whole_is_not_used() {
    let upstream = Upstream::start();
    let whole = Provider::start(&[key("a")]);
    let other = Provider::start(&[key("b")]);
    let providers = SPOILT.map(|_| Provider::start(&[key("a")]));
    let mut world = World::new().jwks("whole", &whole).jwks("other", &other);
    for ((name, _), provider) in SPOILT.iter().zip(&providers) {
        world = world.jwks(name, provider);
    }
    let gateway = world.start(&upstream);
    wait_for(&gateway, "whole", "a");
    wait_for(&gateway, "other", "b");
    for (name, _) in SPOILT {
        wait_for(&gateway, name, "a");
    }
    whole.kill();
    other.kill();
    providers.iter().for_each(Provider::kill);
    let gateway = gateway.restart(|directory| {
        for (name, spoil) in SPOILT {
            spoil(&file_of(directory, name), &file_of(directory, "other"));
        }
    });
    assert_eq!(outcome(&gateway, "whole", "a"), admitted());
    let ready = gateway.admin("/readyz").text();
    for (name, _) in SPOILT {
        for kid in ["a", "b"] {
            assert_eq!(outcome(&gateway, name, kid), unavailable(), "{name}: {kid}");
        }
        assert!(
            ready.contains(&format!("issuer {name}: ")),
            "{name}: {ready}"
        );
    }
    for provider in &providers {
        provider.revive();
    }
    gateway.advance(BACK_OFF);
    for (name, _) in SPOILT {
        wait_for(&gateway, name, "a");
    }
}

/// Restarts with a changed configuration while the provider is down.
fn with_config(gateway: TestGateway, change: impl Fn(&str) -> String) -> TestGateway {
    gateway.restart(|directory| {
        let file = directory.join("gateway.toml");
        let text = fs::read_to_string(&file).expect("read");
        let changed = change(&text);
        assert_ne!(text, changed);
        fs::write(file, changed).expect("written");
    })
}

#[test]
fn a_copy_of_another_url_or_issuer_is_not_used() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a")]);
    let url = provider.url(JWKS);
    let other = provider.url("/other");
    let gateway = fetched(&upstream, &provider);
    provider.kill();
    let gateway = with_config(gateway, |text| text.replace(&url, &other));
    assert_eq!(outcome(&gateway, "corp", "a"), unavailable(), "another URL");
    let gateway = with_config(gateway, |text| {
        text.replace(&other, &url)
            .replace("https://corp.test", "https://new.test")
    });
    let found = super::outcome_of(
        &mut gateway.connect(),
        "corp",
        &super::token_as("https://new.test", key("a")),
    );
    assert_eq!(found, unavailable(), "another iss");
}

#[test]
fn a_copy_that_is_too_old_or_of_the_future_is_not_used() {
    for (what, seconds, expected) in [
        ("just old enough", STALE_FOR - 60, admitted()),
        ("too old", STALE_FOR + 60, unavailable()),
        ("of the future, a little", -60, admitted()),
        ("of the future", -3600, unavailable()),
    ] {
        let upstream = Upstream::start();
        let provider = Provider::start(&[key("a")]);
        let gateway = fetched(&upstream, &provider);
        provider.kill();
        gateway.advance(seconds);
        let gateway = gateway.restart(|_| {});
        assert_eq!(outcome(&gateway, "corp", "a"), expected, "{what}");
    }
}
