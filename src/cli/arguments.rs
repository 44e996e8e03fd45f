//! Values of the command line that several commands take.

use std::time::Duration;

use crate::clock::UnixTime;
use crate::config::parse_duration;
use crate::jwt::Algorithm;

/// A duration, with the words of the configuration.
pub(super) fn duration_argument(text: &str) -> Result<Duration, String> {
    parse_duration(text)
}

/// A moment: RFC 3339, or seconds since the epoch.
pub(super) fn moment_argument(text: &str) -> Result<UnixTime, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(UnixTime::from_seconds(seconds));
    }
    text.parse::<jiff::Timestamp>()
        .map(|timestamp| UnixTime::from_seconds(timestamp.as_second()))
        .map_err(|_| "write it as 2026-01-31T12:00:00Z, or as seconds since 1970".to_owned())
}

/// A registered algorithm name.
pub(super) fn algorithm_argument(text: &str) -> Result<Algorithm, String> {
    Algorithm::from_name(text).ok_or_else(|| {
        "one of EdDSA, ES256, ES384, ES512, RS256, RS384, RS512, PS256, PS384, PS512, HS256, HS384, HS512"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_rfc_3339_or_seconds() {
        assert_eq!(moment_argument("-1"), Ok(UnixTime::from_seconds(-1)));
        assert_eq!(
            moment_argument("1970-01-01T00:01:00Z"),
            Ok(UnixTime::from_seconds(60))
        );
        assert!(moment_argument("tomorrow").is_err());
    }
}
