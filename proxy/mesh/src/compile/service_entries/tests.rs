#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::sync::Arc;

use crate::service::{AppProtocol, Mode, Origin, Service};
use crate::testing::{Mesh, mesh};

fn entry(spec: &str) -> Mesh {
    mesh(&format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: pod, labels: {{app: db}}}}
status: {{podIP: 127.0.20.1}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {{name: vm}}
spec: {{address: 127.0.90.9, labels: {{app: db}}, ports: {{pg: 6543}}}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: db}}
spec: {{{spec}}}
"
    ))
}

fn endpoints(service: &Service) -> Vec<String> {
    let of = |endpoint: &crate::service::Endpoint| {
        let ports = endpoint
            .ports
            .iter()
            .map(|(port, target)| format!(" {port}→{target}"));
        format!("{}{}", endpoint.workload.addresses[0], ports.collect::<String>())
    };
    service.endpoints.iter().map(of).collect()
}

const PORTS: &str = "ports: [{number: 5432, name: pg, protocol: TCP, targetPort: 15432}, {number: 80, name: web, protocol: HTTP}, {number: 53, name: dns, protocol: UDP}]";

#[test]
fn a_service_for_each_host() {
    let mesh = entry(&format!(
        "hosts: [db.example, DB2.example], addresses: [127.0.50.1, 127.0.51.0/24], {PORTS}, resolution: STATIC,
         subjectAltNames: ['spiffe://cluster.local/ns/x/sa/db', db.example],
         endpoints: [{{address: 127.0.90.1, ports: {{pg: 1}}}}, {{address: 127.0.90.1, labels: {{version: v2}}}}, {{address: 127.0.20.1}}]"
    ));
    mesh.expect_problems(&["spec.subjectAltNames[1]: a SPIFFE id begins with `spiffe://`"]);
    for host in ["db.example", "db2.example"] {
        let service = mesh.snapshot.services_named(host).next().unwrap();
        assert_eq!(
            endpoints(service),
            [
                "127.0.90.1 80→80 5432→1",
                "127.0.90.1 80→80 5432→15432",
                "127.0.20.1 80→80 5432→15432"
            ]
        );
        assert_eq!(service.origin, Origin::ServiceEntry);
        assert_eq!(service.subject_alt_names.len(), 1);
        let protocols: Vec<AppProtocol> = service.ports.iter().map(|port| port.protocol).collect();
        assert_eq!(protocols, [AppProtocol::Tcp, AppProtocol::Http]);
        let [first, second, pod] = service.endpoints.as_slice() else {
            panic!("three endpoints")
        };
        assert_eq!(
            &*first.workload.uid,
            "Kubernetes/networking.istio.io/ServiceEntry/default/db/127.0.90.1"
        );
        assert_ne!(first.workload.uid, second.workload.uid);
        assert_eq!(second.workload.labels["version"], "v2");
        assert_eq!(pod.workload.uid, mesh.pod("default/pod").uid);
    }
    let by_vip = |ip: &str| {
        mesh.snapshot
            .services_at(ip.parse().unwrap())
            .next()
            .map(|service| service.hostname.to_string())
    };
    assert_eq!(by_vip("127.0.50.1"), Some("db.example".into()));
    assert_eq!(by_vip("127.0.51.200"), Some("db.example".into()));
    assert_eq!(by_vip("127.0.52.1"), None);
}

#[test]
fn selected_workloads() {
    let mesh = entry(&format!(
        "hosts: [db.example], addresses: [127.0.50.1], {PORTS}, resolution: STATIC, workloadSelector: {{labels: {{app: db}}}}"
    ));
    mesh.expect_problems(&[]);
    let service = mesh.snapshot.services_named("db.example").next().unwrap();
    assert_eq!(
        endpoints(service),
        ["127.0.20.1 80→80 5432→15432", "127.0.90.9 80→80 5432→6543"]
    );
}

