//! The process itself, as Linux shows it under `/proc`. Elsewhere nothing is shown.

use std::fs;

/// Clock ticks of `/proc` in a second: the kernel's `USER_HZ`, 100 on every architecture that we run on.
const TICKS_PER_SECOND: f64 = 100.0;

/// What is known of the process; `None` where the system does not say.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Process {
    /// User and system time together, in seconds.
    pub(super) cpu_seconds: Option<f64>,
    /// Resident memory in bytes.
    pub(super) resident_bytes: Option<u64>,
    /// Open file descriptors.
    pub(super) open_fds: Option<u64>,
    /// Most file descriptors: the soft limit.
    pub(super) max_fds: Option<u64>,
    /// Seconds since 1970.
    pub(super) start_seconds: Option<f64>,
}

impl Process {
    /// Reads `/proc`.
    pub(super) fn read() -> Self {
        let text = |file: &str| fs::read_to_string(file).unwrap_or_default();
        let stat = text("/proc/self/stat");
        let started = Option::zip(boot_time(&text("/proc/stat")), start_ticks(&stat));
        Self {
            cpu_seconds: cpu_ticks(&stat).map(|ticks| ticks / TICKS_PER_SECOND),
            resident_bytes: resident_bytes(&text("/proc/self/status")),
            // The directory is open while it is read, and counts itself.
            open_fds: fs::read_dir("/proc/self/fd")
                .ok()
                .and_then(|entries| u64::try_from(entries.count()).ok())
                .map(|count| count.saturating_sub(1)),
            max_fds: max_fds(&text("/proc/self/limits")),
            start_seconds: started.map(|(boot, ticks)| boot + ticks / TICKS_PER_SECOND),
        }
    }
}

/// A field of `/proc/PID/stat`, counted from 1 as in proc(5). The second, a name in parentheses, may hold anything.
fn stat_field(stat: &str, number: usize) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let text = after_name
        .split_ascii_whitespace()
        .nth(number.checked_sub(3)?)?;
    text.parse().ok()
}

fn cpu_ticks(stat: &str) -> Option<f64> {
    Some(stat_field(stat, 14)? + stat_field(stat, 15)?)
}

fn start_ticks(stat: &str) -> Option<f64> {
    stat_field(stat, 22)
}

fn boot_time(system: &str) -> Option<f64> {
    let text = system
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?;
    text.trim().parse().ok()
}

fn resident_bytes(status: &str) -> Option<u64> {
    let text = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = text.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kibibytes.checked_mul(1024)
}

fn max_fds(limits: &str) -> Option<u64> {
    let text = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    text.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_shifts_no_field() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 50 13 14 15 16 17 18 1000 20";
        assert_eq!(cpu_ticks(stat), Some(200.0));
        assert_eq!(start_ticks(stat), Some(1000.0));
    }

    #[test]
    fn lines_are_found_by_name() {
        assert_eq!(boot_time("cpu 1\nbtime 1700000000\n"), Some(1.7e9));
        assert_eq!(
            resident_bytes("VmSize:\t9 kB\nVmRSS:\t  12 kB\n"),
            Some(12 * 1024)
        );
        assert_eq!(
            max_fds("Max open files            1024   4096   files\n"),
            Some(1024)
        );
        assert_eq!(
            max_fds("Max open files            unlimited unlimited files\n"),
            None
        );
    }

    #[test]
    fn nothing_readable_is_nothing_shown() {
        for text in ["", "7 (a", "x", "VmRSS: many kB", "btime now"] {
            assert_eq!(cpu_ticks(text), None);
            assert_eq!(boot_time(text), None);
            assert_eq!(resident_bytes(text), None);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_shown() {
        let process = Process::read();
        assert!(process.cpu_seconds.is_some());
        assert!(process.resident_bytes.unwrap() > 0);
        assert!(process.open_fds.unwrap() > 0);
        // After 2020-01-01: the sum of two clocks makes sense.
        assert!(process.start_seconds.unwrap() > 1_577_836_800.0);
    }
}
