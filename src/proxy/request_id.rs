//! Request ids: unique without asking the system for randomness each time.

use std::cell::Cell;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::headers::request_id_of;

/// Characters of an id that we make: 80 random bits of the worker, 50 bits of a counter.
const LENGTH: usize = PREFIX + COUNTER;
const PREFIX: usize = 16;
const COUNTER: usize = 10;
/// What a request is called, both ways.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Crockford's base32: no letter that reads like a digit.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Makes the ids of one worker.
#[derive(Debug)]
pub(super) struct RequestIds {
    prefix: [u8; PREFIX],
    next: Cell<u64>,
}

impl RequestIds {
    /// Ids with a random prefix, so that workers, processes and restarts do not share any.
    pub(super) fn new() -> Self {
        let mut random = [0; PREFIX];
        // Without randomness the ids of two workers may collide; no decision rests on them.
        let _ = aws_lc_rs::rand::fill(&mut random);
        Self {
            prefix: random.map(digit),
            next: Cell::new(0),
        }
    }

    /// The next id.
    pub(super) fn fresh(&self) -> RequestId {
        let mut count = self.next.get();
        self.next.set(count.wrapping_add(1));
        let mut id = [0; LENGTH];
        let (prefix, counter) = id.split_at_mut(PREFIX);
        prefix.copy_from_slice(&self.prefix);
        for character in counter.iter_mut().rev() {
            *character = digit(count.to_le_bytes()[0]);
            count >>= 5;
        }
        RequestId::Fresh(id)
    }
}

/// The character of the five low bits.
fn digit(bits: u8) -> u8 {
    ALPHABET[usize::from(bits & 31)]
}

/// What a request is called in the log, in a refusal and upstream.
#[derive(Clone, Debug)]
pub(super) enum RequestId {
    /// One of ours.
    Fresh([u8; LENGTH]),
    /// The one a trusted proxy gave.
    Given(HeaderValue),
}

impl RequestId {
    /// The id that a request came with, if it can stand in a log line and in a field. Whoever believes it has made sure
    /// that a trusted proxy sent it.
    pub(super) fn given(headers: &HeaderMap) -> Option<Self> {
        request_id_of(headers)?;
        headers.get(X_REQUEST_ID).cloned().map(Self::Given)
    }

    /// The id.
    pub(super) fn as_str(&self) -> &str {
        let bytes = match self {
            Self::Fresh(id) => id.as_slice(),
            Self::Given(value) => value.as_bytes(),
        };
        // Both are ASCII by construction.
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// The value of `X-Request-Id`.
    pub(super) fn to_value(&self) -> HeaderValue {
        match self {
            Self::Fresh(id) => {
                HeaderValue::from_bytes(id).unwrap_or_else(|_| HeaderValue::from_static(""))
            }
            Self::Given(value) => value.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn fresh_ids_are_unique_and_fit_in_a_field() {
        let workers = [RequestIds::new(), RequestIds::new()];
        let mut seen = HashSet::new();
        for ids in &workers {
            for _ in 0..5000 {
                let id = ids.fresh();
                assert_eq!(id.as_str().len(), 26);
                assert!(id.as_str().bytes().all(|byte| ALPHABET.contains(&byte)));
                assert_eq!(id.to_value().as_bytes(), id.as_str().as_bytes());
                assert!(seen.insert(id.as_str().to_owned()));
            }
        }
    }

    #[test]
    fn the_counter_counts_in_its_last_characters() {
        let ids = RequestIds::new();
        ids.next.set(31);
        assert!(ids.fresh().as_str().ends_with("000000000z"));
        assert!(ids.fresh().as_str().ends_with("0000000010"));
    }

    #[test]
    fn a_given_id_is_one_line_of_visible_ascii() {
        let given = |lines: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(X_REQUEST_ID, HeaderValue::from_bytes(line).unwrap());
            }
            RequestId::given(&headers)
        };
        let id = given(&[b"a-1\"{}"]).unwrap();
        assert_eq!(id.as_str(), "a-1\"{}");
        assert_eq!(id.to_value(), "a-1\"{}");
        assert!(given(&[&[b'x'; 128]]).is_some());
        let long = [b'x'; 129];
        let bad: [&[&[u8]]; 6] = [
            &[],
            &[b""],
            &[b"a b"],
            &[b"caf\xc3\xa9"],
            &[b"a", b"b"],
            &[&long],
        ];
        for lines in bad {
            assert!(given(lines).is_none(), "{lines:?}");
        }
    }
}
