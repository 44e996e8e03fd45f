use std::fs;
use std::os::unix::fs::symlink;

use super::*;

/// Long enough for an event on a busy machine; a test waits for it only when it fails.
const LONG: Duration = Duration::from_secs(10);

async fn is_told(watcher: &mut Watcher) -> bool {
    tokio::time::timeout(LONG, watcher.changed()).await == Ok(Cause::Event)
}

/// Whether nothing is said for as long as an event takes, several times over.
async fn hears_nothing(watcher: &mut Watcher) -> bool {
    let wait = QUIET + QUIET;
    tokio::time::timeout(wait, watcher.changed()).await.is_err()
}

fn watching(files: &[&Path]) -> Watcher {
    let mut watcher = Watcher::new();
    watcher.watch(&files.iter().map(|file| (*file).to_owned()).collect());
    watcher
}

/// A directory without symbolic links on the way to it.
fn directory() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().canonicalize().unwrap();
    (directory, path)
}

/// Lays a Kubernetes volume out: `file` → `..data/file`, `..data` → `..v1`.
fn volume(root: &Path) -> PathBuf {
    publish(root, "..v1", "one");
    let file = root.join("gateway.toml");
    symlink("..data/gateway.toml", &file).unwrap();
    file
}

/// What the kubelet does: a new directory, and `..data` moved over to it by a rename.
fn publish(root: &Path, version: &str, text: &str) {
    fs::create_dir(root.join(version)).unwrap();
    fs::write(root.join(version).join("gateway.toml"), text).unwrap();
    symlink(version, root.join("..data_tmp")).unwrap();
    fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
}

#[test]
fn every_link_on_the_way_is_watched() {
    let (_guard, root) = directory();
    for name in ["real", "far", "links"] {
        fs::create_dir(root.join(name)).unwrap();
    }
    fs::write(root.join("far/file"), "").unwrap();
    symlink(root.join("far/file"), root.join("real/file")).unwrap();
    symlink("../real", root.join("links/dir")).unwrap();
    let set = |names: &[&str]| {
        let names = names.iter();
        names.map(|name| root.join(name)).collect::<BTreeSet<_>>()
    };
    for (file, expected) in [
        ("far/file", set(&["far"])),
        ("far/absent", set(&["far"])),
        ("far/absent/file", set(&["far"])),
        ("real/file", set(&["real", "far"])),
        ("links/dir/file", set(&["links", "real", "far"])),
        ("real/../far/./file", set(&["far"])),
    ] {
        assert_eq!(directories(&root.join(file)), expected, "{file}");
    }
}

#[test]
fn links_in_a_ring_end() {
    let (_guard, root) = directory();
    symlink("b", root.join("a")).unwrap();
    symlink("a", root.join("b")).unwrap();
    assert_eq!(directories(&root.join("a")), BTreeSet::from([root]));
}

#[test]
fn reading_is_no_change() {
    let told = |kind| may_matter(&Ok(Event::new(kind)));
    assert!(!told(EventKind::Access(AccessKind::Read)));
    assert!(!told(EventKind::Access(AccessKind::Open(AccessMode::Any))));
    assert!(!told(EventKind::Access(AccessKind::Close(
        AccessMode::Read
    ))));
    assert!(told(EventKind::Access(AccessKind::Close(
        AccessMode::Write
    ))));
    assert!(told(EventKind::Other));
    assert!(may_matter(&Err(notify::Error::generic("lost"))));
}

#[tokio::test]
async fn our_own_reading_wakes_nobody() {
    let (_guard, root) = directory();
    let file = root.join("gateway.toml");
    fs::write(&file, "one").unwrap();
    let mut watcher = watching(&[&file]);
    let _ = fs::read(&file).unwrap();
    assert!(hears_nothing(&mut watcher).await);
    fs::write(&file, "two").unwrap();
    assert!(is_told(&mut watcher).await);
}

