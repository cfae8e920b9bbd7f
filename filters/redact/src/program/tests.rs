use super::{Program, Scratch};
use crate::pattern;

fn program(text: &str) -> Program {
    Program::new(&pattern::parse(text).unwrap()).unwrap()
}

fn found(pattern: &str, text: &str) -> Option<String> {
    let program = program(pattern);
    let mut scratch = Scratch::default();
    (0..text.len()).find_map(|at| {
        let end = program.longest_at(text.as_bytes(), at, None, &mut scratch)?;
        Some(String::from_utf8_lossy(&text.as_bytes()[at..end]).into_owned())
    })
}

#[test]
fn matches_what_it_says() {
    for (pattern, text, expected) in [
        (r"\d{3}-\d{4}", "call 555-1234 now", Some("555-1234")),
        (r"\bcat\b", "concat cat", Some("cat")),
        (r"\bcat\b", "concat", None),
        ("a|bc|def", "xdefx", Some("def")),
        ("ab?c", "abbc ac", Some("ac")),
        ("[a-c_]{2,4}", "xxab_cab", Some("ab_c")),
        ("[^ ]{3}", "a bcd", Some("bcd")),
        ("[]x]{2}", "a]x", Some("]x")),
        ("[a-]{2}", "b-a", Some("-a")),
        ("(?i)Secret[A-C]", "sEcReTb", Some("sEcReTb")),
        ("(ab){2}(?:c|d)", "abababd", Some("ababd")),
        (r"a\.b", "axb a.b", Some("a.b")),
        (r"[\d.]{3}", "1.2", Some("1.2")),
        ("é{2}", "éé", Some("éé")),
        ("a.c", "a\nc abc", Some("abc")),
        (r"(a?){20}a{20}", &"a".repeat(30), Some(&"a".repeat(30))),
    ] {
        assert_eq!(found(pattern, text).as_deref(), expected, "{pattern} in {text}");
    }
}

#[test]
fn what_has_no_end_or_no_meaning_is_refused() {
    for pattern in [
        "a*",
        "a+",
        "a{2,}",
        "a{3,2}",
        "a{9999}",
        "(a",
        "a)",
        "[a",
        "a\\",
        "^a",
        "a$",
        "a??",
        "?",
        "(?=a)",
        r"\q",
        "[z-a]",
        "a?",
        "",
        r"\b",
        "(a{1000}){1000}",
        "[é]",
    ] {
        let compiled = pattern::parse(pattern).and_then(|node| Program::new(&node));
        assert!(compiled.is_err(), "{pattern}");
    }
}

#[test]
fn the_longest_match_is_known() {
    assert_eq!(program(r"\b(\d{4}-?){4}|abc").longest, 20);
}
