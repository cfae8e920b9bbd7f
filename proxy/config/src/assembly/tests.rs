#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::path::Path;

use cairn_api::meta::{Key, Kind, ObjectRef};

use super::Assembly;
use crate::files::parts_of;
use crate::problem::{Problem, Severity};
use crate::state::State;

/// What becomes of the files, given what was there before. `None` stands for a file that cannot be read.
fn next(previous: &State, files: &[(&str, Option<&str>)]) -> State {
    let mut assembly = Assembly::default();
    for (path, text) in files {
        match text {
            Some(text) => assembly.add(Path::new(path), &parts_of(text)),
            None => assembly.fail(Path::new(path), "no"),
        }
    }
    assembly.finish(previous)
}

fn first(text: &str) -> State {
    next(&State::default(), &[("a.yaml", Some(text))])
}

fn service(name: &str, ip: &str) -> String {
    format!("---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{clusterIP: {ip}}}\n")
}

fn policy(name: &str, action: &str) -> String {
    format!(
        "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: {name}}}\n\
         spec: {{action: {action}, selector: {{matchLabels: {{app: {name}}}}}, rules: [{{}}]}}\n"
    )
}

fn ip(state: &State, name: &str) -> Option<String> {
    let service = state.objects.services.get(&Key::new("default", name))?;
    Some(service.spec.cluster_ip.to_owned())
}

fn policy_ref(name: &str) -> ObjectRef {
    ObjectRef::new(Kind::AuthorizationPolicy, "default", name)
}

fn said(state: &State, part: &str) -> Vec<String> {
    state
        .report
        .iter()
        .map(Problem::to_string)
        .filter(|line| line.contains(part))
        .collect()
}

#[test]
fn of_two_objects_with_the_same_name_the_first_wins() {
    let state = next(
        &State::default(),
        &[
            ("a.yaml", Some(&service("s", "10.0.0.1"))),
            ("b.yaml", Some(&service("s", "10.0.0.2"))),
        ],
    );
    assert_eq!(ip(&state, "s").as_deref(), Some("10.0.0.1"));
    assert_eq!(
        state.report.to_string(),
        "b.yaml:4: error: Service default/s: is already defined at a.yaml:2; this one is ignored; \
         rename one of the two, or delete it"
    );
}

#[test]
fn a_broken_first_one_still_wins() {
    let text = format!("{}{}", policy("p", "NONSENSE"), policy("p", "ALLOW"));
    let state = first(&text);
    assert!(state.objects.authorization_policies.is_empty());
    assert!(state.objects.broken_policies.contains_key(&policy_ref("p")));
    assert_eq!(said(&state, "already defined").len(), 1);
}

#[test]
fn of_two_policies_with_the_same_name_the_second_denies_what_it_selects() {
    let second = |app: &str| policy("p", "DENY").replace("{app: p}", &format!("{{app: {app}}}"));
    let text = format!("{}{}{}", policy("p", "ALLOW"), second("a"), second("b"));
    let state = first(&text);
    assert!(state.objects.contains(&policy_ref("p")));
    assert!(!state.objects.broken_policies.contains_key(&policy_ref("p")));
    let denied: Vec<(String, String)> = state
        .objects
        .broken_policies
        .iter()
        .map(|(object, broken)| {
            assert_eq!(*object, broken.object);
            let spec = broken.spec.clone().unwrap();
            assert!(spec.rules.is_empty());
            (
                object.name.clone(),
                spec.selector.unwrap().match_labels["app"].clone(),
            )
        })
        .collect();
    let expected = [("p (no. 2)", "a"), ("p (no. 3)", "b")];
    for (name, app) in expected {
        assert!(denied.contains(&(name.to_owned(), app.to_owned())), "{denied:?}");
    }
    assert_eq!(denied.len(), 2);
    assert_eq!(
        said(&state, "already defined"),
        [9, 14].map(|line| format!(
            "a.yaml:{line}: error: AuthorizationPolicy default/p: is already defined at a.yaml:2; what this one \
             selects is denied; rename one of the two, or delete it"
        ))
    );
    // It goes when it is renamed.
    let mended = next(
        &state,
        &[(
            "a.yaml",
            Some(&format!("{}{}", policy("p", "ALLOW"), policy("q", "DENY"))),
        )],
    );
    assert!(mended.objects.broken_policies.is_empty());
    assert_eq!(mended.objects.authorization_policies.len(), 2);
}

