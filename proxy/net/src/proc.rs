//! What this process uses: CPU time, memory, descriptors.

use std::fs;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{limits, sys};

/// CPU time that the process has used since it started, all threads together, exact to the microsecond.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// Time in its own code.
    pub user: Duration,
    /// Time in the kernel on its behalf.
    pub system: Duration,
}

impl CpuTime {
    /// User and system time together.
    pub fn total(&self) -> Duration {
        self.user + self.system
    }
}

/// A snapshot of what the process uses.
///
/// A value that the system does not tell is 0, as Prometheus' own collectors leave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// CPU time since the start.
    pub cpu: CpuTime,
    /// Resident memory in bytes.
    pub resident_memory: u64,
    /// Virtual memory in bytes.
    pub virtual_memory: u64,
    /// Open file descriptors.
    pub open_files: u64,
    /// How many file descriptors may be open.
    pub max_open_files: u64,
    /// When the process started.
    pub started: SystemTime,
}

/// What the process uses now. Reads a few files of `/proc/self`: for a metrics scrape, not for each request.
pub fn usage() -> Usage {
    let (virtual_memory, resident_memory) = memory().unwrap_or_default();
    Usage {
        cpu: cpu_time().unwrap_or_default(),
        resident_memory,
        virtual_memory,
        open_files: open_files().unwrap_or_default(),
        max_open_files: limits::open_files().map(|limit| limit.soft).unwrap_or_default(),
        started: started().unwrap_or(UNIX_EPOCH),
    }
}

/// CPU time of the process.
///
/// # Errors
///
/// What the kernel answers.
pub fn cpu_time() -> io::Result<CpuTime> {
    let (user, system) = sys::cpu_time()?;
    Ok(CpuTime { user, system })
}

/// Resident memory of the process in bytes.
///
/// # Errors
///
/// `/proc/self/statm` cannot be read, as on a system that is not Linux.
pub fn resident_memory() -> io::Result<u64> {
    memory().map(|(_, resident)| resident)
}

/// Virtual and resident memory in bytes.
fn memory() -> io::Result<(u64, u64)> {
    let statm = fs::read_to_string("/proc/self/statm")?;
    let page = sys::page_size().unwrap_or(4096);
    parse_statm(&statm, page).ok_or_else(|| unexpected("/proc/self/statm"))
}

fn parse_statm(statm: &str, page: u64) -> Option<(u64, u64)> {
    let mut pages = statm
        .split_ascii_whitespace()
        .map_while(|field| field.parse::<u64>().ok());
    Some((pages.next()?.checked_mul(page)?, pages.next()?.checked_mul(page)?))
}

fn open_files() -> io::Result<u64> {
    // One of the entries is the directory that is being read.
    Ok((fs::read_dir("/proc/self/fd")?.count() as u64).saturating_sub(1))
}

/// Boot time plus the time between boot and the start of the process.
fn started() -> io::Result<SystemTime> {
    let ticks = sys::clock_ticks().unwrap_or(100);
    let stat = fs::read_to_string("/proc/self/stat")?;
    let since_boot = parse_start_ticks(&stat).ok_or_else(|| unexpected("/proc/self/stat"))?;
    let boot = parse_boot_time(&fs::read_to_string("/proc/stat")?).ok_or_else(|| unexpected("/proc/stat"))?;
    let since_boot = Duration::from_millis(since_boot.saturating_mul(1000) / ticks);
    Ok(UNIX_EPOCH + Duration::from_secs(boot) + since_boot)
}

/// Field 22 of `/proc/self/stat`. The second field, the name, may hold spaces and brackets; the last bracket ends it.
fn parse_start_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_ascii_whitespace().nth(19)?.parse().ok()
}

fn parse_boot_time(stat: &str) -> Option<u64> {
    stat.lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()
}

fn unexpected(file: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("unexpected content of {file}"),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::{Duration, SystemTime};

    use super::{cpu_time, parse_boot_time, parse_start_ticks, parse_statm, resident_memory, usage};

    #[test]
    fn cpu_time_grows_with_work() {
        let before = cpu_time().unwrap();
        let mut sum = 0u64;
        while cpu_time().unwrap().total() <= before.total() + Duration::from_millis(2) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(cpu_time().unwrap().user >= before.user);
    }

    #[test]
    fn usage_is_plausible() {
        let usage = usage();
        assert!(usage.resident_memory > 100 * 1024, "{usage:?}");
        assert!(usage.virtual_memory >= usage.resident_memory, "{usage:?}");
        assert!(
            usage.open_files >= 3 && usage.open_files <= usage.max_open_files,
            "{usage:?}"
        );
        let age = SystemTime::now()
            .duration_since(usage.started)
            .unwrap_or_default();
        assert!(age < Duration::from_secs(3600), "{age:?}");
    }

    #[test]
    fn resident_memory_follows_what_is_touched() {
        let before = resident_memory().unwrap();
        // Other tests of the process let go of tens of MiB meanwhile.
        let block = std::hint::black_box(vec![1u8; 128 << 20]);
        assert!(resident_memory().unwrap() >= before + (64 << 20));
        drop(block);
    }

    #[test]
    fn a_process_name_with_brackets_does_not_shift_the_fields() {
        let fields: Vec<String> = (4..=30).map(|n| n.to_string()).collect();
        let stat = format!("42 (a) b (c)) S {}", fields.join(" "));
        assert_eq!(parse_start_ticks(&stat), Some(22));
        assert_eq!(parse_start_ticks("42 name"), None);
    }

    #[test]
    fn malformed_files_are_refused() {
        assert_eq!(parse_statm("10 4 1", 4096), Some((40_960, 16_384)));
        assert_eq!(parse_statm("10", 4096), None);
        assert_eq!(parse_statm("a b", 4096), None);
        assert_eq!(parse_boot_time("cpu 1\nbtime 1700000000\n"), Some(1_700_000_000));
        assert_eq!(parse_boot_time("cpu 1\n"), None);
    }
}
