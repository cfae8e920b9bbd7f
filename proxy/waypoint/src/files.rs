//! Files that are read when plans are compiled, and change without the configuration.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::time::sleep;

/// How often they are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// What tells whether a file is as it was; `None`: it is not there.
pub(crate) type Stamp = Option<(SystemTime, u64)>;

/// The files that something was compiled from, as they were before they were read.
pub(crate) type Files = BTreeMap<PathBuf, Stamp>;

/// Files as they were read, or why they could not be.
pub(crate) type ReadFiles = HashMap<PathBuf, (Stamp, Result<Vec<u8>, String>)>;

pub(crate) fn stamp(path: &Path) -> Stamp {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// Ends when one of the files is not as it was.
pub(crate) async fn rewritten(files: &Files) {
    if files.is_empty() {
        return std::future::pending().await;
    }
    loop {
        sleep(LOOK).await;
        if files.iter().any(|(path, known)| stamp(path) != *known) {
            return;
        }
    }
}