#[test]
fn every_kind_of_policy_is_denied_that_has_the_name_of_another() {
    let specs = [
        (
            "PeerAuthentication",
            "selector: {matchLabels: {app: a}}, mtls: {mode: STRICT}",
        ),
        ("RequestAuthentication", "targetRefs: [{kind: Service, name: a}]"),
        (
            "AuthorizationPolicy",
            "targetRefs: [{kind: Service, name: a}], rules: [{}]",
        ),
    ];
    for (kind, spec) in specs {
        let one = |spec: &str| {
            format!(
                "{{apiVersion: security.istio.io/v1, kind: {kind}, metadata: {{name: p}}, spec: {{{spec}}}}}"
            )
        };
        // On one line, so that all stand at the same place.
        let items = [one(""), one(spec), one(spec), one("selector: 5")].join(", ");
        let state = first(&format!("{{apiVersion: v1, kind: List, items: [{items}]}}\n"));
        assert_eq!(state.objects.len(), 1, "{kind}");
        let broken: Vec<_> = state.objects.broken_policies.values().collect();
        assert_eq!(broken.len(), 3, "{kind}");
        let selecting = broken.iter().filter(|broken| {
            broken
                .spec
                .as_ref()
                .is_some_and(|spec| spec.selector.is_some() || !spec.target_refs.is_empty())
        });
        assert_eq!(selecting.count(), 2, "{kind}");
        assert_eq!(
            broken.iter().filter(|broken| broken.spec.is_none()).count(),
            1,
            "{kind}"
        );
    }
}

#[test]
fn policies_without_a_name_at_the_same_place_are_all_denied() {
    let text =
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {namespace: x}\nspec: {}\n";
    let state = next(
        &State::default(),
        &[("a/p.yaml", Some(text)), ("b/p.yaml", Some(text))],
    );
    assert_eq!(state.objects.broken_policies.len(), 2);
}

#[test]
fn a_broken_document_keeps_the_last_good_version_of_its_object_alone() {
    let good = first(&format!(
        "{}{}",
        service("s", "10.0.0.1"),
        service("t", "10.0.0.1")
    ));
    let bad = next(
        &good,
        &[(
            "a.yaml",
            Some(&format!("{}{}", service("s", "[1]"), service("t", "10.0.0.2"))),
        )],
    );
    assert_eq!(ip(&bad, "s").as_deref(), Some("10.0.0.1"));
    assert_eq!(ip(&bad, "t").as_deref(), Some("10.0.0.2"));
    assert_eq!(
        said(&bad, "stays in force"),
        [
            "a.yaml:2: warning: Service default/s: the last version that could be read stays in force; mend the document, or delete it"
        ]
    );
    // It stays for as long as it takes, also when it moves …
    let worse = next(&bad, &[("b.yaml", Some(&service("s", "[2]")))]);
    assert_eq!(
        (ip(&worse, "s").as_deref(), ip(&worse, "t")),
        (Some("10.0.0.1"), None)
    );
    // … and goes with its document.
    assert!(next(&worse, &[]).objects.is_empty());
    let mended = next(&worse, &[("b.yaml", Some(&service("s", "10.0.0.3")))]);
    assert_eq!(ip(&mended, "s").as_deref(), Some("10.0.0.3"));
    assert!(mended.report.is_empty());
}

