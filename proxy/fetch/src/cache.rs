//! Modules on disk, by the hash of their content.
//!
//! `modules/` holds the bytes, each file named by the SHA-256 of what is in it, and checked against it whenever it is
//! read: what another process has written there is not trusted. `names/` says which module a source led to. A name is a
//! hash over everything that a request is judged by, its credentials included, so that no one is served from the cache
//! what a registry would not have given them.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::digest::Digest;

/// How long an entry stays that nobody asks for.
pub(crate) const UNUSED: Duration = Duration::from_secs(24 * 60 * 60);

/// The directory.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    modules: PathBuf,
    names: PathBuf,
    /// The largest file that is read.
    max_size: u64,
}

/// What a module was found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name(Digest);

impl Name {
    /// From everything that must be the same for the same answer.
    pub(crate) fn of(parts: &[&str]) -> Self {
        Self(Digest::of(parts.join("\0").as_bytes()))
    }
}

/// A module that is in the cache, or is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) bytes: Bytes,
    pub(crate) sha256: Digest,
    pub(crate) image: Option<Digest>,
}

/// The content of a file in `names/`.
#[derive(Serialize, Deserialize)]
struct Pointer {
    module: String,
    image: Option<String>,
}

impl Cache {
    /// Opens a directory, and makes it when it is not there. It is closed to other users, even when it was open.
    pub(crate) fn open(directory: &Path, max_size: u64) -> io::Result<Self> {
        let cache = Self {
            modules: directory.join("modules"),
            names: directory.join("names"),
            max_size,
        };
        for path in [directory, &cache.modules, &cache.names] {
            DirBuilder::new().recursive(true).mode(0o700).create(path)?;
            if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
                fs::set_permissions(path, Permissions::from_mode(0o700))?;
            }
        }
        Ok(cache)
    }

    /// The module that a name leads to, when it is there and whole.
    pub(crate) fn find(&self, name: Name) -> Option<Entry> {
        let path = self.names.join(name.0.hex());
        let pointer: Pointer = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        let sha256: Digest = pointer.module.parse().ok()?;
        let image = pointer.image.map(|image| image.parse()).transpose().ok()?;
        let module = self.modules.join(sha256.hex());
        let bytes = self.read(&module, sha256)?;
        touch(&path);
        touch(&module);
        Some(Entry { bytes, sha256, image })
    }

    fn read(&self, path: &Path, sha256: Digest) -> Option<Bytes> {
        if fs::metadata(path).ok()?.len() > self.max_size {
            return None;
        }
        let bytes = fs::read(path).ok()?;
        if Digest::of(&bytes) != sha256 {
            warn!(path = %path.display(), "a cached module is not what its name says; it is removed and fetched again");
            let _ = fs::remove_file(path);
            return None;
        }
        Some(bytes.into())
    }

    /// Keeps a module, under each of its names.
    pub(crate) fn store(&self, names: &[Name], entry: &Entry) -> io::Result<()> {
        let name = entry.sha256.hex();
        // What is there already is checked when it is read.
        let there =
            fs::metadata(self.modules.join(&name)).is_ok_and(|file| file.len() == entry.bytes.len() as u64);
        if !there {
            write(&self.modules, &name, &entry.bytes)?;
        }
        let pointer = serde_json::to_vec(&Pointer {
            module: name,
            image: entry.image.map(|image| image.hex()),
        })?;
        names
            .iter()
            .try_for_each(|name| write(&self.names, &name.0.hex(), &pointer))
    }

    /// Removes what nobody asked for since `before`, and what an interrupted process has left.
    pub(crate) fn purge(&self, before: SystemTime) {
        for directory in [&self.names, &self.modules] {
            let Ok(files) = fs::read_dir(directory) else {
                continue;
            };
            for file in files.filter_map(Result::ok) {
                let used = file.metadata().and_then(|metadata| metadata.modified());
                if used.is_ok_and(|used| used < before) {
                    // A process that shares the directory may have been faster.
                    let _ = fs::remove_file(file.path());
                }
            }
        }
    }
}

/// Writes a file so that it is there whole or not at all.
fn write(directory: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(bytes)?;
    file.persist(directory.join(name))?;
    Ok(())
}

/// Marks a file as used. A cache that cannot be written is still one that can be read.
fn touch(path: &Path) {
    let _ = File::options()
        .append(true)
        .open(path)
        .and_then(|file| file.set_modified(SystemTime::now()));
}

#[cfg(test)]
mod tests;
