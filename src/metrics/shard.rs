//! Counters without contention: each worker adds to memory that no other thread writes.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The number of a worker, from 0: the shard it writes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct WorkerId(pub usize);

/// `N` counters that start on a cache line of their own, so that no neighbour's writes slow them down.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Block<const N: usize>([AtomicU64; N]);

impl<const N: usize> Default for Block<N> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl<const N: usize> Block<N> {
    /// Adds to the counter at `index`; one that does not exist is ignored.
    pub(super) fn add(&self, index: usize, amount: u64, writer: Writer) {
        if let Some(counter) = self.0.get(index) {
            writer.add(counter, amount);
        }
    }

    /// The counter at `index`.
    pub(super) fn get(&self, index: usize) -> u64 {
        self.0
            .get(index)
            .map_or(0, |counter| counter.load(Ordering::Relaxed))
    }
}

/// How a shard may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    /// By this thread alone: a plain load and store, no locked instruction.
    Only,
    /// By several threads.
    Shared,
}

impl Writer {
    /// Adds to a counter.
    pub(super) fn add(self, counter: &AtomicU64, amount: u64) {
        match self {
            Self::Only => {
                let sum = counter.load(Ordering::Relaxed).wrapping_add(amount);
                counter.store(sum, Ordering::Relaxed);
            }
            Self::Shared => {
                counter.fetch_add(amount, Ordering::Relaxed);
            }
        }
    }
}

/// One `T` for each worker, made when it first counts, and one more for everybody else.
///
/// Invariant: the shard of a worker is written by that worker's thread alone.
#[derive(Debug)]
pub(super) struct Sharded<T>(Box<[OnceLock<Box<T>>]>);

impl<T: Default> Sharded<T> {
    /// Shards for `workers` workers.
    pub(super) fn new(workers: usize) -> Self {
        Self((0..=workers).map(|_| OnceLock::new()).collect())
    }

    /// The shard that `worker` writes, and how. A number that is no worker's writes the shard of everybody else.
    pub(super) fn of(&self, worker: WorkerId) -> (&T, Writer) {
        let others = self.0.len() - 1;
        let (index, writer) = if worker.0 < others {
            (worker.0, Writer::Only)
        } else {
            (others, Writer::Shared)
        };
        (self.0[index].get_or_init(Box::default), writer)
    }

    /// The shards that were ever written.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0
            .iter()
            .filter_map(|shard| shard.get().map(AsRef::as_ref))
    }

    /// The sum of `value` over the shards.
    pub(super) fn sum(&self, value: impl Fn(&T) -> u64) -> u64 {
        self.iter().map(value).fold(0, u64::wrapping_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_fills_whole_cache_lines() {
        assert_eq!(align_of::<Block<1>>(), 64);
        assert_eq!(size_of::<Block<1>>() % 64, 0);
    }

    #[test]
    fn the_sum_is_over_all_workers_and_everybody_else() {
        let sharded = Sharded::<Block<1>>::new(2);
        for (worker, amount) in [(0, 1), (1, 10), (2, 100), (7, 1000)] {
            let (block, writer) = sharded.of(WorkerId(worker));
            block.add(0, amount, writer);
        }
        assert_eq!(sharded.sum(|block| block.get(0)), 1111);
        assert_eq!(sharded.iter().count(), 3, "7 is no worker: shared with 2");
    }

    #[test]
    fn only_a_workers_own_shard_is_written_without_a_lock() {
        let sharded = Sharded::<Block<1>>::new(2);
        assert_eq!(sharded.of(WorkerId(1)).1, Writer::Only);
        assert_eq!(sharded.of(WorkerId(2)).1, Writer::Shared);
    }

    #[test]
    fn threads_that_are_no_workers_lose_nothing() {
        let sharded = Sharded::<Block<1>>::new(1);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        let (block, writer) = sharded.of(WorkerId(usize::MAX));
                        block.add(0, 1, writer);
                    }
                });
            }
        });
        assert_eq!(sharded.sum(|block| block.get(0)), 4000);
    }

    #[test]
    fn an_index_outside_is_ignored() {
        let block = Block::<2>::default();
        block.add(2, 1, Writer::Only);
        assert_eq!((block.get(0), block.get(1), block.get(2)), (0, 0, 0));
    }
}
