//! What a process has used so far, as the kernel counts it.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// CPU time, user and system, of all threads that a process has.
///
/// From `/proc/PID/task/*/schedstat`, the nanoseconds behind the `utime + stime` of `/proc/PID/stat`, whose ticks of 10 ms
/// are too coarse for a round. Threads that have ended are missing: neither waypoint ends one while it serves.
///
/// # Errors
///
/// The process is gone, or the kernel was built without scheduler statistics.
pub fn cpu_time(process: u32) -> Result<Duration> {
    let directory = format!("/proc/{process}/task");
    let mut nanoseconds = 0;
    for task in fs::read_dir(&directory).with_context(|| format!("{directory} cannot be read"))? {
        let path = task?.path().join("schedstat");
        // A thread may end between the two reads.
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        let on_cpu = text.split_ascii_whitespace().next();
        nanoseconds += on_cpu
            .and_then(|number| number.parse::<u64>().ok())
            .with_context(|| format!("{} is not as expected", path.display()))?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// Resident memory of a process, in KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// All of it.
    pub resident: u64,
    /// What belongs to the process alone: its heap and stacks, without the pages of its binary.
    pub anonymous: u64,
}

/// The memory that a process has now.
///
/// # Errors
///
/// The process is gone.
pub fn memory(process: u32) -> Result<Memory> {
    let path = format!("/proc/{process}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .and_then(|value| value.trim().trim_end_matches(" kB").parse().ok())
            .with_context(|| format!("{path} has no {name}"))
    };
    Ok(Memory {
        resident: field("VmRSS")?,
        anonymous: field("RssAnon")?,
    })
}

/// The memory that a process has now, in KiB, with its share of what it has in common with others (PSS): a page that is
/// mapped several times counts once.
///
/// # Errors
///
/// The process is gone.
pub fn proportional(process: u32) -> Result<u64> {
    let path = format!("/proc/{process}/smaps_rollup");
    let rollup = fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
    rollup
        .lines()
        .find_map(|line| line.strip_prefix("Pss:"))
        .and_then(|value| value.trim().trim_end_matches(" kB").parse().ok())
        .with_context(|| format!("{path} has no Pss"))
}

#[cfg(test)]
mod tests {
    use super::{cpu_time, memory, proportional};

    #[test]
    fn the_own_process_has_used_something() {
        let process = std::process::id();
        let before = cpu_time(process).expect("the own CPU time");
        let work: u64 = (0..20_000_000_u64).map(std::hint::black_box).sum();
        assert!(work > 0);
        assert!(cpu_time(process).expect("the own CPU time") > before);
        let memory = memory(process).expect("the own memory");
        assert!(memory.resident >= memory.anonymous && memory.anonymous > 0);
        assert!(proportional(process).expect("the own share") > 0);
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert!(cpu_time(u32::MAX).is_err());
        assert!(memory(u32::MAX).is_err());
        assert!(proportional(u32::MAX).is_err());
    }
}
