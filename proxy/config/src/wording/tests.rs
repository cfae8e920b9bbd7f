#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::*;
use crate::yaml::parse;

fn words(error: &str, found: &str) -> (String, String) {
    let node = parse(found).unwrap().root.unwrap();
    let Wording { message, hint } = wording(error, Some(&node));
    (message, hint)
}

fn pair(message: &str, hint: &str) -> (String, String) {
    (message.to_owned(), hint.to_owned())
}

#[test]
fn slips_get_the_advice_that_mends_them() {
    let cases = [
        (
            "invalid type: floating point `1.2`, expected a string",
            "1.20",
            "must be text, not the number 1.20",
            "write it in quotes: \"1.20\"",
        ),
        (
            "invalid type: boolean `true`, expected a string",
            "true",
            "must be text, not true",
            "write it in quotes: \"true\"",
        ),
        (
            "invalid type: string \"10\", expected u32",
            "'10'",
            "must be a whole number, 0 or more, not the text \"10\"",
            "remove the quotes: 10",
        ),
        (
            "invalid type: string \"ten\", expected u32",
            "ten",
            "must be a whole number, 0 or more, not the text \"ten\"",
            "write a number without quotes",
        ),
        (
            "invalid type: string \"yes\", expected a boolean",
            "yes",
            "must be true or false, not the text \"yes\"",
            "write true or false",
        ),
        (
            "invalid type: map, expected a sequence",
            "{a: 1}",
            "must be a list, not a mapping",
            "put `- ` before it: it is a list of these",
        ),
        (
            "invalid type: sequence, expected struct Destination",
            "[1]",
            "must be a mapping of fields, not a list",
            "remove the `- ` and write its fields",
        ),
        (
            "invalid type: string \"/\", expected struct StringMatch",
            "/",
            "must be a mapping of fields, not the text \"/\"",
            "write `{exact: \"/\"}`, `{prefix: \"/\"}` or `{regex: \"/\"}`",
        ),
        (
            "invalid type: integer `80`, expected struct PortSelector",
            "80",
            "must be a mapping of fields, not the number 80",
            "write `{number: 80}`",
        ),
        (
            "invalid type: integer `5`, expected a duration like 1.5s",
            "5",
            "must be a duration like 1.5s, not the number 5",
            "write a unit: 5s",
        ),
        (
            "invalid value: integer `-1`, expected u32",
            "-1",
            "must be a whole number, 0 or more, not the number -1",
            "write a number without quotes",
        ),
        (
            "unknown variant `BLOCK`, expected one of `ALLOW`, `DENY`",
            "BLOCK",
            "the text \"BLOCK\" is not one of its values",
            "write one of: ALLOW, DENY",
        ),
        (
            "unknown variant `x`, expected `y`",
            "x",
            "the text \"x\" is not one of its values",
            "write one of: y",
        ),
        (
            "missing field `host`",
            "{}",
            "the field host is missing",
            "write `host: ...` below it",
        ),
        ("bad (write it well)", "x", "bad", "write it well"),
    ];
    for (error, found, message, hint) in cases {
        assert_eq!(words(error, found), pair(message, hint), "{error}");
    }
}

#[test]
fn there_is_always_advice() {
    for error in [
        "something new",
        "invalid type: map, expected a tuple",
        "invalid type: null, expected a string",
    ] {
        assert!(!words(error, "{}").1.is_empty(), "{error}");
        assert!(!wording(error, None).hint.is_empty(), "{error}");
    }
}

#[test]
fn long_texts_are_shortened() {
    let (message, _) = words(
        "invalid type: string \"…\", expected a sequence",
        &"ä".repeat(1000),
    );
    assert!(message.chars().count() < 120, "{message}");
}
