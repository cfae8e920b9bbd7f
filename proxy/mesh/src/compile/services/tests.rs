#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::sync::Arc;

use crate::service::{Mode, Scope, Service};
use crate::testing::{Mesh, mesh};

fn service<'a>(mesh: &'a Mesh, name: &str) -> &'a Arc<Service> {
    let host = format!("{name}.default.svc.cluster.local");
    mesh.snapshot.services_named(&host).next().expect(name)
}

/// Each endpoint as `name port→port …`.
fn endpoints(service: &Service) -> Vec<String> {
    let of = |endpoint: &crate::service::Endpoint| {
        let ports = endpoint
            .ports
            .iter()
            .map(|(port, target)| format!(" {port}→{target}"));
        format!("{}{}", endpoint.workload.name, ports.collect::<String>())
    };
    service.endpoints.iter().map(of).collect()
}

const PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: a, labels: {app: web, version: v1}}
spec: {containers: [{name: web, ports: [{name: http, containerPort: 8080}]}]}
status: {podIP: 127.0.20.1}
---
apiVersion: v1
kind: Pod
metadata: {name: b, labels: {app: web, version: v2}}
spec: {containers: [{name: web, ports: [{name: http, containerPort: 9090}, {name: admin, containerPort: 9}]}]}
status: {podIP: 127.0.20.2}
---
apiVersion: v1
kind: Pod
metadata: {name: c, namespace: other, labels: {app: web}}
status: {podIP: 127.0.20.3}
---
";

#[test]
fn selectors_and_ports() {
    let mesh = mesh(
        &(PODS.to_owned()
            + "
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  clusterIP: 127.0.10.1
  clusterIPs: [127.0.10.1, 'fd00::1']
  selector: {app: web}
  ports:
  - {name: http, port: 80, targetPort: http}
  - {name: same, port: 81}
  - {name: number, port: 82, targetPort: 8082}
  - {name: zero, port: 83, targetPort: 0}
  - {name: admin, port: 84, targetPort: admin}
  - {name: dns, port: 53, protocol: UDP}
---
apiVersion: v1
kind: Service
metadata: {name: web-v2}
spec: {clusterIP: None, selector: {app: web, version: v2}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: alias}
spec: {type: ExternalName, externalName: example.org}
"),
    );
    mesh.expect_problems(&[]);
    let web = service(&mesh, "web");
    assert_eq!(
        endpoints(web),
        [
            "a 80→8080 81→81 82→8082 83→83",
            "b 80→9090 81→81 82→8082 83→83 84→9"
        ]
    );
    assert_eq!(web.ports.len(), 5);
    for vip in ["127.0.10.1", "fd00::1", "::ffff:127.0.10.1"] {
        assert_eq!(
            mesh.snapshot
                .services_at(vip.parse().unwrap())
                .next()
                .unwrap()
                .hostname,
            web.hostname
        );
    }
    let headless = service(&mesh, "web-v2");
    assert_eq!(endpoints(headless), ["b 80→80"]);
    assert!(headless.vips.is_empty());
    assert_eq!(mesh.snapshot.services().count(), 2);
    let of_b: Vec<&str> = mesh
        .snapshot
        .services_of_workload(mesh.pod("default/b"))
        .map(|s| s.name.as_str())
        .collect();
    assert_eq!(of_b, ["web", "web-v2"]);
}

#[test]
fn what_answers_nowhere_is_reported() {
    let mesh = mesh(
        &(PODS.to_owned()
            + "
apiVersion: v1
kind: Service
metadata: {name: nobody}
spec: {selector: {app: wep}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: noport}
spec: {selector: {app: web}, ports: [{name: a, port: 80, targetPort: htpp}]}
---
apiVersion: v1
kind: Service
metadata: {name: noaddress}
spec: {clusterIP: 127.0.0, selector: {app: web}, ports: [{name: a, port: 80}]}
"),
    );
    mesh.expect_problems(&[
        "warning: Service default/nobody: spec.selector: the selector selects no pod",
        "error: Service default/noport: spec.ports: no selected pod has a port named `htpp`: nothing answers on port 80",
        "error: Service default/noaddress: spec.clusterIP: `127.0.0` is not an IP address",
    ]);
}

#[test]
fn preferences() {
    let zone = [Scope::Network, Scope::Region, Scope::Zone];
    let node = [
        Scope::Network,
        Scope::Region,
        Scope::Zone,
        Scope::Subzone,
        Scope::Node,
    ];
    let cases: [(&str, &str, &str, Mode, &[Scope]); 7] = [
        ("", "", "", Mode::Standard, &[]),
        (
            "internalTrafficPolicy: Local",
            "",
            "",
            Mode::Strict,
            &[Scope::Node],
        ),
        ("trafficDistribution: PreferClose", "", "", Mode::Failover, &zone),
        (
            "trafficDistribution: PreferSameNode",
            "",
            "",
            Mode::Failover,
            &node,
        ),
        (
            "",
            "networking.istio.io/traffic-distribution: PreferSameZone",
            "",
            Mode::Failover,
            &zone,
        ),
        (
            "",
            "",
            "networking.istio.io/traffic-distribution: PreferClose",
            Mode::Failover,
            &zone,
        ),
        (
            "",
            "networking.istio.io/traffic-distribution: Any",
            "networking.istio.io/traffic-distribution: PreferClose",
            Mode::Standard,
            &[],
        ),
    ];
    for (spec, own, namespace, mode, scopes) in cases {
        let mesh = mesh(&format!(
            "
apiVersion: v1
kind: Namespace
metadata: {{name: default, annotations: {{{namespace}}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: web, annotations: {{{own}}}}}
spec: {{ports: [{{port: 80}}], {spec}}}
"
        ));
        mesh.expect_problems(&[]);
        let balancing = &service(&mesh, "web").load_balancing;
        assert_eq!(
            (balancing.mode, balancing.scopes.as_slice()),
            (mode, scopes),
            "{spec} {own} {namespace}"
        );
    }
    let wrong = mesh(
        "
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}], trafficDistribution: Close}
",
    );
    wrong.expect_problems(&["spec.trafficDistribution: `Close` is no traffic distribution"]);
}

