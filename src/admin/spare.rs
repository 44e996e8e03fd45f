//! Descriptors kept back for operators: clients may take all others.

use std::fs::File;
use std::sync::{Mutex, PoisonError};

/// Descriptors that are kept: a probe, a scraper and an operator may come together.
const KEPT: usize = 4;

/// Open files that are given up, one for each connection, when the process may open no more.
#[derive(Debug, Default)]
pub(super) struct Spare(Mutex<Vec<File>>);

impl Spare {
    /// Keeps as many as there should be, or can be.
    pub(super) fn keep(&self) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while kept.len() < KEPT
            && let Ok(file) = File::open("/dev/null")
        {
            kept.push(file);
        }
    }

    /// Gives one up: whether there was one.
    pub(super) fn give(&self) -> bool {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.pop().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_given_as_were_kept() {
        let spare = Spare::default();
        assert!(!spare.give());
        for _ in 0..2 {
            spare.keep();
            spare.keep();
            assert!((0..KEPT).all(|_| spare.give()));
            assert!(!spare.give());
        }
    }
}