#[tokio::test]
async fn a_file_that_is_replaced_again_and_again_is_told_each_time() {
    let (_guard, root) = directory();
    let file = root.join("jwks.json");
    fs::write(&file, "0").unwrap();
    let mut watcher = watching(&[&file]);
    for round in 1..4 {
        fs::write(root.join("new"), round.to_string()).unwrap();
        fs::rename(root.join("new"), &file).unwrap();
        assert!(is_told(&mut watcher).await, "{round}");
        assert!(hears_nothing(&mut watcher).await, "{round}");
        watcher.watch(&BTreeSet::from([file.clone()]));
    }
}

#[tokio::test]
async fn every_swap_of_a_mounted_volume_is_told() {
    let (_guard, root) = directory();
    let file = volume(&root);
    let mut watcher = watching(&[&file]);
    for round in 2..5 {
        publish(&root, &format!("..v{round}"), "next");
        assert!(is_told(&mut watcher).await, "{round}");
        fs::remove_dir_all(root.join(format!("..v{}", round - 1))).unwrap();
        watcher.watch(&BTreeSet::from([file.clone()]));
        while !hears_nothing(&mut watcher).await {}
    }
}

#[tokio::test]
async fn a_change_at_the_far_end_of_a_link_is_told() {
    let (_guard, root) = directory();
    fs::create_dir(root.join("far")).unwrap();
    fs::create_dir(root.join("near")).unwrap();
    fs::write(root.join("far/key"), "one").unwrap();
    symlink(root.join("far/key"), root.join("near/key")).unwrap();
    let mut watcher = watching(&[&root.join("near/key")]);
    fs::write(root.join("far/key"), "two").unwrap();
    assert!(is_told(&mut watcher).await);
}

#[tokio::test]
async fn a_directory_that_is_made_anew_is_watched_again() {
    let (_guard, root) = directory();
    let file = root.join("conf/key");
    fs::create_dir(root.join("conf")).unwrap();
    fs::write(&file, "one").unwrap();
    let mut watcher = watching(&[&file]);
    fs::remove_dir_all(root.join("conf")).unwrap();
    assert!(is_told(&mut watcher).await);
    watcher.watch(&BTreeSet::from([file.clone()]));
    fs::create_dir(root.join("conf")).unwrap();
    assert!(
        is_told(&mut watcher).await,
        "its parent is watched meanwhile"
    );
    watcher.watch(&BTreeSet::from([file.clone()]));
    while !hears_nothing(&mut watcher).await {}
    fs::write(&file, "two").unwrap();
    assert!(is_told(&mut watcher).await);
}

#[tokio::test]
async fn an_event_is_not_lost_when_the_waiting_is_given_up() {
    let (_guard, root) = directory();
    let file = root.join("key");
    fs::write(&file, "one").unwrap();
    let mut watcher = watching(&[&file]);
    fs::write(&file, "two").unwrap();
    // Given up within the time that the watcher waits for quiet.
    while !watcher.pending {
        let short = Duration::from_millis(20);
        let _ = tokio::time::timeout(short, watcher.changed()).await;
    }
    assert!(is_told(&mut watcher).await);
}

#[tokio::test]
async fn without_events_it_looks_now_and_then() {
    let mut watcher = Watcher::new();
    assert_eq!(watcher.poll_interval(), POLL);
    watcher.next_poll = Instant::now();
    assert_eq!(watcher.changed().await, Cause::Poll);
    assert!(watcher.next_poll > Instant::now() + POLL_UNWATCHED);
}

#[tokio::test]
async fn what_cannot_be_watched_is_looked_at_each_second() {
    let mut watcher = Watcher::new();
    watcher.system = None;
    watcher.watch(&BTreeSet::new());
    assert!(watcher.next_poll <= Instant::now() + POLL_UNWATCHED);
    watcher.next_poll = Instant::now();
    assert_eq!(watcher.changed().await, Cause::Poll);
    assert!(watcher.next_poll <= Instant::now() + POLL_UNWATCHED);
}
