//! Tokens in a file, one a line, and the walks through them.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::Outcome;

/// All tokens, in one piece of memory: a million of them are some hundred megabytes.
#[derive(Debug)]
pub(crate) struct Tokens {
    bytes: Vec<u8>,
    /// Where each begins, and at last where the next would.
    starts: Vec<usize>,
}

impl Tokens {
    pub(crate) fn read(path: &Path) -> Outcome<Arc<Self>> {
        let mut bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        if bytes.last() != Some(&b'\n') {
            bytes.push(b'\n');
        }
        let mut starts = vec![0];
        starts.extend(memchr::memchr_iter(b'\n', &bytes).map(|end| end + 1));
        Ok(Arc::new(Self { bytes, starts }))
    }

    pub(crate) fn count(&self) -> usize {
        self.starts.len() - 1
    }

    fn get(&self, index: usize) -> &[u8] {
        &self.bytes[self.starts[index]..self.starts[index + 1] - 1]
    }
}

/// One thread's way through the tokens: every n-th of them, so that no two threads send the same one in one turn.
#[derive(Debug)]
pub(crate) struct Walk {
    tokens: Option<Arc<Tokens>>,
    next: Cell<usize>,
    step: usize,
    once: bool,
}

impl Walk {
    pub(crate) fn new(tokens: Option<Arc<Tokens>>, first: usize, step: usize, once: bool) -> Self {
        let next = Cell::new(match &tokens {
            Some(tokens) if !once => first % tokens.count(),
            _ => first,
        });
        Self {
            tokens,
            next,
            step,
            once,
        }
    }

    /// The next token: `None` when there are none left. Without a file it is empty, and there is no end.
    pub(crate) fn next(&self) -> Option<&[u8]> {
        let Some(tokens) = &self.tokens else {
            return Some(b"");
        };
        let index = self.next.get();
        if index >= tokens.count() {
            return None;
        }
        let next = index + self.step;
        self.next.set(if self.once {
            next
        } else {
            next % tokens.count()
        });
        Some(tokens.get(index))
    }
}
