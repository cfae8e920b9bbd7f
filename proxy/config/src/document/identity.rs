//! Which object a document is: its kind, namespace and name.

use cairn_api::meta::{Kind, KindError, ObjectRef};

use crate::document::content::Finding;
use crate::foreign::is_kubernetes;
use crate::objects::is_policy;
use crate::problem::Severity;
use crate::support::closest;
use crate::wording::describe;
use crate::yaml::{Node, Value};

/// What the head of a document says.
pub(super) struct Identity {
    /// The object, unless its kind is not read. The name is empty when there is none.
    pub object: Option<ObjectRef>,
    /// Everything that is wrong with the head.
    pub findings: Vec<Finding>,
    /// Whether the object is as good as its head: what is wrong is worth no more than a warning.
    pub usable: bool,
}

/// Namespace of namespaced objects that name none, as `kubectl apply` has it.
const DEFAULT_NAMESPACE: &str = "default";

/// Reads `apiVersion`, `kind` and `metadata`.
pub(super) fn identify(root: &Node) -> Identity {
    let mut identity = Identity {
        object: None,
        findings: Vec::new(),
        usable: true,
    };
    if !matches!(root.value, Value::Mapping(_)) {
        let message = format!("a document must be a mapping of fields, not {}", describe(root));
        identity.refuse(
            root.line,
            "",
            message,
            "write apiVersion, kind, metadata and spec",
        );
        return identity;
    }
    let Some(kind) = identity.kind(root) else {
        return identity;
    };
    let (name, namespace) = identity.names(root, kind);
    let object = ObjectRef::new(kind, namespace, name);
    for finding in &mut identity.findings {
        finding.object = Some(object.clone()).filter(|object| !object.name.is_empty());
    }
    identity.object = Some(object);
    identity
}

impl Identity {
    fn kind(&mut self, root: &Node) -> Option<Kind> {
        let api_version = root.get("apiVersion");
        let Some(kind) = root.get("kind") else {
            let hint = "write the kind of object, such as `kind: VirtualService`; \
                        move files that are no Kubernetes objects elsewhere";
            self.refuse(root.line, "kind", "is missing", hint);
            return None;
        };
        let Some(kind) = kind.as_str() else {
            let message = format!("must be text, not {}", describe(kind));
            self.refuse(kind.line, "kind", message, "write a kind such as VirtualService");
            return None;
        };
        let named = Kind::ALL.iter().copied().find(|known| known.as_str() == kind);
        let Some(version) = api_version.and_then(Node::as_str) else {
            let hint = match named {
                Some(kind) => format!("write `apiVersion: {}`", newest(kind)),
                None => "write the group and version of the kind".to_owned(),
            };
            let (line, message) = match api_version {
                Some(found) => (found.line, format!("must be text, not {}", describe(found))),
                None => (root.line, "is missing".to_owned()),
            };
            self.refuse(line, "apiVersion", message, hint);
            return named;
        };
        match Kind::resolve(version, kind) {
            Ok(kind) => Some(kind),
            Err(KindError::UnknownVersion { kind, accepted }) => {
                let accepted: Vec<String> = accepted.iter().map(|version| full(kind, version)).collect();
                let hint = format!("write {}", accepted.join(" or "));
                self.refuse(
                    line_of(root, "apiVersion"),
                    "apiVersion",
                    format!("{version} is not a version of {kind}"),
                    hint,
                );
                Some(kind)
            }
            Err(KindError::NotRead) => {
                let hint = "nothing in it has an effect here";
                self.skip(root, Severity::Unsupported, "is not read by this version", hint);
                None
            }
            // A slip in the group or the kind of a policy must not open what the policy was to close.
            Err(_) => match (
                named.filter(|kind| is_policy(*kind)),
                misspelt_policy(version, kind),
            ) {
                (Some(kind), _) => {
                    let message = format!("{version} is not the group of {kind}");
                    let hint = format!("write {}", newest(kind));
                    self.refuse(line_of(root, "apiVersion"), "apiVersion", message, hint);
                    Some(kind)
                }
                (None, Some(meant)) => {
                    let message = format!("{kind} is not a kind of {version}");
                    self.refuse(
                        line_of(root, "kind"),
                        "kind",
                        message,
                        format!("did you mean {meant}?"),
                    );
                    Some(meant)
                }
                (None, None) => {
                    self.unknown(root, version, kind, named);
                    None
                }
            },
        }
    }

