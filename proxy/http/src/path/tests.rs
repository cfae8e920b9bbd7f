#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use proptest::prelude::*;

use super::Normalization::{Base, DecodeAndMergeSlashes, MergeSlashes, None};
use super::*;

#[track_caller]
fn check(mode: Normalization, cases: &[(&str, &str)]) {
    for (path, expected) in cases {
        assert_eq!(
            normalize(path, mode).as_deref(),
            Ok(*expected),
            "{path} in {mode:?}"
        );
    }
}

#[test]
fn dot_segments() {
    // The examples of RFC 3986 section 5.2.4 and 5.4, and their escaped forms.
    check(
        Base,
        &[
            ("/a/b/c/./../../g", "/a/g"),
            ("/./g", "/g"),
            ("/../g", "/g"),
            ("/g.", "/g."),
            ("/.g", "/.g"),
            ("/g..", "/g.."),
            ("/..g", "/..g"),
            ("/a/./b", "/a/b"),
            ("/a/.", "/a/"),
            ("/a/..", "/"),
            ("/a/../", "/"),
            ("/a/b/..", "/a/"),
            ("/..", "/"),
            ("/.", "/"),
            ("/...", "/..."),
            ("/a/...", "/a/..."),
            ("/../../../a", "/a"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/.%2e/b", "/b"),
            ("/a/%2e./b", "/b"),
            ("/a/%2e/b", "/a/b"),
            ("/%2e%2e", "/"),
            ("/a//../b", "/a/b"),
            ("/a\\..\\b", "/b"),
            ("/a/..\\b", "/b"),
            ("/a/..;x/b", "/a/..;x/b"),
            ("/a/..?x=/../y", "/?x=/../y"),
            ("/.?..", "/?.."),
        ],
    );
}

#[test]
fn escapes() {
    check(
        Base,
        &[
            ("/%61dmin", "/admin"),
            ("/%7Euser%2d%5F%2e%39", "/~user-_.9"),
            ("/a%2Fb%2fc", "/a%2Fb%2fc"),
            ("/a%5Cb", "/a%5Cb"),
            ("/a%3fb%23c", "/a%3fb%23c"),
            ("/a%25b", "/a%25b"),
            ("/a%20b", "/a%20b"),
            ("/%zz", "/%zz"),
            ("/%", "/%"),
            ("/%4", "/%4"),
            ("/a%4?x", "/a%4?x"),
            ("/caf\u{e9}", "/caf%C3%A9"),
            ("/{a}|b^c`d\"<e>", "/%7Ba%7D%7Cb%5Ec%60d%22%3Ce%3E"),
            ("/a?b=%61&c={d}\u{e9}", "/a?b=%61&c={d}\u{e9}"),
            // What is decoded must not become an escape by what is in front of it.
            ("/%%32e", "/%252e"),
            ("/%2%65", "/%252e"),
            ("/%%32%65", "/%252e"),
            ("/%%32%65%%32%65/x", "/%252e%252e/x"),
            ("/%25%32%65", "/%252e"),
            ("/%%61", "/%25a"),
        ],
    );
}

#[test]
fn slashes() {
    check(
        Base,
        &[
            ("//a///b//", "//a///b//"),
            ("/a\\b", "/a/b"),
            ("/a\\\\b", "/a//b"),
        ],
    );
    check(
        MergeSlashes,
        &[
            ("//a///b//", "/a/b/"),
            ("/a\\\\b", "/a/b"),
            ("/a//..//b", "/a/b"),
            ("/a%2F/b", "/a%2F/b"),
            ("/a?//b", "/a?//b"),
        ],
    );
    check(
        DecodeAndMergeSlashes,
        &[
            ("/a%2Fb", "/a/b"),
            ("/a%2f%2Fb", "/a/b"),
            ("/a%5cb", "/a/b"),
            ("/a/%2e%2e%2fb", "/b"),
            ("/a%2f..%2fb", "/b"),
            ("/a%252Fb", "/a%252Fb"),
            ("/a?b=%2F", "/a?b=%2F"),
        ],
    );
    check(None, &[("/a/../%61//b", "/a/../%61//b"), ("/a%00", "/a%00")]);
}

#[test]
fn refusals() {
    for mode in [None, Base, MergeSlashes, DecodeAndMergeSlashes] {
        assert_eq!(normalize("a", mode), Err(PathError::NotAbsolute));
        assert_eq!(normalize("", mode), Err(PathError::NotAbsolute));
        assert_eq!(normalize("*", mode), Err(PathError::NotAbsolute));
        assert_eq!(normalize("?a", mode), Err(PathError::NotAbsolute));
        assert_eq!(normalize("/a#b", mode), Err(PathError::Fragment));
        assert_eq!(normalize("/a?b#c", mode), Err(PathError::Fragment));
        assert_eq!(normalize("/a\0", mode), Err(PathError::Control));
        assert_eq!(normalize("/a\n", mode), Err(PathError::Control));
        assert_eq!(normalize("/a\x7f", mode), Err(PathError::Control));
    }
    assert_eq!(normalize("/a%00", Base), Err(PathError::Nul));
    assert_eq!(normalize("/a/%00/../b", Base), Err(PathError::Nul));
}

#[test]
fn a_normal_path_is_borrowed() {
    for path in [
        "/",
        "/hello/world-1_2~3.txt?x=../%61",
        "/a;b=c,d/(e)!*'@:&=+$",
        "/[::1]",
    ] {
        assert!(
            matches!(normalize(path, DecodeAndMergeSlashes), Ok(Cow::Borrowed(_))),
            "{path}"
        );
    }
}

/// Paths made of the pieces that matter, so that they meet.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/", "//", "\\", ".", "..", "%2e", "%2E", "%2F", "%2f", "%5C", "%", "%2", "%25", "%32", "%65", "%66",
        "%zz", "a", "2", "e", "F", ";", "%61", "%c3%a9", "\u{e9}", "{", " ", "?", "%3f",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| format!("/{}", pieces.concat()))
}

