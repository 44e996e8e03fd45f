//! How much the cache takes, and who gives way in it.

use portcullis::gate::WorkerMemory;
use portcullis::snapshot::Snapshot;

use crate::world::{Setup, TokenSpec, Workshop, ask};

fn tokens(count: i64) -> Vec<String> {
    let spec = |number| TokenSpec {
        expires: 3600 + number,
        ..TokenSpec::default()
    };
    (0..count).map(|number| spec(number).sign()).collect()
}

fn hit(snapshot: &Snapshot, memory: &mut WorkerMemory, token: &str) -> bool {
    assert_eq!(ask(snapshot, memory, "/a", token, 0).reason(), None);
    memory.take_counts().hits == 1
}

#[test]
fn the_cache_takes_no_more_bytes_than_it_may() {
    let snapshot = Workshop::new().build(&Setup::default(), None);
    let tokens = tokens(600);
    for limit in [64 << 10, 256 << 10] {
        let mut memory = WorkerMemory::new(0);
        // What is lazy, and not the cache.
        assert!(!hit(&snapshot, &mut memory, &tokens[0]));
        let info = allocation_counter::measure(|| {
            let mut cached = WorkerMemory::new(limit);
            for token in tokens.iter().chain(&tokens) {
                for path in ["/a", "/set0", "/set1"] {
                    assert_eq!(ask(&snapshot, &mut cached, path, token, 0).reason(), None);
                }
            }
            memory = cached;
        });
        let counts = memory.take_counts();
        assert!(
            counts.bytes <= limit && counts.bytes > limit / 2,
            "{counts:?}"
        );
        assert!(counts.entries > 10, "{counts:?}");
        let held = u64::try_from(info.bytes_current).expect("more was allocated than freed");
        // One key, the header memo, the memory itself.
        let besides = 8 << 10;
        assert!(
            held <= limit + besides,
            "{held} bytes are held, {limit} are allowed"
        );
        // Nor is it shy: what it counts is there.
        assert!(held + besides > counts.bytes / 2, "{held} of {counts:?}");
    }
}

#[test]
fn tokens_that_come_once_do_not_flush_the_cache_of_those_that_come_again() {
    let snapshot = Workshop::new().build(&Setup::default(), None);
    let mut memory = WorkerMemory::new(128 << 10);
    let tokens = tokens(1_500);
    let (hot, once) = tokens.split_at(10);
    for _ in 0..3 {
        for token in hot {
            hit(&snapshot, &mut memory, token);
        }
    }
    for (number, token) in once.iter().enumerate() {
        assert!(!hit(&snapshot, &mut memory, token));
        // A tenth of the requests are theirs.
        if number % 9 == 0 {
            hit(&snapshot, &mut memory, &hot[number / 9 % hot.len()]);
        }
    }
    assert!(
        memory.take_counts().entries < 200,
        "far fewer fit than came"
    );
    let kept = hot
        .iter()
        .filter(|token| hit(&snapshot, &mut memory, token));
    assert_eq!(kept.count(), hot.len());
}

#[test]
fn a_cache_of_no_bytes_remembers_nothing() {
    let snapshot = Workshop::new().build(&Setup::default(), None);
    let token = &tokens(1)[0];
    for limit in [0, 1, 500] {
        let mut memory = WorkerMemory::new(limit);
        assert!(!hit(&snapshot, &mut memory, token));
        assert!(!hit(&snapshot, &mut memory, token));
        assert_eq!(memory.take_counts().entries, 0);
    }
}
