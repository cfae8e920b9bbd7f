#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod property;

use super::{Action, Connection, Verdict};
use crate::testing::{Mesh, mesh};

const PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web, tier: front}}
status: {podIP: 127.0.20.1}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
status: {podIP: 127.0.20.2}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: other, labels: {app: web}}
status: {podIP: 127.0.20.3}
";

/// The pods, and a policy of namespace `shop`.
fn policy(spec: &str) -> Mesh {
    policies(&[("shop", "p", spec)])
}

fn policies(policies: &[(&str, &str, &str)]) -> Mesh {
    let documents = policies.iter().map(|(namespace, name, spec)| {
        format!(
            "
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{{spec}}}
"
        )
    });
    mesh(&(PODS.to_owned() + &documents.collect::<String>()))
}

const SLEEP: &str = "spiffe://cluster.local/ns/default/sa/sleep";

/// Whether a connection from 10.1.2.3 to port 80 of the pod is allowed, or why it is not.
fn verdict(mesh: &Mesh, pod: &str, peer: &str) -> String {
    verdict_at(mesh, pod, peer, "10.1.2.3", 80)
}

fn verdict_at(mesh: &Mesh, pod: &str, peer: &str, source: &str, port: u16) -> String {
    let peer = (!peer.is_empty()).then(|| peer.parse().unwrap());
    let workload = mesh.pod(pod);
    let destination = (workload.addresses[0], port).into();
    let connection = Connection {
        peer: peer.as_ref(),
        source: source.parse().unwrap(),
        destination,
    };
    match mesh.snapshot.l4().verdict(workload, &connection) {
        Verdict::Allow => "allow".to_owned(),
        Verdict::Deny { reason, .. } => reason,
    }
}

const DENIED: &str = "explicitly denied by: shop/p";
const NOT_ALLOWED: &str = "allow policies exist, but none allowed";

#[test]
fn scopes() {
    let everywhere = "action: DENY, rules: [{}]";
    let selecting = "action: DENY, selector: {matchLabels: {app: web}}, rules: [{}]";
    let cases = [
        ("shop", everywhere, [true, true, false]),
        ("shop", selecting, [true, false, false]),
        ("istio-system", everywhere, [true, true, true]),
        ("istio-system", selecting, [true, false, true]),
        (
            "shop",
            "action: DENY, selector: {}, rules: [{}]",
            [true, true, false],
        ),
        (
            "shop",
            "action: DENY, selector: {matchLabels: {app: web, tier: back}}, rules: [{}]",
            [false; 3],
        ),
        (
            "shop",
            "action: DENY, targetRefs: [{kind: Service, name: web}], rules: [{}]",
            [false; 3],
        ),
        (
            "shop",
            "action: DENY, targetRef: {kind: Gateway, name: wp}, rules: [{}]",
            [false; 3],
        ),
    ];
    for (namespace, spec, denied) in cases {
        let mesh = policies(&[(namespace, "p", spec)]);
        for (pod, denied) in ["shop/web", "shop/db", "other/web"].into_iter().zip(denied) {
            let expected = if denied {
                format!("explicitly denied by: {namespace}/p")
            } else {
                "allow".to_owned()
            };
            assert_eq!(verdict(&mesh, pod, SLEEP), expected, "{namespace} {spec} {pod}");
        }
    }
}

