//! Limits of this process, and of its threads.

use std::io;

use crate::sys;

/// The limit of open file descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFiles {
    /// What is in force.
    pub soft: u64,
    /// How far the process may raise it.
    pub hard: u64,
}

/// Raises the limit of open file descriptors as far as this process may, and returns what is in force then.
///
/// A proxy holds two or more descriptors for each connection; the usual soft limit of 1,024 would be reached at a
/// few hundred connections.
///
/// # Errors
///
/// What the kernel answers; the old limit stays in force then.
pub fn raise_nofile() -> io::Result<OpenFiles> {
    let before = open_files()?;
    if before.soft < before.hard {
        sys::set_nofile(before.hard, before.hard)?;
    }
    open_files()
}

/// The limit of open file descriptors that is in force.
///
/// # Errors
///
/// What the kernel answers.
pub fn open_files() -> io::Result<OpenFiles> {
    let (soft, hard) = sys::nofile()?;
    Ok(OpenFiles { soft, hard })
}

/// Has the calling thread, and threads that it starts from now on, run only where no other thread wants to.
///
/// Others do not even wait until such a thread has used up its turn: it is interrupted as soon as one of them is ready.
/// There is no way back without privileges.
///
/// # Errors
///
/// What the kernel answers.
pub fn run_when_idle() -> io::Result<()> {
    sys::set_idle()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{open_files, raise_nofile, run_when_idle};

    /// Field 41 of `stat`, behind the name in brackets.
    fn policy() -> u32 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        fields.split_ascii_whitespace().nth(38).unwrap().parse().unwrap()
    }

    #[test]
    fn a_thread_that_runs_when_idle_hands_that_on() {
        let (own, inherited) = std::thread::spawn(|| {
            run_when_idle().unwrap();
            (policy(), std::thread::spawn(policy).join().unwrap())
        })
        .join()
        .unwrap();
        const SCHED_IDLE: u32 = 5;
        assert_eq!((own, inherited), (SCHED_IDLE, SCHED_IDLE));
        assert_eq!(policy(), 0);
    }

    #[test]
    fn the_soft_limit_reaches_the_hard_one() {
        let raised = raise_nofile().unwrap();
        assert_eq!(raised.soft, raised.hard);
        assert_eq!(open_files().unwrap(), raised);
    }
}
