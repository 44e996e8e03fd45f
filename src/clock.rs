//! Time as a value: the only module that reads the system's clock.
//!
//! Everything that decides takes the time as an argument, so a test sets it instead of sleeping.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

mod distance;

pub use distance::distance;

/// A moment in whole seconds since 1970-01-01T00:00:00Z, leap seconds ignored (RFC 7519 §2, `NumericDate`).
///
/// Signed, because a token may say anything: `exp` −1 is a date that has passed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct UnixTime(i64);

impl UnixTime {
    /// The moment `seconds` after the epoch.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Seconds since the epoch.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0
    }

    /// This moment and `duration` later, in whole seconds; at most the last representable moment.
    #[must_use]
    pub const fn plus(self, duration: Duration) -> Self {
        let seconds = duration.as_secs();
        if seconds > i64::MAX as u64 {
            return Self(i64::MAX);
        }
        #[expect(clippy::cast_possible_wrap, reason = "compared with i64::MAX above")]
        Self(self.0.saturating_add(seconds as i64))
    }

    /// Seconds from `earlier` to this moment: negative when `earlier` is the later one.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for UnixTime {
    /// RFC 3339 in UTC, or the bare seconds where the calendar ends.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.0) {
            Ok(timestamp) => write!(f, "{timestamp}"),
            Err(_) => write!(f, "{}", self.0),
        }
    }
}

/// Where the present time comes from.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The system's clock.
    #[default]
    System,
    /// Seconds since the epoch, set by a test.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands still until someone sets it.
    #[must_use]
    pub fn manual(start: UnixTime) -> (Self, Arc<AtomicI64>) {
        let seconds = Arc::new(AtomicI64::new(start.seconds()));
        (Self::Manual(Arc::clone(&seconds)), seconds)
    }

    /// The present second.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        match self {
            Self::System => UnixTime::from_seconds(self.timestamp().as_second()),
            Self::Manual(seconds) => UnixTime::from_seconds(seconds.load(Ordering::Relaxed)),
        }
    }

    /// The present moment with its fraction, for log lines.
    #[must_use]
    pub fn timestamp(&self) -> jiff::Timestamp {
        match self {
            Self::System => {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "the one place that reads the system's clock"
                )]
                let now = SystemTime::now();
                jiff::Timestamp::try_from(now).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
            }
            Self::Manual(seconds) => jiff::Timestamp::from_second(seconds.load(Ordering::Relaxed))
                .unwrap_or(jiff::Timestamp::UNIX_EPOCH),
        }
    }
}
