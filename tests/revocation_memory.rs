//! Bytes that a revocation takes: counted, and held down.

use std::fmt::Write as _;

use portcullis::clock::UnixTime;
use portcullis::revocation::{Revocation, RevocationTarget, RevocationWriter};

const ENTRIES: u32 = 1_000_000;

/// At rest, published, for each of a million.
const AT_REST: f64 = 24.0;

/// While they are loaded, and while every table is built anew with the published one still in use.
const AT_MOST: f64 = 50.0;

/// Calls `add` with these revocations, each kept for a second longer than the one before.
fn each(numbers: std::ops::Range<u32>, mut add: impl FnMut(&Revocation<'_>)) {
    let mut jti = String::new();
    for number in numbers {
        jti.clear();
        write!(jti, "{number:08}-7d6c-4d5e-9f0e-6c1f4f3a2b1c").expect("a string takes it");
        add(&Revocation {
            issuer: "https://login.example.com/realms/demo",
            target: RevocationTarget::Jti(&jti),
            before: None,
            until: Some(UnixTime::from_seconds(i64::from(number))),
        });
    }
}

fn each_bytes(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2⁵³")]
    let bytes = bytes as f64;
    bytes / f64::from(ENTRIES)
}

#[test]
fn a_revocation_takes_24_bytes_at_rest_and_50_while_tables_are_built() {
    let mut writer = RevocationWriter::new().expect("random bytes");
    let mut set = writer.publish();
    let loading = allocation_counter::measure(|| {
        let mut load = writer.load();
        each(0..ENTRIES, |revocation| load.add(revocation));
        load.finish();
        set = writer.publish();
    });
    assert_eq!(set.len(), ENTRIES as usize);
    let at_rest = each_bytes(u64::try_from(loading.bytes_current).expect("more than before"));
    let most = each_bytes(loading.bytes_max);
    assert!(at_rest <= AT_REST, "{at_rest} bytes each at rest");
    assert!(most <= AT_MOST, "{most} bytes each while loading");

    // One entry is over, in every shard: all tables are built anew, and the published ones are still held.
    let expiring = allocation_counter::measure(|| writer.expire(UnixTime::from_seconds(1000)));
    let most = at_rest + each_bytes(expiring.bytes_max);
    assert!(most <= AT_MOST, "{most} bytes each while tables are built");
    assert_eq!(set.len(), ENTRIES as usize);
    set = writer.publish();
    assert_eq!(set.len(), ENTRIES as usize - 1001);
}

#[test]
fn a_revocation_that_came_alone_takes_no_more() {
    /// Enough for a few merges of every shard, while what was published before is still held.
    const ALONE: u32 = 40_000;
    let mut writer = RevocationWriter::new().expect("random bytes");
    let mut set = writer.publish();
    let adding = allocation_counter::measure(|| {
        let mut load = writer.load();
        each(0..ENTRIES - ALONE, |revocation| load.add(revocation));
        load.finish();
        let held = writer.publish();
        each(ENTRIES - ALONE..ENTRIES, |revocation| {
            writer.add(revocation);
        });
        set = writer.publish();
        drop(held);
    });
    assert_eq!(set.len(), ENTRIES as usize);
    let at_rest = each_bytes(u64::try_from(adding.bytes_current).expect("more than before"));
    let most = each_bytes(adding.bytes_max);
    assert!(at_rest <= AT_REST, "{at_rest} bytes each at rest");
    assert!(most <= AT_MOST, "{most} bytes each at most");
}