#[test]
fn of_an_object_that_was_never_good_only_the_binding_is_there() {
    let labelled = |label: &str, ip: &str| {
        service("s", ip).replace(
            "name: s",
            &format!("name: s, labels: {{istio.io/use-waypoint: {label}}}"),
        )
    };
    let label = |state: &State| {
        let service = &state.objects.services[&Key::new("default", "s")];
        service.metadata.labels["istio.io/use-waypoint"].clone()
    };
    let state = first(&labelled("wp", "[1]"));
    assert_eq!(
        (label(&state).as_str(), ip(&state, "s").as_deref()),
        ("wp", Some(""))
    );
    assert_eq!(
        said(&state, "nothing of it is in force"),
        [
            "a.yaml:2: warning: Service default/s: nothing of it is in force but what binds it, so that no traffic \
          goes round a waypoint; mend the document, or delete it"
        ]
    );
    // What is left is no good version to go on with.
    let edited = first(&labelled("wq", "[1]"));
    let after = next(&state, &[("a.yaml", Some(&labelled("wq", "[1]")))]);
    assert_eq!(
        (label(&edited), label(&after)),
        ("wq".to_owned(), "wq".to_owned())
    );
    assert!(said(&after, "stays in force").is_empty());
    let mended = next(&after, &[("a.yaml", Some(&labelled("wp", "10.0.0.1")))]);
    assert!(mended.report.is_empty());
    let worse = next(&mended, &[("a.yaml", Some(&labelled("wq", "[1]")))]);
    assert_eq!(
        (label(&worse).as_str(), ip(&worse, "s").as_deref()),
        ("wp", Some("10.0.0.1"))
    );
}

#[test]
fn a_document_that_may_have_been_anything_keeps_whatever_is_missing_from_its_file() {
    let good = next(
        &State::default(),
        &[
            (
                "a.yaml",
                Some(&format!(
                    "{}{}",
                    service("s", "10.0.0.1"),
                    service("t", "10.0.0.1")
                )),
            ),
            ("b.yaml", Some(&service("u", "10.0.0.1"))),
        ],
    );
    let bad = next(
        &good,
        &[
            (
                "a.yaml",
                Some(&format!(
                    "---\nkind Service\nmeta: [\n{}",
                    service("t", "10.0.0.2")
                )),
            ),
            ("b.yaml", Some("")),
        ],
    );
    assert_eq!(ip(&bad, "s").as_deref(), Some("10.0.0.1"));
    assert_eq!(ip(&bad, "t").as_deref(), Some("10.0.0.2"));
    assert_eq!(ip(&bad, "u"), None);
}

#[test]
fn a_file_that_cannot_be_read_keeps_everything_that_was_in_it() {
    let text = format!(
        "{}{}{}",
        service("s", "10.0.0.1"),
        policy("p", "DENY"),
        policy("q", "NONSENSE")
    );
    let good = next(&State::default(), &[("dir/a.yaml", Some(&text))]);
    for path in ["dir/a.yaml", "dir"] {
        let bad = next(&good, &[(path, None)]);
        assert_eq!(bad.objects.len(), 2);
        assert!(bad.objects.contains(&policy_ref("p")));
        assert!(bad.objects.broken_policies.contains_key(&policy_ref("q")));
        assert_eq!(
            bad.report
                .iter()
                .filter(|problem| problem.object.is_none())
                .count(),
            1
        );
        assert!(
            said(
                &bad,
                "cannot be read: no; what was last read from it stays in force"
            )
            .len()
                == 1
        );
    }
}

#[test]
fn a_policy_never_falls_back_to_what_it_was() {
    let good = first(&policy("p", "DENY"));
    assert_eq!(good.objects.authorization_policies.len(), 1);
    let bad = next(&good, &[("a.yaml", Some(&policy("p", "NONSENSE")))]);
    assert!(bad.objects.authorization_policies.is_empty());
    let broken = &bad.objects.broken_policies[&policy_ref("p")];
    assert_eq!(
        broken
            .spec
            .as_ref()
            .unwrap()
            .selector
            .as_ref()
            .unwrap()
            .match_labels["app"],
        "p"
    );
    assert_eq!(said(&bad, "everything that it selects is denied").len(), 1);
    assert!(
        next(&bad, &[("a.yaml", Some(&policy("p", "DENY")))])
            .report
            .is_empty()
    );
    assert!(next(&bad, &[]).objects.is_empty());
}

