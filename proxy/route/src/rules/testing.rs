//! What the tests of the parts of a DestinationRule share.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

use cairn_api::meta::{Key, Kind, ObjectRef};
use cairn_config::Problem;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::field::Field;

/// Compiles what stands at `field` of a rule, and says what is wrong, without the name of the object.
pub(super) fn compiled<F: DeserializeOwned, T>(
    form: Value,
    compile: impl Fn(&F, &mut Field<'_>) -> T,
) -> (T, Vec<String>) {
    let form = serde_json::from_value(form).unwrap();
    let object = ObjectRef::from_key(Kind::DestinationRule, &Key::new("default", "a"));
    let mut problems = Vec::new();
    let result = compile(&form, &mut Field::new(&object, "f", &mut problems));
    for problem in &problems {
        assert!(!problem.message.is_empty() && !problem.hint.is_empty());
        assert_eq!(problem.object.as_ref(), Some(&object));
    }
    (result, problems.iter().map(said).collect())
}

fn said(problem: &Problem) -> String {
    format!("{} {}", problem.severity, problem.field)
}
