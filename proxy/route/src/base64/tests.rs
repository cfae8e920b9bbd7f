#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::decode;

#[test]
fn decodes_the_vectors_of_rfc_4648() {
    for (encoded, decoded) in [
        ("", ""),
        ("Zg==", "f"),
        ("Zm8=", "fo"),
        ("Zm9v", "foo"),
        ("Zm9vYg==", "foob"),
        ("Zm9vYmE=", "fooba"),
        ("Zm9vYmFy", "foobar"),
        ("Zm9vYg", "foob"),
    ] {
        assert_eq!(decode(encoded).unwrap(), decoded.as_bytes());
    }
    assert_eq!(decode("-_+/").unwrap(), [0xfb, 0xff, 0xbf]);
}

#[test]
fn refuses_what_is_not_base64() {
    for text in ["a", "====", "Zg=", "Zm9v====", "Zm 9v", "Z=g=", "é"] {
        assert_eq!(decode(text), None, "{text}");
    }
}