    fn unknown(&mut self, root: &Node, version: &str, kind: &str, named: Option<Kind>) {
        if is_kubernetes(version, kind) {
            let hint = "nothing in it has an effect here";
            return self.skip(root, Severity::Unsupported, "is not read by this version", hint);
        }
        let hint = match (named, closest(kind, Kind::ALL.iter().map(|kind| kind.as_str()))) {
            (Some(known), _) => format!("the kind that is read is {} of {}", known, newest(known)),
            (None, Some(known)) => format!("did you mean {known}?"),
            (None, None) => "it is left out; move it elsewhere if it is not meant for the mesh".to_owned(),
        };
        self.skip(root, Severity::Warning, "is of an unknown kind", hint);
    }

    fn names(&mut self, root: &Node, kind: Kind) -> (String, String) {
        let metadata = root.get("metadata");
        if let Some(found) = metadata.filter(|found| !matches!(found.value, Value::Mapping(_))) {
            let message = format!("must be a mapping of fields, not {}", describe(found));
            self.refuse(
                found.line,
                "metadata",
                message,
                "write `name: ...` below it, indented",
            );
            return (String::new(), default_namespace(kind));
        }
        let name = match metadata.and_then(|metadata| metadata.get("name")) {
            Some(found) => match text(found).filter(|text| !text.is_empty()) {
                Some(name) => name,
                None => {
                    let message = format!("must be text, not {}", describe(found));
                    self.refuse(found.line, "metadata.name", message, "write a name");
                    String::new()
                }
            },
            None => {
                let line = root.entry("metadata").map_or(root.line, |entry| entry.line);
                let hint = "write `name: ...` below metadata";
                self.refuse(line, "metadata.name", "is missing", hint);
                String::new()
            }
        };
        if kind.is_cluster_scoped() {
            return (name, String::new());
        }
        let namespace = metadata
            .and_then(|metadata| metadata.get("namespace"))
            .and_then(text);
        (
            name,
            namespace
                .filter(|text| !text.is_empty())
                .unwrap_or_else(|| default_namespace(kind)),
        )
    }

    fn refuse(&mut self, line: u32, field: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.usable = false;
        self.findings.push(Finding {
            severity: Severity::Error,
            object: None,
            line,
            field: field.to_owned(),
            message: message.into(),
            hint: hint.into(),
        });
    }

    /// Says why an object of a foreign kind is left out. There is no [`ObjectRef`] for it, so the message names it.
    fn skip(&mut self, root: &Node, severity: Severity, message: &str, hint: impl Into<String>) {
        let word = |path: &[&str]| {
            path.iter()
                .try_fold(root, |node, key| node.get(key))
                .and_then(Node::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let kind = word(&["kind"]);
        let (name, namespace) = (word(&["metadata", "name"]), word(&["metadata", "namespace"]));
        let separator = if namespace.is_empty() { "" } else { "/" };
        let version = word(&["apiVersion"]);
        let message = format!("{kind} {namespace}{separator}{name} ({version}) {message}");
        let line = line_of(root, "kind");
        self.findings.push(Finding {
            severity,
            object: None,
            line,
            field: String::new(),
            message,
            hint: hint.into(),
        });
    }
}

/// The policy that a kind in the group of policies was meant to be.
fn misspelt_policy(version: &str, kind: &str) -> Option<Kind> {
    let policies = || Kind::ALL.iter().copied().filter(|kind| is_policy(*kind));
    let (group, _) = version.split_once('/')?;
    let meant = closest(
        kind,
        policies()
            .filter(|policy| policy.group() == group)
            .map(Kind::as_str),
    )?;
    policies().find(|policy| policy.as_str() == meant)
}

/// Names that look like numbers are still the name that was meant; that they need quotes is said when the object is read.
pub(super) fn text(node: &Node) -> Option<String> {
    match &node.value {
        Value::String(text) | Value::Number(_, text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

fn default_namespace(kind: Kind) -> String {
    if kind.is_cluster_scoped() {
        String::new()
    } else {
        DEFAULT_NAMESPACE.to_owned()
    }
}

fn line_of(root: &Node, key: &str) -> u32 {
    root.entry(key).map_or(root.line, |entry| entry.line)
}

fn newest(kind: Kind) -> String {
    kind.versions()
        .first()
        .map_or_else(String::new, |version| full(kind, version))
}

fn full(kind: Kind, version: &str) -> String {
    match kind.group() {
        "" => version.to_owned(),
        group => format!("{group}/{version}"),
    }
}
