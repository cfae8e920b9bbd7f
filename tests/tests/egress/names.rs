//! Endpoints that are known by name, or by nothing but the address that a client connects to.

use std::net::IpAddr;

use cairn_tests::{Backend, Lone, NameServer, Network};

use crate::{entry, get, until};

const HTTP: &str = "ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}]";

struct World {
    mesh: Lone,
    names: NameServer,
    first: Backend,
    second: Backend,
}

impl World {
    /// A waypoint with these entries, a name server, and backends at .41 and .42.
    async fn new(entries: &[String], names: &[(&str, u8)]) -> World {
        let network = Network::new();
        let server = NameServer::start(network.socket(53, 53)).await;
        for (name, host) in names {
            server.set(name, &[network.ip(*host)]);
        }
        let first = Backend::start(network.socket(41, 8080), "first").await;
        let second = Backend::start(network.socket(42, 8080), "second").await;
        let address = network.socket(53, 53).to_string();
        let mesh = Lone::on(
            network,
            &[("entries.yaml", &entries.concat())],
            &["--name-server", &address],
        )
        .await;
        World {
            mesh,
            names: server,
            first,
            second,
        }
    }

    fn ip(&self, host: u8) -> IpAddr {
        self.mesh.network.ip(host)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_addresses_of_a_name_are_its_endpoints() {
    let spec = format!("hosts: [api.example], addresses: [NET.50], {HTTP}, resolution: DNS");
    let world = World::new(&[entry("api", &spec)], &[("api.example", 41)]).await;
    let vip = world.mesh.network.socket(50, 80);
    until(&world.mesh, vip, "api.example", "backend first: ").await;
    assert_eq!(world.first.last().headers["host"], "api.example");

    // A change of the answer is followed when its second is over.
    world.names.set("api.example", &[world.ip(42)]);
    until(&world.mesh, vip, "api.example", "backend second: ").await;
    world.names.set("api.example", &[world.ip(41), world.ip(42)]);
    until(&world.mesh, vip, "api.example", "backend first: ").await;
    until(&world.mesh, vip, "api.example", "backend second: ").await;

    // What is known stays when nobody answers any more.
    world.names.fail();
    let told = "its last addresses are used until it is";
    tokio::task::block_in_place(|| world.mesh.waypoint.wait_for_text(told));
    for _ in 0..10 {
        assert_eq!(get(&world.mesh, vip, "api.example").await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_name_that_goes_round_the_first_address_counts() {
    let spec = format!("hosts: [db.example], addresses: [NET.50], {HTTP}, resolution: DNS_ROUND_ROBIN");
    let world = World::new(&[entry("db", &spec)], &[]).await;
    let vip = world.mesh.network.socket(50, 80);
    let without = get(&world.mesh, vip, "db.example").await;
    assert_eq!(
        (without.status.as_u16(), without.body.as_str()),
        (503, "no healthy upstream")
    );
    world.names.set("db.example", &[world.ip(42), world.ip(41)]);
    until(&world.mesh, vip, "db.example", "backend second: ").await;
    for _ in 0..10 {
        assert_eq!(get(&world.mesh, vip, "db.example").await.body, "backend second: ");
    }
    assert!(world.first.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_goes_where_its_own_host_is() {
    let spec = format!("hosts: ['*.example'], addresses: [NET.50], {HTTP}, resolution: DYNAMIC_DNS");
    let names = [("a.example", 41), ("b.example", 42), ("inside.example", 21)];
    let world = World::new(&[entry("any", &spec)], &names).await;
    let vip = world.mesh.network.socket(50, 80);
    assert_eq!(get(&world.mesh, vip, "a.example").await.body, "backend first: ");
    assert_eq!(
        get(&world.mesh, vip, "B.example:80").await.body,
        "backend second: "
    );
    let missing = get(&world.mesh, vip, "c.example").await;
    assert_eq!(
        (missing.status.as_u16(), missing.body.as_str()),
        (503, "DNS resolution failure")
    );
    world
        .mesh
        .waypoint
        .wait_for_text(" 503 DF dns_resolution_failure");
    let other = get(&world.mesh, vip, "a.elsewhere").await;
    assert_eq!(other.status, 404);
    // A name does not lead into the mesh, past the policies there.
    let inside = get(&world.mesh, vip, "inside.example").await;
    assert_eq!(inside.status, 503);
    assert!(world.mesh.v1.seen().is_empty());
    assert_eq!(world.first.seen().len() + world.second.seen().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_resolution_a_connection_goes_where_it_is_addressed_to() {
    let ports = "ports: [{number: 8080, name: http, protocol: HTTP}]";
    let policy = "
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: out}
spec:
  targetRefs: [{group: networking.istio.io, kind: ServiceEntry, name: out}]
  rules: [{to: [{operation: {hosts: [allowed.example]}}]}]
";
    let spec = format!("hosts: [out.example], addresses: [NET.40/29], {ports}, resolution: NONE");
    let world = World::new(&[entry("out", &spec), policy.to_owned()], &[]).await;
    let at = |host| world.mesh.network.socket(host, 8080);
    assert_eq!(
        get(&world.mesh, at(41), "allowed.example").await.body,
        "backend first: "
    );
    assert_eq!(
        get(&world.mesh, at(42), "allowed.example").await.body,
        "backend second: "
    );
    assert_eq!(get(&world.mesh, at(42), "other.example").await.status, 403);
    let nobody = get(&world.mesh, at(43), "allowed.example").await;
    assert_eq!(nobody.status, 503);
    assert!(nobody.body.starts_with("upstream connect error"), "{nobody:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leads_past_the_policies_of_the_mesh() {
    let none = "hosts: [out.example], addresses: [NET.60], ports: [{number: 80, name: http, protocol: HTTP}], resolution: NONE";
    let dns = |name: &str, address: u8, resolution: &str| {
        let spec =
            format!("hosts: [{name}.example], addresses: [NET.{address}], {HTTP}, resolution: {resolution}");
        entry(name, &spec)
    };
    let route = "
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: astray}
spec:
  hosts: [app]
  http: [{match: [{uri: {prefix: /out}}], route: [{destination: {host: out.example}}]}, {route: [{destination: {host: app}}]}]
";
    let entries = [
        entry("out", none),
        dns("dns", 50, "DNS"),
        dns("first", 51, "DNS_ROUND_ROBIN"),
        route.to_owned(),
    ];
    // Names outside of the mesh that stand for a pod.
    let names = [("dns.example", 21), ("first.example", 21)];
    let world = World::new(&entries, &names).await;
    for (address, host) in [(50, "dns.example"), (51, "first.example")] {
        let vip = world.mesh.network.socket(address, 80);
        let refused = get(&world.mesh, vip, host).await;
        assert_eq!(refused.body, "no healthy upstream", "{host}: {refused:?}");
    }
    // What a route of another service sends there was never addressed to it.
    assert_eq!(world.mesh.get("/out").await.status, 503);
    assert_eq!(world.mesh.get("/").await.status, 200);
    assert_eq!(world.mesh.v1.seen().len() + world.mesh.v2.seen().len(), 1);
}