#[test]
fn rules() {
    // A rule; whether the caller, plain TCP, and a caller from elsewhere meet it.
    let cases = [
        ("{}", [true, true, true]),
        ("{from: [{source: {principals: ['*']}}]}", [true, false, true]),
        ("{from: [{source: {notPrincipals: ['*']}}]}", [false, true, false]),
        (
            "{from: [{source: {principals: [cluster.local/ns/default/sa/sleep]}}]}",
            [true, false, false],
        ),
        (
            "{from: [{source: {principals: ['spiffe://cluster.local/ns/default/sa/sleep']}}]}",
            [true, false, false],
        ),
        (
            "{from: [{source: {principals: ['cluster.local/ns/default/*']}}]}",
            [true, false, false],
        ),
        (
            "{from: [{source: {principals: ['*/sa/sleep']}}]}",
            [true, false, true],
        ),
        (
            "{from: [{source: {namespaces: [default]}}]}",
            [true, false, false],
        ),
        (
            "{from: [{source: {notNamespaces: [default]}}]}",
            [false, true, true],
        ),
        (
            "{from: [{source: {serviceAccounts: [default/sleep]}}]}",
            [true, false, false],
        ),
        (
            "{from: [{source: {serviceAccounts: [sleep]}}]}",
            [false, false, true],
        ),
        (
            "{from: [{source: {trustDomains: [cluster.local]}}]}",
            [true, false, true],
        ),
        ("{from: [{source: {ipBlocks: [10.0.0.0/8]}}]}", [true, true, true]),
        ("{from: [{source: {ipBlocks: [10.1.2.3]}}]}", [true, true, true]),
        (
            "{from: [{source: {notIpBlocks: [10.1.2.4, 10.1.0.0/16]}}]}",
            [false, false, false],
        ),
        // Alternatives, and fields that all have to hold.
        (
            "{from: [{source: {namespaces: [nobody]}}, {source: {namespaces: [default]}}]}",
            [true, false, false],
        ),
        (
            "{from: [{source: {namespaces: [default], ipBlocks: [192.168.0.0/16]}}]}",
            [false, false, false],
        ),
        ("{to: [{operation: {ports: ['80', '81']}}]}", [true, true, true]),
        ("{to: [{operation: {notPorts: ['80']}}]}", [false, false, false]),
        (
            "{from: [{source: {namespaces: [default]}}], to: [{operation: {ports: ['81']}}]}",
            [false, false, false],
        ),
        (
            "{when: [{key: source.namespace, values: [default]}]}",
            [true, false, false],
        ),
        (
            "{when: [{key: source.namespace, notValues: [default]}]}",
            [false, true, true],
        ),
        (
            "{when: [{key: source.principal, values: ['*'], notValues: ['*/sleep']}]}",
            [false, false, false],
        ),
        (
            "{when: [{key: source.serviceAccount, values: [shop/sleep]}]}",
            [false, false, true],
        ),
        (
            "{when: [{key: source.trustDomain, values: [elsewhere]}]}",
            [false, false, false],
        ),
        (
            "{when: [{key: source.ip, values: [10.1.2.3]}, {key: destination.port, values: ['80']}]}",
            [true, true, true],
        ),
        (
            "{when: [{key: destination.ip, values: [127.0.20.1]}]}",
            [true, true, true],
        ),
        (
            "{when: [{key: destination.ip, values: [127.0.20.2]}]}",
            [false, false, false],
        ),
    ];
    let callers = [SLEEP, "", "spiffe://cluster.local/ns/shop/sa/sleep"];
    for (rule, meets) in cases {
        let deny = policy(&format!("action: DENY, rules: [{rule}]"));
        let allow = policy(&format!("rules: [{rule}]"));
        deny.expect_problems(&[]);
        for (caller, meets) in callers.into_iter().zip(meets) {
            let denied = if meets { DENIED } else { "allow" };
            assert_eq!(verdict(&deny, "shop/web", caller), denied, "{rule} {caller}");
            let allowed = if meets { "allow" } else { NOT_ALLOWED };
            assert_eq!(verdict(&allow, "shop/web", caller), allowed, "{rule} {caller}");
        }
    }
}

#[test]
fn policies_without_rules() {
    let mesh = policy("");
    mesh.expect_problems(&[]);
    assert_eq!(verdict(&mesh, "shop/web", SLEEP), NOT_ALLOWED);
    assert_eq!(verdict(&mesh, "other/web", SLEEP), "allow");
    let mesh = policy("action: DENY");
    mesh.expect_problems(&[
        "warning: AuthorizationPolicy shop/p: spec.rules: without rules nothing is denied",
    ]);
    assert_eq!(verdict(&mesh, "shop/web", SLEEP), "allow");
}

