//! The files of a directory as they were read last, document by document.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::directory::{self, ReadError, Stamp};
use crate::document::{self, Document};
use crate::yaml::{Chunk, split};

/// The files of a directory. A change parses only the documents whose text has changed.
#[derive(Debug, Default)]
pub(crate) struct Files {
    files: BTreeMap<PathBuf, File>,
    /// What could not be read, and why; nothing is known about what is below such a path.
    trouble: BTreeMap<PathBuf, String>,
    hasher: RandomState,
}

/// One file.
#[derive(Debug)]
struct File {
    stamp: Stamp,
    read: SystemTime,
    contents: Contents,
}

/// What a file holds, by which two readings of it are compared.
#[derive(Debug)]
struct Contents {
    documents: Vec<Part>,
    failure: Option<String>,
}

/// A document and where it stands in its file.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// Line of the file on which it begins.
    pub line: usize,
    pub document: Arc<Document>,
    /// Hash and length of its text.
    text: (u64, usize),
}

impl Files {
    /// Reads what has changed, and says whether anything has.
    pub(crate) fn refresh(&mut self, root: &Path) -> bool {
        let listing = match directory::list(root) {
            Ok(listing) => listing,
            // A directory that is gone for a moment, while it is being replaced, is no reason to forget what was in it.
            Err(error) => return self.fail(root, &error.to_string()),
        };
        let mut earlier = std::mem::take(&mut self.files);
        let mut changed = listing.trouble != self.trouble;
        self.trouble = listing.trouble;
        for (path, stamp) in listing.files {
            let before = earlier.remove(&path);
            let file = match before {
                Some(file) if file.stamp == stamp && stamp.proves_unchanged_since(file.read) => file,
                before => {
                    let read = SystemTime::now();
                    let Some(contents) = self.contents(&path, before.as_ref()) else {
                        changed |= before.is_some();
                        continue;
                    };
                    changed |= before.is_none_or(|before| !before.contents.is_same(&contents));
                    File {
                        stamp,
                        read,
                        contents,
                    }
                }
            };
            self.files.insert(path, file);
        }
        changed || !earlier.is_empty()
    }

    /// The documents of every file, in the order of paths.
    pub(crate) fn documents(&self) -> impl Iterator<Item = (&Path, &[Part])> {
        self.files
            .iter()
            .map(|(path, file)| (path.as_path(), file.contents.documents.as_slice()))
    }

    /// The paths of which nothing can be read now, with the reasons.
    pub(crate) fn failures(&self) -> impl Iterator<Item = (&Path, &str)> {
        let files = self
            .files
            .iter()
            .filter_map(|(path, file)| Some((path.as_path(), file.contents.failure.as_deref()?)));
        files.chain(
            self.trouble
                .iter()
                .map(|(path, reason)| (path.as_path(), reason.as_str())),
        )
    }

    fn fail(&mut self, root: &Path, reason: &str) -> bool {
        let trouble = BTreeMap::from([(root.to_path_buf(), reason.to_owned())]);
        let changed = trouble != self.trouble || !self.files.is_empty();
        self.trouble = trouble;
        self.files.clear();
        changed
    }

    /// What a file holds now; `None` when it is gone.
    fn contents(&self, path: &Path, before: Option<&File>) -> Option<Contents> {
        let failed = |reason: String| {
            Some(Contents {
                documents: Vec::new(),
                failure: Some(reason),
            })
        };
        match directory::read(path) {
            Ok(bytes) => Some(Contents {
                documents: self.parts(&bytes, before),
                failure: None,
            }),
            Err(ReadError::Gone) => None,
            Err(ReadError::TooLarge) => failed(format!(
                "is larger than {} MiB",
                directory::MAX_FILE_BYTES / (1024 * 1024)
            )),
            Err(ReadError::Refused(error)) => failed(error.to_string()),
        }
    }

    fn parts(&self, bytes: &[u8], before: Option<&File>) -> Vec<Part> {
        let known: HashMap<(u64, usize), &Part> = before
            .iter()
            .flat_map(|file| &file.contents.documents)
            .map(|part| (part.text, part))
            .collect();
        let part = |chunk: Chunk<'_>| {
            let text = (self.hasher.hash_one(chunk.bytes), chunk.bytes.len());
            let document = match known.get(&text) {
                Some(part) => Arc::clone(&part.document),
                None => Arc::new(document::read(chunk.bytes)),
            };
            Part {
                line: chunk.line,
                document,
                text,
            }
        };
        split(bytes).into_iter().map(part).collect()
    }
}

impl Contents {
    fn is_same(&self, other: &Self) -> bool {
        let texts = |contents: &Self| -> Vec<(usize, (u64, usize))> {
            contents
                .documents
                .iter()
                .map(|part| (part.line, part.text))
                .collect()
        };
        self.failure == other.failure && texts(self) == texts(other)
    }
}

/// The documents of a text that is in no file.
pub(crate) fn parts_of(text: &str) -> Vec<Part> {
    Files::default().parts(text.as_bytes(), None)
}
