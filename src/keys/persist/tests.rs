use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use proptest::prelude::*;

use crate::clock::Clock;
use crate::keys::testing::{fresh_set, issuer, jwks_url};
use crate::keys::{RemoteKeySets, SetChange};

use super::*;

const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);

fn id() -> SourceId {
    let issuer = issuer(jwks_url("https://a.test/keys"));
    SourceId::all_of(&issuer).next().unwrap()
}

fn held(document: Vec<u8>) -> HeldSet {
    HeldSet::new(document, Some("\"e\"".into()), NOW).unwrap()
}

/// A directory with one good file.
fn stored() -> (tempfile::TempDir, Directory, PathBuf) {
    let state = tempfile::tempdir().unwrap();
    let directory = Directory::of(state.path());
    directory
        .store(&id(), &held(fresh_set(&["a", "b"])))
        .unwrap();
    let file = directory.file(&id());
    (state, directory, file)
}

#[test]
fn a_file_has_the_name_of_its_issuer_and_is_private() {
    let (state, _, file) = stored();
    assert_eq!(file.parent().unwrap(), state.path().join("key-sets"));
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("corp.") && is_ours(&file), "{name}");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&file), 0o600);
    assert_eq!(mode(file.parent().unwrap()), 0o700);
}

fn edit(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut content = fs::read(file).unwrap();
    change(&mut content);
    fs::write(file, content).unwrap();
}

/// Changes what is said of the document, with a checksum that is right.
fn rewrite(file: &Path, change: impl FnOnce(&mut serde_json::Value, &mut Vec<u8>)) {
    let content = fs::read(file).unwrap();
    let (_, rest) = line(&content).unwrap();
    let (about, document) = line(rest).unwrap();
    let mut about = serde_json::from_slice(about).unwrap();
    let mut document = document.to_vec();
    change(&mut about, &mut document);
    let mut rest = format!("{about}\n").into_bytes();
    rest.append(&mut document);
    let checksum = hexadecimal(digest(&SHA256, &rest).as_ref());
    let mut content = format!("{FORMAT}{checksum}\n").into_bytes();
    content.append(&mut rest);
    fs::write(file, content).unwrap();
}

#[test]
fn a_file_that_is_torn_or_changed_is_as_good_as_none() {
    let flip = |at: usize| move |content: &mut Vec<u8>| content[at] ^= 1;
    let rows: [Row<Edit>; 11] = [
        ("empty", &|c| c.clear(), "format"),
        ("half", &|c| c.truncate(c.len() / 2), "checksum"),
        ("its head", &|c| c.truncate(30), "format"),
        ("a byte less", &|c| c.truncate(c.len() - 1), "checksum"),
        ("a byte more", &|c| c.push(b' '), "checksum"),
        ("the checksum", &flip(40), "checksum"),
        ("what is said of it", &flip(120), "checksum"),
        ("the document", &|c| *c.last_mut().unwrap() ^= 1, "checksum"),
        ("zeros", &|c| c.fill(0), "format"),
        ("another version", &|c| c[19] = b'2', "format"),
        ("too large", &|c| c.resize(TOO_LARGE, b' '), "too large"),
    ];
    for (name, change, problem) in rows {
        is_as_good_as_none(name, |file| edit(file, change), problem);
    }
}

#[test]
fn a_file_that_is_not_ours_is_as_good_as_none() {
    let rows: [Row<Fault>; 6] = [
        (
            "plain JSON",
            &|file| fs::write(file, fresh_set(&["a"])).unwrap(),
            "format",
        ),
        (
            "of another source",
            &|file| rewrite(file, |about, _| about["source"] = "00".repeat(32).into()),
            "another source",
        ),
        (
            "no date",
            &|file| rewrite(file, |about, _| about["fetched"] = "yesterday".into()),
            "format",
        ),
        (
            "no set",
            &|file| rewrite(file, |_, document| *document = b"[]".to_vec()),
            "not a set of keys",
        ),
        (
            "an empty set",
            &|file| rewrite(file, |_, document| *document = b"{\"keys\":[]}".to_vec()),
            "not a set of keys",
        ),
        (
            "everybody's",
            &|file| fs::set_permissions(file, Permissions::from_mode(0o606)).unwrap(),
            "everybody",
        ),
    ];
    for (name, fault, problem) in rows {
        is_as_good_as_none(name, fault, problem);
    }
}

#[test]
fn what_everybody_can_put_there_is_not_read() {
    let (_state, directory, file) = stored();
    let inside = file.parent().unwrap();
    for (mode, is_read) in [
        (0o770, true),
        (0o777, false),
        (0o1777, false),
        (0o700, true),
    ] {
        fs::set_permissions(inside, Permissions::from_mode(mode)).unwrap();
        let loaded = directory.load(&id());
        assert_eq!(loaded.is_ok(), is_read, "{mode:o}");
        assert!(is_read || matches!(loaded, Err(Unusable::NotOurs(NotOurs::Unguarded))));
    }
}

/// (name, what happened to the file, what the error says)
type Row<'a, F> = (&'a str, &'a F, &'a str);

type Edit = dyn Fn(&mut Vec<u8>);

type Fault = dyn Fn(&Path);

#[expect(clippy::cast_possible_truncation, reason = "about a million")]
const TOO_LARGE: usize = MAX_FILE as usize + 1;

fn is_as_good_as_none(name: &str, fault: impl Fn(&Path), problem: &str) {
    let (state, directory, file) = stored();
    assert!(directory.load(&id()).unwrap().is_some(), "{name}");
    fault(&file);
    let error = directory.load(&id()).expect_err(name).to_string();
    assert!(error.contains(problem), "{name}: {error}");
    heals(&state, name);
}