#[test]
fn resolutions() {
    let mesh = entry(&format!(
        "hosts: [db.example], addresses: [127.0.50.1], {PORTS}, endpoints: [{{address: 127.0.90.1}}]"
    ));
    mesh.expect_problems(&[
        "spec.endpoints: with resolution NONE connections go where they are addressed to",
    ]);
    let service = mesh.snapshot.services_named("db.example").next().unwrap();
    assert_eq!(service.load_balancing.mode, Mode::Passthrough);
    assert!(service.endpoints.is_empty());
}

/// The names that traffic to port 5432 is sent to, with their ports, and how many endpoints have addresses.
fn named(mesh: &Mesh, host: &str) -> (Vec<String>, usize) {
    let service = mesh.snapshot.services_named(host).next().unwrap();
    let named = service.named_endpoints(5432);
    let named = named.map(|(name, endpoint)| format!("{name}:{}", endpoint.ports[&5432]));
    (named.collect(), service.usable_endpoints(5432).count())
}

#[test]
fn endpoints_may_be_names() {
    let mesh = entry(&format!(
        "hosts: [db.example], addresses: [127.0.50.1], {PORTS}, resolution: DNS,
         endpoints: [{{address: 127.0.90.1}}, {{address: x.example, ports: {{pg: 7}}}}, {{address: 'unix:///run/x'}}]"
    ));
    mesh.expect_problems(&["spec.endpoints[2].address: `unix:///run/x` is neither an IP address nor a name"]);
    assert_eq!(named(&mesh, "db.example"), (vec!["x.example:7".to_owned()], 1));

    let mesh = entry(&format!(
        "hosts: [db.example], addresses: [127.0.50.1], {PORTS}, resolution: STATIC, endpoints: [{{address: x.example}}]"
    ));
    mesh.expect_problems(&["spec.endpoints[0].address: `x.example` is not an IP address"]);
    assert_eq!(named(&mesh, "db.example"), (Vec::new(), 0));
}

#[test]
fn hosts_are_their_own_endpoints() {
    let mesh = entry(&format!(
        "hosts: [A.example, b.example], addresses: [127.0.50.1], {PORTS}, resolution: DNS_ROUND_ROBIN"
    ));
    mesh.expect_problems(&[]);
    for host in ["a.example", "b.example"] {
        assert_eq!(named(&mesh, host), (vec![format!("{host}:15432")], 0));
    }

    let mesh = entry(&format!(
        "hosts: ['*.example'], addresses: [127.0.50.1], {PORTS}, resolution: DYNAMIC_DNS"
    ));
    mesh.expect_problems(&[]);
    assert_eq!(named(&mesh, "*.example"), (vec!["*.example:15432".to_owned()], 0));

    let mesh = entry(&format!(
        "hosts: ['*.example'], addresses: [127.0.50.1], {PORTS}, resolution: DNS"
    ));
    mesh.expect_problems(&["spec.hosts: a name with a `*` has no address"]);
    assert_eq!(named(&mesh, "*.example"), (Vec::new(), 0));

    let mesh = entry(&format!(
        "hosts: ['*.example'], location: MESH_INTERNAL, addresses: [127.0.50.1], {PORTS}, resolution: DYNAMIC_DNS"
    ));
    mesh.expect_problems(&["spec.location: names that requests bring lead out of the mesh"]);
    assert_eq!(named(&mesh, "*.example"), (Vec::new(), 0));
}

#[test]
fn addresses_may_be_assigned() {
    let mesh = entry(&format!(
        "hosts: [a.example, b.example], {PORTS}, resolution: STATIC}}\nstatus: {{addresses: [{{value: 240.240.0.1, host: a.example}}, {{value: 240.240.0.2, host: b.example}}]"
    ));
    mesh.expect_problems(&[]);
    let vips = |host: &str| mesh.snapshot.services_named(host).next().unwrap().vips[0].to_string();
    assert_eq!(
        (vips("a.example"), vips("b.example")),
        ("240.240.0.1".into(), "240.240.0.2".into())
    );
    entry(&format!(
        "hosts: [a.example], addresses: [here], {PORTS}, resolution: STATIC"
    ))
    .expect_problems(&["spec.addresses[0]: `here` is neither an IP address nor a range"]);
}