#[test]
fn slices_stand_behind_services_without_selector() {
    let mesh = mesh(
        &(PODS.to_owned()
            + "
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{name: http, port: 80}, {name: admin, port: 81}]}
---
apiVersion: v1
kind: Service
metadata: {name: selecting}
spec: {selector: {version: v1}, ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}, {name: admin}, {name: other, port: 7}]
endpoints:
- {addresses: [127.0.20.1], targetRef: {kind: Pod, name: a}}
- {addresses: [127.0.20.3], targetRef: {kind: Pod, name: c, namespace: other}}
- {addresses: [127.0.20.2]}
- {addresses: [127.0.90.1], zone: z1, nodeName: n1}
- {addresses: [127.0.90.2], conditions: {ready: false}}
- {addresses: [127.0.20.9], targetRef: {kind: Pod, name: gone}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: selecting-1, labels: {kubernetes.io/service-name: selecting}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints:
- {addresses: [127.0.20.1], targetRef: {kind: Pod, name: a}}
- {addresses: [127.0.20.2], targetRef: {kind: Pod, name: b}}
- {addresses: [127.0.90.3]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: names, labels: {kubernetes.io/service-name: web}}
addressType: FQDN
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [example.org]}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: wrong, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [example.org]}]
"),
    );
    mesh.expect_problems(&["EndpointSlice default/wrong: endpoints: `example.org` is not an IP address"]);
    let web = service(&mesh, "web");
    let ports = " 80→8080 81→81";
    let expected = ["a", "c", "b", "web-1", "web-1"].map(|name| format!("{name}{ports}"));
    assert_eq!(endpoints(web), expected);
    let outside = &web.endpoints[3].workload;
    assert_eq!(
        &*outside.uid,
        "Kubernetes/discovery.k8s.io/EndpointSlice/default/web-1/127.0.90.1"
    );
    assert_eq!(
        (
            outside.node.as_str(),
            outside.locality.zone.as_str(),
            outside.healthy
        ),
        ("n1", "z1", true)
    );
    assert!(!web.endpoints[4].workload.healthy);
    // The pod that was found by its address is the pod itself.
    assert_eq!(web.endpoints[2].workload.uid, mesh.pod("default/b").uid);
    // Pods behind a selector are those that it selects.
    assert_eq!(
        endpoints(service(&mesh, "selecting")),
        ["a 80→80", "selecting-1 80→8080"]
    );
}

#[test]
fn workload_entries_stand_behind_services_too() {
    let mesh = mesh("
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}, {name: admin, port: 81}]}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: vm, labels: {tier: vm}, annotations: {ambient.istio.io/redirection: enabled}}
spec: {address: 127.0.90.1, labels: {app: web}, serviceAccount: vm, ports: {admin: 8181}, weight: 3, locality: eu/eu-1, network: far}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: named}
spec: {address: vm.example, labels: {app: web}}
");
    mesh.expect_problems(&[
        "unsupported: WorkloadEntry default/named: spec.address: `vm.example` is not an IP address",
    ]);
    let web = service(&mesh, "web");
    assert_eq!(endpoints(web), ["vm 80→8080 81→8181"]);
    let vm = &web.endpoints[0].workload;
    assert_eq!(
        &*vm.uid,
        "Kubernetes/networking.istio.io/WorkloadEntry/default/vm"
    );
    assert_eq!(vm.identity.to_string(), "spiffe://cluster.local/ns/default/sa/vm");
    assert_eq!(
        (vm.capacity, vm.locality.zone.as_str(), vm.network.as_str()),
        (3, "eu-1", "far")
    );
    assert_eq!(vm.labels.keys().collect::<Vec<_>>(), ["app", "tier"]);
    assert_eq!(vm.protocol, crate::workload::Tunnel::Hbone);
}
