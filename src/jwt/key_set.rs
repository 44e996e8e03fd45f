//! The keys of one issuer, found by (kid, algorithm).

use super::{Algorithm, AlgorithmSet, KeyError, SkippedKey, VerifyingKey};

/// The keys of one issuer, in the order in which they were given.
///
/// Invariant: a `kid` names one key; and no algorithm of a key is served by an equal one.
#[derive(Debug, Default)]
pub struct KeySet {
    // A few keys, a hundred at most: looking at each costs less than hashing the kid.
    keys: Vec<VerifyingKey>,
}

/// Why no key was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyLookupError {
    /// None, or more than one, fits.
    Unknown,
    /// The set has no usable key at all.
    Empty,
}

impl KeySet {
    /// Keeps the keys that can serve an algorithm of `listed`; names the others, and kids that stand for two keys.
    #[must_use]
    pub fn new(keys: Vec<VerifyingKey>, listed: AlgorithmSet) -> (Self, Vec<SkippedKey>) {
        let (mut kept, mut skipped) = (Vec::new(), Vec::new());
        for (position, mut key) in keys.into_iter().enumerate() {
            let index = key.place().unwrap_or(position);
            key.restrict(listed);
            if key.algorithms().is_empty() {
                skipped.push(skip(
                    index,
                    &key,
                    KeyError::NotUsable("the issuer lists no algorithm of it"),
                ));
            } else {
                kept.push((index, key));
            }
        }
        let ambiguous: Vec<bool> = kept
            .iter()
            .map(|(_, key)| kept.iter().any(|(_, other)| is_ambiguous(key, other)))
            .collect();
        let mut set = Self::default();
        for ((index, key), ambiguous) in kept.into_iter().zip(ambiguous) {
            match key.kid() {
                Some(kid) if ambiguous => {
                    let error = KeyError::DuplicateKid(kid.into());
                    skipped.push(skip(index, &key, error));
                }
                Some(_) | None => set.add(key),
            }
        }
        (set, skipped)
    }

    /// Adds a key. What an equal key with that `kid` serves already is not served twice.
    fn add(&mut self, mut key: VerifyingKey) {
        for other in &self.keys {
            if other.kid() == key.kid() && other.thumbprint() == key.thumbprint() {
                key.restrict(key.algorithms().difference(other.algorithms()));
            }
        }
        if !key.algorithms().is_empty() {
            self.keys.push(key);
        }
    }

    /// The key for a token's `kid` and `alg`.
    ///
    /// With a `kid`: the key of that name, else the key without a name, if there is one only. Without: the key that fits, if
    /// one only does. Never a search: which key checks a token is settled before its signature is looked at.
    ///
    /// # Errors
    /// `Empty` if there is no key at all, else `Unknown`.
    pub fn find(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<&VerifyingKey, KeyLookupError> {
        self.find_with_place(kid, algorithm).map(|(_, key)| key)
    }

    /// The same, with its place among the keys, from 0.
    pub(super) fn find_with_place(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<(usize, &VerifyingKey), KeyLookupError> {
        if self.keys.is_empty() {
            return Err(KeyLookupError::Empty);
        }
        let serving = || {
            let keys = self.keys.iter().enumerate();
            keys.filter(|(_, key)| key.serves(algorithm))
        };
        let found = match kid {
            None => only(serving()),
            Some(kid) => serving()
                .find(|(_, key)| key.kid() == Some(kid))
                .or_else(|| only(serving().filter(|(_, key)| key.kid().is_none()))),
        };
        found.ok_or(KeyLookupError::Unknown)
    }

    /// Keys in use.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key can be used.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// All keys in use.
    pub fn iter(&self) -> std::slice::Iter<'_, VerifyingKey> {
        self.keys.iter()
    }
}

impl<'s> IntoIterator for &'s KeySet {
    type Item = &'s VerifyingKey;
    type IntoIter = std::slice::Iter<'s, VerifyingKey>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Whether one kid names these two different keys, for whatever algorithms: which is meant would be a guess.
fn is_ambiguous(key: &VerifyingKey, other: &VerifyingKey) -> bool {
    key.kid().is_some() && key.kid() == other.kid() && key.thumbprint() != other.thumbprint()
}

fn only<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    all.next().filter(|_| all.next().is_none())
}

fn skip(index: usize, key: &VerifyingKey, error: KeyError) -> SkippedKey {
    SkippedKey {
        source: key.source().cloned(),
        index,
        kid: key.kid().map(Into::into),
        error,
    }
}

#[cfg(test)]
mod tests;