#[test]
fn a_policy_that_vanishes_behind_a_broken_document_denies_what_it_selected() {
    let good = first(&policy("p", "ALLOW"));
    let bad = next(
        &good,
        &[("a.yaml", Some("kind AuthorizationPolicy\nmetadata: [\n"))],
    );
    let broken = &bad.objects.broken_policies[&policy_ref("p")];
    assert_eq!(
        broken
            .spec
            .as_ref()
            .unwrap()
            .selector
            .as_ref()
            .unwrap()
            .match_labels["app"],
        "p"
    );
    assert!(broken.spec.as_ref().unwrap().rules.is_empty());
    // The next reading knows it as broken only.
    let again = next(
        &bad,
        &[("a.yaml", Some("kind AuthorizationPolicy\nmetadata: [[\n"))],
    );
    assert_eq!(&again.objects.broken_policies[&policy_ref("p")], broken);
}

#[test]
fn policies_without_a_name_do_not_hide_each_other() {
    let text =
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {namespace: x}\nspec: {}\n";
    let state = first(&format!("{text}---\n{text}"));
    let names: Vec<String> = state
        .objects
        .broken_policies
        .keys()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        names,
        [
            "AuthorizationPolicy x/(unnamed, a.yaml:1)",
            "AuthorizationPolicy x/(unnamed, a.yaml:6)"
        ]
    );
}

#[test]
fn problems_of_later_steps_find_their_lines() {
    let text = "# one\n---\n# two\napiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec:\n  ports:\n  - port: 80\n";
    let state = first(&format!("{}{text}", service("r", "10.0.0.1")));
    let object = ObjectRef::new(Kind::Service, "default", "s");
    let line = |field: &str| {
        let problem = state.locate(Problem::warning(object.clone(), field, "m", "h"));
        problem.location.unwrap().to_string()
    };
    assert_eq!(line("spec.ports[0].port"), "a.yaml:14");
    assert_eq!(line("spec.ports[0].targetPort"), "a.yaml:14");
    assert_eq!(line("spec.selector"), "a.yaml:12");
    assert_eq!(line(""), "a.yaml:9");
    let elsewhere = Problem::error(ObjectRef::new(Kind::Pod, "default", "p"), "spec", "m", "h");
    assert_eq!(state.locate(elsewhere.clone()), elsewhere);
    assert_eq!(
        State::from_objects((*state.objects).clone()).locate(elsewhere.clone()),
        elsewhere
    );
}

#[test]
fn unchanged_objects_are_the_same_allocation() {
    let parts = parts_of(&service("s", "10.0.0.1"));
    let read = || {
        let mut assembly = Assembly::default();
        assembly.add(Path::new("a.yaml"), &parts);
        assembly.finish(&State::default())
    };
    let key = Key::new("default", "s");
    assert!(std::sync::Arc::ptr_eq(
        &read().objects.services[&key],
        &read().objects.services[&key]
    ));
}

#[test]
fn versions_count_up() {
    let one = first("");
    assert_eq!((one.version, next(&one, &[]).version), (1, 2));
    assert_eq!(one.report.count(Severity::Error), 0);
}

/// A filter that cannot be read may have been about to refuse.
#[test]
fn a_filter_that_cannot_be_read_stays_attached_without_a_module() {
    let text = "apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {name: gate, namespace: shop}
spec: {phase: AUTH, url: 'file:///gate.wasm', targetRefs: [{group: '', kind: Service, name: cart}]}
";
    let state = first(text);
    let plugin = &state.objects.wasm_plugins[&Key::new("shop", "gate")];
    assert_eq!(plugin.spec.target_refs[0].name, "cart");
    assert_eq!(plugin.spec.url, "");
    assert!(
        state
            .report
            .to_string()
            .contains("requests that it was to see are refused"),
        "{}",
        state.report
    );
    let state = first(&text.replace("spec: {", "spec: {: ["));
    let plugin = &state.objects.wasm_plugins[&Key::new("shop", "gate")];
    assert!(plugin.spec.target_refs.is_empty() && plugin.spec.url.is_empty());
}
