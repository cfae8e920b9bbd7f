//! A directory of YAML that a mesh is configured by.

use std::path::{Path, PathBuf};

use crate::Network;

/// A temporary directory; in what is written to it, `NET.` stands for the network's address.
#[derive(Debug)]
pub struct Directory {
    root: tempfile::TempDir,
    network: Network,
}

impl Directory {
    /// An empty directory.
    #[must_use]
    pub fn new(network: Network) -> Directory {
        Directory {
            root: tempfile::tempdir().expect("a temporary directory"),
            network,
        }
    }

    /// The configuration's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// Writes or replaces a file, atomically, as an editor or a ConfigMap mount does.
    pub fn write(&self, name: &str, yaml: &str) -> PathBuf {
        let path = self.root.path().join(name);
        let hidden = self.root.path().join(format!(".{name}.new"));
        std::fs::write(&hidden, self.network.fill(yaml)).expect("the file can be written");
        std::fs::rename(&hidden, &path).expect("the file can be put in place");
        path
    }

    /// Removes a file.
    pub fn remove(&self, name: &str) {
        std::fs::remove_file(self.root.path().join(name)).expect("the file can be removed");
    }
}
