//! Which files of a directory hold configuration, and their bytes.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Largest file that is read.
pub(crate) const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// How old a change must be before an unchanged stamp proves that nothing has changed since: file systems count time in steps.
const STAMP_SETTLES: Duration = Duration::from_secs(2);

/// What a directory holds.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// The files, by the path under which a person sees them.
    pub files: BTreeMap<PathBuf, Stamp>,
    /// What could not be looked at, and why.
    pub trouble: BTreeMap<PathBuf, String>,
}

/// What tells whether a file may have changed. The change time cannot be set by programs, so it also sees edits that restore
/// the modification time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    changed: Duration,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        let seconds = u64::try_from(metadata.ctime()).unwrap_or_default();
        let nanoseconds = u32::try_from(metadata.ctime_nsec()).unwrap_or_default();
        let changed = Duration::new(seconds, nanoseconds.min(999_999_999));
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            changed,
        }
    }

    /// Whether a file that was read at some time, and still has this stamp, still has these bytes.
    pub(crate) fn proves_unchanged_since(&self, read: SystemTime) -> bool {
        let read = read.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.changed
            .checked_add(STAMP_SETTLES)
            .is_some_and(|settled| settled < read)
    }
}

/// Lists the `*.yaml`, `*.yml` and `*.json` files of a directory and of the directories in it.
///
/// Hidden entries are skipped. That makes mounted ConfigMaps read well: their visible names are links into a hidden directory. A file or directory
/// that can be reached twice, through links, counts once; loops of links therefore end.
///
/// # Errors
///
/// When the directory itself cannot be listed.
pub(crate) fn list(root: &Path) -> io::Result<Listing> {
    let mut listing = Listing::default();
    let mut seen = HashSet::new();
    let real_root = fs::canonicalize(root)?;
    seen.insert(real_root.clone());
    // The directories to go through, each with its real path.
    let mut waiting = BTreeSet::from([(root.to_path_buf(), real_root)]);
    let mut first = true;
    while let Some((directory, real)) = waiting.pop_first() {
        match entries(&directory) {
            Ok(entries) => {
                for (path, is_link) in entries {
                    let outcome = look_at(&path, is_link, &real, &mut seen);
                    match outcome {
                        Ok(Some(Entry::Directory(real))) => {
                            waiting.insert((path, real));
                        }
                        Ok(Some(Entry::File(stamp))) => {
                            listing.files.insert(path, stamp);
                        }
                        Ok(None) => {}
                        Err(error) => {
                            listing.trouble.insert(path, error.to_string());
                        }
                    }
                }
            }
            Err(error) if first => return Err(error),
            // Deleted since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                listing.trouble.insert(directory, error.to_string());
            }
        }
        first = false;
    }
    Ok(listing)
}

/// Why a file has no bytes to offer.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// It is gone.
    Gone,
    /// It exceeds [`MAX_FILE_BYTES`].
    TooLarge,
    /// The system refuses.
    Refused(io::Error),
}

/// Reads a file of a [`Listing`].
///
/// # Errors
///
/// See [`ReadError`].
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, ReadError> {
    let refused = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => ReadError::Gone,
        _ => ReadError::Refused(error),
    };
    let file = File::open(path).map_err(refused)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(refused)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_FILE_BYTES) {
        Ok(bytes)
    } else {
        Err(ReadError::TooLarge)
    }
}

enum Entry {
    Directory(PathBuf),
    File(Stamp),
}

/// The visible entries of a directory in order, each with whether it is a symbolic link.
fn entries(directory: &Path) -> io::Result<BTreeMap<PathBuf, bool>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            found.insert(entry.path(), entry.file_type()?.is_symlink());
        }
    }
    Ok(found)
}

fn look_at(
    path: &Path,
    is_link: bool,
    parent: &Path,
    seen: &mut HashSet<PathBuf>,
) -> io::Result<Option<Entry>> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !is_link => return Ok(None),
        // A link to nowhere is of interest only if it would be read.
        Err(error) => {
            return if is_configuration(path) {
                Err(error)
            } else {
                Ok(None)
            };
        }
    };
    let wanted = metadata.is_dir() || (metadata.is_file() && is_configuration(path));
    if !wanted {
        return Ok(None);
    }
    let real = match path.file_name() {
        Some(name) if !is_link => parent.join(name),
        _ => fs::canonicalize(path)?,
    };
    if !seen.insert(real.clone()) {
        return Ok(None);
    }
    Ok(Some(if metadata.is_dir() {
        Entry::Directory(real)
    } else {
        Entry::File(Stamp::of(&metadata))
    }))
}

fn is_configuration(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known))
}

#[cfg(test)]
mod tests;
