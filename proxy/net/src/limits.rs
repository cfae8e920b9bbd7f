//! Limits of this process.

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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{open_files, raise_nofile};

    #[test]
    fn the_soft_limit_reaches_the_hard_one() {
        let raised = raise_nofile().unwrap();
        assert_eq!(raised.soft, raised.hard);
        assert_eq!(open_files().unwrap(), raised);
    }
}