#[test]
fn a_name_belongs_to_one() {
    let entry = |name: &str, created: &str, host: &str, address: &str| {
        format!(
            "
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, creationTimestamp: '{created}'}}
spec: {{hosts: [{host}], addresses: [{address}], ports: [{{number: 80, name: http, protocol: HTTP}}], resolution: STATIC}}
"
        )
    };
    let service = "
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
";
    let mesh = mesh(
        &(service.to_owned()
            + &entry("a", "2026-02-01T00:00:00Z", "x.example", "127.0.50.1")
            + &entry("b", "2026-01-01T00:00:00Z", "x.example", "127.0.50.2")
            + &entry(
                "c",
                "2025-01-01T00:00:00Z",
                "web.default.svc.cluster.local",
                "127.0.50.3",
            )),
    );
    mesh.expect_problems(&[
        "ServiceEntry default/a: spec.hosts: x.example is defined by ServiceEntry default/b already",
        "ServiceEntry default/c: spec.hosts: web.default.svc.cluster.local is defined by Service default/web already",
    ]);
    assert_eq!(
        mesh.snapshot.services_named("x.example").next().unwrap().name,
        "b"
    );
    assert_eq!(
        mesh.snapshot
            .services_named("web.default.svc.cluster.local")
            .next()
            .unwrap()
            .name,
        "web"
    );
    // Each keeps its own address.
    assert_eq!(
        mesh.snapshot
            .services_at("127.0.50.1".parse().unwrap())
            .next()
            .unwrap()
            .name,
        "a"
    );
}

#[test]
fn a_namespace_sees_what_is_exported_to_it_and_its_own_first() {
    let entry = |namespace: &str, address: &str, export_to: &str| {
        format!(
            "
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: api, namespace: {namespace}}}
spec: {{hosts: [api.example], addresses: [{address}], ports: [{{number: 80, name: http}}], resolution: STATIC{export_to}}}
"
        )
    };
    let settings = |export_to: &str| {
        format!(
            r#"
apiVersion: v1
kind: ConfigMap
metadata: {{name: istio, namespace: istio-system}}
data: {{mesh: "defaultServiceExportTo: [{export_to}]"}}
"#
        )
    };
    let seen_by = |mesh: &Mesh, namespace: &str| {
        let named = mesh.snapshot.service_named("api.example", namespace);
        let at = mesh.snapshot.service_at("127.0.50.1".parse().unwrap(), namespace);
        let owner = |found: Option<&Arc<Service>>| found.map(|it| it.namespace.clone());
        [owner(named), owner(at)]
    };
    let of = |namespace: &str| Some(namespace.to_owned());

    let apart = mesh(
        &(entry("a", "127.0.50.1", ", exportTo: [.]") + &entry("b", "127.0.50.1", ", exportTo: [., c]")),
    );
    apart.expect_problems(&[]);
    assert_eq!(seen_by(&apart, "a"), [of("a"), of("a")]);
    assert_eq!(seen_by(&apart, "b"), [of("b"), of("b")]);
    assert_eq!(seen_by(&apart, "c"), [of("b"), of("b")]);
    assert_eq!(seen_by(&apart, "d"), [None, None]);

    let shared = mesh(&(settings("'*'") + &entry("a", "127.0.50.1", "") + &entry("b", "127.0.50.1", "")));
    assert_eq!(shared.problems.len(), 2, "{:?}", shared.problems);
    assert_eq!(seen_by(&shared, "b"), [of("b"), of("b")]);
    assert_eq!(seen_by(&shared, "c"), [of("a"), of("a")]);

    let closed = mesh(
        &(settings(".") + &entry("a", "127.0.50.1", "") + &entry("b", "127.0.50.2", ", exportTo: ['*']")),
    );
    assert_eq!(seen_by(&closed, "a"), [of("a"), of("a")]);
    assert_eq!(seen_by(&closed, "c"), [of("b"), None]);
}
