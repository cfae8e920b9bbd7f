#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::path::Path;

use cairn_api::meta::Key;

use super::GatewayClasses;
use crate::snapshot::Snapshot;
use crate::testing::{Mesh, mesh, raw};
use crate::waypoint::{Serves, Waypoint};

fn gateway(metadata: &str, spec: &str) -> String {
    format!(
        "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: wp, namespace: shop{metadata}}}
spec: {{{spec}}}
"
    )
}

fn waypoint(mesh: &Mesh) -> Option<&Waypoint> {
    mesh.snapshot.waypoint(&Key::new("shop", "wp")).map(AsRef::as_ref)
}

const LISTENERS: &str = "listeners: [{name: mesh, port: 15008, protocol: HBONE}]";

#[test]
fn a_waypoint_is_known_by_class_or_listener() {
    let cases = [
        ("istio-mesh", LISTENERS, true),
        ("istio-mesh", "listeners: []", true),
        ("istio-waypoint", LISTENERS, true),
        ("cairn-waypoint", LISTENERS, true),
        ("anything", LISTENERS, true),
        (
            "anything",
            "listeners: [{name: a, port: 80, protocol: HTTP}, {name: mesh, port: 15008, protocol: HBONE}]",
            true,
        ),
        (
            "anything",
            "listeners: [{name: mesh, port: 15008, protocol: HTTPS}]",
            false,
        ),
        (
            "anything",
            "listeners: [{name: mesh, port: 15009, protocol: HBONE}]",
            false,
        ),
        ("istio-east-west", LISTENERS, false),
        ("istio", "listeners: [{name: a, port: 80, protocol: HTTP}]", false),
    ];
    for (class, listeners, known) in cases {
        let mesh = mesh(&gateway("", &format!("gatewayClassName: {class}, {listeners}")));
        assert_eq!(waypoint(&mesh).is_some(), known, "{class} {listeners}");
    }
}

#[test]
fn class_names_are_settings() {
    let state = cairn_config::from_str(&gateway("", "gatewayClassName: ours"), Path::new("mesh.yaml"));
    let classes = GatewayClasses {
        waypoint: vec!["ours".into()],
        legacy: vec!["ours".into()],
        never: Vec::new(),
    };
    let (snapshot, _) = Snapshot::compile_with(&state, &classes);
    assert!(
        snapshot
            .waypoint(&Key::new("shop", "wp"))
            .unwrap()
            .legacy
            .is_some()
    );
    assert_eq!(Snapshot::compile(&state).0.waypoints().count(), 0);
}

#[test]
fn wrong_listeners_leave_no_way_in() {
    for (class, listeners) in [
        ("istio-waypoint", "listeners: []"),
        ("istio-mesh", "listeners: [{name: a, port: 80, protocol: HTTP}]"),
        (
            "cairn-waypoint",
            "listeners: [{name: a, port: 80, protocol: HTTP}, {name: mesh, port: 15008, protocol: HBONE}]",
        ),
    ] {
        let mesh = mesh(&gateway(
            "",
            &format!("gatewayClassName: {class}, addresses: [{{value: 127.0.30.1}}], {listeners}"),
        ));
        let problem = mesh
            .problems
            .iter()
            .find(|problem| problem.contains("has exactly one listener"))
            .unwrap();
        assert!(
            problem.contains("write `listeners: [{name: mesh, port: 15008, protocol: HBONE}]`"),
            "{problem}"
        );
        assert_eq!(waypoint(&mesh).unwrap().address, None, "{class} {listeners}");
    }
}

