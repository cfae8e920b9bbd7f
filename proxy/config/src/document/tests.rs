#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::*;
use crate::objects::Resource;

/// Every finding as `severity line object: field: message`, sorted by line.
fn findings(text: &str) -> Vec<String> {
    let mut found: Vec<(u32, String)> = read(text.as_bytes())
        .findings
        .iter()
        .map(|finding| {
            let object = finding
                .object
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default();
            let Finding {
                severity,
                line,
                field,
                message,
                ..
            } = finding;
            (*line, format!("{severity} {line} {object}: {field}: {message}"))
        })
        .collect();
    found.sort();
    found.into_iter().map(|(_, text)| text).collect()
}

fn content(text: &str) -> Content {
    let mut document = read(text.as_bytes());
    assert_eq!(document.items.len(), 1, "{:?}", document.findings);
    document.items.remove(0).content
}

fn denied(text: &str) -> crate::objects::BrokenPolicy {
    match content(text) {
        Content::Denied(policy) => *policy,
        other => panic!("{other:?}"),
    }
}

fn policy(spec: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: p, namespace: x}}\nspec:\n{spec}"
    )
}

#[test]
fn an_object_without_a_namespace_is_in_default() {
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: }\n";
    let Content::Good(Resource::Service(service)) = content(text) else {
        panic!()
    };
    assert_eq!(service.metadata.namespace, "default");
    let text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, namespace: x}\n";
    let Content::Good(Resource::Namespace(namespace)) = content(text) else {
        panic!()
    };
    assert_eq!(namespace.metadata.namespace, "");
    assert_eq!(read(text.as_bytes()).items[0].object.to_string(), "Namespace a");
}

#[test]
fn an_empty_document_is_nothing() {
    for text in ["", "---\n", "# comment\n", "~\n"] {
        let document = read(text.as_bytes());
        assert!(
            document.items.is_empty() && document.findings.is_empty(),
            "{text:?}: {document:?}"
        );
    }
}

#[test]
fn what_is_wrong_with_the_head_is_said() {
    let cases = [
        (
            "kind: Service\nmetadata: {name: a}\n",
            "error 1 Service default/a: apiVersion: is missing",
        ),
        (
            "apiVersion: 1\nkind: Service\nmetadata: {name: a}\n",
            "error 1 Service default/a: apiVersion: must be text, not the number 1",
        ),
        (
            "apiVersion: v1\nmetadata: {name: a}\n",
            "error 1 : kind: is missing",
        ),
        (
            "apiVersion: v1\nkind: [a]\n",
            "error 2 : kind: must be text, not a list",
        ),
        (
            "apiVersion: v2\nkind: Service\nmetadata: {name: a}\n",
            "error 1 Service default/a: apiVersion: v2 is not a version of Service",
        ),
        (
            "apiVersion: v1\nkind: Service\n",
            "error 1 : metadata.name: is missing",
        ),
        (
            "apiVersion: v1\nkind: Service\nmetadata:\n  labels: {}\n",
            "error 3 : metadata.name: is missing",
        ),
        (
            "apiVersion: v1\nkind: Service\nmetadata: a\n",
            "error 3 : metadata: must be a mapping of fields, not the text \"a\"",
        ),
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: 1}\n",
            "error 3 Service default/1: metadata.name: must be text, not the number 1",
        ),
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: ''}\n",
            "error 3 : metadata.name: must be text, not the text \"\"",
        ),
        (
            "a text\n",
            "error 1 : : a document must be a mapping of fields, not the text \"a text\"",
        ),
        (
            "- a\n",
            "error 1 : : a document must be a mapping of fields, not a list",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(
            findings(text).first().map(String::as_str),
            Some(expected),
            "{text}"
        );
        assert!(
            !read(text.as_bytes())
                .items
                .iter()
                .any(|item| matches!(item.content, Content::Good(_))),
            "{text}"
        );
    }
}

