#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::{Arrival, Inbound, Rejection, Target};
use crate::testing::mesh;

const MESH: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: web, ports: [{name: http, containerPort: 8080}]}]}
status: {podIPs: [{ip: 127.0.20.1}, {ip: 'fd00::1'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: other}
status: {podIP: 127.0.20.2}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: 127.0.10.1, selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}, {name: raw, port: 81, targetPort: 9000}]}
---
apiVersion: v1
kind: Service
metadata: {name: web-again}
spec: {clusterIP: 127.0.10.2, selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: nobody-on-9000}
spec: {action: DENY, rules: [{to: [{operation: {ports: ['9000']}}]}]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict}
spec: {mtls: {mode: STRICT}}
";

fn host<'a>(host: &'a str, port: u16) -> Target<'a> {
    Target::Host { host, port }
}

fn address(text: &str) -> Target<'static> {
    Target::Address(text.parse().unwrap())
}

#[test]
fn targets() {
    let mesh = mesh(MESH);
    let peer = "spiffe://cluster.local/ns/default/sa/sleep".parse().unwrap();
    let web = "web.default.svc.cluster.local";
    let cases = [
        (
            address("127.0.20.1:8080"),
            "127.0.20.1",
            "deliver 127.0.20.1:8080 for web",
        ),
        (
            address("[::ffff:127.0.20.1]:8080"),
            "::ffff:127.0.20.1",
            "deliver 127.0.20.1:8080 for web",
        ),
        (
            address("[fd00::1]:8080"),
            "fd00::1",
            "deliver [fd00::1]:8080 for web",
        ),
        (address("127.0.20.1:7"), "127.0.20.1", "deliver 127.0.20.1:7"),
        // An address of the workload, yet not the one that it came by; another's; the service's.
        (
            address("[fd00::1]:8080"),
            "127.0.20.1",
            "400 ip mismatch: fd00::1 was asked for at 127.0.20.1",
        ),
        (
            address("127.0.20.2:8080"),
            "127.0.20.1",
            "400 ip mismatch: 127.0.20.2 was asked for at 127.0.20.1",
        ),
        (
            address("127.0.10.1:80"),
            "127.0.20.1",
            "400 ip mismatch: 127.0.10.1 was asked for at 127.0.20.1",
        ),
        (
            address("127.0.20.2:8080"),
            "127.0.20.2",
            "400 ip mismatch: 127.0.20.2 was asked for at 127.0.20.2",
        ),
        (host(web, 80), "127.0.20.1", "deliver 127.0.20.1:8080 for web"),
        (
            host("WEB.default.svc.cluster.local", 80),
            "127.0.20.1",
            "deliver 127.0.20.1:8080 for web",
        ),
        (
            host(web, 82),
            "127.0.20.1",
            "503 unknown destination web.default.svc.cluster.local:82",
        ),
        (
            host("gone.example", 80),
            "127.0.20.1",
            "503 unknown destination gone.example:80",
        ),
        (
            host(web, 80),
            "127.0.20.2",
            "400 ip mismatch: 127.0.20.2 was asked for at 127.0.20.2",
        ),
        (
            address("127.0.20.1:15008"),
            "127.0.20.1",
            "503 attempted recursive call to ourselves, port 15008",
        ),
        // Policies see the port of the workload.
        (
            address("127.0.20.1:9000"),
            "127.0.20.1",
            "401 explicitly denied by: default/nobody-on-9000",
        ),
        (
            host(web, 81),
            "127.0.20.1",
            "401 explicitly denied by: default/nobody-on-9000",
        ),
    ];
    for (target, received_on, expected) in cases {
        let received_on = received_on.parse().unwrap();
        let source = "127.0.20.9".parse().unwrap();
        let arrival = Arrival {
            peer: Some(&peer),
            source,
            received_on,
            target,
            service: None,
        };
        let found = match mesh.snapshot.inbound(mesh.pod("default/web"), &arrival) {
            Inbound::Deliver {
                address,
                service: Some(service),
            } => format!("deliver {address} for {}", service.name),
            Inbound::Deliver {
                address,
                service: None,
            } => format!("deliver {address}"),
            Inbound::Refuse(rejection) => format!("{} {rejection}", rejection.status()),
        };
        assert_eq!(found, expected, "{target:?}");
    }
}

#[test]
fn plain_tcp_has_no_identity() {
    let mesh = mesh(MESH);
    let ip = "127.0.20.1".parse().unwrap();
    let arrival = Arrival {
        peer: None,
        source: ip,
        received_on: ip,
        target: address("127.0.20.1:8080"),
        service: None,
    };
    let denied = mesh.snapshot.inbound(mesh.pod("default/web"), &arrival);
    let policy = "istio-system/istio_converted_static_strict".to_owned();
    let reason = format!("explicitly denied by: {policy}");
    assert_eq!(denied, Inbound::Refuse(Rejection::Denied { policy, reason }));
}

#[test]
fn the_named_service_is_counted() {
    let mesh = mesh(MESH);
    let peer = "spiffe://cluster.local/ns/default/sa/sleep".parse().unwrap();
    let ip = "127.0.20.1".parse().unwrap();
    for (named, expected) in [
        (Some("web-again.default.svc.cluster.local"), "web-again"),
        (Some("foreign.example"), "web"),
        (None, "web"),
    ] {
        let target = address("127.0.20.1:8080");
        let arrival = Arrival {
            peer: Some(&peer),
            source: ip,
            received_on: ip,
            target,
            service: named,
        };
        let Inbound::Deliver { service, .. } = mesh.snapshot.inbound(mesh.pod("default/web"), &arrival)
        else {
            panic!("refused")
        };
        assert_eq!(service.unwrap().name, expected);
    }
}
