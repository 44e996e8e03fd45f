//! Durations and sizes as people write them.

use std::time::Duration;

/// `"30s"`, `"15m"`, `"1h30m"`, `"1.5h"`, `"7 days"`, `"2 weeks"`, `"1 year"` (365 days); without case.
///
/// # Errors
/// A message that says what to write instead: a bare number, `1M`, an unknown unit.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let nanoseconds = parse(text, "30s", |unit| {
        let unit = match unit {
            // Two readings, a factor of 43,200 apart: nobody is to find out which at night.
            "M" => return Err("`M` could be months: write `m` for minutes".to_owned()),
            other => other.to_ascii_lowercase(),
        };
        match unit.as_str() {
            "ms" | "millisecond" | "milliseconds" => Ok(1_000_000),
            "s" | "sec" | "secs" | "second" | "seconds" => Ok(SECOND),
            "m" | "min" | "mins" | "minute" | "minutes" => Ok(60 * SECOND),
            "h" | "hr" | "hrs" | "hour" | "hours" => Ok(3_600 * SECOND),
            "d" | "day" | "days" => Ok(DAY),
            "w" | "week" | "weeks" => Ok(7 * DAY),
            "y" | "year" | "years" => Ok(365 * DAY),
            "mo" | "month" | "months" => {
                Err("months differ in length: write days, as in \"30 days\"".to_owned())
            }
            _ => Err(format!(
                "unknown unit `{unit}`: write ms, s, m, h, days or weeks"
            )),
        }
    })?;
    let seconds = u64::try_from(nanoseconds / SECOND).map_err(|_| too_large(text))?;
    let rest = u32::try_from(nanoseconds % SECOND).map_err(|_| too_large(text))?;
    Ok(Duration::new(seconds, rest))
}

/// `"64KiB"`, `"1MB"`, `"512"` bytes only with a unit: `"512B"`.
///
/// # Errors
/// A message that says what to write instead.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let bytes = parse(text, "64KiB", |unit| {
        Ok(match unit.to_ascii_lowercase().as_str() {
            "b" | "byte" | "bytes" => 1,
            "kib" => 1 << 10,
            "mib" => 1 << 20,
            "gib" => 1 << 30,
            "tib" => 1 << 40,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            "tb" => 1_000_000_000_000,
            letter @ ("k" | "m" | "g" | "t") => {
                let letter = letter.to_ascii_uppercase();
                return Err(format!(
                    "`{unit}` could be 1000s or 1024s: write `{letter}iB` or `{letter}B`"
                ));
            }
            _ => return Err(format!("unknown unit `{unit}`: write B, KiB, MiB or GiB")),
        })
    })?;
    u64::try_from(bytes).map_err(|_| too_large(text))
}

/// A duration as [`parse_duration`] reads it, in the largest unit that divides it.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if duration.subsec_nanos() > 0 {
        return format!("{}ms", duration.as_millis());
    }
    match seconds {
        0 => "0s".to_owned(),
        s if s % 86_400 == 0 && s > 86_400 => format!("{} days", s / 86_400),
        s if s % 3_600 == 0 => format!("{}h", s / 3_600),
        s if s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}

/// A size as [`parse_size`] reads it, in the largest binary unit that divides it.
pub(super) fn format_size(bytes: u64) -> String {
    for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if bytes > 0 && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    format!("{bytes}B")
}

const SECOND: u128 = 1_000_000_000;
const DAY: u128 = 86_400 * SECOND;