#[test]
fn foreign_kinds_are_left_out_and_named() {
    let cases = [
        (
            "networking.istio.io/v1",
            "Sidecar",
            "unsupported 2 : : Sidecar x/a (networking.istio.io/v1) is not read by this version",
        ),
        (
            "v1",
            "PersistentVolume",
            "unsupported 2 : : PersistentVolume x/a (v1) is not read by this version",
        ),
        (
            "apps/v1",
            "StatefulSet",
            "unsupported 2 : : StatefulSet x/a (apps/v1) is not read by this version",
        ),
        (
            "example.org/v1",
            "Thing",
            "warning 2 : : Thing x/a (example.org/v1) is of an unknown kind",
        ),
        (
            "serving.knative.dev/v1",
            "Service",
            "warning 2 : : Service x/a (serving.knative.dev/v1) is of an unknown kind",
        ),
    ];
    for (version, kind, expected) in cases {
        let text = format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a, namespace: x}}\n");
        assert_eq!(findings(&text), [expected]);
        let document = read(text.as_bytes());
        assert!(document.items.is_empty() && !document.uncertain);
    }
    let text = "apiVersion: networking.istio.io/v1\nkind: VirtualServce\nmetadata: {name: a}\n";
    assert_eq!(
        read(text.as_bytes()).findings[0].hint,
        "did you mean VirtualService?"
    );
}

#[test]
fn wrong_types_name_field_and_line() {
    let text = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec:\n  hosts: a\n  http:\n  - timeout: [1]\n";
    let expected = [
        "error 5 VirtualService default/a: spec.hosts: must be a list, not the text \"a\"",
        "error 7 VirtualService default/a: spec.http[0].timeout: must be a duration like 1.5s, 250ms or 1h30m, not a list",
    ];
    assert_eq!(findings(text), expected);
    assert!(matches!(content(text), Content::Lost(_)));
}

#[test]
fn unknown_fields_are_warnings_and_the_object_is_in_force() {
    let text = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a, lables: {}}\nspec:\n  hsts: [a]\nstatus: {anything: 1}\n";
    let expected = [
        "warning 3 VirtualService default/a: metadata.lables: is not a field of VirtualService",
        "warning 5 VirtualService default/a: spec.hsts: is not a field of VirtualService",
    ];
    assert_eq!(findings(text), expected);
    assert!(matches!(content(text), Content::Good(_)));
}

#[test]
fn what_the_api_server_adds_is_no_unknown_field() {
    let text = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a, managedFields: [{manager: m}], \
                selfLink: x, generation: 1, creationTimestamp: null, resourceVersion: '1', uid: u, finalizers: [f]}\nspec: {hosts: [a]}\n";
    assert_eq!(findings(text), Vec::<String>::new());
}

#[test]
fn kubernetes_objects_may_say_what_they_like() {
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {anything: {goes: 1}}\nmore: 1\n";
    assert_eq!(findings(text), Vec::<String>::new());
}

#[test]
fn what_is_not_acted_on_is_said_once_per_topmost_field() {
    let text = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec:\n  http:\n  - match: [{statPrefix: a}]\n    fault: {delay: {exponentialDelay: 1s}}\n    retires: 1\n";
    let expected = [
        "unsupported 6 VirtualService default/a: spec.http[0].match[0].statPrefix: is understood but not acted on by this version",
        "unsupported 7 VirtualService default/a: spec.http[0].fault.delay.exponentialDelay: is understood but not acted on by this version",
        "warning 8 VirtualService default/a: spec.http[0].retires: is not a field of VirtualService",
    ];
    assert_eq!(findings(text), expected);
}

#[test]
fn a_broken_policy_keeps_what_it_selects() {
    let selected = denied(&policy(
        "  selector: {matchLabels: {app: a}}\n  action: BLOCK\n  rules: [{}]\n",
    ));
    let spec = selected.spec.unwrap();
    assert_eq!(spec.selector.unwrap().match_labels["app"], "a");
    assert!(spec.rules.is_empty());
    assert!(
        selected.reason.starts_with("spec.action: "),
        "{}",
        selected.reason
    );
    let targeted = denied(&policy("  targetRefs: [{kind: Service, name: s}]\n  rules: {}\n"));
    assert_eq!(targeted.spec.unwrap().target_refs[0].name, "s");
}

