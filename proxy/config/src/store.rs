//! A directory as a source of configuration.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::assembly::Assembly;
use crate::error::Error;
use crate::files::{Files, parts_of};
use crate::state::State;

/// A directory, and what was last read from it.
#[derive(Debug)]
pub(crate) struct Store {
    root: PathBuf,
    files: Files,
    state: Arc<State>,
}

impl Store {
    /// Reads a directory for the first time.
    pub(crate) fn open(root: &Path) -> Result<Self, Error> {
        Self::check(root)?;
        let mut store = Self {
            root: root.to_path_buf(),
            files: Files::default(),
            state: Arc::default(),
        };
        store.files.refresh(root);
        store.assemble();
        Ok(store)
    }

    /// An error when there is a file that cannot be read.
    pub(crate) fn require_readable(&self) -> Result<(), Error> {
        match self.files.failures().next() {
            None => Ok(()),
            Some((path, reason)) => Err(Error::Unreadable {
                path: path.to_path_buf(),
                source: std::io::Error::other(reason.to_owned()),
            }),
        }
    }

    /// Whether the directory can be a source at all.
    pub(crate) fn check(root: &Path) -> Result<(), Error> {
        let unreadable = |source| Error::Unreadable {
            path: root.to_path_buf(),
            source,
        };
        if !fs::metadata(root).map_err(unreadable)?.is_dir() {
            return Err(Error::NotADirectory {
                path: root.to_path_buf(),
            });
        }
        fs::read_dir(root).map_err(unreadable)?;
        Ok(())
    }

    /// Reads what has changed since. Says whether there is a new version; the same content is not one.
    pub(crate) fn refresh(&mut self) -> bool {
        let changed = self.files.refresh(&self.root);
        if changed {
            self.assemble();
        }
        changed
    }

    /// The version that was read last.
    pub(crate) fn state(&self) -> Arc<State> {
        Arc::clone(&self.state)
    }

    fn assemble(&mut self) {
        let mut assembly = Assembly::default();
        for (path, parts) in self.files.documents() {
            assembly.add(path, parts);
        }
        for (path, reason) in self.files.failures() {
            assembly.fail(path, reason);
        }
        self.state = Arc::new(assembly.finish(&self.state));
    }
}

/// Reads a directory of YAML once: every `*.yaml`, `*.yml` and `*.json` file in it and in its subdirectories, hidden entries
/// excepted.
///
/// What is wrong in the files does not fail the call; it is in the [`Report`](crate::Report) of the state, and everything else is in
/// force.
///
/// # Errors
///
/// [`Error::NotADirectory`] and [`Error::Unreadable`], about the directory itself.
pub fn load(dir: &Path) -> Result<State, Error> {
    Store::open(dir).map(|store| Arc::unwrap_or_clone(store.state))
}

/// Reads the documents of a text, as if they stood in a file of this name.
pub fn from_str(text: &str, file: &Path) -> State {
    let mut assembly = Assembly::default();
    assembly.add(file, &parts_of(text));
    assembly.finish(&State::default())
}

#[cfg(test)]
mod tests;