/// The sum of all `number unit` pairs of `text`, in whole base units. `example` shows what is meant.
fn parse(
    text: &str,
    example: &str,
    unit_value: impl Fn(&str) -> Result<u128, String>,
) -> Result<u128, String> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(format!(
            "empty: write a number and a unit, as in \"{example}\""
        ));
    }
    if rest.starts_with(['-', '+']) {
        return Err(format!(
            "`{text}` has a sign: write it without, as in \"{example}\""
        ));
    }
    let mut sum: u128 = 0;
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let after = after.trim_start();
        let end = after
            .find(|c: char| !c.is_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        if number.is_empty() {
            return Err(format!(
                "`{text}` is not a number and a unit, as in \"{example}\""
            ));
        }
        if unit.is_empty() {
            let unit = example.trim_start_matches(|c: char| c.is_ascii_digit());
            return Err(format!("`{number}` has no unit: write \"{number}{unit}\""));
        }
        let value = scaled(number, unit_value(unit)?).ok_or_else(|| {
            format!("`{number}{unit}` is too large, or not a whole number of the smallest unit")
        })?;
        sum = sum.checked_add(value).ok_or_else(|| too_large(text))?;
        rest = after.trim_start();
    }
    Ok(sum)
}

/// `number` (decimal, perhaps with a fraction) times `unit`, if that is whole.
fn scaled(number: &str, unit: u128) -> Option<u128> {
    // 18 digits times a year in nanoseconds fit into 128 bits.
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || whole.len() > 18 || fraction.len() > 9 {
        return None;
    }
    let places = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let fraction = fraction.parse::<u128>().ok()?.checked_mul(unit)?;
    if fraction % places != 0 {
        return None;
    }
    let whole = whole.parse::<u128>().ok()?.checked_mul(unit)?;
    whole.checked_add(fraction / places)
}

fn too_large(text: &str) -> String {
    format!("`{text}` is too large")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations() {
        for (text, milliseconds) in [
            ("15m", 900_000),
            ("1h30m", 5_400_000),
            ("1h 30 min", 5_400_000),
            ("90s", 90_000),
            ("500ms", 500),
            ("15 min", 900_000),
            ("1.5h", 5_400_000),
            ("0.25s", 250),
            ("7 days", 604_800_000),
            ("7d", 604_800_000),
            ("1w", 604_800_000),
            ("2 weeks", 1_209_600_000),
            ("2 Days", 172_800_000),
            ("30S", 30_000),
            ("0s", 0),
            ("1y", 31_536_000_000),
            (" 3s ", 3_000),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_duration_says_what_to_write() {
        for (text, expected) in [
            ("", "30s"),
            ("30", "\"30s\""),
            ("0", "\"0s\""),
            ("1h30", "\"30s\""),
            ("1M", "`m` for minutes"),
            ("1 month", "30 days"),
            ("1 fortnight", "unknown unit `fortnight`"),
            ("-5s", "sign"),
            ("s", "not a number"),
            ("1..5s", "whole"),
            (".5s", "whole"),
            ("5.s", "whole"),
            ("1,5s", "no unit"),
            ("99999999999999999999s", "too large"),
            ("999999999999999999y", "too large"),
        ] {
            let message = parse_duration(text).unwrap_err();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("512B", 512),
            ("64KiB", 65_536),
            ("64 kib", 65_536),
            ("1MB", 1_000_000),
            ("1.5MiB", 1_572_864),
            ("2GiB", 2_147_483_648),
            ("0B", 0),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for (text, expected) in [
            ("512", "has no unit"),
            ("64K", "`KiB` or `KB`"),
            ("1m", "`MiB` or `MB`"),
            ("0.5B", "whole"),
            ("1 stone", "unknown unit"),
            ("999999999999999999TiB", "too large"),
        ] {
            let message = parse_size(text).unwrap_err();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    proptest! {
        #[test]
        fn what_is_formatted_parses_to_the_same(seconds in 0_u64..10_000_000_000, bytes: u64) {
            let duration = Duration::from_secs(seconds);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
            // 18 digits are the most that a size may have.
            let bytes = bytes >> 5;
            prop_assert_eq!(parse_size(&format_size(bytes)), Ok(bytes));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,24}") {
            let _ = parse_duration(&text);
            let _ = parse_size(&text);
        }
    }
}
