//! What is on disk, and who finds it there.

use super::*;

#[test]
fn a_restart_finds_what_was_fetched() {
    let mut rig = Rig::new();
    let (first, second) = (key(), key());
    rig.put(&set(&[jwk(&first, "a")]));
    rig.advance(100);
    let document = set(&[jwk(&first, "a"), jwk(&second, "b")]);
    rig.put(&document);
    rig.restart();
    let held = rig.current().unwrap();
    assert_eq!(&*held.document, &*document);
    assert_eq!((held.fetched, held.from_disk), (at(100), true));
    let seen = |key: &crate::jwt::SigningKey| {
        let key = key.verifying_key().unwrap();
        held.first_seen.get(key.thumbprint()).copied()
    };
    assert_eq!((seen(&first), seen(&second)), (Some(at(0)), Some(at(100))));
    // The same again changes nothing, and is known to be fresh.
    rig.advance(100);
    assert_eq!(rig.put(&document), SetChange::Same);
    let held = rig.current().unwrap();
    assert_eq!((held.fetched, held.from_disk), (at(200), false));
    assert_eq!(held.first_seen.values().min(), Some(&at(0)));
}

#[test]
fn a_kept_set_of_another_source_is_not_used() {
    let rig = Rig::new();
    rig.put(&fresh_set(&["a"]));
    for (name, iss, url) in [
        ("other", "https://issuer.test", "https://a.test/keys"),
        ("corp", "https://other.test", "https://a.test/keys"),
        ("corp", "https://issuer.test", "https://b.test/keys"),
    ] {
        let mut issuer = issuer(jwks_url(url));
        issuer.name = name.into();
        issuer.policy.issuer = iss.into();
        let next = RemoteKeySets::new(rig.state.path(), rig.clock.clone());
        assert!(next.current(&id_of(&issuer), DAY).is_none(), "{name} {iss}");
        // Nor if somebody puts the file where that of the other would be.
        let file = Directory::of(rig.state.path()).file(&id_of(&issuer));
        fs::copy(rig.file(), &file).unwrap();
        let next = RemoteKeySets::new(rig.state.path(), rig.clock.clone());
        assert!(next.current(&id_of(&issuer), DAY).is_none(), "{name} {iss}");
        fs::remove_file(file).unwrap();
    }
}

#[test]
fn a_kept_set_is_as_old_as_it_was_when_it_was_fetched() {
    for (later, usable) in [
        (0, true),
        (86_400, true),
        (86_401, false),
        (-300, true),
        (-301, false),
    ] {
        let mut rig = Rig::new();
        rig.put(&fresh_set(&["a"]));
        rig.advance(later);
        rig.restart();
        assert_eq!(rig.current().is_some(), usable, "{later}");
        // A clock that is set right changes that.
        rig.advance(-later);
        assert!(rig.current().is_some(), "{later}");
    }
}

#[test]
fn a_kept_set_that_served_serves_on_when_the_clock_is_set_back() {
    let mut rig = Rig::new();
    rig.put(&fresh_set(&["a"]));
    rig.restart();
    assert!(rig.current().is_some());
    rig.advance(-10_000);
    let held = rig.current().unwrap();
    assert_eq!((held.fetched, held.from_disk), (rig.clock.now(), true));
    rig.advance(86_401);
    assert!(rig.current().is_none());
}

#[test]
fn a_kept_set_is_confirmed_as_any_other() {
    let mut rig = Rig::new();
    rig.put(&fresh_set(&["a"]));
    rig.advance(100);
    rig.restart();
    assert!(rig.confirm(rig.clock.now()));
    let held = rig.current().unwrap();
    assert_eq!((held.from_disk, held.fetched), (false, at(100)));
}

#[test]
fn a_fetch_that_ends_after_its_source_has_left_writes_nothing() {
    let rig = Rig::new();
    rig.put(&fresh_set(&["a"]));
    let before = fs::read(rig.file()).unwrap();
    rig.sets.retain(&[]);
    assert_eq!(rig.put(&fresh_set(&["late"])), SetChange::Same);
    assert!(!rig.confirm(at(1000)));
    assert_eq!(fs::read(rig.file()).unwrap(), before);
}