#[test]
fn a_policy_of_which_the_selection_is_broken_selects_everything() {
    let cases = [
        "  selector: a\n",
        "  selector: {matchLabels: {app: 1}}\n",
        "  selector: {matchLabel: {app: a}}\n",
        "  selector: {matchLabels: {app: a}}\n  selector: {matchLabels: {app: b}}\n",
        "  selectr: {matchLabels: {app: a}}\n",
        "  targetRefs: {kind: Service}\n",
        "  - rules\n",
    ];
    for spec in cases {
        assert_eq!(denied(&policy(spec)).spec, None, "{spec}");
    }
    assert_eq!(
        denied(&policy("  rules: 1\n")).spec,
        Some(cairn_api::istio::AuthorizationPolicySpec::default())
    );
}

#[test]
fn a_field_that_a_policy_does_not_have_breaks_it() {
    let broken = denied(&policy(
        "  selector: {matchLabels: {app: a}}\n  rules:\n  - form: [{source: {principals: [x]}}]\n",
    ));
    assert_eq!(
        broken.reason,
        "spec.rules[0].form: is not a field of AuthorizationPolicy"
    );
    assert!(broken.spec.is_some());
    let text = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: p}\nspec: {mtls: {mod: STRICT}}\n";
    assert_eq!(
        denied(text).reason,
        "spec.mtls.mod: is not a field of PeerAuthentication"
    );
    let text = policy("  rules: [{}]\n").replace("name: p,", "name: p, nothing: 1,");
    assert!(matches!(content(&text), Content::Good(_)));
}

#[test]
fn a_policy_with_a_broken_head_is_still_a_policy() {
    let body = "metadata: {name: p, namespace: x}\nspec: {selector: {matchLabels: {app: a}}}\n";
    for head in [
        "kind: AuthorizationPolicy\n",
        "apiVersion: security.istio.io/v9\nkind: AuthorizationPolicy\n",
        "apiVersion: security.istio.oi/v1\nkind: AuthorizationPolicy\n",
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolcy\n",
    ] {
        let broken = denied(&format!("{head}{body}"));
        assert_eq!(broken.object.to_string(), "AuthorizationPolicy x/p");
        assert!(broken.spec.unwrap().selector.is_some(), "{head}");
    }
    let broken =
        denied("apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {namespace: x}\n");
    assert_eq!(
        (broken.object.name.as_str(), broken.reason.as_str()),
        ("", "metadata.name: is missing")
    );
}

#[test]
fn a_policy_that_is_no_yaml_selects_its_namespace() {
    let broken = denied(&policy("  selector: {matchLabels: {app: a}\n"));
    assert_eq!(
        (broken.object.to_string().as_str(), broken.spec),
        ("AuthorizationPolicy x/p", None)
    );
    let mut bytes = policy("  # ").into_bytes();
    bytes.extend(b"\xff\n");
    let document = read(&bytes);
    assert!(matches!(document.items[0].content, Content::Denied(_)));
    assert_eq!(
        (document.findings[0].line, document.findings[0].message.as_str()),
        (5, "is not UTF-8 text")
    );
}

#[test]
fn a_key_that_is_written_twice_makes_the_object_invalid() {
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  clusterIP: 10.0.0.1\n  clusterIP: 10.0.0.2\n";
    assert_eq!(
        findings(text),
        ["error 6 Service default/a: spec.clusterIP: is written twice"]
    );
    assert!(matches!(content(text), Content::Lost(_)));
}

#[test]
fn lists_are_expanded() {
    let text = "\
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Service
  metadata: {name: a}
- apiVersion: v1
  kind: Service
  metadata: {name: b}
  spec: {ports: 1}
- apiVersion: v1
  kind: Service
  metadata: {name: c, name: c}
- apiVersion: v1
  kind: ServiceList
  items: [{apiVersion: v1, kind: Service, metadata: {name: d}}]
";
    let document = read(text.as_bytes());
    let objects: Vec<(String, bool)> = document
        .items
        .iter()
        .map(|item| (item.object.to_string(), matches!(item.content, Content::Good(_))))
        .collect();
    let expected = [("a", true), ("b", false), ("c", false), ("d", true)];
    assert_eq!(
        objects,
        expected.map(|(name, good)| (format!("Service default/{name}"), good))
    );
    let expected = [
        "error 10 Service default/b: spec.ports: must be a list, not the number 1",
        "error 13 Service default/c: metadata.name: is written twice",
    ];
    assert_eq!(findings(text), expected);
    assert_eq!(
        findings("apiVersion: v1\nkind: List\nitems: {}\n"),
        ["error 3 : items: must be a list, not a mapping"]
    );
}
