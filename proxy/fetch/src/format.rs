//! What bytes are, by how they begin.

use crate::error::FetchError;

/// `\0asm`, with which core modules and components begin; the four bytes after it tell them apart.
const MAGIC: &[u8] = b"\0asm";

/// Other things that are found where a module should be, by their first bytes.
const OTHERS: [(&[u8], &str); 11] = [
    (b"\x1f\x8b", "is compressed with gzip; publish it uncompressed"),
    (
        b"\x28\xb5\x2f\xfd",
        "is compressed with zstd; publish it uncompressed",
    ),
    (b"PK\x03\x04", "is a ZIP archive; publish the .wasm file in it"),
    (
        b"\x7fELF",
        "is a native program, or a module compiled ahead; publish the .wasm file",
    ),
    (
        b"(module",
        "is WebAssembly in text form; translate it with wasm-tools parse",
    ),
    (
        b"(component",
        "is WebAssembly in text form; translate it with wasm-tools parse",
    ),
    (
        b"<!doctype",
        "is an HTML page; check that the address is that of the file itself",
    ),
    (
        b"<html",
        "is an HTML page; check that the address is that of the file itself",
    ),
    (
        b"<",
        "is XML or HTML; check that the address is that of the file itself",
    ),
    (b"{", "is JSON; check that the address is that of the file itself"),
    (b"[", "is JSON; check that the address is that of the file itself"),
];

/// Checks that bytes are WebAssembly, by how they begin.
pub(crate) fn check(bytes: &[u8], what: &str) -> Result<(), FetchError> {
    if bytes.starts_with(MAGIC) && bytes.len() >= 8 {
        return Ok(());
    }
    Err(FetchError::NotWasm {
        what: what.to_owned(),
        looks: looks(bytes),
    })
}

/// Whether WebAssembly is a component, and no core module.
pub(crate) fn is_component(bytes: &[u8]) -> bool {
    bytes.get(6..8) == Some(&[1, 0])
}

fn looks(bytes: &[u8]) -> &'static str {
    if bytes.is_empty() {
        return "is empty";
    }
    if bytes.starts_with(MAGIC) {
        return "ends within its first eight bytes";
    }
    let text = bytes
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(bytes)
        .trim_ascii_start();
    OTHERS
        .iter()
        .find(|(start, _)| {
            // Text may have space before it and any case; what is not text must begin at the first byte.
            let subject = if start.is_ascii() { text } else { bytes };
            subject
                .get(..start.len())
                .is_some_and(|head| head.eq_ignore_ascii_case(start))
        })
        .map_or("begins with something else than \\0asm", |(_, looks)| looks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_and_components_pass() {
        assert!(check(b"\0asm\x01\0\0\0", "it").is_ok());
        assert!(check(b"\0asm\x0d\0\x01\0", "it").is_ok());
    }

    #[test]
    fn the_error_says_what_it_is_instead() {
        for (bytes, expected) in [
            (&b""[..], "empty"),
            (b"\0asm", "ends within"),
            (b"\x1f\x8b\x08", "gzip"),
            (b"PK\x03\x04", "ZIP"),
            (b"\n <!DOCTYPE html>", "HTML"),
            (b"\xef\xbb\xbf<HTML>", "HTML"),
            (b"<?xml", "XML"),
            (b" {\"errors\"", "JSON"),
            (b"\n(module)", "text form"),
            (b"\x7fELF", "native"),
            (b"\0\0\0\0", "something else"),
        ] {
            let error = check(bytes, "x").unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
