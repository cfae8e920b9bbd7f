//! Taking the module out of a layer that is an archive.

use std::ffi::OsStr;
use std::io::{self, Read};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;

use crate::manifest::Packing;

/// The file of an image that is the module, in whatever folder, as Istio looks for it.
const FILE: &str = "plugin.wasm";

/// What an archive may hold beside the module: headers, and small files that describe it.
const BESIDE: u64 = 1024 * 1024;

/// How many other files are named when the module is missing.
const NAMED: usize = 5;

/// Why there is no module in a layer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unpacking {
    /// It unpacks to more than it may.
    TooLarge,
    /// Anything else, in words.
    Failed(String),
}

/// Takes the module out of a layer, of which no more than `limit` bytes are unpacked.
///
/// It computes for as long as it takes, and belongs on a thread where that is no matter.
pub(crate) fn unpack(layer: Bytes, packing: Packing, limit: u64) -> Result<Bytes, Unpacking> {
    let all = limit.saturating_add(BESIDE);
    match packing {
        Packing::Bare => Ok(layer),
        Packing::Tar => find(Bounded::new(layer.as_ref(), all), limit),
        Packing::TarGzip => find(Bounded::new(MultiGzDecoder::new(layer.as_ref()), all), limit),
    }
}

fn find<R: Read>(reader: Bounded<R>, limit: u64) -> Result<Bytes, Unpacking> {
    let mut archive = tar::Archive::new(reader);
    let mut others = Vec::new();
    for entry in archive.entries().map_err(|error| failed(&error))? {
        let mut entry = entry.map_err(|error| failed(&error))?;
        let path = entry.path().map_err(|error| failed(&error))?.into_owned();
        if !entry.header().entry_type().is_file() {
            continue;
        }
        if path.file_name() == Some(OsStr::new(FILE)) {
            if entry.size() > limit {
                return Err(Unpacking::TooLarge);
            }
            let mut module = Vec::with_capacity(usize::try_from(entry.size()).unwrap_or(0));
            entry.read_to_end(&mut module).map_err(|error| failed(&error))?;
            return Ok(module.into());
        }
        if others.len() < NAMED {
            others.push(path.display().to_string());
        }
    }
    Err(Unpacking::Failed(match others.as_slice() {
        [] => format!("its layer has no file {FILE}, nor any other"),
        _ => format!("its layer has no file {FILE}, but {}", others.join(", ")),
    }))
}

fn failed(error: &io::Error) -> Unpacking {
    // The archive wraps errors of what it reads from in its own words.
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(one) = cause {
        let io = one.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.kind() == io::ErrorKind::FileTooLarge) {
            return Unpacking::TooLarge;
        }
        cause = io
            .and_then(|io| io.get_ref())
            .map(|inner| inner as &(dyn std::error::Error + 'static))
            .or_else(|| one.source());
    }
    Unpacking::Failed(format!("its layer cannot be unpacked: {error}"))
}

/// A reader that fails, rather than ends, where it has given out what it may.
struct Bounded<R> {
    reader: R,
    left: u64,
}

impl<R> Bounded<R> {
    fn new(reader: R, left: u64) -> Self {
        Self { reader, left }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, name, *bytes).unwrap();
        }
        archive.into_inner().unwrap()
    }

    fn gzip(bytes: &[u8]) -> Bytes {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap().into()
    }

    #[test]
    fn the_file_is_found_in_any_folder() {
        let tar = archive(&[("runtime-config.json", b"{}"), ("./a/plugin.wasm", b"module")]);
        assert_eq!(
            unpack(gzip(&tar), Packing::TarGzip, 10),
            Ok(Bytes::from("module"))
        );
        assert_eq!(unpack(tar.into(), Packing::Tar, 10), Ok(Bytes::from("module")));
        assert_eq!(unpack(Bytes::from("x"), Packing::Bare, 10), Ok(Bytes::from("x")));
    }

    #[test]
    fn what_is_there_instead_is_named() {
        let Err(Unpacking::Failed(reason)) =
            unpack(gzip(&archive(&[("filter.wasm", b"x")])), Packing::TarGzip, 10)
        else {
            panic!()
        };
        assert!(reason.contains("plugin.wasm, but filter.wasm"), "{reason}");
        for broken in [
            Bytes::from("no gzip"),
            gzip(&[1; 700]).slice(..20),
            gzip(b"no tar").slice(..),
        ] {
            let result = unpack(broken, Packing::TarGzip, 10);
            assert!(matches!(result, Err(Unpacking::Failed(_))), "{result:?}");
        }
    }

    #[test]
    fn a_bomb_is_left_packed() {
        let zeros = vec![0; 4 << 20];
        let named = gzip(&archive(&[("plugin.wasm", &zeros)]));
        assert_eq!(unpack(named, Packing::TarGzip, 1 << 20), Err(Unpacking::TooLarge));
        let beside = gzip(&archive(&[("zeros", &zeros), ("plugin.wasm", b"module")]));
        assert!(beside.len() < 16 << 10);
        assert_eq!(
            unpack(beside, Packing::TarGzip, 1 << 20),
            Err(Unpacking::TooLarge)
        );
    }
}
