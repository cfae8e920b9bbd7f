//! A tree to the objects in it.

use std::collections::HashSet;

use cairn_api::istio::AuthorizationPolicySpec;
use cairn_api::meta::{Kind, ObjectRef};
use serde_json::{Value as Json, json};

use crate::decode::{Decoded, decode};
use crate::document::content::{Content, Document, Finding, Item};
use crate::document::identity::identify;
use crate::document::remnant;
use crate::lines::Lines;
use crate::objects::{BrokenPolicy, Resource, is_policy};
use crate::path::{Step, render};
use crate::problem::Severity;
use crate::support;
use crate::wording::{describe, wording};
use crate::yaml::{Fault, Node, Value};

/// Reads an object, or every object of a `List`.
pub(super) fn read(root: &Node, faults: Vec<Fault>, document: &mut Document) {
    if let Some(items) = list_items(root) {
        return read_list(items, &faults, document);
    }
    let identity = identify(root);
    let usable = identity.usable && faults.is_empty();
    document.findings.extend(identity.findings);
    let Some(object) = identity.object else {
        document
            .findings
            .extend(faults.into_iter().map(|fault| found_fault(fault, None)));
        document.uncertain |= !identity.usable;
        return;
    };
    let named = Some(object.clone()).filter(|object| !object.name.is_empty());
    let excluded: Vec<String> = faults.iter().map(|fault| fault.field.clone()).collect();
    document
        .findings
        .extend(faults.into_iter().map(|fault| found_fault(fault, named.clone())));

    let reader = Reader {
        root,
        lines: Lines::of(root),
        object,
        named,
    };
    let first = document.findings.len();
    let resource = reader.typed(document).filter(|_| usable);
    let content = match resource {
        Some(resource) => {
            reader.unsupported(document, first);
            Content::Good(resource)
        }
        None if is_policy(reader.object.kind) => Content::Denied(Box::new(BrokenPolicy {
            object: reader.object.clone(),
            spec: reader.selection(&excluded),
            reason: reason(document, first),
        })),
        // Without a name there is no last good version to go on with.
        None if reader.object.name.is_empty() => {
            document.uncertain = true;
            return;
        }
        None => Content::Lost(remnant::of_tree(&reader.object, root, &excluded)),
    };
    document.items.push(Item {
        object: reader.object,
        lines: reader.lines,
        line: root.line,
        content,
    });
}

/// `kubectl get -o yaml` wraps what it prints: `kind: List`, or the list of one kind.
fn list_items(root: &Node) -> Option<&Node> {
    let kind = root.get("kind")?.as_str()?;
    if kind == "List"
        || (kind.ends_with("List")
            && root
                .get("metadata")
                .is_none_or(|metadata| metadata.get("name").is_none()))
    {
        root.get("items")
    } else {
        None
    }
}

fn read_list(items: &Node, faults: &[Fault], document: &mut Document) {
    let Value::Sequence(objects) = &items.value else {
        let message = format!("must be a list, not {}", describe(items));
        let hint = "put `- ` before each object".to_owned();
        let field = "items".to_owned();
        document.uncertain = true;
        return document.findings.push(Finding {
            severity: Severity::Error,
            object: None,
            line: items.line,
            field,
            message,
            hint,
        });
    };
    for (index, object) in objects.iter().enumerate() {
        // Within an object, paths begin at the object.
        let prefix = format!("items[{index}].");
        let own = faults.iter().filter_map(|fault| {
            let field = fault.field.strip_prefix(&prefix)?.to_owned();
            Some(Fault {
                field,
                ..fault.clone()
            })
        });
        read(object, own.collect(), document);
    }
    let outside = faults.iter().filter(|fault| !fault.field.starts_with("items["));
    document
        .findings
        .extend(outside.map(|fault| found_fault(fault.clone(), None)));
}

fn found_fault(fault: Fault, object: Option<ObjectRef>) -> Finding {
    let Fault {
        line,
        field,
        message,
        hint,
    } = fault;
    Finding {
        severity: Severity::Error,
        object,
        line,
        field,
        message,
        hint,
    }
}

/// One object on its way from tree to type.
struct Reader<'a> {
    root: &'a Node,
    lines: Lines,
    object: ObjectRef,
    /// The object, when it has a name by which to be spoken of.
    named: Option<ObjectRef>,
}

