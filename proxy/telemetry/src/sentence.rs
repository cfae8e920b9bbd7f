//! Errors as people read them.

use std::error::Error;

/// An error with its causes as one sentence. Some errors quote their cause in what they say; nothing is said twice.
///
/// ```
/// let error: Box<dyn std::error::Error> = "no such file".into();
/// assert_eq!(cairn_telemetry::sentence(error.as_ref()), "no such file");
/// ```
#[must_use]
pub fn sentence(error: &(dyn Error + 'static)) -> String {
    let mut sentence = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !sentence.contains(&text) {
            sentence.push_str(": ");
            sentence.push_str(&text);
        }
        cause = error.source();
    }
    sentence
}

#[cfg(test)]
mod tests;
