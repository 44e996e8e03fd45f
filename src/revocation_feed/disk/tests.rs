use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::revocation::{Revocation, RevocationTarget};
use crate::secret::Secret;

const STALE_FOR: Duration = Duration::from_mins(10);

fn at(seconds: i64) -> UnixTime {
    UnixTime::from_seconds(seconds)
}

fn store(name: &str) -> StoreUrl {
    StoreUrl::Sqlite(PathBuf::from(name))
}

fn disk(directory: &Path) -> Disk {
    Disk::of(directory, &store("/var/a.db"))
}

fn set(values: &[&str]) -> std::sync::Arc<RevocationSet> {
    let mut writer = RevocationWriter::new().unwrap();
    for value in values {
        writer.add(&Revocation {
            issuer: "https://a.example",
            target: RevocationTarget::Jti(value),
            before: None,
            until: None,
        });
    }
    writer.publish()
}

fn load(disk: &Disk, now: i64) -> Result<Option<Kept>, Unusable> {
    disk.load(&CurrentUntil::never(), at(now), STALE_FOR)
}

/// How many entries, and as of when; `None` for what is as good as nothing.
fn loaded(disk: &Disk, now: i64) -> Option<(usize, i64)> {
    let kept = load(disk, now).ok()??;
    Some((kept.writer.publish().len(), kept.as_of.seconds()))
}

#[test]
fn a_copy_is_read_back_by_who_asks_for_the_same_store() {
    let root = tempfile::tempdir().unwrap();
    let disk = disk(root.path());
    assert!(load(&disk, 1000).unwrap().is_none());
    disk.save(&set(&["a", "b"]), at(1000)).unwrap();
    assert_eq!(loaded(&disk, 1000), Some((2, 1000)));
    let file = root.path().join("revocations");
    assert_eq!(
        fs::metadata(file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let other = Disk::of(root.path(), &store("/var/b.db"));
    assert!(matches!(load(&other, 1000), Err(Unusable::Foreign)));
}

#[test]
fn a_store_is_known_by_its_place_and_not_by_who_asks_it() {
    let postgres = |url: &str| identity(&StoreUrl::Postgres(Secret::new(url.as_bytes().to_vec())));
    let one = postgres("postgres://user:secret@db.example/a");
    assert_eq!(one, postgres("postgres://other:new@db.example/a"));
    assert_ne!(one, postgres("postgres://user:secret@db.example/b"));
    assert_ne!(postgres("postgres://db/a"), identity(&store("//db/a")));
}

#[test]
fn the_age_of_a_copy_is_counted_from_when_it_was_last_the_list() {
    let root = tempfile::tempdir().unwrap();
    let disk = disk(root.path());
    let first = disk.save(&set(&["a"]), at(1000)).unwrap();
    for (now, found) in [
        (900, None),
        (939, None),
        (940, Some((1, 1000))),
        (1599, Some((1, 1000))),
        (1600, None),
        (9000, None),
    ] {
        assert_eq!(loaded(&disk, now), found, "{now}");
    }
    disk.confirm(&first, at(1500)).unwrap();
    assert_eq!(loaded(&disk, 2099), Some((1, 1500)));
    assert_eq!(loaded(&disk, 2100), None);
    // What was said of another copy says nothing of this one.
    disk.save(&set(&["a", "b"]), at(1400)).unwrap();
    assert_eq!(loaded(&disk, 1999), Some((2, 1400)));
    assert_eq!(loaded(&disk, 2000), None);
}

#[test]
fn a_copy_that_is_torn_or_changed_is_none() {
    let root = tempfile::tempdir().unwrap();
    let disk = disk(root.path());
    disk.save(&set(&["a", "b", "c"]), at(1000)).unwrap();
    let whole = fs::read(&disk.list).unwrap();
    for length in 0..whole.len() {
        fs::write(&disk.list, &whole[..length]).unwrap();
        assert!(load(&disk, 1000).is_err(), "{length} bytes");
    }
    for place in 0..whole.len() {
        let mut changed = whole.clone();
        changed[place] ^= 1;
        fs::write(&disk.list, &changed).unwrap();
        assert!(load(&disk, 1000).is_err(), "byte {place}");
    }
    for more in [&b"x"[..], &[0; 100]] {
        fs::write(&disk.list, [&whole, more].concat()).unwrap();
        assert!(load(&disk, 1000).is_err(), "{} more bytes", more.len());
    }
    fs::write(&disk.list, &whole).unwrap();
    assert_eq!(loaded(&disk, 1000), Some((3, 1000)));
}

#[test]
fn what_confirms_a_copy_is_right_or_as_good_as_nothing() {
    let root = tempfile::tempdir().unwrap();
    let disk = disk(root.path());
    let copy = disk.save(&set(&["a"]), at(1000)).unwrap();
    disk.confirm(&copy, at(1500)).unwrap();
    let whole = fs::read_to_string(&disk.confirmed).unwrap();
    for text in [
        whole.replace(" 1500", " 1900"),
        whole.replace("confirmed 1", "confirmed 2"),
        whole.trim_end().to_owned(),
        format!("{whole}\n"),
        String::new(),
        "x".repeat(1 << 20),
    ] {
        fs::write(&disk.confirmed, &text).unwrap();
        assert_eq!(loaded(&disk, 1000), Some((1, 1000)), "{text:.80}");
    }
}

#[test]
fn a_copy_that_anybody_may_have_written_is_none() {
    let root = tempfile::tempdir().unwrap();
    let disk = disk(root.path());
    disk.save(&set(&["a"]), at(1000)).unwrap();
    fs::set_permissions(&disk.list, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(matches!(
        load(&disk, 1000),
        Err(Unusable::NotOurs(NotOurs::Unguarded))
    ));
    fs::rename(&disk.list, root.path().join("other")).unwrap();
    std::os::unix::fs::symlink("other", &disk.list).unwrap();
    assert!(matches!(
        load(&disk, 1000),
        Err(Unusable::NotOurs(NotOurs::NotAFile))
    ));
}