/// RFC 3986 section 5.2.4 by the book, on a path whose escapes and slashes are normal already.
fn without_dot_segments(path: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let last = segments.len() - 1;
    for (at, segment) in segments.iter().enumerate() {
        match *segment {
            "." if at == last => out.push(""),
            "." => {}
            ".." => {
                out.pop();
                if at == last {
                    out.push("");
                }
            }
            segment => out.push(segment),
        }
    }
    format!("/{}", out.join("/"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn idempotent_and_free_of_dots(path in pieces()) {
        for mode in [Base, MergeSlashes, DecodeAndMergeSlashes] {
            let Ok(once) = normalize(&path, mode) else { continue };
            let again = normalize(&once, mode).unwrap();
            prop_assert_eq!(&once, &again, "{} in {:?}", path, mode);
            let plain = once.split('?').next().unwrap();
            // However often a careless reader decodes it once more.
            let decoded = plain.replace("%2e", ".").replace("%2E", ".");
            for segment in plain.split('/').chain(decoded.split('/')) {
                prop_assert!(segment != "." && segment != "..", "{} became {}", path, once);
            }
            prop_assert!(plain.starts_with('/'));
            prop_assert!(!plain.contains('\\'));
            if mode != Base {
                prop_assert!(!plain.contains("//"), "{} became {}", path, once);
            }
            if mode == DecodeAndMergeSlashes {
                let lower = plain.to_ascii_lowercase();
                prop_assert!(!lower.contains("%2f") && !lower.contains("%5c"), "{} became {}", path, once);
            }
            prop_assert!(http::uri::PathAndQuery::try_from(once.as_ref()).is_ok() || once.contains('?'));
        }
    }

    #[test]
    fn agrees_with_the_rfc(segments in prop::collection::vec("[a-c.]{0,3}", 1..8)) {
        let path = format!("/{}", segments.join("/"));
        prop_assert_eq!(normalize(&path, Base).unwrap(), without_dot_segments(&path));
    }

    #[test]
    fn any_text_is_survived(path in "\\PC*") {
        for mode in [None, Base, MergeSlashes, DecodeAndMergeSlashes] {
            let _ = normalize(&path, mode);
            let _ = normalize(&format!("/{path}"), mode);
        }
    }
}
