//! Routes of VirtualServices and of the Gateway API, by what the backends see and clients get.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::time::Duration;

use cairn_tests::{Backend, Lone, Seen};
use http::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// One service for each pod, beside the one for both.
const SERVICES: &str = "
apiVersion: v1
kind: Service
metadata: {name: app-v1}
spec: {clusterIP: NET.14, selector: {version: v1}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: app-v2}
spec: {clusterIP: NET.15, selector: {version: v2}, ports: [{name: http, port: 80, targetPort: 8080}]}
";

async fn mesh(routes: &str) -> Lone {
    Lone::start(&[("services.yaml", SERVICES), ("routes.yaml", routes)]).await
}

/// What a backend sees last, as soon as it has seen so much.
async fn seen(backend: &Backend, count: usize) -> Seen {
    for _ in 0..1000 {
        if backend.seen().len() >= count {
            return backend.last();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!(
        "the backend has seen {} requests, not {count}",
        backend.seen().len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn mirrors_get_copies_and_hold_up_nobody() {
    let mesh = mesh(
        "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: app}
spec:
  hosts: [app]
  http:
  - match: [{uri: {prefix: /none}}]
    route: [{destination: {host: app, subset: v1, port: {number: 80}}}]
    mirrors: [{destination: {host: app, subset: v2, port: {number: 80}}, percentage: {value: 0}}]
  - route: [{destination: {host: app, subset: v1, port: {number: 80}}}]
    mirror: {host: app, subset: v2, port: {number: 80}}
",
    )
    .await;
    // The mirror answers nothing, ever.
    mesh.v2.stall();
    let body = "x".repeat(64 << 10);
    let request = Request::post("/copied?a=b")
        .header("x-own", "1")
        .header("host", "app.example:80");
    let answer = mesh.send(request.body(&*body).unwrap()).await;
    assert_eq!((answer.status.as_u16(), mesh.v1.seen().len()), (200, 1));
    mesh.v2.resume();
    let copy = seen(&mesh.v2, 1).await;
    assert_eq!(
        (copy.method.as_str(), copy.target.as_str()),
        ("POST", "/copied?a=b")
    );
    assert_eq!(copy.authority, "app.example-shadow:80");
    assert_eq!(copy.headers["x-own"], "1");
    assert_eq!(mesh.v1.last().authority, "app.example:80");

    assert_eq!(mesh.get("/copied").await.status, 200);
    seen(&mesh.v2, 2).await;
    assert_eq!(mesh.get("/none").await.status, 200);
    assert_eq!((mesh.v1.seen().len(), mesh.v2.seen().len()), (3, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_of_other_origins_get_what_they_may() {
    let mesh = mesh(
        r#"
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: app}
spec:
  hosts: [app]
  http:
  - corsPolicy:
      allowOrigins: [{exact: "https://a.example"}]
      allowMethods: [GET, PUT]
      allowHeaders: [x-token]
      exposeHeaders: [x-seen]
      maxAge: 1h
      allowCredentials: true
    match: [{uri: {prefix: /shop}}]
    route: [{destination: {host: app, port: {number: 80}}}]
  - corsPolicy: {allowOrigins: [{exact: "https://a.example"}], unmatchedPreflights: IGNORE}
    route: [{destination: {host: app, port: {number: 80}}}]
"#,
    )
    .await;
    let closed = "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: closed}
spec:
  targetRefs: [{group: '', kind: Service, name: app}]
  action: DENY
  rules: [{to: [{operation: {paths: [/shop/closed]}}]}]
";
    mesh.directory.write("closed.yaml", closed);
    let preflight = async |path: &str, origin: &str| {
        let request = Request::options(path)
            .header("origin", origin)
            .header("access-control-request-method", "PUT");
        mesh.send(request.body("").unwrap()).await
    };
    let count = || mesh.v1.seen().len() + mesh.v2.seen().len();

    let answer = preflight("/shop", "https://a.example").await;
    assert_eq!((answer.status.as_u16(), count()), (200, 0));
    assert_eq!(answer.header("access-control-allow-origin"), "https://a.example");
    assert_eq!(answer.header("access-control-allow-methods"), "GET,PUT");
    assert_eq!(answer.header("access-control-allow-headers"), "x-token");
    assert_eq!(answer.header("access-control-max-age"), "3600");
    assert_eq!(answer.header("access-control-allow-credentials"), "true");

    // Nobody is answered who is not let in.
    for _ in 0..1000 {
        if preflight("/shop/closed", "https://a.example").await.status == 403 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let answer = preflight("/shop/closed", "https://a.example").await;
    assert_eq!((answer.status.as_u16(), count()), (403, 0));

    // From an origin that is not allowed it is for the service to answer, or for nobody.
    let answer = preflight("/shop", "https://b.example").await;
    assert_eq!((answer.header("access-control-allow-origin"), count()), ("", 1));
    let answer = preflight("/else", "https://b.example").await;
    assert_eq!((answer.status.as_u16(), count()), (200, 1));
    assert_eq!(answer.header("access-control-allow-origin"), "");

    let request = Request::get("/shop").header("origin", "https://a.example");
    let answer = mesh.send(request.body("").unwrap()).await;
    assert_eq!(answer.header("access-control-allow-origin"), "https://a.example");
    assert_eq!(answer.header("access-control-expose-headers"), "x-seen");
    assert_eq!(count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_are_taken_from_delegates() {
    let mesh = mesh(
        "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: app}
spec:
  hosts: [app]
  http:
  - match: [{uri: {prefix: /shop}}]
    delegate: {name: shop}
    headers: {request: {set: {x-root: '1'}}}
  - match: [{uri: {prefix: /gone}}]
    delegate: {name: nobody}
  - route: [{destination: {host: app, subset: v1, port: {number: 80}}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  http:
  - match: [{uri: {prefix: /shop/cart}}]
    route: [{destination: {host: app, subset: v2, port: {number: 80}}}]
",
    )
    .await;
    let answer = mesh.get("/shop/cart/1").await;
    assert_eq!(answer.status, 200);
    assert_eq!(mesh.v2.last().headers["x-root"], "1");
    assert_eq!(mesh.get("/other").await.status, 200);
    assert_eq!(mesh.v1.last().target, "/other");
    // Whoever has written these routes has not written them for the last one.
    let missing = mesh.get("/gone").await;
    assert_eq!(missing.status, 500, "{missing:?}");
    assert_eq!((mesh.v1.seen().len(), mesh.v2.seen().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn http_routes_lead_by_the_most_specific_match() {
    let mesh = mesh(
        "
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: app}
spec:
  parentRefs: [{group: '', kind: Service, name: app, port: 80}]
  rules:
  - matches: [{path: {type: PathPrefix, value: /shop}}]
    backendRefs: [{name: app-v1, port: 80}]
    filters:
    - type: RequestHeaderModifier
      requestHeaderModifier: {set: [{name: x-set, value: s}], remove: [x-gone]}
    - type: URLRewrite
      urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /store}}
  - matches: [{path: {type: PathPrefix, value: /shop/cart}, headers: [{name: x-v, value: '2'}]}]
    backendRefs: [{name: app-v2, port: 80}]
  - matches: [{path: {type: Exact, value: /moved}}]
    filters:
    - type: RequestRedirect
      requestRedirect: {statusCode: 302, path: {type: ReplaceFullPath, replaceFullPath: /here}}
  - matches: [{path: {type: Exact, value: /broken}}]
    backendRefs: [{name: nobody, port: 80}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: app}
spec:
  hosts: [app]
  http: [{directResponse: {status: 418}}]
",
    )
    .await;
    let request = Request::get("/shop/list").header("x-gone", "1");
    assert_eq!(mesh.send(request.body("").unwrap()).await.status, 200);
    let seen = mesh.v1.last();
    assert_eq!(
        (seen.target.as_str(), &seen.headers["x-set"] == "s"),
        ("/store/list", true)
    );
    assert!(!seen.headers.contains_key("x-gone"));

    let request = Request::get("/shop/cart").header("x-v", "2");
    assert_eq!(mesh.send(request.body("").unwrap()).await.status, 200);
    assert_eq!(mesh.v2.last().target, "/shop/cart");
    let moved = mesh.get("/moved").await;
    assert_eq!(moved.status, 302);
    assert!(moved.header("location").ends_with("/here"), "{moved:?}");
    assert_eq!(mesh.get("/broken").await.status, 500);
    // Prefixes end at slashes, and what matches nothing is not found.
    assert_eq!(mesh.get("/shopping").await.status, 404);
    assert_eq!((mesh.v1.seen().len(), mesh.v2.seen().len()), (1, 1));
    // The VirtualService acts where the HTTPRoute does not.
    assert_eq!(
        mesh.try_send(92, Request::get("/").body("").unwrap())
            .await
            .unwrap()
            .status,
        418
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_routes_lead_by_service_and_method() {
    let mesh = mesh(
        "
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: app}
spec:
  parentRefs: [{group: '', kind: Service, name: app}]
  rules:
  - matches: [{method: {service: shop.Cart, method: Add}}]
    backendRefs: [{name: app-v2, port: 80}]
  - matches: [{method: {service: shop.Cart}}]
    backendRefs: [{name: app-v1, port: 80}]
",
    )
    .await;
    let call = async |path: &str| {
        let request = Request::post(path).header("content-type", "application/grpc");
        let request = request.body("message").unwrap();
        mesh.try_http2(92, request, http::HeaderMap::new()).await.unwrap()
    };
    call("/shop.Cart/Add").await;
    assert_eq!((mesh.v1.seen().len(), mesh.v2.seen().len()), (0, 1));
    call("/shop.Cart/List").await;
    assert_eq!((mesh.v1.seen().len(), mesh.v2.seen().len()), (1, 1));
    let answer = call("/shop.Other/List").await;
    assert_eq!(answer.header("grpc-status"), "12");
    assert_eq!((mesh.v1.seen().len(), mesh.v2.seen().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_not_http_have_routes_too() {
    let mesh = mesh(
        "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: app}
spec:
  hosts: [app]
  tcp:
  - match: [{port: 90, sourceLabels: {app: sleep}}]
    route: [{destination: {host: app, subset: v2, port: {number: 90}}}]
  - match: [{port: 90}]
    route: [{destination: {host: app, subset: v1, port: {number: 90}}}]
",
    )
    .await;
    for (host, name) in [(21, "v1"), (22, "v2")] {
        let listener = TcpListener::bind(mesh.network.socket(host, 8090)).await.unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                // Whoever goes away first has been told nothing.
                let _ = stream.write_all(name.as_bytes()).await;
            }
        });
    }
    for (account, host, expected) in [("sleep", 11, "v2"), ("notsleep", 12, "v1")] {
        for _ in 0..5 {
            let tunnel = mesh
                .tunnels
                .open(account, mesh.network.ip(host), mesh.service(90));
            let mut said = String::new();
            tunnel.await.unwrap().read_to_string(&mut said).await.unwrap();
            assert_eq!(said, expected, "{account}");
        }
    }
}
