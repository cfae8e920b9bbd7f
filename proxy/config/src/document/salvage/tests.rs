#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::*;

fn found(text: &str) -> Vec<(String, u32)> {
    salvage(text)
        .iter()
        .map(|found| (found.object.to_string(), found.line))
        .collect()
}

fn one(name: &str, line: u32) -> Vec<(String, u32)> {
    vec![(name.to_owned(), line)]
}

#[test]
fn a_broken_policy_is_recognised_by_its_lines() {
    let text = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata:\n  name: p\n  namespace: x # here\nspec: [\n";
    assert_eq!(found(text), one("AuthorizationPolicy x/p", 2));
    assert_eq!(
        found("kind: AuthorizationPolicy\nspec: ["),
        one("AuthorizationPolicy default/", 1)
    );
    let text = "metadata: {name: 'p', namespace: \"x\"}\nkind: \"PeerAuthentication\"\nspec: [";
    assert_eq!(found(text), one("PeerAuthentication x/p", 2));
}

#[test]
fn labels_are_not_names() {
    let text = "kind: AuthorizationPolicy\nmetadata:\n  labels:\n    name: l\n    namespace: l\n  namespace: x\n  name: p\n[";
    assert_eq!(found(text), one("AuthorizationPolicy x/p", 1));
}

#[test]
fn json_is_recognised() {
    let text = "{\n  \"kind\": \"AuthorizationPolicy\",\n  \"metadata\": {\n    \"name\": \"p\",\n    \"namespace\": \"x\"\n  },\n";
    assert_eq!(found(text), one("AuthorizationPolicy x/p", 2));
    let text = "{\"kind\": \"AuthorizationPolicy\", \"metadata\": {\"name\": \"p\", \"namespace\": \"x\"}";
    assert_eq!(found(text), one("AuthorizationPolicy x/p", 1));
}

#[test]
fn policies_on_one_line_may_be_in_any_of_its_namespaces() {
    let text = "[{kind: AuthorizationPolicy, metadata: {namespace: x}}, {kind: Service, metadata: {name: s, namespace: y}}, ";
    let expected = [("AuthorizationPolicy x/", 1), ("AuthorizationPolicy y/", 1)];
    assert_eq!(found(text), expected.map(|(name, line)| (name.to_owned(), line)));
}

#[test]
fn every_object_of_a_list_is_recognised() {
    let text = "\
kind: List
items:
- apiVersion: v1
  kind: Service
  metadata:
    name: s
- apiVersion: security.istio.io/v1
  kind: AuthorizationPolicy
  metadata:
    name: p
    namespace: x
  spec:
    targetRefs:
    - kind: Service
      name: s
- kind: PeerAuthentication
  metadata: {name: q, namespace: y}
  spec: [
";
    let expected = [
        ("Service default/s", 4),
        ("AuthorizationPolicy x/p", 8),
        ("PeerAuthentication y/q", 16),
    ];
    assert_eq!(found(text), expected.map(|(name, line)| (name.to_owned(), line)));
}

#[test]
fn other_objects_must_say_their_version() {
    assert_eq!(found("kind: Service\nmetadata: {name: s}\n["), []);
    assert_eq!(
        found("apiVersion: v1\nkind: Service\nmetadata: {name: s}\n["),
        one("Service default/s", 2)
    );
    assert_eq!(found("apiVersion: v1\nkind: Service\nmetadata: {nam: s}\n["), []);
    assert_eq!(
        found("apiVersion: v1\nkind: Namespace\nmetadata: {name: n, namespace: x}\n["),
        one("Namespace n", 2)
    );
}

#[test]
fn noise_is_nothing() {
    for text in [
        "",
        ":",
        "- - -",
        "kind",
        "kind:",
        "# kind: AuthorizationPolicy",
        "\u{feff}\t\t:::",
        "kind: Thing",
    ] {
        assert_eq!(found(text), [], "{text:?}");
    }
}

#[test]
fn objects_whose_separator_is_missing_are_told_apart() {
    let one = |name: &str, namespace: &str| {
        format!(
            "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata:\n  name: {name}\n  namespace: {namespace}\nspec: [\n"
        )
    };
    let expected = [("AuthorizationPolicy x/p", 2), ("AuthorizationPolicy y/q", 8)];
    let text = format!("{}{}", one("p", "x"), one("q", "y"));
    assert_eq!(found(&text), expected.map(|(name, line)| (name.to_owned(), line)));
}

#[test]
fn many_objects_take_no_more_than_their_share_of_time() {
    let text = "kind: AuthorizationPolicy\n".repeat(200_000);
    assert_eq!(salvage(&text).len(), 200_000);
}
