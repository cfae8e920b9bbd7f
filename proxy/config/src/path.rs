//! Paths of fields, as users write them.

/// One step from a value into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// `spec.http[0].match[1].uri.regex`
pub(crate) fn render(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        push(&mut text, step);
    }
    text
}

/// Appends one step to a rendered path.
pub(crate) fn push(text: &mut String, step: &Step) {
    match step {
        Step::Key(key) => push_key(text, key),
        Step::Index(index) => push_index(text, *index),
    }
}

/// Appends a key to a rendered path.
pub(crate) fn push_key(text: &mut String, key: &str) {
    if !text.is_empty() {
        text.push('.');
    }
    text.push_str(key);
}

/// Appends an index to a rendered path.
pub(crate) fn push_index(text: &mut String, index: usize) {
    text.push_str(&format!("[{index}]"));
}
