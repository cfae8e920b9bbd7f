#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use cairn_api::meta::Key;

use crate::testing::{Mesh, mesh};

const HELLOWORLD: &str = "helloworld.default.svc.cluster.local";

/// A service with a pod behind it, and a caller. `{service}` and `{pod}` are labels of theirs, `{namespace}` of the
/// namespace.
fn base(service: &str, pod: &str, namespace: &str, rest: &str) -> Mesh {
    mesh(&format!(
        "
apiVersion: v1
kind: Namespace
metadata: {{name: default, labels: {{{namespace}}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: helloworld, labels: {{{service}}}}}
spec: {{clusterIP: 127.0.10.1, selector: {{app: helloworld}}, ports: [{{name: http, port: 5000}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: helloworld, labels: {{app: helloworld, {pod}}}}}
spec: {{serviceAccountName: helloworld}}
status: {{podIP: 127.0.20.2}}
---
apiVersion: v1
kind: Pod
metadata: {{name: sleep, labels: {{app: sleep}}}}
spec: {{serviceAccountName: sleep}}
status: {{podIP: 127.0.20.1}}
---
{rest}"
    ))
}

fn gateway(namespace: &str, class: &str, labels: &str, listener: &str) -> String {
    format!(
        "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: wp, namespace: {namespace}, labels: {{{labels}}}}}
spec:
  gatewayClassName: {class}
  addresses: [{{value: 127.0.30.1}}]
  listeners: [{{name: mesh, port: 15008, protocol: HBONE, {listener}}}]
---
"
    )
}

fn legacy(name: &str, annotations: &str) -> String {
    format!(
        "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: {name}, annotations: {{{annotations}}}}}
spec: {{gatewayClassName: istio-mesh}}
---
"
    )
}

const USE: &str = "istio.io/use-waypoint: wp";

#[test]
fn labels_name_the_waypoint() {
    let waypoint = gateway("default", "istio-waypoint", "", "");
    let for_all = gateway("default", "cairn-waypoint", "istio.io/waypoint-for: all", "");
    let for_workloads = gateway("default", "istio-waypoint", "istio.io/waypoint-for: workload", "");
    let foreign = gateway("default", "someone-elses", "", "");
    // Labels of service, pod and namespace; the Gateway; the waypoint of the service and of the pod.
    let cases = [
        ("", "", "", &waypoint, "none", "none"),
        (USE, "", "", &waypoint, "default/wp", "none"),
        (USE, "", "", &foreign, "default/wp", "none"),
        (USE, "", "", &for_all, "default/wp", "none"),
        ("", "", USE, &waypoint, "default/wp", "none"),
        ("", "", USE, &for_all, "default/wp", "default/wp"),
        ("", "", USE, &for_workloads, "none", "default/wp"),
        ("", USE, "", &for_workloads, "none", "default/wp"),
        (
            "istio.io/use-waypoint: none",
            "",
            USE,
            &for_all,
            "none",
            "default/wp",
        ),
        (
            "",
            "istio.io/use-waypoint: none",
            USE,
            &for_all,
            "default/wp",
            "none",
        ),
    ];
    for (service, pod, namespace, gateway, service_waypoint, pod_waypoint) in cases {
        let mesh = base(service, pod, namespace, gateway);
        mesh.expect_problems(&[]);
        let labels = (service, pod, namespace, gateway);
        assert_eq!(mesh.service_waypoint(HELLOWORLD), service_waypoint, "{labels:?}");
        assert_eq!(
            mesh.pod_waypoint("default/helloworld"),
            pod_waypoint,
            "{labels:?}"
        );
    }
}

#[test]
fn a_missing_waypoint_refuses_traffic() {
    let mesh = base(USE, "", "", "");
    mesh.expect_problems(&["error: Service default/helloworld: metadata.labels.istio.io/use-waypoint: there is no Gateway default/wp"]);
    assert_eq!(mesh.problems[0].split(':').nth(1), Some("8"));
    assert_eq!(
        mesh.goes("default/sleep", "127.0.10.1:5000"),
        "refused: waypoint default/wp is not available"
    );
    assert!(mesh.goes("default/sleep", "127.0.20.2:5000").starts_with("hbone"));

    // Nobody can tell what traffic it would have been for.
    let mesh = base("", "", USE, "");
    mesh.expect_problems(&[
        "error: Namespace default: metadata.labels.istio.io/use-waypoint: there is no Gateway default/wp",
    ]);
    assert!(
        mesh.goes("default/sleep", "127.0.10.1:5000")
            .starts_with("refused")
    );
    assert!(
        mesh.goes("default/sleep", "127.0.20.2:5000")
            .starts_with("refused")
    );

    let ingress = gateway("default", "istio", "", "")
        .replace("15008", "80")
        .replace("HBONE", "HTTP");
    base(USE, "", "", &ingress).expect_problems(&["Gateway default/wp is no waypoint"]);
}

#[test]
fn a_waypoint_for_other_traffic_refuses_it() {
    let for_workloads = gateway("default", "istio-waypoint", "istio.io/waypoint-for: workload", "");
    let mesh = base(USE, "", "", &for_workloads);
    mesh.expect_problems(&["default/wp is for `workload` traffic, not for a service"]);
    assert!(
        mesh.goes("default/sleep", "127.0.10.1:5000")
            .starts_with("refused")
    );

    let mesh = base("", USE, "", &gateway("default", "istio-waypoint", "", ""));
    mesh.expect_problems(&[
        "Pod default/helloworld: metadata.labels.istio.io/use-waypoint: default/wp is for `service`",
    ]);
    assert!(
        mesh.goes("default/sleep", "127.0.20.2:5000")
            .starts_with("refused")
    );
    assert!(mesh.goes("default/sleep", "127.0.10.1:5000").starts_with("hbone"));

    let for_none = gateway("default", "istio-waypoint", "istio.io/waypoint-for: none", "");
    base("", "", USE, &for_none).expect_problems(&["default/wp is for no traffic"]);
    let typo = gateway("default", "istio-waypoint", "istio.io/waypoint-for: services", "");
    let mesh = base("", "", USE, &typo);
    mesh.expect_problems(&["`services` is no kind of traffic"]);
    assert_eq!(mesh.pod_waypoint("default/helloworld"), "default/wp");
}

#[test]
fn other_namespaces_have_to_be_admitted() {
    let labels = "istio.io/use-waypoint: wp, istio.io/use-waypoint-namespace: infra";
    let admitted = "{from: Selector, selector: {matchLabels: {team: a}, matchExpressions: [{key: gone, operator: DoesNotExist}]}}";
    let by_name = "{from: Selector, selector: {matchLabels: {kubernetes.io/metadata.name: default}}}";
    let cases = [
        ("", "", false),
        ("{from: Same}", "", false),
        ("{from: None}", "", false),
        ("{from: All}", "", true),
        (admitted, "team: a", true),
        (admitted, "team: b", false),
        (admitted, "team: a, gone: soon", false),
        (by_name, "", true),
    ];
    for (allowed, namespace, admitted) in cases {
        let listener = if allowed.is_empty() {
            String::new()
        } else {
            format!("allowedRoutes: {{namespaces: {allowed}}}")
        };
        let gateway = gateway("infra", "istio-waypoint", "", &listener);
        let mesh = base(labels, "", namespace, &gateway);
        let goes = mesh.goes("default/sleep", "127.0.10.1:5000");
        if admitted {
            mesh.expect_problems(&[]);
            assert_eq!(
                goes, "waypoint infra/wp at 127.0.30.1:15008 for 127.0.10.1:5000",
                "{allowed}"
            );
        } else {
            mesh.expect_problems(&["infra/wp does not admit namespace default"]);
            assert_eq!(
                goes, "refused: waypoint infra/wp (attachment refused) is not available",
                "{allowed}"
            );
            let key = Key::new("infra", "wp");
            assert_eq!(mesh.snapshot.services_of_waypoint(&key).count(), 0);
        }
        // The namespace may refer to it too.
        let mesh = base(
            "",
            "",
            &format!("{labels}, {namespace}").replace(", ,", ","),
            &gateway,
        );
        assert_eq!(
            mesh.goes("default/sleep", "127.0.10.1:5000")
                .starts_with("waypoint"),
            admitted,
            "{allowed}"
        );
    }
}

#[test]
fn the_2022_form_serves_a_service_account_on_both_sides() {
    for annotation in [
        "istio.io/service-account: helloworld",
        "istio.io/for-service-account: helloworld",
    ] {
        let mesh = base("", "", "", &legacy("wp", annotation));
        mesh.expect_problems(&[]);
        assert_eq!(mesh.service_waypoint(HELLOWORLD), "default/wp");
        assert_eq!(mesh.pod_waypoint("default/helloworld"), "default/wp");
        assert_eq!(
            mesh.pod("default/helloworld").outbound_waypoint,
            Some(Key::new("default", "wp"))
        );
        assert_eq!(mesh.pod_waypoint("default/sleep"), "none");
        assert_eq!(mesh.pod("default/sleep").outbound_waypoint, None);
        let waypoint = mesh.snapshot.waypoint(&Key::new("default", "wp")).unwrap();
        assert_eq!(
            waypoint.identity.to_string(),
            "spiffe://cluster.local/ns/default/sa/helloworld-waypoint"
        );
    }
}

#[test]
fn the_2022_form_serves_what_its_workloads_send() {
    let mesh = base("", "", "", &legacy("wp", "istio.io/service-account: sleep"));
    assert_eq!(mesh.service_waypoint(HELLOWORLD), "none");
    let address = mesh
        .snapshot
        .waypoint(&Key::new("default", "wp"))
        .unwrap()
        .address
        .unwrap();
    let expected = format!("waypoint default/wp at {address}:15008 for 127.0.10.1:5000");
    assert_eq!(mesh.goes("default/sleep", "127.0.10.1:5000"), expected);
    // Others go straight, and so do connections to a workload.
    assert!(
        mesh.goes("default/helloworld", "127.0.10.1:5000")
            .starts_with("hbone")
    );
    assert!(mesh.goes("default/sleep", "127.0.20.2:5000").starts_with("hbone"));

    let waypoint = mesh.snapshot.waypoint(&Key::new("default", "wp")).unwrap();
    let service = mesh.snapshot.services_named(HELLOWORLD).next().unwrap();
    assert_eq!(
        mesh.snapshot
            .services_of_waypoint(&waypoint.key)
            .collect::<Vec<_>>(),
        [service]
    );
    assert!(
        mesh.snapshot
            .may_use(waypoint, service, &mesh.pod("default/sleep").identity)
    );
    assert!(
        !mesh
            .snapshot
            .may_use(waypoint, service, &mesh.pod("default/helloworld").identity)
    );
}

#[test]
fn the_2022_form_without_annotation_serves_its_namespace() {
    let other = "
apiVersion: v1
kind: Pod
metadata: {name: elsewhere, namespace: other}
status: {podIP: 127.0.20.9}
";
    let mesh = base("", "", "", &(legacy("ns", "") + other));
    mesh.expect_problems(&[]);
    assert_eq!(mesh.service_waypoint(HELLOWORLD), "default/ns");
    for pod in ["default/sleep", "default/helloworld"] {
        assert_eq!(mesh.pod_waypoint(pod), "default/ns");
    }
    assert_eq!(mesh.pod_waypoint("other/elsewhere"), "none");
    let waypoint = mesh.snapshot.waypoint(&Key::new("default", "ns")).unwrap();
    assert_eq!(
        waypoint.identity.to_string(),
        "spiffe://cluster.local/ns/default/sa/default-waypoint"
    );

    // The nearer one counts.
    let both = legacy("ns", "") + &legacy("sa", "istio.io/service-account: helloworld");
    let mesh = base("", "", "", &both);
    assert_eq!(mesh.pod_waypoint("default/helloworld"), "default/sa");
    assert_eq!(mesh.pod_waypoint("default/sleep"), "default/ns");
    assert_eq!(mesh.service_waypoint(HELLOWORLD), "default/sa");
}

#[test]
fn labels_precede_the_2022_form() {
    let rest = legacy("ns", "") + &gateway("default", "istio-waypoint", "istio.io/waypoint-for: all", "");
    let mesh = base("istio.io/use-waypoint: none", USE, "", &rest);
    assert_eq!(mesh.service_waypoint(HELLOWORLD), "none");
    assert_eq!(mesh.pod_waypoint("default/helloworld"), "default/wp");
    assert_eq!(mesh.pod_waypoint("default/sleep"), "default/ns");

    let mesh = base("", "", "istio.io/use-waypoint: none", &rest);
    assert_eq!(mesh.service_waypoint(HELLOWORLD), "none");
    assert_eq!(mesh.pod_waypoint("default/sleep"), "none");
    assert_eq!(mesh.pod("default/sleep").outbound_waypoint, None);
}

#[test]
fn a_service_with_some_workloads_of_another_account_is_not_bound() {
    let second = "
apiVersion: v1
kind: Pod
metadata: {name: helloworld-v2, labels: {app: helloworld}}
spec: {serviceAccountName: second}
status: {podIP: 127.0.20.3}
";
    let mesh = base(
        "",
        "",
        "",
        &(legacy("wp", "istio.io/service-account: helloworld") + second),
    );
    assert_eq!(mesh.service_waypoint(HELLOWORLD), "none");
    // Yet the waypoint guards its own workload however it is addressed.
    let service = mesh.snapshot.services_named(HELLOWORLD).next().unwrap();
    let legs = |from: &str| -> Vec<String> {
        let from = Key::new("default", from);
        let leg = |endpoint| mesh.snapshot.to_endpoint(&from, service, 5000, endpoint);
        let legs = service
            .endpoints
            .iter()
            .map(|endpoint| crate::testing::describe(&leg(endpoint)));
        legs.collect()
    };
    assert_eq!(
        legs("wp"),
        [
            "hbone 127.0.20.2:15008 for 127.0.20.2:5000",
            "hbone 127.0.20.3:15008 for 127.0.20.3:5000"
        ],
        "it does not go through itself"
    );
    let legs = legs("other");
    assert!(
        legs[0].starts_with("waypoint default/wp at ") && legs[0].ends_with(" for 127.0.20.2:5000"),
        "{legs:?}"
    );
    assert_eq!(legs[1], "hbone 127.0.20.3:15008 for 127.0.20.3:5000");
}

#[test]
fn forms_are_told_apart() {
    let listening = |annotations: &str| {
        gateway("default", "istio-mesh", "", "")
            .replace("labels: {}", &format!("annotations: {{{annotations}}}"))
    };
    let is_legacy = |mesh: &Mesh| {
        mesh.snapshot
            .waypoint(&Key::new("default", "wp"))
            .unwrap()
            .legacy
            .is_some()
    };
    // With a listener, and asked for by label: today's form.
    let mesh = base(USE, "", "", &listening(""));
    assert!(!is_legacy(&mesh));
    assert_eq!(mesh.pod_waypoint("default/sleep"), "none");
    // Not asked for by anyone, or annotated, or without a listener: that of 2022.
    assert!(is_legacy(&base("", "", "", &listening(""))));
    assert!(is_legacy(&base(
        USE,
        "",
        "",
        &listening("istio.io/service-account: sleep")
    )));
    assert!(is_legacy(&base(USE, "", "", &legacy("wp", ""))));
    // It says what it is for: today's form.
    assert!(!is_legacy(&base(
        "",
        "",
        "",
        &gateway("default", "istio-mesh", "istio.io/waypoint-for: all", "")
    )));
    assert!(!is_legacy(&base(
        "",
        "",
        "",
        &gateway("default", "istio-waypoint", "", "")
    )));
}

#[test]
fn a_waypoint_serves_neither_itself_nor_its_service() {
    let own = "
apiVersion: v1
kind: Pod
metadata: {name: wp-1, labels: {gateway.networking.k8s.io/gateway-name: wp}}
spec: {serviceAccountName: wp}
status: {podIP: 127.0.20.8}
---
apiVersion: v1
kind: Service
metadata: {name: wp}
spec: {clusterIP: 127.0.30.1, selector: {gateway.networking.k8s.io/gateway-name: wp}, ports: [{name: mesh, port: 15008}]}
---
apiVersion: v1
kind: Service
metadata: {name: wp-metrics, labels: {gateway.networking.k8s.io/gateway-name: wp}}
spec: {clusterIP: 127.0.10.8, selector: {gateway.networking.k8s.io/gateway-name: wp}, ports: [{name: http-metrics, port: 15020}]}
";
    let waypoint = gateway("default", "istio-waypoint", "istio.io/waypoint-for: all", "");
    let mesh = base("", "", USE, &(waypoint + own));
    mesh.expect_problems(&[]);
    assert_eq!(mesh.pod_waypoint("default/helloworld"), "default/wp");
    assert_eq!(mesh.pod_waypoint("default/wp-1"), "none");
    assert_eq!(mesh.pod("default/wp-1").gateway, Some(Key::new("default", "wp")));
    for host in [
        "wp.default.svc.cluster.local",
        "wp-metrics.default.svc.cluster.local",
    ] {
        assert_eq!(mesh.service_waypoint(host), "none");
    }
    // Its own traffic goes straight to where it belongs.
    assert!(mesh.goes("default/wp-1", "127.0.10.1:5000").starts_with("hbone"));
    assert!(mesh.goes("default/wp-1", "127.0.20.2:5000").starts_with("hbone"));

    let pod = own
        .split("---")
        .next()
        .unwrap()
        .replace("serviceAccountName: wp", "serviceAccountName: default-waypoint");
    let mesh = base("", "", "", &(legacy("wp", "") + &pod));
    assert_eq!(mesh.pod_waypoint("default/wp-1"), "none");
    assert_eq!(mesh.pod("default/wp-1").outbound_waypoint, None);
}

#[test]
fn a_label_alone_makes_nobody_a_waypoint() {
    const CLAIM: &str = "gateway.networking.k8s.io/gateway-name: wp";
    let waypoint = gateway("default", "istio-waypoint", "istio.io/waypoint-for: all", "");
    let pod = "Pod default/helloworld: metadata.labels.gateway.networking.k8s.io/gateway-name: runs as helloworld, not as wp";
    let mesh = base("", CLAIM, USE, &waypoint);
    mesh.expect_problems(&[pod]);
    assert_eq!(mesh.pod("default/helloworld").gateway, None);
    assert_eq!(mesh.pod_waypoint("default/helloworld"), "default/wp");
    assert!(
        mesh.goes("default/sleep", "127.0.20.2:5000")
            .starts_with("waypoint default/wp")
    );
    // Nor does it let anyone call round the waypoint.
    assert!(
        mesh.goes("default/helloworld", "127.0.10.1:5000")
            .starts_with("waypoint default/wp")
    );

    let service = "Service default/helloworld: metadata.labels.gateway.networking.k8s.io/gateway-name: not everything behind it is";
    let mesh = base(CLAIM, "", USE, &waypoint);
    mesh.expect_problems(&[service]);
    assert_eq!(mesh.service_waypoint(HELLOWORLD), "default/wp");

    // A service of the mesh's outside has no instances behind it, whatever it says.
    let entry = format!(
        "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: away, labels: {{{CLAIM}}}}}
spec: {{hosts: [example.org], addresses: [240.0.0.1], resolution: NONE, ports: [{{number: 80, name: http}}]}}
"
    );
    let mesh = base("", "", USE, &(waypoint + &entry));
    mesh.expect_problems(&[
        "ServiceEntry default/away: metadata.labels.gateway.networking.k8s.io/gateway-name",
    ]);
    assert_eq!(mesh.service_waypoint("example.org"), "default/wp");
}

#[test]
fn slips_are_reported() {
    let nobody = legacy("wp", "istio.io/service-account: sleeep");
    base("", "", "", &nobody)
        .expect_problems(&["no workload runs as service account sleeep in namespace default"]);
    let twice =
        legacy("a", "istio.io/service-account: sleep") + &legacy("b", "istio.io/service-account: sleep");
    let mesh = base("", "", "", &twice);
    mesh.expect_problems(&["Gateway default/b: spec: default/a serves these workloads already"]);
    assert_eq!(mesh.pod_waypoint("default/sleep"), "default/a");
    let canary = "istio.io/use-waypoint: wp, istio.io/use-waypoint-canary: next";
    let mesh = base(canary, "", "", &gateway("default", "istio-waypoint", "", ""));
    mesh.expect_problems(&[
        "unsupported: Service default/helloworld: metadata.labels.istio.io/use-waypoint-canary",
    ]);
}

#[test]
fn labels_of_made_pods_are_reported_where_they_are_written() {
    let mesh = base(
        "",
        "",
        "",
        "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  template:
    metadata:
      labels:
        app: web
        istio.io/use-waypoint: gone
",
    );
    mesh.expect_problems(&["mesh.yaml:33: error: Deployment default/web: spec.template.metadata.labels.istio.io/use-waypoint: there is no Gateway default/gone"]);
}

#[test]
fn what_cannot_be_read_is_not_gone_round() {
    let service = "apiVersion: v1
kind: Service
metadata: {name: web, labels: {istio.io/use-waypoint: wp}}
spec: {clusterIP: 127.0.10.2, ports: 1}
---
";
    let legacy_class = legacy("wq", "").replace("istio-mesh", "[istio-mesh]");
    let legacy_spec = legacy("wq", "istio.io/service-account: helloworld")
        .replace("istio-mesh}", "istio-mesh, listeners: 1}");
    let no_yaml = legacy("wq", "").replace("istio-mesh}", "istio-mesh, listeners: [");
    let entry = "apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: away, labels: {istio.io/use-waypoint: wp}}
spec: {hosts: [example.org], addresses: 127.0.10.2, resolution: NONE, ports: [{number: 80, name: http}]}
---
";
    let namespace = |metadata: &str| {
        format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: default, {metadata}}}\n---\n")
    };
    let all = gateway("default", "istio-waypoint", "istio.io/waypoint-for: all", "");
    let purpose = all.replace("istio.io/waypoint-for: all", "istio.io/waypoint-for: [workload]");
    let bound = namespace("labels: {istio.io/use-waypoint: wp}");
    // What there is, an address, and where connections to it go.
    let cases = [
        (String::new(), "127.0.20.2", "hbone"),
        (
            all.clone() + &namespace("labels: {istio.io/use-waypoint: wp, version: 1}"),
            "127.0.20.2",
            "waypoint default/wp",
        ),
        (
            all.clone() + &namespace("labels: {istio.io/use-waypoint: [wp]}"),
            "127.0.20.2",
            "refused",
        ),
        (
            all.clone() + &namespace("labels: {istio.io/use-waypoint: wp"),
            "127.0.20.2",
            "refused",
        ),
        (all.clone() + service, "127.0.10.2", "refused"),
        (all + entry, "127.0.10.2", "refused"),
        (purpose + &bound, "127.0.20.2", "refused"),
        (legacy_class, "127.0.20.2", "refused"),
        (legacy_spec, "127.0.20.2", "waypoint default/wq"),
        (no_yaml, "127.0.20.2", "waypoint default/wq"),
    ];
    let pods = "
apiVersion: v1
kind: Pod
metadata: {name: helloworld}
spec: {serviceAccountName: helloworld}
status: {podIP: 127.0.20.2}
---
apiVersion: v1
kind: Pod
metadata: {name: sleep}
spec: {serviceAccountName: sleep}
status: {podIP: 127.0.20.1}
---
";
    for (text, address, expected) in cases {
        let mut state = cairn_config::from_str(&format!("{pods}{text}"), std::path::Path::new("mesh.yaml"));
        state.objects = std::sync::Arc::new(crate::controllers::complete(&state.objects));
        let (snapshot, problems) = crate::Snapshot::compile(&state);
        let problems = problems.iter().map(ToString::to_string).collect();
        let goes = Mesh { snapshot, problems }.goes("default/sleep", &format!("{address}:80"));
        assert!(goes.starts_with(expected), "{goes}: {text}");
    }
}