#[test]
fn denial_precedes_permission() {
    let mesh = policies(&[
        (
            "shop",
            "p",
            "action: DENY, rules: [{to: [{operation: {ports: ['81']}}]}]",
        ),
        ("shop", "a", "rules: [{}]"),
        (
            "istio-system",
            "b",
            "rules: [{from: [{source: {namespaces: [nobody]}}]}]",
        ),
    ]);
    assert_eq!(verdict_at(&mesh, "shop/web", SLEEP, "10.0.0.1", 80), "allow");
    assert_eq!(verdict_at(&mesh, "shop/web", SLEEP, "10.0.0.1", 81), DENIED);
    assert_eq!(verdict(&mesh, "other/web", SLEEP), NOT_ALLOWED);
    let listed = |pod: &str| {
        let policies = mesh.snapshot.l4().of_workload(mesh.pod(pod));
        policies
            .map(|policy| format!("{} {} {}", policy.key, policy.action, policy.scope))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        listed("shop/web"),
        [
            "shop/p Deny Namespace",
            "istio-system/b Allow Global",
            "shop/a Allow Namespace"
        ]
    );
    assert_eq!(mesh.snapshot.l4().iter().count(), 3);
}

#[test]
fn what_is_not_understood_denies() {
    let cases = [
        (
            "{from: [{source: {ipBlocks: [10.0.0.0/33]}}]}",
            "spec.rules[0].from[0].source.ipBlocks[0]: `10.0.0.0/33` is not an IP address or a range",
        ),
        (
            "{from: [{source: {notIpBlocks: [10.0.0.1, here]}}]}",
            "spec.rules[0].from[0].source.notIpBlocks[1]: `here`",
        ),
        (
            "{from: [{source: {namespaces: ['a*b']}}]}",
            "`a*b` is not a namespace",
        ),
        ("{from: [{source: {principals: ['']}}]}", "`` is not a principal"),
        (
            "{from: [{source: {principals: ['*/ns/*']}}]}",
            "is not a principal",
        ),
        (
            "{from: [{source: {serviceAccounts: ['shop/*']}}]}",
            "is not `account` or `namespace/account`",
        ),
        (
            "{from: [{source: {}}]}",
            "spec.rules[0].from[0].source: a source needs at least one value",
        ),
        ("{from: [{}]}", "a source needs at least one value"),
        ("{to: [{operation: {}}]}", "an operation needs at least one value"),
        (
            "{to: [{operation: {ports: ['65536']}}]}",
            "`65536` is not a port number",
        ),
        (
            "{to: [{operation: {notPorts: ['0']}}]}",
            "`0` is not a port number",
        ),
        (
            "{when: [{key: source.port, values: ['80']}]}",
            "spec.rules[0].when[0].key: there is no attribute `source.port`",
        ),
        (
            "{when: [{key: source.namespace}]}",
            "a condition needs at least one value",
        ),
        (
            "{when: [{key: 'request.headers', values: [x]}]}",
            "there is no attribute `request.headers`",
        ),
    ];
    for (rule, problem) in cases {
        for action in ["ALLOW", "DENY"] {
            let mesh = policies(&[
                (
                    "shop",
                    "p",
                    &format!("action: {action}, selector: {{matchLabels: {{app: web}}}}, rules: [{rule}]"),
                ),
                ("shop", "fine", "rules: [{}]"),
            ]);
            mesh.expect_problems(&[problem]);
            assert!(mesh.problems[0].contains("error"), "{:?}", mesh.problems);
            assert_eq!(verdict(&mesh, "shop/web", SLEEP), DENIED, "{rule} {action}");
            assert_eq!(verdict(&mesh, "shop/db", SLEEP), "allow", "{rule} {action}");
            let broken = mesh
                .snapshot
                .l4()
                .iter()
                .find(|policy| policy.key.name == "p")
                .unwrap();
            assert!(broken.broken.is_some() && broken.action == Action::Deny);
        }
    }
}