type Step<'a> = (i64, &'a dyn Fn(&Rig), bool);

#[test]
fn a_file_is_written_when_it_would_say_something_else() {
    let rig = Rig::new();
    let document = fresh_set(&["a"]);
    rig.put(&document);
    let file = rig.file();
    let inode = || {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(&file).unwrap().ino()
    };
    let confirm = |rig: &Rig| assert!(rig.confirm(rig.clock.now()));
    let same = |rig: &Rig| assert_eq!(rig.put(&document), SetChange::Same);
    let other = |rig: &Rig| assert_ne!(rig.put(&fresh_set(&["b"])), SetChange::Same);
    // (seconds later, what happens, whether the file is written)
    let steps: [Step; 6] = [
        (30, &same, false),
        (29, &confirm, false),
        (1, &confirm, true),
        (1, &confirm, false),
        (1, &other, true),
        // The clock was set back.
        (-900, &confirm, true),
    ];
    for (step, (seconds, act, written)) in steps.into_iter().enumerate() {
        let before = inode();
        // So that the inode of the file that is replaced is not taken again.
        let held = fs::File::open(&file).unwrap();
        rig.advance(seconds);
        act(&rig);
        assert_eq!(inode() != before, written, "step {step}");
        drop(held);
    }
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn a_directory_that_cannot_be_written_costs_nothing_else() {
    let mut rig = Rig::new();
    let place = rig.state.path().join("key-sets");
    fs::write(&place, "a file").unwrap();
    rig.put(&fresh_set(&["a"]));
    assert!(rig.current().is_some());
    rig.sets.retain(std::slice::from_ref(&rig.id));
    // It is tried again, although nothing has changed.
    fs::remove_file(&place).unwrap();
    assert!(rig.confirm(at(1)));
    rig.restart();
    assert!(rig.current().is_some());
}

#[test]
fn a_source_that_comes_back_while_its_keys_would_serve_has_them() {
    let rig = Rig::new();
    // The files have the times of the system's clock.
    rig.seconds
        .store(Clock::System.now().seconds(), Ordering::Relaxed);
    let other = id("https://b.test/keys");
    rig.put(&fresh_set(&["a"]));
    // The longest `stale_for`, most of which the provider was already down.
    rig.advance(29 * 86_400);
    rig.sets.retain(std::slice::from_ref(&other));
    rig.sets.retain(std::slice::from_ref(&rig.id));
    assert!(rig.sets.current(&rig.id, 30 * DAY).is_some());
    rig.advance(2 * 86_400);
    rig.sets.retain(std::slice::from_ref(&rig.id));
    assert_eq!(rig.files().len(), 1, "one of a source in force stays");
    rig.sets.retain(std::slice::from_ref(&other));
    assert_eq!(rig.files(), [""; 0].map(PathBuf::from));
}

#[test]
fn two_processes_may_share_a_directory() {
    let mut rig = Rig::new();
    let documents: Vec<Vec<u8>> = (0..8).map(|_| fresh_set(&["a", "b"])).collect();
    std::thread::scope(|scope| {
        for document in &documents {
            let (state, clock, id) = (rig.state.path(), &rig.clock, &rig.id);
            scope.spawn(move || {
                let sets = RemoteKeySets::new(state, clock.clone());
                for _ in 0..10 {
                    for next in [document, &fresh_set(&["c"]), document] {
                        sets.put(id, next.clone(), None, at(0)).unwrap();
                        sets.keep(id);
                    }
                    let next = RemoteKeySets::new(state, clock.clone());
                    assert!(next.current(id, DAY).is_some(), "never torn, never gone");
                }
            });
        }
    });
    rig.restart();
    let held = rig.current().unwrap();
    assert!(
        documents
            .iter()
            .any(|document| **document == *held.document)
    );
    rig.file();
}

#[test]
fn puts_at_once_end_with_the_newest_on_disk() {
    let mut rig = Rig::new();
    let document = fresh_set(&["a"]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    rig.put(&fresh_set(&["x"]));
                    rig.confirm(at(0));
                }
            });
        }
    });
    rig.put(&document);
    rig.restart();
    assert_eq!(&*rig.current().unwrap().document, &*document);
}
