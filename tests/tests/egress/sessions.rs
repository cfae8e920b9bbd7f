//! Sessions that stay with their endpoint.

use cairn_tests::{Answer, Lone};
use http::Request;

const ROUTE: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: sessions}
spec:
  parentRefs: [{group: '', kind: Service, name: app}]
  rules:
  - sessionPersistence: {sessionName: stay, type: Cookie}
    backendRefs: [{name: app, port: 80}]
";

async fn ask(mesh: &Lone, cookie: &str) -> Answer {
    let request = Request::get("/").header("cookie", cookie).body("").unwrap();
    mesh.send(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_stays_with_its_endpoint_and_ends_with_it() {
    let mesh = Lone::start(&[("route.yaml", ROUTE)]).await;
    let first = ask(&mesh, "other=1").await;
    let issued = first.header("set-cookie").to_owned();
    assert!(issued.starts_with("stay="), "{issued}");
    let cookie = issued.split(';').next().unwrap();
    for _ in 0..20 {
        let again = ask(&mesh, &format!("other=1; {cookie}")).await;
        assert_eq!(again.body, first.body);
        assert!(!again.headers.contains_key("set-cookie"), "{again:?}");
    }
    // Without the cookie both are asked.
    let mut bodies = Vec::new();
    for _ in 0..40 {
        bodies.push(ask(&mesh, "other=1").await.body);
    }
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), 2);
    // Who made it up gets one of its own.
    let made_up = ask(&mesh, "stay=whatever").await;
    assert!(made_up.header("set-cookie").starts_with("stay="), "{made_up:?}");
}