#[test]
fn requests_are_beyond_l4() {
    // A DENY that is only about requests denies everything.
    let mesh = policy("action: DENY, rules: [{to: [{operation: {methods: [DELETE], paths: [/admin]}}]}]");
    mesh.expect_problems(&["L4 cannot see requests (methods, paths): it is left out, so more is denied than the rule says; attach the policy to a Service or Gateway with targetRefs"]);
    assert_eq!(verdict(&mesh, "shop/web", SLEEP), DENIED);
    // Among alternatives too, and only as far as the rest of the rule says.
    let mesh = policy(
        "action: DENY, rules: [{from: [{source: {namespaces: [default]}}], to: [{operation: {ports: ['81']}}, {operation: {hosts: [x]}}]}]",
    );
    assert_eq!(verdict(&mesh, "shop/web", SLEEP), DENIED);
    assert_eq!(verdict(&mesh, "shop/web", ""), "allow");
    let mesh = policy(
        "action: DENY, rules: [{when: [{key: 'request.headers[x]', values: [y]}, {key: source.namespace, values: [default]}]}]",
    );
    assert_eq!(verdict(&mesh, "shop/web", SLEEP), DENIED);
    assert_eq!(verdict(&mesh, "shop/web", ""), "allow");
    // A rule to allow is void.
    for rule in [
        "{to: [{operation: {methods: [GET]}}]}",
        "{from: [{source: {requestPrincipals: ['*']}}]}",
        "{from: [{source: {remoteIpBlocks: [10.0.0.0/8]}}, {source: {namespaces: [default]}}]}",
        "{when: [{key: 'request.auth.claims[iss]', values: [x]}]}",
        "{when: [{key: connection.sni, values: [x]}]}",
    ] {
        let mesh = policy(&format!(
            "rules: [{rule}, {{to: [{{operation: {{ports: ['81']}}}}]}}]"
        ));
        mesh.expect_problems(&["rules with it allow nothing"]);
        assert_eq!(
            verdict_at(&mesh, "shop/web", SLEEP, "10.0.0.1", 80),
            NOT_ALLOWED,
            "{rule}"
        );
        assert_eq!(
            verdict_at(&mesh, "shop/web", SLEEP, "10.0.0.1", 81),
            "allow",
            "{rule}"
        );
    }
}

#[test]
fn what_somebody_else_would_be_asked_about_is_denied() {
    let custom = "selector: {matchLabels: {app: web}}, action: CUSTOM, provider: {name: x}";
    let said = "error: AuthorizationPolicy shop/p: spec.action: CUSTOM is not supported without targetRefs: L4 asks nobody, so what the rules match is denied";
    let mesh = policy(&format!("{custom}, rules: [{{}}]"));
    mesh.expect_problems(&[said]);
    assert_eq!(verdict(&mesh, "shop/web", SLEEP), DENIED);
    assert_eq!(verdict(&mesh, "shop/db", SLEEP), "allow");
    // About the rest nobody would have been asked, and what L4 cannot see does not narrow it.
    let mesh = policy(&format!(
        "{custom}, rules: [{{to: [{{operation: {{ports: ['80'], paths: [/admin]}}}}]}}]"
    ));
    mesh.expect_problems(&[said, "so more is denied than the rule says"]);
    assert_eq!(verdict(&mesh, "shop/web", SLEEP), DENIED);
    assert_eq!(verdict_at(&mesh, "shop/web", SLEEP, "10.0.0.1", 81), "allow");
    // An ALLOW policy beside it opens nothing.
    let mesh = policies(&[
        ("shop", "p", &format!("{custom}, rules: [{{}}]")),
        ("shop", "q", "rules: [{}]"),
    ]);
    assert_eq!(verdict(&mesh, "shop/web", SLEEP), DENIED);
}

#[test]
fn of_two_policies_with_one_name_both_are_enforced() {
    let web = "selector: {matchLabels: {app: web}}, rules: [{}]";
    let db = "selector: {matchLabels: {app: db}}, rules: [{}]";
    let mesh = policies(&[("shop", "p", web), ("shop", "p", db)]);
    assert_eq!(verdict(&mesh, "shop/web", SLEEP), "allow");
    assert_eq!(
        verdict(&mesh, "shop/db", SLEEP),
        "explicitly denied by: shop/p (no. 2)"
    );
    // The first denies what it denied.
    let mesh = policies(&[("shop", "p", &format!("action: DENY, {web}")), ("shop", "p", db)]);
    assert_eq!(verdict(&mesh, "shop/web", SLEEP), DENIED);
    let mesh = authentication(&[
        ("shop", "p", &format!("{WEB}, {STRICT}")),
        ("shop", "p", PERMISSIVE),
    ]);
    assert_eq!(
        verdict(&mesh, "shop/web", ""),
        "explicitly denied by: istio-system/istio_converted_static_strict"
    );
    assert_eq!(
        verdict(&mesh, "shop/db", ""),
        "explicitly denied by: shop/p (no. 2)"
    );
}

