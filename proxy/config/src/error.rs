use std::io;
use std::path::PathBuf;

/// Why a directory cannot be a source of configuration. What is wrong *in* it is in its [`Report`](crate::Report) instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The path leads to something else.
    #[error("{}: is not a directory; give the directory that holds the YAML files", path.display())]
    NotADirectory {
        /// The path that was given.
        path: PathBuf,
    },
    /// The directory is not there, or may not be read.
    #[error("{}: cannot be read: {source}; check the path and its permissions", path.display())]
    Unreadable {
        /// The path that was given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The thread that watches could not be started.
    #[error("{}: cannot be watched: {source}", path.display())]
    Unwatchable {
        /// The path that was given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
