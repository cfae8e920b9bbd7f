//! The examples, carried in the binary and laid out in a directory of their own.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::TempDir;

macro_rules! example {
    ($path:literal) => {
        include_str!(concat!("../../../../examples/", $path))
    };
}

const MESH: [(&str, &str); 4] = [
    ("apps.yaml", example!("helloworld/apps.yaml")),
    ("mesh.yaml", example!("helloworld/mesh.yaml")),
    ("versions.yaml", example!("helloworld/versions.yaml")),
    ("waypoint.yaml", example!("helloworld/waypoint.yaml")),
];
const WALKTHROUGH: [(&str, &str); 6] = [
    ("abort.yaml", ABORT),
    ("allow-sleep.yaml", ALLOW_SLEEP),
    ("delay.yaml", DELAY),
    ("split.yaml", SPLIT),
    ("stamp.wat", STAMP_FILTER),
    ("stamp.yaml", STAMP),
];

pub(super) const STAMP: &str = example!("walkthrough/stamp.yaml");
pub(super) const STAMP_FILTER: &str = example!("walkthrough/stamp.wat");
pub(super) const DELAY: &str = example!("walkthrough/delay.yaml");
pub(super) const ABORT: &str = example!("walkthrough/abort.yaml");
pub(super) const SPLIT: &str = example!("walkthrough/split.yaml");
pub(super) const ALLOW_SLEEP: &str = example!("walkthrough/allow-sleep.yaml");

/// A directory with the mesh, and beside it what the walk puts into it. Removed when this is dropped.
pub(super) struct Files {
    root: TempDir,
    mesh: PathBuf,
    walkthrough: PathBuf,
}

impl Files {
    pub(super) fn write() -> anyhow::Result<Files> {
        let root = TempDir::with_prefix("cairn-demo-").context("there is no place for the demo's files")?;
        let lay_out = |name: &str, files: &[(&str, &str)]| {
            let directory = root.path().join(name);
            fs::create_dir(&directory)?;
            for (file, text) in files {
                fs::write(directory.join(file), text)?;
            }
            Ok::<_, std::io::Error>(directory)
        };
        let mesh = lay_out("mesh", &MESH).context("the demo's files cannot be written")?;
        let walkthrough =
            lay_out("walkthrough", &WALKTHROUGH).context("the demo's files cannot be written")?;
        Ok(Files {
            root,
            mesh,
            walkthrough,
        })
    }

    /// The directory that the mesh follows.
    pub(super) fn mesh(&self) -> &Path {
        &self.mesh
    }

    /// The files that the walk shows.
    pub(super) fn walkthrough(&self) -> &Path {
        &self.walkthrough
    }

    /// Puts a file into the mesh, whole at once.
    pub(super) fn put(&self, name: &str, content: impl AsRef<[u8]>) -> anyhow::Result<()> {
        let written = self.root.path().join("next");
        fs::write(&written, content)
            .and_then(|()| fs::rename(&written, self.mesh.join(name)))
            .with_context(|| format!("{name} cannot be written"))
    }

    /// Takes a file out of the mesh.
    pub(super) fn remove(&self, name: &str) -> anyhow::Result<()> {
        fs::remove_file(self.mesh.join(name)).with_context(|| format!("{name} cannot be removed"))
    }
}