#[test]
fn what_l4_does_not_do_is_reported() {
    let cases = [
        (
            "action: AUDIT, rules: [{}]",
            "unsupported: AuthorizationPolicy shop/p: spec.action: AUDIT is not supported",
        ),
        (
            "selector: {matchLabels: {a: b}}, targetRefs: [{kind: Service, name: web}]",
            "selector and targetRefs exclude each other",
        ),
    ];
    for (spec, problem) in cases {
        let mesh = policy(spec);
        mesh.expect_problems(&[problem]);
        assert_eq!(verdict(&mesh, "shop/web", SLEEP), "allow");
    }
    let dry_run = "
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop, annotations: {istio.io/dry-run: 'true'}}
spec: {action: DENY, rules: [{}]}
";
    let mesh = mesh(&(PODS.to_owned() + dry_run));
    mesh.expect_problems(&["a dry run is not evaluated"]);
    assert_eq!(verdict(&mesh, "shop/web", SLEEP), "allow");
}

#[test]
fn impossible_principals_are_reported() {
    let mesh = policy(
        "rules: [{from: [{source: {principals: [cluster.local/ns/default, cluster.local/ns/default/sa/sleep]}}]}]",
    );
    mesh.expect_problems(&["principals[0]: `cluster.local/ns/default` can be nobody's principal"]);
    assert_eq!(verdict(&mesh, "shop/web", SLEEP), "allow");
}

#[test]
fn every_name_of_the_trust_domain_counts() {
    let config = "
---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: '{trustDomain: new, trustDomainAliases: [old]}'}
";
    for principal in [
        "new/ns/default/sa/sleep",
        "old/ns/default/sa/sleep",
        "cluster.local/ns/default/*",
    ] {
        let policy = format!(
            "
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: p, namespace: shop}}
spec: {{rules: [{{from: [{{source: {{principals: ['{principal}']}}}}]}}]}}
"
        );
        let mesh = mesh(&(PODS.to_owned() + config + &policy));
        assert_eq!(mesh.pod("shop/web").identity.trust_domain(), "new");
        for domain in ["new", "old"] {
            assert_eq!(
                verdict(
                    &mesh,
                    "shop/web",
                    &format!("spiffe://{domain}/ns/default/sa/sleep")
                ),
                "allow"
            );
        }
        assert_eq!(
            verdict(&mesh, "shop/web", "spiffe://third/ns/default/sa/sleep"),
            NOT_ALLOWED
        );
    }
}

#[test]
fn policies_that_cannot_be_read_deny() {
    let unreadable = |namespace: &str, spec: &str| {
        mesh(&format!(
            "{PODS}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: p, namespace: {namespace}}}
spec: {{{spec}, rules: wrong}}
"
        ))
    };
    let denied = "explicitly denied by: shop/p";
    let mesh = unreadable("shop", "action: ALLOW");
    assert_eq!(verdict(&mesh, "shop/web", SLEEP), denied);
    assert_eq!(verdict(&mesh, "other/web", SLEEP), "allow");
    let mesh = unreadable("shop", "selector: {matchLabels: {app: web}}");
    assert_eq!(verdict(&mesh, "shop/web", SLEEP), denied);
    assert_eq!(verdict(&mesh, "shop/db", SLEEP), "allow");
    let mesh = unreadable("istio-system", "action: DENY");
    assert_eq!(
        verdict(&mesh, "other/web", SLEEP),
        "explicitly denied by: istio-system/p"
    );
    // One with a target is for a waypoint.
    let mesh = unreadable("shop", "targetRefs: [{kind: Service, name: web}]");
    assert_eq!(verdict(&mesh, "shop/web", SLEEP), "allow");
}

fn authentication(objects: &[(&str, &str, &str)]) -> Mesh {
    let documents = objects.iter().map(|(namespace, name, spec)| {
        format!(
            "
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{{spec}}}
"
        )
    });
    mesh(&(PODS.to_owned() + &documents.collect::<String>()))
}

