#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::fmt::Write as _;

use super::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// The examples of FIPS 180 and of RFC 3174 section 7.3.
#[test]
fn digests() {
    let long = "0123456701234567012345670123456701234567012345670123456701234567".repeat(10);
    for (message, digest) in [
        ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
        ),
        (&"a".repeat(1_000_000), "34aa973cd4c4daa4f61eeb2bdbad27316534016f"),
        (&long, "dea356a2cddd90c7a7ecedc5ebb563934f460452"),
    ] {
        assert_eq!(hex(&sha1(message.as_bytes())), digest);
    }
    // Every length around the edge of a block is padded into whole blocks.
    let digests: std::collections::HashSet<_> = (0..200).map(|length| sha1(&vec![b'x'; length])).collect();
    assert_eq!(digests.len(), 200);
}

/// The examples of RFC 4648 section 10.
#[test]
fn base64_digits() {
    for (bytes, text) in [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("foobar", "Zm9vYmFy"),
    ] {
        assert_eq!(base64(bytes.as_bytes()), text);
    }
    assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
}

/// The example of RFC 6455 section 1.3.
#[test]
fn a_key_and_its_answer() {
    let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(accept(&key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    let key = super::key();
    assert_eq!(key.len(), 24);
    assert_ne!(key, super::key());
}
