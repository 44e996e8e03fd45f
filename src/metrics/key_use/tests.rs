use super::*;

/// A key with a kid, told apart by a number.
fn name(kid: &str, number: u8) -> KeyName<'_> {
    const THUMBPRINTS: [[u8; 32]; 3] = [[0; 32], [1; 32], [2; 32]];
    KeyName {
        kid: (!kid.is_empty()).then_some(kid),
        thumbprint: &THUMBPRINTS[usize::from(number)],
    }
}

fn publish(uses: &KeyUses, names: &[KeyName<'_>], now: i64) {
    let keys = names.iter().map(|name| KeyInForce {
        name: *name,
        algorithms: ["RS256"].into(),
        source: None,
        first_seen: now,
    });
    uses.publish(&[("corp", keys.collect())], now);
}

fn used(uses: &KeyUses, name: KeyName<'_>) -> Arc<KeyUse> {
    uses.of("corp", std::iter::once(name)).in_force.remove(0)
}

/// Number, since when, until when.
fn seen(uses: &KeyUses) -> Vec<(u8, i64, Option<i64>)> {
    let all = uses.all();
    let keys = all.iter().flat_map(|(_, keys)| keys);
    keys.map(|key| (key.thumbprint[0], key.observed, key.removed))
        .collect()
}

#[test]
fn counts_are_those_of_all_workers() {
    let uses = KeyUses::new(2);
    let key = used(&uses, name("a", 0));
    assert_eq!(key.counts(), KeyCounts::default());
    let tally = |worker| key.tally(WorkerId(worker)).unwrap();
    tally(0).verified(Some(300), Some(100));
    tally(0).verified(Some(200), None);
    tally(1).verified(None, Some(50));
    tally(0).accepted(10);
    tally(1).accepted(12);
    tally(1).accepted(11);
    tally(1).presented(20);
    let counts = KeyCounts {
        tokens: 3,
        last_token: Some(11),
        newest_expiry: Some(300),
        longest_lifetime: Some(100),
        presented: 1,
        last_presented: Some(20),
    };
    assert_eq!(key.counts(), counts);
    assert!(key.tally(WorkerId(2)).is_none(), "no worker");
}

#[test]
fn a_key_keeps_its_counts_over_snapshots_and_its_removal() {
    let uses = KeyUses::new(1);
    publish(&uses, &[name("a", 0), name("b", 1)], 10);
    let first = used(&uses, name("a", 0));
    first.tally(WorkerId(0)).unwrap().accepted(11);
    publish(&uses, &[name("b", 1)], 20);
    publish(&uses, &[name("b", 1)], 30);
    assert_eq!(seen(&uses), [(0, 10, Some(20)), (1, 10, None)]);
    assert!(Arc::ptr_eq(&first, &used(&uses, name("a", 0))));
    publish(&uses, &[name("b", 1), name("a", 0)], 40);
    assert_eq!(seen(&uses), [(0, 10, None), (1, 10, None)]);
    assert_eq!(uses.all()[0].1[0].counts.tokens, 1);
    // Another key under the same name is another key, and so is the same one under another name.
    for other in [name("a", 2), name("b", 0), name("", 0)] {
        assert!(!Arc::ptr_eq(&first, &used(&uses, other)));
    }
}

#[test]
fn building_a_snapshot_publishes_nothing() {
    let uses = KeyUses::new(1);
    publish(&uses, &[name("a", 0)], 10);
    let tried = uses.of("corp", [name("b", 1)].into_iter());
    assert_eq!(tried.in_force[0].kid(), Some("b"));
    let retired: Vec<_> = tried.retired.iter().map(|used| used.kid()).collect();
    assert_eq!(retired, [Some("a")], "as it would be");
    assert_eq!(seen(&uses), [(0, 10, None)]);
    publish(&uses, &[name("a", 0)], 20);
    assert_eq!(uses.issuers.lock().unwrap()["corp"].len(), 1, "b is gone");
}

#[test]
fn the_key_removed_last_is_the_first_of_the_retired() {
    let uses = KeyUses::new(1);
    publish(&uses, &[name("a", 0), name("a", 1), name("", 2)], 10);
    publish(&uses, &[name("a", 0), name("", 2)], 20);
    let retired = |names: &[KeyName<'_>]| -> Vec<u8> {
        let found = uses.of("corp", names.iter().copied()).retired;
        found.iter().map(|used| used.thumbprint[0]).collect()
    };
    assert_eq!(
        retired(&[name("a", 0)]),
        [1],
        "a key without a name has no tokens"
    );
    assert_eq!(retired(&[]), [0, 1]);
}

#[test]
fn only_so_many_retired_keys_are_remembered() {
    let uses = KeyUses::new(1);
    let kids: Vec<String> = (0..3 * RETIRED).map(|number| number.to_string()).collect();
    for (second, kid) in (0..).zip(&kids) {
        publish(&uses, &[name("stays", 0), name(kid, 1)], second);
    }
    let all = uses.all();
    let left: Vec<_> = all[0].1.iter().map(|key| key.kid.as_deref()).collect();
    let mut expected = vec![Some("stays")];
    expected.extend(
        kids[kids.len() - RETIRED - 1..]
            .iter()
            .map(|kid| Some(&**kid)),
    );
    assert_eq!(left, expected);
    // All at once, too; and nothing of an issuer that is gone.
    let many: Vec<_> = kids.iter().map(|kid| name(kid, 1)).collect();
    publish(&uses, &many, 1000);
    publish(&uses, &[], 1001);
    assert_eq!(uses.all()[0].1.len(), RETIRED);
    uses.publish(&[], 1002);
    assert!(uses.all().is_empty());
}

#[test]
fn keys_with_one_label_are_one_series() {
    let uses = KeyUses::new(1);
    let thumbprint = URL_SAFE_NO_PAD.encode([0; 32]);
    let (long, longer) = ("x".repeat(LABEL_BYTES), "x".repeat(LABEL_BYTES + 1));
    let names = [
        name("a", 0),
        name("a", 1),
        name("", 0),
        name(&thumbprint, 0),
        name(&long, 0),
        name(&longer, 0),
    ];
    publish(&uses, &names, 10);
    for name in names {
        used(&uses, name).tally(WorkerId(0)).unwrap().accepted(11);
    }
    let shown = uses.by_label();
    let labels: Vec<_> = shown.iter().map(|key| key.labels()[1].1).collect();
    assert_eq!(labels, [&*thumbprint, "a", &*long]);
    assert!(shown.iter().all(|key| key.counts.tokens == 2));
}
