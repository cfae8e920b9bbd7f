//! YAML that stands as text within an object, as the mesh configuration does in its ConfigMap.

use cairn_api::meta::ObjectRef;
use serde::de::DeserializeOwned;

use crate::decode::decode;
use crate::path::render;
use crate::problem::Problem;
use crate::wording::wording;
use crate::yaml::{Fault, Tree, parse};

/// Reads the YAML text of one field of an object, by the rules of documents: duplicate keys are errors, nulls are absent, fields that
/// the type does not have are warnings. Problems name the field and the path within the text: `data.mesh: trustDomain: …`.
///
/// ```
/// use cairn_api::istio::MeshConfig;
/// use cairn_api::meta::{Kind, ObjectRef};
///
/// let object = ObjectRef::new(Kind::ConfigMap, "istio-system", "istio");
/// let (mesh, problems) = cairn_config::embedded::<MeshConfig>(&object, "data.mesh", "trustDomain: example.org");
/// assert!(problems.is_empty());
/// assert_eq!(mesh.map(|mesh| mesh.trust_domain).as_deref(), Some("example.org"));
/// ```
pub fn embedded<T: DeserializeOwned + Default>(
    object: &ObjectRef,
    field: &str,
    text: &str,
) -> (Option<T>, Vec<Problem>) {
    let fault = |fault: Fault| {
        let inner = if fault.field.is_empty() {
            String::new()
        } else {
            format!("{}: ", fault.field)
        };
        let message = format!("line {} of the text: {inner}{}", fault.line, fault.message);
        Problem::error(object.clone(), field, message, fault.hint)
    };
    let Tree { root, faults } = match parse(text) {
        Ok(tree) => tree,
        Err(unreadable) => return (None, vec![fault(unreadable)]),
    };
    let valid = faults.is_empty();
    let mut problems: Vec<Problem> = faults.into_iter().map(fault).collect();
    let Some(root) = root else {
        return (Some(T::default()), problems);
    };
    let decoded = decode::<Option<T>>(root.to_json());
    problems.extend(decoded.wrong.iter().map(|wrong| {
        let words = wording(&wrong.error, root.at(&wrong.path));
        Problem::error(
            object.clone(),
            field,
            format!("{}: {}", render(&wrong.path), words.message),
            words.hint,
        )
    }));
    problems.extend(decoded.unknown.iter().map(|path| {
        let message = format!("{}: is not a field that is read here", render(path));
        Problem::warning(
            object.clone(),
            field,
            message,
            "check the spelling and the indentation",
        )
    }));
    (
        decoded.object.map(Option::unwrap_or_default).filter(|_| valid),
        problems,
    )
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )]

    use cairn_api::istio::MeshConfig;
    use cairn_api::meta::{Kind, ObjectRef};

    use super::embedded;

    fn read(text: &str) -> (Option<MeshConfig>, Vec<String>) {
        let object = ObjectRef::new(Kind::ConfigMap, "istio-system", "istio");
        let (mesh, problems) = embedded(&object, "data.mesh", text);
        (mesh, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn an_empty_text_is_all_defaults() {
        assert_eq!(read(""), (Some(MeshConfig::default()), Vec::new()));
        assert_eq!(read("null"), (Some(MeshConfig::default()), Vec::new()));
    }

    #[test]
    fn problems_name_the_field_and_the_path_within() {
        let (mesh, problems) = read("trustDomain: [a]\ntrustDmain: b\n");
        assert_eq!(mesh, None);
        assert!(
            problems[0]
                .starts_with("error: ConfigMap istio-system/istio: data.mesh: trustDomain: must be text")
        );
        assert!(
            problems[1].starts_with("warning: ConfigMap istio-system/istio: data.mesh: trustDmain: is not")
        );
        let (mesh, problems) = read("a: 1\na: 2\n");
        assert_eq!(mesh, None);
        assert!(
            problems[0].contains("line 2 of the text: a: is written twice"),
            "{problems:?}"
        );
    }
}
