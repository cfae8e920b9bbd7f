#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;

use cairn_api::meta::Key;

use super::{Candidates, Outbound, Refusal};
use crate::testing::{describe, mesh};

const MESH: &str = "
apiVersion: v1
kind: Pod
metadata: {name: sleep}
spec: {serviceAccountName: sleep, nodeName: n1}
status: {podIP: 127.0.20.1}
---
apiVersion: v1
kind: Pod
metadata: {name: a, labels: {app: web}}
spec: {serviceAccountName: web, nodeName: n1, containers: [{name: web, ports: [{name: http, containerPort: 8080}]}]}
status: {podIP: 127.0.20.2}
---
apiVersion: v1
kind: Pod
metadata: {name: b, labels: {app: web}}
spec: {serviceAccountName: web, nodeName: n2, containers: [{name: web, ports: [{name: http, containerPort: 9090}]}]}
status: {podIP: 127.0.20.3, conditions: [{type: Ready, status: 'True'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: starting, labels: {app: web}}
status: {podIP: 127.0.20.4, conditions: [{type: Ready, status: 'False'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: leaving, labels: {app: web}, deletionTimestamp: '2026-01-01T00:00:00Z'}
status: {podIP: 127.0.20.5, conditions: [{type: Ready, status: 'True'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: plain, labels: {app: plain, istio.io/dataplane-mode: none}}
status: {podIP: 127.0.20.6}
---
apiVersion: v1
kind: Pod
metadata: {name: broken, labels: {app: broken}}
status: {podIP: 127.0.20.7, conditions: [{type: Ready, status: 'False'}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: 127.0.10.1, selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}, {name: dns, port: 53, protocol: UDP}]}
---
apiVersion: v1
kind: Service
metadata: {name: plain}
spec: {clusterIP: 127.0.10.2, selector: {app: plain}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: broken}
spec: {clusterIP: 127.0.10.3, selector: {app: broken}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: patient}
spec: {clusterIP: 127.0.10.4, publishNotReadyAddresses: true, selector: {app: broken}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: near}
spec: {clusterIP: 127.0.10.5, internalTrafficPolicy: Local, selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outside}
spec:
  hosts: [outside.example]
  addresses: [127.0.50.1, 127.0.60.0/24]
  ports: [{number: 443, name: tls, protocol: TLS}]
  resolution: NONE
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: legacy}
spec:
  hosts: [vm.example]
  addresses: [127.0.50.2]
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8000}]
  resolution: STATIC
  subjectAltNames: ['spiffe://cluster.local/ns/vms/sa/vm']
  endpoints: [{address: 127.0.70.1, ports: {http: 8001}, labels: {networking.istio.io/tunnel: http}, serviceAccount: vm}]
";

#[test]
fn destinations() {
    let mesh = mesh(MESH);
    let cases = [
        // A service's address leads to a ready endpoint, by the name of the port.
        ("127.0.10.1:80", "hbone 127.0.20.2:15008 for 127.0.20.2:8080"),
        (
            "[::ffff:127.0.10.1]:80",
            "hbone 127.0.20.2:15008 for 127.0.20.2:8080",
        ),
        (
            "127.0.10.1:53",
            "refused: service web.default.svc.cluster.local has no port 53",
        ),
        (
            "127.0.10.1:81",
            "refused: service web.default.svc.cluster.local has no port 81",
        ),
        ("127.0.10.2:80", "plain 127.0.20.6:80"),
        ("127.0.10.3:80", "refused: no healthy upstream"),
        ("127.0.10.4:80", "hbone 127.0.20.7:15008 for 127.0.20.7:80"),
        // A workload's address leads to it, ready or not.
        ("127.0.20.4:1234", "hbone 127.0.20.4:15008 for 127.0.20.4:1234"),
        ("127.0.20.6:1234", "plain 127.0.20.6:1234"),
        ("127.0.50.1:443", "passthrough 127.0.50.1:443"),
        ("127.0.60.77:443", "passthrough 127.0.60.77:443"),
        (
            "127.0.60.77:80",
            "refused: service outside.example has no port 80",
        ),
        ("127.0.50.2:80", "hbone 127.0.70.1:15008 for 127.0.70.1:8001"),
        // Nobody's address.
        ("127.0.99.1:80", "passthrough 127.0.99.1:80"),
    ];
    for (destination, expected) in cases {
        assert_eq!(mesh.goes("default/sleep", destination), expected, "{destination}");
    }
}

#[test]
fn those_who_are_not_captured_go_in_the_clear() {
    let mesh = mesh(&(MESH.to_owned() + WAYPOINT));
    let goes = |destination: &str| {
        let destination: SocketAddr = destination.parse().unwrap();
        describe(
            &mesh
                .snapshot
                .uncaptured(destination, |endpoints| endpoints.pick(0)),
        )
    };
    assert_eq!(goes("127.0.10.1:80"), "plain 127.0.20.2:8080");
    assert_eq!(goes("127.0.10.3:80"), "refused: no healthy upstream");
    assert_eq!(goes("127.0.20.2:80"), "plain 127.0.20.2:80");
    assert_eq!(goes("127.0.50.1:443"), "passthrough 127.0.50.1:443");
    assert_eq!(goes("127.0.99.1:80"), "passthrough 127.0.99.1:80");
}

const WAYPOINT: &str = "
---
apiVersion: v1
kind: Namespace
metadata: {name: default, labels: {istio.io/use-waypoint: wp}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: wp, labels: {istio.io/waypoint-for: all}}
spec:
  gatewayClassName: istio-waypoint
  addresses: [{value: 127.0.30.1}]
  listeners: [{name: mesh, port: 15008, protocol: HBONE}]
";

#[test]
fn waypoints_come_first() {
    let mesh = mesh(&(MESH.to_owned() + WAYPOINT));
    let cases = [
        (
            "127.0.10.1:80",
            "waypoint default/wp at 127.0.30.1:15008 for 127.0.10.1:80",
        ),
        // Whether there are endpoints is for the waypoint to find out, but not whether there is a port.
        (
            "127.0.10.3:80",
            "waypoint default/wp at 127.0.30.1:15008 for 127.0.10.3:80",
        ),
        (
            "127.0.10.1:81",
            "refused: service web.default.svc.cluster.local has no port 81",
        ),
        (
            "127.0.20.2:1234",
            "waypoint default/wp at 127.0.30.1:15008 for 127.0.20.2:1234",
        ),
        (
            "127.0.50.1:443",
            "waypoint default/wp at 127.0.30.1:15008 for 127.0.50.1:443",
        ),
        ("127.0.30.1:15021", "plain 127.0.30.1:15021"),
        ("127.0.99.1:80", "passthrough 127.0.99.1:80"),
    ];
    for (destination, expected) in cases {
        assert_eq!(mesh.goes("default/sleep", destination), expected, "{destination}");
    }
    let waypoint = mesh
        .snapshot
        .workload_by_ip("127.0.30.1".parse().unwrap())
        .unwrap();
    let to = |destination: &str| {
        let destination: SocketAddr = destination.parse().unwrap();
        describe(
            &mesh
                .snapshot
                .outbound(waypoint, destination, |endpoints| endpoints.pick(0)),
        )
    };
    assert_eq!(to("127.0.10.1:80"), "hbone 127.0.20.2:15008 for 127.0.20.2:8080");
    assert_eq!(
        to("127.0.20.2:1234"),
        "hbone 127.0.20.2:15008 for 127.0.20.2:1234"
    );
}

#[test]
fn a_waypoint_without_an_address_is_not_gone_round() {
    let raw = MESH.to_owned() + &WAYPOINT.replace("  addresses: [{value: 127.0.30.1}]\n", "");
    let mesh = crate::testing::raw(&raw);
    for destination in ["127.0.10.1:80", "127.0.20.2:80"] {
        let expected = "refused: waypoint default/wp has no address to reach it at";
        assert_eq!(mesh.goes("default/sleep", destination), expected);
    }
}

#[test]
fn the_other_end_is_held_to_its_identity() {
    let mesh = mesh(MESH);
    let expected = |destination: &str| {
        let source = mesh.pod("default/sleep");
        match mesh
            .snapshot
            .outbound(source, destination.parse().unwrap(), |endpoints| {
                endpoints.pick(0)
            }) {
            Outbound::Hbone { expected, .. } | Outbound::Waypoint { expected, .. } => {
                expected.iter().map(ToString::to_string).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        expected("127.0.10.1:80"),
        ["spiffe://cluster.local/ns/default/sa/web"]
    );
    let vm = [
        "spiffe://cluster.local/ns/default/sa/vm",
        "spiffe://cluster.local/ns/vms/sa/vm",
    ];
    assert_eq!(expected("127.0.50.2:80"), vm);
    let guarded = crate::testing::mesh(&(MESH.to_owned() + WAYPOINT));
    let source = guarded.pod("default/sleep");
    let decision = guarded
        .snapshot
        .outbound(source, "127.0.10.1:80".parse().unwrap(), |_| {
            panic!("no endpoint")
        });
    let Outbound::Waypoint {
        expected, service, ..
    } = decision
    else {
        panic!("{decision:?}")
    };
    assert_eq!(expected[0].to_string(), "spiffe://cluster.local/ns/default/sa/wp");
    assert_eq!(service.unwrap().name, "web");
}

#[test]
fn endpoints_share_by_capacity() {
    let mesh = mesh(
        "
apiVersion: v1
kind: Pod
metadata: {name: sleep}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: vms}
spec:
  hosts: [vms.example]
  addresses: [127.0.50.2]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: 127.0.70.1, weight: 3}, {address: 127.0.70.2}, {address: 127.0.70.3, weight: 0}]
",
    );
    let service = mesh.snapshot.services_named("vms.example").next().unwrap();
    let candidates = Candidates::of(None, service, 80);
    let mut picked = BTreeMap::new();
    for step in 0..4000u64 {
        let endpoint = candidates.pick(step * (u64::MAX / 4000)).unwrap();
        *picked
            .entry(endpoint.workload.addresses[0].to_string())
            .or_insert(0) += 1;
    }
    assert_eq!(picked.keys().collect::<Vec<_>>(), ["127.0.70.1", "127.0.70.2"]);
    assert!((2999..=3001).contains(&picked["127.0.70.1"]), "{picked:?}");
    assert!(candidates.pick(u64::MAX).is_some());

    let others = |random| candidates.pick_where(random, |endpoint| endpoint.workload.capacity == 1);
    assert_eq!(
        others(0).unwrap().workload.addresses,
        others(u64::MAX).unwrap().workload.addresses
    );
    assert_eq!(candidates.pick_where(7, |_| false), None);
}

#[test]
fn place_decides_among_endpoints() {
    let mesh = mesh(&(MESH.to_owned() + "
---
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {topology.kubernetes.io/region: eu, topology.kubernetes.io/zone: eu-1}}
---
apiVersion: v1
kind: Node
metadata: {name: n2, labels: {topology.kubernetes.io/region: eu, topology.kubernetes.io/zone: eu-2}}
---
apiVersion: v1
kind: Pod
metadata: {name: far}
spec: {nodeName: n2}
status: {podIP: 127.0.20.9}
---
apiVersion: v1
kind: Pod
metadata: {name: lost}
status: {podIP: 127.0.20.10}
---
apiVersion: v1
kind: Service
metadata: {name: close}
spec: {clusterIP: 127.0.10.9, trafficDistribution: PreferClose, selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
"));
    let candidates = |source: &str, host: &str| {
        let service = mesh
            .snapshot
            .services_named(&format!("{host}.default.svc.cluster.local"))
            .next()
            .unwrap();
        let candidates = Candidates::of(Some(mesh.pod(source)), service, 80);
        candidates
            .iter()
            .map(|endpoint| endpoint.workload.name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(candidates("default/sleep", "web"), ["a", "b"]);
    // Only those of the same node, and none if there is none.
    assert_eq!(candidates("default/sleep", "near"), ["a"]);
    assert_eq!(candidates("default/far", "near"), ["b"]);
    assert!(candidates("default/lost", "near").is_empty());
    assert_eq!(
        mesh.goes("default/lost", "127.0.10.5:80"),
        "refused: no healthy upstream"
    );
    // The nearest, and all when none is near.
    assert_eq!(candidates("default/sleep", "close"), ["a"]);
    assert_eq!(candidates("default/far", "close"), ["b"]);
    assert_eq!(candidates("default/lost", "close"), ["a", "b"]);
}

#[test]
fn the_mesh_may_keep_to_itself() {
    let mesh = mesh(
        &(MESH.to_owned()
            + "
---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: 'outboundTrafficPolicy: {mode: REGISTRY_ONLY}'}
"),
    );
    assert_eq!(
        mesh.goes("default/sleep", "127.0.99.1:80"),
        "refused: unknown destination 127.0.99.1:80"
    );
    assert_eq!(
        mesh.goes("default/sleep", "127.0.50.1:443"),
        "passthrough 127.0.50.1:443"
    );
}

#[test]
fn the_last_leg_has_its_own_refusals() {
    let mesh = mesh(MESH);
    let service = mesh
        .snapshot
        .services_named("web.default.svc.cluster.local")
        .next()
        .unwrap();
    let decision = mesh
        .snapshot
        .to_endpoint(&Key::new("default", "wp"), service, 81, &service.endpoints[0]);
    assert!(matches!(
        decision,
        Outbound::Refuse {
            reason: Refusal::NoHealthyUpstream,
            ..
        }
    ));
}

#[test]
fn a_range_over_a_pod_does_not_take_it_out_of_the_mesh() {
    let range = "
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: over}
spec: {hosts: [over.example], addresses: [127.0.20.0/24], resolution: NONE, ports: [{number: 8080, protocol: TCP, name: t}]}
";
    let mesh = mesh(&format!("{MESH}{range}"));
    let sleep = mesh.snapshot.workload_by_ip([127, 0, 20, 1].into()).unwrap();
    let pod: SocketAddr = "127.0.20.2:8080".parse().unwrap();
    let decision = mesh
        .snapshot
        .outbound(sleep, pod, |candidates| candidates.pick(0));
    assert!(
        matches!(decision, Outbound::Hbone { authority, .. } if authority == pod),
        "{}",
        describe(&decision)
    );
}

#[test]
fn what_a_client_does_not_see_is_not_reached_past_its_waypoint() {
    let mesh = mesh(
        "
apiVersion: v1
kind: Pod
metadata: {name: sleep}
---
apiVersion: v1
kind: Service
metadata: {name: few, annotations: {networking.istio.io/exportTo: other}}
spec: {clusterIP: 127.0.10.7, ports: [{name: http, port: 80}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outside, namespace: other}
spec: {hosts: [outside.example], addresses: [192.0.2.1], location: MESH_EXTERNAL, ports: [{number: 80, name: http}], resolution: STATIC, exportTo: [.]}
",
    );
    assert_eq!(
        mesh.goes("default/sleep", "127.0.10.7:80"),
        "refused: unknown destination 127.0.10.7:80"
    );
    assert_eq!(
        mesh.goes("default/sleep", "192.0.2.1:80"),
        "passthrough 192.0.2.1:80"
    );
}

#[test]
fn nobody_takes_an_address_away_from_what_is_guarded_there() {
    let mesh = mesh(
        "
apiVersion: v1
kind: Pod
metadata: {name: sleep, namespace: other}
---
apiVersion: v1
kind: Service
metadata: {name: few, annotations: {networking.istio.io/exportTo: .}}
spec: {clusterIP: 127.0.10.7, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: all}
spec: {clusterIP: 127.0.10.8, ports: [{name: http, port: 80}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: wide, namespace: other}
spec: {hosts: [wide.example], addresses: [127.0.0.0/8], ports: [{number: 80, name: http}], resolution: NONE}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: long, namespace: guarded}
spec: {hosts: [long.example], addresses: [127.0.11.0/24], ports: [{number: 81, name: http}], resolution: NONE}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: own, namespace: other}
spec: {hosts: [own.example], addresses: [127.0.10.8], ports: [{number: 80, name: http}], resolution: NONE}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: claimed, namespace: guarded}
spec: {hosts: [claimed.example], addresses: [198.51.100.0/24], exportTo: [.], location: MESH_INTERNAL, ports: [{number: 80, name: http}], resolution: NONE}
",
    );
    // A range does not show what its exact owner hides.
    assert_eq!(
        mesh.goes("other/sleep", "127.0.10.7:80"),
        "refused: unknown destination 127.0.10.7:80"
    );
    // A Service comes before an entry of the client's own namespace, and a longer range before its own shorter one.
    assert_eq!(
        mesh.goes("other/sleep", "127.0.10.8:80"),
        "refused: no healthy upstream"
    );
    let found = |address: &str| {
        let found = mesh.snapshot.service_at(address.parse().unwrap(), "other");
        found.unwrap().name.clone()
    };
    assert_eq!(found("127.0.11.1"), "long");
    assert_eq!(found("127.0.12.1"), "wide");
    // Whoever claims a range for themselves takes nothing from others.
    assert_eq!(
        mesh.goes("other/sleep", "198.51.100.7:80"),
        "passthrough 198.51.100.7:80"
    );
}