const STRICT: &str = "mtls: {mode: STRICT}";
const PERMISSIVE: &str = "mtls: {mode: PERMISSIVE}";
const WEB: &str = "selector: {matchLabels: {app: web}}";

#[test]
fn the_nearest_mode_counts() {
    let with = |fields: &[&str]| fields.join(", ");
    let cases = [
        (vec![], [false, false, false]),
        (vec![("istio-system", STRICT.to_owned())], [true, true, true]),
        (vec![("shop", STRICT.to_owned())], [true, true, false]),
        (
            vec![
                ("istio-system", STRICT.to_owned()),
                ("shop", PERMISSIVE.to_owned()),
            ],
            [false, false, true],
        ),
        (
            vec![
                ("istio-system", STRICT.to_owned()),
                ("shop", "mtls: {mode: UNSET}".to_owned()),
            ],
            [true, true, true],
        ),
        (
            vec![
                ("istio-system", STRICT.to_owned()),
                ("shop", "mtls: {mode: DISABLE}".to_owned()),
            ],
            [false, false, true],
        ),
        (vec![("shop", with(&[WEB, STRICT]))], [true, false, false]),
        (
            vec![("shop", STRICT.to_owned()), ("shop", with(&[WEB, PERMISSIVE]))],
            [false, true, false],
        ),
        (
            vec![("shop", STRICT.to_owned()), ("shop", with(&[WEB, "mtls: {}"]))],
            [true, true, false],
        ),
    ];
    for (objects, strict) in cases {
        let objects: Vec<(&str, String, &str)> = objects
            .iter()
            .enumerate()
            .map(|(index, (ns, spec))| (*ns, format!("p{index}"), spec.as_str()))
            .collect();
        let objects: Vec<(&str, &str, &str)> = objects
            .iter()
            .map(|(ns, name, spec)| (*ns, name.as_str(), *spec))
            .collect();
        let mesh = authentication(&objects);
        mesh.expect_problems(&[]);
        for (pod, strict) in ["shop/web", "shop/db", "other/web"].into_iter().zip(strict) {
            let expected = if strict {
                "explicitly denied by: istio-system/istio_converted_static_strict"
            } else {
                "allow"
            };
            assert_eq!(verdict(&mesh, pod, ""), expected, "{objects:?} {pod}");
            assert_eq!(verdict(&mesh, pod, SLEEP), "allow", "{objects:?} {pod}");
            assert_eq!(mesh.snapshot.l4().requires_mtls(mesh.pod(pod), 80), strict);
        }
    }
}

#[test]
fn ports_may_have_modes_of_their_own() {
    let ports = "portLevelMtls: {80: {mode: STRICT}, 81: {mode: PERMISSIVE}, 82: {mode: UNSET}}";
    let at = |mesh: &Mesh| {
        [80, 81, 82, 83].map(|port| verdict_at(mesh, "shop/web", "", "10.0.0.1", port) != "allow")
    };
    let mesh = authentication(&[("shop", "w", &format!("{WEB}, {ports}"))]);
    mesh.expect_problems(&[]);
    assert_eq!(at(&mesh), [true, false, false, false]);
    let reason = verdict_at(&mesh, "shop/web", "", "10.0.0.1", 80);
    assert_eq!(
        reason,
        "explicitly denied by: shop/converted_peer_authentication_w"
    );
    let mesh = authentication(&[("shop", "w", &format!("{WEB}, {ports}")), ("shop", "n", STRICT)]);
    assert_eq!(at(&mesh), [true, false, true, true]);
    let mesh = authentication(&[("shop", "w", &format!("{WEB}, {STRICT}, {ports}"))]);
    assert_eq!(at(&mesh), [true, false, true, true]);
    // Without a selector Istio heeds none of them; what is strict stays strict.
    let mesh = authentication(&[("shop", "n", ports)]);
    mesh.expect_problems(&["spec.portLevelMtls: without a selector only STRICT is heeded"]);
    assert_eq!(at(&mesh), [true, false, false, false]);
    let mesh = authentication(&[(
        "shop",
        "w",
        &format!("{WEB}, portLevelMtls: {{70000: {{mode: STRICT}}}}"),
    )]);
    mesh.expect_problems(&["70000 is no port"]);
}