#[test]
fn what_is_no_file_is_not_opened() {
    let faults: [(&str, &Fault); 4] = [
        ("a link", &|file| {
            let elsewhere = file.with_extension("moved");
            fs::rename(file, &elsewhere).unwrap();
            symlink(elsewhere, file).unwrap();
        }),
        ("a link to nothing", &|file| {
            fs::remove_file(file).unwrap();
            symlink("/nowhere", file).unwrap();
        }),
        ("a link without end", &|file| {
            fs::remove_file(file).unwrap();
            symlink("/dev/zero", file).unwrap();
        }),
        ("a link to itself", &|file| {
            fs::remove_file(file).unwrap();
            symlink(file, file).unwrap();
        }),
    ];
    for (name, fault) in faults {
        let (state, directory, file) = stored();
        fault(&file);
        let error = directory.load(&id()).expect_err(name);
        assert!(
            matches!(error, Unusable::NotOurs(NotOurs::NotAFile)),
            "{name}: {error}"
        );
        heals(&state, name);
    }
    // It cannot be replaced either.
    let (state, directory, file) = stored();
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(matches!(
        directory.load(&id()),
        Err(Unusable::NotOurs(NotOurs::NotAFile))
    ));
    let sets = RemoteKeySets::new(state.path(), Clock::manual(NOW).0);
    let put = sets.put(&id(), fresh_set(&["n"]), None, NOW);
    sets.keep(&id());
    assert!(put.is_ok() && sets.current(&id(), GONE_KEPT).is_some());
}

/// A registry starts without the file, and the next fetch puts it right.
fn heals(state: &tempfile::TempDir, name: &str) {
    let sets = || RemoteKeySets::new(state.path(), Clock::manual(NOW).0);
    let first = sets();
    assert!(first.current(&id(), GONE_KEPT).is_none(), "{name}");
    let change = first.put(&id(), fresh_set(&["n"]), None, NOW);
    first.keep(&id());
    assert!(matches!(change, Ok(SetChange::Changed { .. })), "{name}");
    assert!(sets().current(&id(), GONE_KEPT).is_some(), "{name}");
}

#[test]
fn a_crash_in_the_middle_leaves_the_old_file_and_is_cleaned_up() {
    let (_state, directory, file) = stored();
    let begun = file.with_file_name(".0123456789abcdef.tmp");
    fs::write(&begun, &fs::read(&file).unwrap()[..100]).unwrap();
    assert!(directory.load(&id()).unwrap().is_some());
    // Another process may be writing it right now.
    let now = Clock::System.now();
    directory.sweep([&id()], now.plus(Duration::from_mins(50)));
    assert!(begun.exists());
    directory.sweep([&id()], now.plus(Duration::from_mins(70)));
    assert!(!begun.exists());
    assert!(directory.load(&id()).unwrap().is_some());
}

#[test]
fn only_files_of_ours_are_removed() {
    let (_state, directory, file) = stored();
    let theirs = [
        "notes.json",
        "corp.json",
        "corp.0123.json",
        ".hidden",
        "x.tmp",
    ];
    for name in theirs {
        fs::write(file.with_file_name(name), "theirs").unwrap();
    }
    let gone = format!("old%2Fone.{}.json", "0a".repeat(16));
    fs::write(file.with_file_name(gone), "not even good").unwrap();
    let inside = file.with_file_name(format!("directory.{}.json", "0a".repeat(16)));
    fs::create_dir(&inside).unwrap();
    let later = Clock::System.now().plus(2 * GONE_KEPT);
    directory.sweep([&id()], later);
    let mut left: Vec<PathBuf> = files(file.parent().unwrap());
    left.sort();
    let mut expected: Vec<PathBuf> = theirs
        .iter()
        .map(|name| file.with_file_name(name))
        .collect();
    expected.push(file);
    expected.sort();
    assert_eq!(left, expected);
    assert!(inside.exists());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What was stored is what is loaded.
    #[test]
    fn loading_undoes_storing(
        more in "\\PC{0,200}",
        etag in proptest::option::of("\\PC{0,100}"),
        fetched in any::<i64>(),
        first_seen in proptest::collection::btree_map(any::<[u8; 32]>(), any::<i64>(), 0..20),
    ) {
        let mut document: serde_json::Value = serde_json::from_slice(&SET).unwrap();
        document["more"] = more.into();
        // With line ends in it.
        let document = format!("{document:#}\n\n").into_bytes();
        let fetched = UnixTime::from_seconds(fetched);
        let mut set = HeldSet::new(document, etag.map(Into::into), fetched).unwrap();
        let first_seen = first_seen.into_iter();
        set.first_seen.extend(first_seen.map(|(key, at)| (key, UnixTime::from_seconds(at))));
        let loaded = parse(&render(&id(), &set), &id()).unwrap();
        prop_assert!(loaded.from_disk);
        prop_assert_eq!(Arc::clone(&loaded.document), Arc::clone(&set.document));
        prop_assert_eq!(&loaded.etag, &set.etag);
        prop_assert_eq!(loaded.fetched, set.fetched);
        prop_assert_eq!(&loaded.first_seen, &set.first_seen);
        prop_assert_eq!(loaded.contents(), set.contents());
        prop_assert_eq!(render(&id(), &loaded), render(&id(), &set));
    }

    /// No other bytes are ever taken for a set, and none do harm.
    #[test]
    fn a_byte_that_differs_is_found(at in any::<proptest::sample::Index>(), flip in 1_u8..) {
        let mut content = render(&id(), &held(SET.clone()));
        let at = at.index(content.len());
        content[at] ^= flip;
        prop_assert!(parse(&content, &id()).is_err());
    }
}

static SET: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| fresh_set(&["a", "b"]));
