//! `Server-Timing` (W3C): how long each phase took, for clients that the route names.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

/// `Server-Timing`
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// What a client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    /// From the head of the request to the decision.
    pub(super) decide: Duration,
    /// From the head that was sent upstream to the head of its answer, if there was one.
    pub(super) upstream: Option<Duration>,
    /// From the head of the request to the head of the answer.
    pub(super) total: Duration,
}

impl Times {
    /// Adds a line behind those of the upstream.
    pub(super) fn append_to(self, headers: &mut HeaderMap) {
        // Digits and the names here are always a field value.
        if let Ok(value) = HeaderValue::try_from(self.to_text()) {
            headers.append(SERVER_TIMING, value);
        }
    }

    /// `dur` is in milliseconds; three places are microseconds.
    fn to_text(self) -> String {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        let upstream = match self.upstream {
            Some(upstream) => format!("upstream;dur={:.3}, ", milliseconds(upstream)),
            None => String::new(),
        };
        format!(
            "decide;dur={:.3}, {upstream}total;dur={:.3}",
            milliseconds(self.decide),
            milliseconds(self.total)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_milliseconds_and_stand_behind_those_of_the_upstream() {
        let mut headers = HeaderMap::new();
        headers.append(
            SERVER_TIMING,
            HeaderValue::from_static("db;dur=53, total;dur=60"),
        );
        let mut times = Times {
            decide: Duration::from_nanos(21_400),
            upstream: Some(Duration::from_micros(61_002)),
            total: Duration::from_micros(61_100),
        };
        times.append_to(&mut headers);
        times.upstream = None;
        times.append_to(&mut headers);
        let lines: Vec<&HeaderValue> = headers.get_all(SERVER_TIMING).iter().collect();
        assert_eq!(
            lines,
            [
                "db;dur=53, total;dur=60",
                "decide;dur=0.021, upstream;dur=61.002, total;dur=61.100",
                "decide;dur=0.021, total;dur=61.100",
            ]
        );
    }
}