impl Reader<'_> {
    fn typed(&self, document: &mut Document) -> Option<Resource> {
        let Decoded {
            mut object,
            wrong,
            unknown,
        } = Resource::decode(self.object.kind, self.json());
        for wrong in wrong {
            let words = wording(&wrong.error, self.root.at(&wrong.path));
            self.say(
                document,
                Severity::Error,
                render(&wrong.path),
                words.message,
                words.hint,
            );
        }
        if !support::has_table(self.object.kind) {
            return object;
        }
        for path in unknown {
            let severity = if self.may_not_ignore(&path) {
                Severity::Error
            } else {
                Severity::Warning
            };
            if severity == Severity::Error {
                object = None;
            }
            let hint = match support::similar(self.object.kind, &path) {
                Some(name) => format!("did you mean {name}?"),
                None => "check the spelling and the indentation, or remove it".to_owned(),
            };
            let message = format!("is not a field of {}", self.object.kind);
            self.say(document, severity, render(&path), message, hint);
        }
        object
    }

    /// Whether a field that is not known makes the whole object unusable: what it would have said in a policy may be just what keeps
    /// someone out.
    fn may_not_ignore(&self, path: &[Step]) -> bool {
        let policy = matches!(
            self.object.kind,
            Kind::AuthorizationPolicy | Kind::PeerAuthentication
        );
        policy && path.first() == Some(&Step::Key("spec".to_owned()))
    }

    /// The object as JSON, with the namespace that it is in.
    fn json(&self) -> Json {
        let mut json = self.root.to_json();
        if let Some(metadata) = json.get_mut("metadata").and_then(Json::as_object_mut) {
            let written = metadata.get("namespace").is_none_or(Json::is_string);
            if self.object.namespace.is_empty() {
                metadata.remove("namespace");
            } else if written {
                metadata.insert("namespace".to_owned(), Json::from(self.object.namespace.as_str()));
            }
        }
        json
    }

    /// Says what is not acted on. Findings from `first` on are about this object.
    fn unsupported(&self, document: &mut Document, first: usize) {
        let unknown: HashSet<String> = document
            .findings
            .iter()
            .skip(first)
            .filter(|finding| finding.severity == Severity::Warning)
            .map(|finding| finding.field.clone())
            .collect();
        for field in support::uncovered(self.object.kind, self.root) {
            if unknown.contains(&field.field) {
                continue;
            }
            let (message, hint) = match field.instead.as_slice() {
                [] if field.field == "spec" => (
                    format!("{} {NOT_ACTED_ON}", self.object.kind),
                    "it has no effect".to_owned(),
                ),
                [] => (
                    NOT_ACTED_ON.to_owned(),
                    match field.why {
                        Some(why) => format!("it has no effect on a waypoint: {why}"),
                        None => "it has no effect; the rest of the object is in force".to_owned(),
                    },
                ),
                values => (
                    format!("this value {NOT_ACTED_ON}"),
                    format!("what is acted on is {}", values.join(", ")),
                ),
            };
            self.say(document, Severity::Unsupported, field.field, message, hint);
        }
    }

    /// What a policy that cannot be read selects; `None` when that is not certain either.
    fn selection(&self, excluded: &[String]) -> Option<AuthorizationPolicySpec> {
        const SELECTING: [&str; 3] = ["selector", "targetRef", "targetRefs"];
        let spec = match self.root.get("spec") {
            Some(spec) => spec,
            None => return Some(AuthorizationPolicySpec::default()),
        };
        let Value::Mapping(entries) = &spec.value else {
            return None;
        };
        let selecting = |field: &str| {
            SELECTING
                .iter()
                .any(|name| field.starts_with(&format!("spec.{name}")))
        };
        if excluded.iter().any(|field| selecting(field)) {
            return None;
        }
        // A field whose name is off may be the very selector.
        let fields = self.spec_fields();
        if entries.iter().any(|entry| !fields.contains(&entry.key.as_str())) {
            return None;
        }
        let chosen: serde_json::Map<String, Json> = entries
            .iter()
            .filter(|entry| SELECTING.contains(&entry.key.as_str()) && entry.value.value != Value::Null)
            .map(|entry| (entry.key.clone(), entry.value.to_json()))
            .collect();
        let selection: Decoded<AuthorizationPolicySpec> = decode(json!(chosen));
        selection.object.filter(|_| selection.unknown.is_empty())
    }

    /// The names of the fields of a policy's `spec`.
    fn spec_fields(&self) -> &'static [&'static str] {
        match self.object.kind {
            Kind::AuthorizationPolicy => &[
                "selector",
                "targetRef",
                "targetRefs",
                "rules",
                "action",
                "provider",
            ],
            Kind::PeerAuthentication => &["selector", "mtls", "portLevelMtls"],
            _ => &["selector", "targetRef", "targetRefs", "jwtRules"],
        }
    }

    fn say(&self, document: &mut Document, severity: Severity, field: String, message: String, hint: String) {
        let line = self.lines.find(&field).unwrap_or(self.root.line);
        document.findings.push(Finding {
            severity,
            object: self.named.clone(),
            line,
            field,
            message,
            hint,
        });
    }
}

const NOT_ACTED_ON: &str = "is understood but not acted on by this version";

/// Why a policy cannot be read, in one line: the first error that was found in it.
fn reason(document: &Document, first: usize) -> String {
    let own = document
        .findings
        .iter()
        .skip(first)
        .chain(document.findings.iter().rev());
    own.filter(|finding| finding.severity == Severity::Error)
        .map(|finding| match finding.field.as_str() {
            "" => finding.message.clone(),
            field => format!("{field}: {}", finding.message),
        })
        .next()
        .unwrap_or_default()
}
