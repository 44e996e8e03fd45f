//! Times as people say them.

use super::UnixTime;

/// `3 minutes ago`, `in 2 hours`, `now`: one unit, rounded down.
#[must_use]
pub fn distance(moment: UnixTime, now: UnixTime) -> String {
    let seconds = moment.since(now);
    let amount = amount(seconds.unsigned_abs());
    match seconds {
        0 => "now".to_owned(),
        1.. => format!("in {amount}"),
        ..0 => format!("{amount} ago"),
    }
}

/// A number of seconds in the largest unit of which there is at least one.
fn amount(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] = [
        (86_400, "day"),
        (3_600, "hour"),
        (60, "minute"),
        (1, "second"),
    ];
    let (size, name) = UNITS
        .into_iter()
        .find(|(size, _)| seconds >= *size)
        .unwrap_or((1, "second"));
    let count = seconds / size;
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {name}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_in_one_unit() {
        let now = UnixTime::from_seconds(1_000_000);
        for (seconds, said) in [
            (0, "now"),
            (1, "in 1 second"),
            (-59, "59 seconds ago"),
            (-60, "1 minute ago"),
            (-199, "3 minutes ago"),
            (7_200, "in 2 hours"),
            (86_400 * 40, "in 40 days"),
        ] {
            let moment = UnixTime::from_seconds(1_000_000 + seconds);
            assert_eq!(distance(moment, now), said);
        }
        // A token may say anything.
        let _ = distance(UnixTime::from_seconds(i64::MIN), now);
        let _ = distance(UnixTime::from_seconds(i64::MAX), now);
    }
}
