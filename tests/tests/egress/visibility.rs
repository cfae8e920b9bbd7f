//! Services that share a host name, and services that not everyone sees.

use cairn_tests::{Answer, Backend, Lone};
use http::Request;

use crate::entry;

/// Two entries of one host, of which policies name one, and one that a single namespace sees.
fn files() -> String {
    let of = |address: u8, endpoint: u8, more: &str| {
        format!(
            "hosts: [same.example], addresses: [NET.{address}], resolution: STATIC, endpoints: [{{address: NET.{endpoint}}}], \
             ports: [{{number: 80, name: http, protocol: HTTP, targetPort: 8080}}]{more}"
        )
    };
    let policy = "
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: nobody}
spec:
  action: DENY
  targetRefs: [{group: networking.istio.io, kind: ServiceEntry, name: one}]
  rules: [{}]
";
    [
        &entry("one", &of(50, 43, "")),
        &entry("two", &of(51, 44, "")),
        &entry("few", &of(52, 44, ", exportTo: [other]").replace("same", "few")),
        policy,
    ]
    .map(str::to_owned)
    .concat()
}

async fn get(mesh: &Lone, account: &str, address: u8, host: &str) -> anyhow::Result<Answer> {
    let request = Request::get("/").header("host", host).body("")?;
    let address = mesh.network.socket(address, 80);
    mesh.tunnels
        .send(account, mesh.network.ip(11), address, request)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_services_of_one_name_each_has_its_own_policies_and_endpoints() {
    let mesh = Lone::start(&[("entries.yaml", &files())]).await;
    let one = Backend::start(mesh.network.socket(43, 8080), "one").await;
    let _two = Backend::start(mesh.network.socket(44, 8080), "two").await;
    let denied = get(&mesh, "sleep", 50, "same.example").await.unwrap();
    assert_eq!(denied.status.as_u16(), 403);
    let answer = get(&mesh, "sleep", 51, "same.example").await.unwrap();
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, "backend two: "));
    assert!(one.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_see_a_service_does_not_reach_it() {
    let mesh = Lone::start(&[("entries.yaml", &files())]).await;
    let two = Backend::start(mesh.network.socket(44, 8080), "two").await;
    let answer = get(&mesh, "other/sleep", 52, "few.example").await.unwrap();
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, "backend two: "));
    assert!(get(&mesh, "sleep", 52, "few.example").await.is_err());
    assert_eq!(two.seen().len(), 1);
}
