//! Passwords are hashed beside the runtime: few at once, some waiting, and the rest told to come back.
//!
//! One argon2 takes 19 MiB and tens of milliseconds of a core. Whoever asks for many gets neither the memory nor the cores:
//! requests with tokens go on meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::metrics::Metrics;
use crate::passwords::{self, Cost, Exhausted, Password, PasswordHash, Verdict};

/// Who hashes. Clones share the limits.
#[derive(Clone)]
pub(super) struct Hashing {
    /// One for each that runs or waits.
    places: Arc<Semaphore>,
    /// One for each that runs.
    running: Arc<Semaphore>,
    runs: Arc<AtomicU64>,
    metrics: Arc<Metrics>,
    most_places: usize,
}

/// Why nothing was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HashingError {
    /// Too many wait already.
    #[error("too many passwords wait to be hashed")]
    Full,
    /// Without memory for it.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
    /// There is no randomness, or the thread ended.
    #[error("the system failed to hash a password")]
    Failed,
}

/// What a run found, and how long it took without the waiting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run<T> {
    /// What it found.
    pub(super) found: T,
    /// Time on a core.
    pub(super) took: Duration,
}

/// Most that wait for their turn: 64 are two or three seconds of one core.
pub(super) const MOST_WAITING: usize = 64;

impl Hashing {
    /// So many at once, and so many waiting.
    pub(super) fn new(at_once: usize, waiting: usize, metrics: Arc<Metrics>) -> Self {
        let most_places = at_once + waiting;
        Self {
            places: Arc::new(Semaphore::new(most_places)),
            running: Arc::new(Semaphore::new(at_once)),
            runs: Arc::default(),
            metrics,
            most_places,
        }
    }

    /// As many at once as a machine of so many cores can spare: a quarter, and one at least.
    pub(super) fn of_cores(cores: usize, metrics: Arc<Metrics>) -> Self {
        Self::new((cores / 4).max(1), MOST_WAITING, metrics)
    }

    /// Whether `hash` is the one of `password`. Without a hash the same work is done for nothing: the time must not tell
    /// whose name is known.
    ///
    /// # Errors
    /// Too many wait, or there is no memory.
    pub(super) async fn verify(
        &self,
        hash: Option<PasswordHash>,
        password: Password,
    ) -> Result<Run<Verdict>, HashingError> {
        self.run(move || match &hash {
            Some(hash) => Ok(passwords::verify(hash, &password)?),
            None => Ok(passwords::dummy(&password)?),
        })
        .await
    }

    /// The hash of a new password.
    ///
    /// # Errors
    /// Too many wait, or there is no memory.
    pub(super) async fn hash(&self, password: Password) -> Result<PasswordHash, HashingError> {
        let run = self.run(move || {
            let mut salt = [0; 16];
            aws_lc_rs::rand::fill(&mut salt).map_err(|_| HashingError::Failed)?;
            Ok(passwords::hash(&password, Cost::DEFAULT, salt)?)
        });
        Ok(run.await?.found)
    }

    /// How many have been hashed so far.
    #[cfg(test)]
    pub(super) fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    /// How many run or wait.
    pub(super) fn queued(&self) -> usize {
        self.most_places
            .saturating_sub(self.places.available_permits())
    }

    fn tell(&self) {
        self.metrics.sessions().passwords(self.queued());
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HashingError> + Send + 'static,
    ) -> Result<Run<T>, HashingError> {
        let place = Arc::clone(&self.places);
        let place = place.try_acquire_owned().map_err(|_| HashingError::Full)?;
        self.tell();
        let turn = Arc::clone(&self.running).acquire_owned().await;
        let turn = turn.map_err(|_| HashingError::Failed)?;
        self.runs.fetch_add(1, Ordering::Relaxed);
        let hashing = self.clone();
        let job = tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            let found = work();
            let took = begun.elapsed();
            // Held until here: whoever asked may be gone, and the work was not.
            drop((place, turn));
            hashing.tell();
            Ok(Run {
                found: found?,
                took,
            })
        });
        job.await.unwrap_or(Err(HashingError::Failed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::new(text.as_bytes().to_vec()).unwrap()
    }

    fn hashing(at_once: usize, waiting: usize) -> Hashing {
        Hashing::new(at_once, waiting, Metrics::new(1, &[]))
    }

    #[tokio::test]
    async fn a_password_is_verified_by_the_hash_that_was_made_of_it() {
        let hashing = hashing(2, 8);
        let hash = hashing.hash(password("correct horse")).await.unwrap();
        let other = hashing.hash(password("correct horse")).await.unwrap();
        assert_ne!(hash.as_str(), other.as_str());
        for (text, verdict) in [
            ("correct horse", Verdict::Right),
            ("correct hors", Verdict::Wrong),
        ] {
            let run = hashing.verify(Some(hash.clone()), password(text)).await;
            assert_eq!(run.unwrap().found, verdict);
        }
        assert_eq!(hashing.runs(), 4);
    }

    #[tokio::test]
    async fn nobody_costs_one_run_too() {
        let hashing = hashing(1, 1);
        let run = hashing.verify(None, password("correct horse")).await;
        assert_eq!(run.unwrap().found, Verdict::Wrong);
        assert_eq!((hashing.runs(), hashing.queued()), (1, 0));
    }

    /// 2 at once and 3 waiting: of 20 at the same moment 15 are told at once.
    #[tokio::test]
    async fn who_finds_the_queue_full_is_told_at_once() {
        let hashing = hashing(2, 3);
        let all = (0..20).map(|_| hashing.verify(None, password("x")));
        let all = futures_util::future::join_all(all).await;
        let full = all
            .iter()
            .filter(|run| matches!(run, Err(HashingError::Full)));
        assert_eq!(full.count(), 15);
        assert_eq!((hashing.runs(), hashing.queued()), (5, 0));
        assert!(hashing.verify(None, password("x")).await.is_ok());
    }

    /// Whoever goes away while its hash is made keeps its place until the work is done: or many could be at work at once.
    #[tokio::test]
    async fn who_goes_away_gives_its_place_back_when_the_work_is_done() {
        let hashing = hashing(1, 0);
        let asked = hashing.verify(None, password("x"));
        let gone = tokio::time::timeout(Duration::from_millis(1), asked).await;
        if gone.is_err() {
            let full = hashing.verify(None, password("x")).await;
            assert!(matches!(full, Err(HashingError::Full)));
        }
        while hashing.queued() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(hashing.verify(None, password("x")).await.is_ok());
    }

    #[test]
    fn a_quarter_of_the_cores_hashes_at_once() {
        for (cores, at_once) in [(1, 1), (4, 1), (7, 1), (8, 2), (64, 16)] {
            let hashing = Hashing::of_cores(cores, Metrics::new(1, &[]));
            assert_eq!(hashing.running.available_permits(), at_once);
            assert_eq!(hashing.places.available_permits(), at_once + MOST_WAITING);
        }
    }
}