#[test]
fn of_several_the_oldest_counts() {
    let dated = |name: &str, created: &str, spec: &str| {
        format!(
            "
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: {name}, namespace: shop, creationTimestamp: '{created}'}}
spec: {{{spec}}}
"
        )
    };
    let young = |spec: &str| dated("a", "2026-02-01T00:00:00Z", spec);
    let old = |spec: &str| dated("b", "2026-01-01T00:00:00Z", spec);
    let namespace = mesh(&(PODS.to_owned() + &young(STRICT) + &old(PERMISSIVE)));
    namespace.expect_problems(&["PeerAuthentication shop/a: spec: shop/b is older and counts instead"]);
    assert_eq!(verdict(&namespace, "shop/web", ""), "allow");
    let strict = format!("{WEB}, {STRICT}");
    let workload = mesh(&(PODS.to_owned() + &young(&format!("{WEB}, {PERMISSIVE}")) + &old(&strict)));
    workload
        .expect_problems(&["PeerAuthentication shop/a: spec.selector: shop/b is older and selects the same"]);
    assert!(verdict(&workload, "shop/web", "").starts_with("explicitly denied"));
    let root = authentication(&[("istio-system", "r", &strict)]);
    root.expect_problems(&["with a selector it is only about workloads of the root namespace itself"]);
}

#[test]
fn an_unreadable_mode_is_strict() {
    let unreadable = |namespace: &str, spec: &str, others: &str| {
        mesh(&format!(
            "{PODS}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: p, namespace: {namespace}}}
spec: {{{spec}mtls: {{mode: SRTICT}}}}
{others}"
        ))
    };
    let mesh = unreadable("shop", "", "");
    assert_eq!(verdict(&mesh, "shop/web", ""), "explicitly denied by: shop/p");
    assert_eq!(verdict(&mesh, "shop/web", SLEEP), "allow");
    assert_eq!(verdict(&mesh, "other/web", ""), "allow");
    let mesh = unreadable("shop", &format!("{WEB}, "), "");
    assert_eq!(verdict(&mesh, "shop/web", ""), "explicitly denied by: shop/p");
    assert_eq!(verdict(&mesh, "shop/db", ""), "allow");
    assert_eq!(
        verdict(&unreadable("istio-system", "", ""), "other/web", ""),
        "explicitly denied by: istio-system/p"
    );
    // A selector that is unreadable too may have been about anything: nobody loosens it.
    let others = format!(
        "
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: q, namespace: shop}}
spec: {{{WEB}, {PERMISSIVE}}}
"
    );
    assert_eq!(
        verdict(&unreadable("shop", "selector: 5, ", &others), "shop/web", ""),
        "explicitly denied by: shop/p"
    );
    assert_eq!(verdict(&unreadable("shop", "", &others), "shop/web", ""), "allow");
}

#[test]
fn addresses_are_compared_as_what_they_are() {
    let mesh = policy("action: DENY, rules: [{from: [{source: {ipBlocks: [10.0.0.0/8]}}]}]");
    assert_eq!(
        verdict_at(&mesh, "shop/web", SLEEP, "::ffff:10.0.0.1", 80),
        DENIED
    );
    assert_eq!(verdict_at(&mesh, "shop/web", SLEEP, "fd00::1", 80), "allow");
}

#[test]
fn workloads_that_nobody_knew_are_under_the_policies_of_their_namespace() {
    let mesh = policies(&[
        ("shop", "p", "action: DENY, rules: [{}]"),
        ("istio-system", "q", "rules: []"),
    ]);
    let mut workload = (**mesh.pod("shop/web")).clone();
    workload.uid = "new".into();
    let destination = "127.0.20.9:80".parse().unwrap();
    let connection = Connection {
        peer: None,
        source: "10.0.0.1".parse().unwrap(),
        destination,
    };
    let denied = mesh.snapshot.l4().verdict(&workload, &connection);
    assert!(matches!(denied, Verdict::Deny { policy, .. } if policy == "shop/p"));
    workload.namespace = "unheard-of".into();
    let denied = mesh.snapshot.l4().verdict(&workload, &connection);
    assert!(matches!(denied, Verdict::Deny { policy, reason } if policy.is_empty() && reason == NOT_ALLOWED));
}
