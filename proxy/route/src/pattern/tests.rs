#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use proptest::prelude::*;

use super::{Pattern, PatternError};

fn matches(expression: &str, text: &str) -> bool {
    Pattern::new(expression).unwrap().matches(text.as_bytes())
}

#[test]
fn the_whole_text_must_match() {
    assert!(matches("a|ab", "ab"));
    assert!(!matches("a|b", "ab"));
    assert!(!matches("a", "a\n"));
    assert!(matches("^a$", "a"));
    assert!(!matches(".", "\n"));
}

#[test]
fn classes_know_ascii_only_as_in_re2() {
    assert!(matches(r"\d+\w\s", "12a "));
    assert!(!matches(r"\d", "٣"));
    assert!(!matches(r"\w", "é"));
    assert!(matches(r"\W", "é"));
    assert!(matches(r"[^\d]", "٣"));
    assert!(matches(r"[\w-]+", "a-b"));
    assert!(!matches(r"\s", "\u{b}"));
}

#[test]
fn a_boundary_is_between_ascii_word_and_rest() {
    assert!(matches(r"a\bé", "aé"));
    assert!(!matches(r"é\b", "é"));
    assert!(!matches(r"a\Bé", "aé"));
}

#[test]
fn text_that_is_not_utf8_is_no_accident() {
    assert!(!Pattern::new("a.").unwrap().matches(b"a\xff"));
    assert!(Pattern::new("a").unwrap().matches(b"a"));
}

#[test]
fn errors_say_what_and_where() {
    let Err(PatternError::Syntax { reason, position }) = Pattern::new("/é(a") else {
        panic!()
    };
    assert_eq!((reason.as_str(), position), ("unclosed group", 3));
    let Err(error) = Pattern::new("(?=a)") else {
        panic!()
    };
    assert!(error.to_string().contains("look-around"), "{error}");
    assert!(matches!(
        Pattern::new("a)|(?:b"),
        Err(PatternError::Syntax { .. })
    ));
    assert!(matches!(
        Pattern::new(r"(\pL{50}){50}"),
        Err(PatternError::TooLarge { .. })
    ));
    assert!(Pattern::new(&"(".repeat(5000)).is_err());
}

fn literals(expression: &str) -> Option<Vec<(String, bool)>> {
    let literals = Pattern::new(expression).unwrap().literals()?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Some(
        literals
            .iter()
            .map(|literal| (text(&literal.bytes), literal.complete))
            .collect(),
    )
}

#[test]
fn beginnings_are_found() {
    let some = |texts: &[(&str, bool)]| {
        Some(
            texts
                .iter()
                .map(|(text, complete)| ((*text).to_owned(), *complete))
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(literals("/api/v1/.*"), some(&[("/api/v1/", false)]));
    assert_eq!(literals("^/api$"), some(&[("/api", true)]));
    assert_eq!(literals("/(a|b)/x.*"), some(&[("/a/x", false), ("/b/x", false)]));
    assert_eq!(literals(".*"), None);
    assert_eq!(literals("(/a)?.*"), None);
    assert_eq!(literals("[a&&b]"), some(&[]));
}

proptest! {
    /// The index rests on it: what matches begins with one of the literals, or is it.
    #[test]
    fn every_match_has_one_of_the_literals(
        expression in "(/|a|b|\\[ab\\]|\\(a\\|b\\)|\\(/a\\)\\?|\\.|\\\\w|\\^|\\$|\\\\b|a\\*|\\(\\?i:ab\\)){0,6}",
        text in "[/abAB]{0,5}",
    ) {
        let Ok(pattern) = Pattern::new(&expression) else { return Ok(()) };
        if let (true, Some(literals)) = (pattern.matches(text.as_bytes()), pattern.literals()) {
            prop_assert!(
                literals.iter().any(|literal| match literal.complete {
                    true => *literal.bytes == *text.as_bytes(),
                    false => text.as_bytes().starts_with(&literal.bytes),
                }),
                "{} {} {:?}", expression, text, literals,
            );
        }
    }
}