#[test]
fn the_address_is_the_one_that_was_given() {
    let spec = format!("gatewayClassName: istio-waypoint, {LISTENERS}");
    let address = |mesh: Mesh| {
        waypoint(&mesh)
            .unwrap()
            .address
            .map(|address| address.to_string())
    };
    let with = |fields: &str, rest: &str| address(raw(&(gateway("", &format!("{spec}, {fields}")) + rest)));
    assert_eq!(
        with("addresses: [{value: 127.0.30.1}]", ""),
        Some("127.0.30.1".into())
    );
    assert_eq!(
        with("addresses: [{value: ::ffff:127.0.30.1}]", ""),
        Some("127.0.30.1".into())
    );
    let status = "status: {addresses: [{type: Hostname, value: wp.shop.svc.cluster.local}, {type: IPAddress, value: 10.0.0.9}]}";
    assert_eq!(
        with("addresses: [{value: 127.0.30.1}]", status),
        Some("10.0.0.9".into())
    );
    let hostname = "
status: {addresses: [{type: Hostname, value: wp.shop.svc.cluster.local}]}
---
apiVersion: v1
kind: Service
metadata: {name: wp, namespace: shop}
spec: {clusterIP: 10.0.0.7, ports: [{port: 15008}]}
";
    assert_eq!(with("", hostname), Some("10.0.0.7".into()));

    let mesh = raw(&gateway("", &spec));
    assert_eq!(waypoint(&mesh).unwrap().address, None);
    mesh.expect_problems(&["warning: Gateway shop/wp: spec.addresses: the waypoint has no address yet"]);
    let mesh = raw(&gateway("", &format!("{spec}, addresses: [{{value: here}}]")));
    assert!(
        mesh.problems[0].contains("`here` is not an IP address"),
        "{:?}",
        mesh.problems
    );
}

#[test]
fn the_identity_is_the_account_that_the_controller_creates() {
    let identity = |metadata: &str, class: &str, listeners: &str| {
        let mesh = mesh(&gateway(
            metadata,
            &format!("gatewayClassName: {class}, {listeners}"),
        ));
        waypoint(&mesh).unwrap().identity.service_account().to_owned()
    };
    let account = ", annotations: {gateway.istio.io/service-account: custom}";
    let name = ", annotations: {gateway.istio.io/name-override: other}";
    let legacy = ", annotations: {istio.io/service-account: reviews}";
    assert_eq!(identity("", "istio-waypoint", LISTENERS), "wp");
    assert_eq!(identity(account, "istio-waypoint", LISTENERS), "custom");
    assert_eq!(identity(name, "istio-waypoint", LISTENERS), "other");
    assert_eq!(identity(legacy, "istio-mesh", LISTENERS), "reviews-waypoint");
    assert_eq!(identity("", "istio-mesh", "listeners: []"), "shop-waypoint");
    // Only that class has the 2022 form.
    assert_eq!(identity(legacy, "istio-waypoint", LISTENERS), "wp");
}

#[test]
fn the_class_may_say_what_traffic_it_is_for() {
    let class = "
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: istio-waypoint, labels: {istio.io/waypoint-for: workload}}
spec: {controllerName: example.org/controller}
";
    let serves = |metadata: &str, rest: &str| {
        let mesh = mesh(
            &(gateway(
                metadata,
                &format!("gatewayClassName: istio-waypoint, {LISTENERS}"),
            ) + rest),
        );
        waypoint(&mesh).unwrap().serves
    };
    assert_eq!(serves("", ""), Serves::Services);
    assert_eq!(serves("", class), Serves::Workloads);
    assert_eq!(
        serves(", labels: {istio.io/waypoint-for: all}", class),
        Serves::All
    );
    assert_eq!(
        serves(", labels: {istio.io/waypoint-for: none}", ""),
        Serves::None
    );
}

#[test]
fn a_waypoint_is_a_workload_too() {
    let spec = format!("gatewayClassName: istio-waypoint, addresses: [{{value: 127.0.30.1}}], {LISTENERS}");
    let mesh = mesh(&gateway("", &spec));
    let workload = mesh
        .snapshot
        .workload_by_ip("127.0.30.1".parse().unwrap())
        .unwrap();
    assert_eq!(workload.gateway, Some(Key::new("shop", "wp")));
    assert_eq!(workload.identity, waypoint(&mesh).unwrap().identity);
    assert_eq!(
        (workload.name.as_str(), workload.workload_name.as_str()),
        ("wp", "wp")
    );

    let pod = "
---
apiVersion: v1
kind: Pod
metadata: {name: wp-0, namespace: shop, labels: {gateway.networking.k8s.io/gateway-name: wp}}
spec: {serviceAccountName: wp}
status: {podIP: 127.0.30.1}
";
    let with_pod = crate::testing::mesh(&(gateway("", &spec) + pod));
    with_pod.expect_problems(&[]);
    assert_eq!(with_pod.snapshot.workloads().count(), 1);
    let stranger = pod.replace(", labels: {gateway.networking.k8s.io/gateway-name: wp}", "");
    crate::testing::mesh(&(gateway("", &spec) + &stranger))
        .expect_problems(&["Gateway shop/wp: status.addresses: 127.0.30.1 belongs to Pod shop/wp-0 already"]);
}
