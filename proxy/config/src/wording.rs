//! Serde's words about a value that does not fit, in the words of someone who writes YAML.

use crate::yaml::{Node, Value};

/// What to say about a field: what is wrong, and what to write instead.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wording {
    pub message: String,
    pub hint: String,
}

/// Puts an error of serde in words, given what stands in the document.
pub(crate) fn wording(error: &str, found: Option<&Node>) -> Wording {
    if let Some(name) = between(error, "missing field `", "`") {
        return Wording {
            message: format!("the field {name} is missing"),
            hint: format!("write `{name}: ...` below it"),
        };
    }
    if let Some((_, choices)) = error
        .strip_prefix("unknown variant `")
        .and_then(|rest| rest.split_once("`, expected "))
    {
        let choices = choices
            .strip_prefix("one of ")
            .unwrap_or(choices)
            .replace('`', "");
        return Wording {
            message: format!(
                "{} is not one of its values",
                found.map_or_else(|| "this".to_owned(), describe)
            ),
            hint: format!("write one of: {choices}"),
        };
    }
    if error.contains("expected key to be a number") {
        return Wording {
            message: "has a key that is not a number".to_owned(),
            hint: "write numbers before the colons, such as `8080: ...`".to_owned(),
        };
    }
    let mismatch = error
        .strip_prefix("invalid type: ")
        .or_else(|| error.strip_prefix("invalid value: "));
    if let Some((_, expected)) = mismatch.and_then(|rest| rest.rsplit_once(", expected ")) {
        return mismatched(expected, found);
    }
    // The crate of forms ends its own messages with advice in parentheses.
    match error.strip_suffix(')').and_then(|error| error.split_once(" (")) {
        Some((message, hint)) => Wording {
            message: message.to_owned(),
            hint: hint.to_owned(),
        },
        None => Wording {
            message: error.to_owned(),
            hint: SEE_REFERENCE.to_owned(),
        },
    }
}

const SEE_REFERENCE: &str = "see the field in the reference of this kind";

fn mismatched(expected: &str, found: Option<&Node>) -> Wording {
    let Some(found) = found else {
        return Wording {
            message: format!("must be {}", shape(expected).text),
            hint: shape(expected).hint.to_owned(),
        };
    };
    let shape = shape(expected);
    Wording {
        message: format!("must be {}, not {}", shape.text, describe(found)),
        hint: advice(expected, &shape, found),
    }
}

const NUMBER: &str = "write a number without quotes";

/// A shape that a value may be required to have.
struct Shape {
    text: String,
    hint: &'static str,
}

fn shape(expected: &str) -> Shape {
    let (text, hint) = match expected {
        "a string" | "string" | "str" => ("text", "write text, in quotes if it looks like a number"),
        "a sequence" => ("a list", "put `- ` before each item, on lines of their own"),
        "a map" => ("a mapping", "write `name: value` lines below it"),
        "a boolean" => ("true or false", "write true or false"),
        "u8" => ("a whole number from 0 to 255", NUMBER),
        "u16" => ("a whole number from 0 to 65535", NUMBER),
        "u32" | "u64" | "usize" => ("a whole number, 0 or more", NUMBER),
        "i8" | "i16" | "i32" | "i64" | "isize" => ("a whole number", NUMBER),
        "f32" | "f64" => ("a number", NUMBER),
        "string or map" | "variant identifier" => ("one of its names", "write the name as text"),
        _ if expected.starts_with("struct ") => {
            ("a mapping of fields", "write its fields below it, indented")
        }
        _ => (expected, SEE_REFERENCE),
    };
    Shape {
        text: text.to_owned(),
        hint,
    }
}

/// The advice that fits what was found; better than the general hint of the shape where a slip is obvious.
fn advice(expected: &str, shape: &Shape, found: &Node) -> String {
    let wrapped = |field: &str, value: &str| format!("write `{{{field}: {value}}}`");
    match (expected.strip_prefix("struct "), &found.value) {
        (Some("StringMatch"), Value::String(text)) => {
            format!(
                "write `{{exact: {0}}}`, `{{prefix: {0}}}` or `{{regex: {0}}}`",
                quoted(text)
            )
        }
        (Some("Destination"), Value::String(text)) => wrapped("host", text),
        (Some("PortSelector"), Value::Number(_, text)) => wrapped("number", text),
        (Some("Percent"), Value::Number(_, text)) => wrapped("value", text),
        (None, Value::Number(_, text)) if expected.starts_with("a duration") => {
            format!("write a unit: {text}s")
        }
        (Some(_), Value::Sequence(_)) => "remove the `- ` and write its fields".to_owned(),
        (None, Value::Number(_, text)) if shape.text == "text" => {
            format!("write it in quotes: {}", quoted(text))
        }
        (None, Value::Bool(value)) if shape.text == "text" => format!("write it in quotes: \"{value}\""),
        (None, Value::String(text))
            if shape.text.ends_with("number") || shape.text.starts_with("a whole") =>
        {
            if text.parse::<f64>().is_ok() {
                format!("remove the quotes: {text}")
            } else {
                shape.hint.to_owned()
            }
        }
        (None, Value::Mapping(_)) if expected == "a sequence" => {
            "put `- ` before it: it is a list of these".to_owned()
        }
        _ => shape.hint.to_owned(),
    }
}

/// What stands in the document, in a few words.
pub(crate) fn describe(node: &Node) -> String {
    match &node.value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => format!("{value}"),
        Value::Number(_, text) => format!("the number {text}"),
        Value::String(text) => format!("the text {}", quoted(text)),
        Value::Sequence(_) => "a list".to_owned(),
        Value::Mapping(_) => "a mapping".to_owned(),
    }
}

/// Text in quotes, shortened: a message stays on its line.
fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{:?}…", text.get(..cut).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.strip_prefix(before)?
        .split_once(after)
        .map(|(inner, _)| inner)
}

#[cfg(test)]
mod tests;
