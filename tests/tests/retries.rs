//! Requests that are sent again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use cairn_tests::{Answer, Lone, Misfortune, Seen};
use http::{HeaderMap, Request};

use Misfortune::{Grpc, Reset, Silence, Status};

/// A waypoint whose service has one route with these retries.
async fn mesh(retries: &str) -> Lone {
    let routes = format!(
        "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: app}}
spec:
  hosts: [app]
  http:
  - route: [{{destination: {{host: app, port: {{number: 80}}}}}}]
    match: [{{port: 80}}]
    {retries}
  - route: [{{destination: {{host: app, port: {{number: 92}}}}}}]
    {retries}
"
    );
    Lone::start(&[("routes.yaml", &routes)]).await
}

/// Posts when both pods suffer the same, each from its next request on; gives what they have seen too.
async fn post(mesh: &Lone, body: &str, misfortunes: &[Misfortune]) -> (Answer, Vec<Seen>) {
    let before = (mesh.v1.seen().len(), mesh.v2.seen().len());
    mesh.v1.befall(misfortunes);
    mesh.v2.befall(misfortunes);
    let answer = mesh.send(Request::post("/again").body(body).unwrap()).await;
    let seen = mesh.v1.seen().split_off(before.0).into_iter();
    (answer, seen.chain(mesh.v2.seen().split_off(before.1)).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_application_says_is_its_last_word_unless_a_route_says_otherwise() {
    let mesh = mesh("").await;
    let (answer, seen) = post(&mesh, "body", &[Status(503)]).await;
    assert_eq!((answer.status.as_u16(), seen.len()), (503, 1));
    let (answer, seen) = post(&mesh, "body", &[Reset]).await;
    assert_eq!((answer.status.as_u16(), seen.len()), (503, 1));
    mesh.waypoint
        .wait_for_text(" 503 UC upstream_reset_before_response_started{connection_termination}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_sent_again_with_its_body_elsewhere_and_so_often() {
    let mesh = mesh("retries: {attempts: 2, retryOn: '5xx'}").await;
    for misfortune in [Status(503), Status(500), Reset] {
        let (answer, seen) = post(&mesh, "body", &[misfortune]).await;
        assert_eq!(answer.status.as_u16(), 200, "{misfortune:?}");
        assert_eq!(seen.len(), 3, "{misfortune:?}");
        assert!(seen.iter().all(|seen| seen.body == "body"), "{misfortune:?}");
    }
    let (answer, seen) = post(&mesh, "body", &[Status(503), Status(503)]).await;
    assert_eq!((answer.status.as_u16(), seen.len()), (503, 3));
    mesh.waypoint.wait_for_text(" 503 URX via_upstream ");
    // And all is well again.
    assert_eq!(post(&mesh, "", &[]).await.0.status.as_u16(), 200);
    // A body of which the beginning is not known any more is sent once.
    let large = "x".repeat(2 << 20);
    let (answer, seen) = post(&mesh, &large, &[Status(503)]).await;
    assert_eq!((answer.status.as_u16(), seen.len()), (503, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_takes_no_longer_than_it_may() {
    let mesh = mesh("retries: {attempts: 1, retryOn: 'gateway-error,418', perTryTimeout: 300ms}").await;
    let get = async || {
        let answer = mesh.send(Request::get("/").body("").unwrap()).await;
        answer.status.as_u16()
    };
    mesh.v1.befall(&[Silence]);
    for _ in 0..100 {
        assert_eq!(get().await, 200);
        if !mesh.v1.seen().is_empty() {
            break;
        }
    }
    assert!(
        !mesh.v1.seen().is_empty(),
        "one of the requests went to the silent pod first"
    );
    mesh.v1.befall(&[Silence]);
    mesh.v2.befall(&[Silence]);
    assert_eq!(get().await, 504);
    mesh.waypoint
        .wait_for_text(" 504 URX,UT upstream_per_try_timeout ");
    // A status by its number.
    let (answer, seen) = post(&mesh, "", &[Status(418)]).await;
    assert_eq!((answer.status.as_u16(), seen.len()), (418, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_is_tried_again_where_the_service_says_that_it_is_not_there() {
    let mesh = mesh("").await;
    let call = async |code: u8| {
        mesh.v1.befall(&[Grpc(code)]);
        mesh.v2.befall(&[Grpc(code)]);
        let request = Request::post("/pkg.Service/Method").header("content-type", "application/grpc");
        let before = mesh.v1.seen().len() + mesh.v2.seen().len();
        let answer = mesh
            .try_http2(92, request.body("message").unwrap(), HeaderMap::new())
            .await
            .unwrap();
        let status = answer.header("grpc-status").to_owned();
        (status, mesh.v1.seen().len() + mesh.v2.seen().len() - before)
    };
    // UNAVAILABLE from both, and then an answer.
    assert_eq!(call(14).await, (String::new(), 3));
    // INTERNAL is the service's word.
    assert_eq!(call(13).await, ("13".to_owned(), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_may_give_a_request_less_time_than_its_route() {
    let mesh = mesh("timeout: 60s").await;
    mesh.v1.befall(&[Silence]);
    mesh.v2.befall(&[Silence]);
    let request = Request::get("/").header("x-envoy-upstream-rq-timeout-ms", "300");
    let answer = mesh.send(request.body("").unwrap()).await;
    assert_eq!(answer.status.as_u16(), 504);
    mesh.waypoint.wait_for_text(" 504 UT response_timeout ");
    let mut seen = mesh.v1.seen();
    seen.extend(mesh.v2.seen());
    assert!(
        seen.iter()
            .all(|seen| !seen.headers.contains_key("x-envoy-upstream-rq-timeout-ms"))
    );

    mesh.v1.befall(&[Silence]);
    mesh.v2.befall(&[Silence]);
    let request = Request::post("/pkg.Service/Method")
        .header("content-type", "application/grpc")
        .header("grpc-timeout", "300m");
    let answer = mesh
        .try_http2(92, request.body("message").unwrap(), HeaderMap::new())
        .await
        .unwrap();
    assert_eq!(answer.header("grpc-status"), "14");
    assert_eq!(answer.header("grpc-message"), "upstream request timeout");
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_are_told_how_long_they_are_waited_for() {
    const TOLD: &str = "x-envoy-expected-rq-timeout-ms";
    let mesh = mesh("timeout: 60s\n    retries: {attempts: 1, retryOn: 5xx}").await;
    mesh.v1.befall(&[Status(503)]);
    mesh.v2.befall(&[Status(503)]);
    let request = Request::get("/").header(TOLD, "1").body("").unwrap();
    mesh.send(request).await;
    let seen = [mesh.v1.seen(), mesh.v2.seen()].concat();
    let told = seen
        .iter()
        .map(|seen| seen.headers[TOLD].to_str().unwrap().parse());
    let mut told: Vec<u32> = told.map(Result::unwrap).collect();
    told.sort_unstable();
    assert!(
        told.len() == 2 && told[1] == 60_000 && (1..60_000).contains(&told[0]),
        "{told:?}"
    );
}
