//! What DestinationRules make of traffic.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::time::Duration;

use cairn_tests::{Answer, Load, Lone, Misfortune, Seen};
use http::{HeaderMap, Request};

/// A waypoint whose service has this traffic policy.
async fn mesh(policy: &str) -> Lone {
    let rule = format!(
        "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: policy}}
spec:
  host: app
  trafficPolicy: {policy}
"
    );
    Lone::start(&[("policy.yaml", &rule)]).await
}

fn get() -> Request<&'static str> {
    Request::get("/").body("").unwrap()
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..1000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}");
}

fn is_overflow(answer: &Answer) -> bool {
    answer.status == 503
        && answer.header("x-envoy-overloaded") == "true"
        && answer.body == "upstream connect error or disconnect/reset before headers. reset reason: overflow"
}

#[tokio::test(flavor = "multi_thread")]
async fn more_requests_than_may_be_under_way_are_turned_away() {
    let mesh = mesh("{connectionPool: {http: {http2MaxRequests: 2}}}").await;
    let waiting = || mesh.v1.waiting() + mesh.v2.waiting();
    mesh.v1.stall();
    mesh.v2.stall();
    let under_way = async { tokio::join!(mesh.send(get()), mesh.send(get())) };
    let third = async {
        until("two are under way", || waiting() == 2).await;
        let third = mesh.send(get()).await;
        mesh.v1.resume();
        mesh.v2.resume();
        third
    };
    let ((first, second), third) = tokio::join!(under_way, third);
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (200, 200));
    assert!(is_overflow(&third), "{third:?}");
    mesh.waypoint
        .wait_for_text(" 503 UO upstream_reset_before_response_started{overflow}");
    assert_eq!(mesh.get("/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_finds_no_connection_waits_and_the_queue_has_an_end() {
    let mesh = mesh("{connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}}").await;
    mesh.v1.stall();
    mesh.v2.stall();
    let waiting = || mesh.v1.waiting() + mesh.v2.waiting();
    let others = async {
        until("one is under way", || waiting() == 1).await;
        // Of these two one waits, and the other is one too many.
        let second = mesh.send(get());
        let third = mesh.send(get());
        tokio::pin!(second, third);
        let (turned_away, rest) = tokio::select! {
            answer = &mut second => (answer, third),
            answer = &mut third => (answer, second),
        };
        assert_eq!(waiting(), 1);
        mesh.v1.resume();
        mesh.v2.resume();
        (turned_away, rest.await)
    };
    let (first, (turned_away, waited)) = tokio::join!(mesh.send(get()), others);
    assert!(is_overflow(&turned_away), "{turned_away:?}");
    assert_eq!((first.status.as_u16(), waited.status.as_u16()), (200, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_fails_too_often_gets_nothing_for_a_while() {
    let outlier = "{consecutive5xxErrors: 3, interval: 100ms, baseEjectionTime: 5s, maxEjectionPercent: 50}";
    let mesh = mesh(&format!("{{outlierDetection: {outlier}}}")).await;
    mesh.v1.befall(&[Misfortune::Status(500); 3]);
    for _ in 0..200 {
        mesh.get("/").await;
        if mesh.v1.seen().len() == 3 {
            break;
        }
    }
    let (failed, before) = (mesh.v1.seen().len(), mesh.v2.seen().len());
    assert_eq!(failed, 3, "the failing pod was asked three times");
    for _ in 0..40 {
        assert_eq!(mesh.get("/").await.status, 200);
    }
    assert_eq!((mesh.v1.seen().len(), mesh.v2.seen().len()), (3, before + 40));
    // And again after its time.
    for _ in 0..1000 {
        mesh.get("/").await;
        if mesh.v1.seen().len() > 3 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the pod was never asked again");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hashes_alike_gets_the_same_endpoint() {
    let mesh = mesh("{loadBalancer: {consistentHash: {httpHeaderName: x-user}}}").await;
    let pod_of = async |user: u32| {
        let request = Request::get("/").header("x-user", user.to_string());
        let answer = mesh.send(request.body("").unwrap()).await;
        answer.body
    };
    let mut first = Vec::new();
    for user in 0..40 {
        first.push(pod_of(user).await);
    }
    for user in 0..40 {
        assert_eq!(pod_of(user).await, first[user as usize], "{user}");
    }
    for backend in [&mesh.v1, &mesh.v2] {
        let seen = backend.seen().len();
        assert!((10..=70).contains(&seen), "{seen} of 80");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_is_issued_to_who_has_none() {
    let cookie = "{name: place, path: /shop, ttl: 60s}";
    let mesh = mesh(&format!(
        "{{loadBalancer: {{consistentHash: {{httpCookie: {cookie}}}}}}}"
    ))
    .await;
    let answer = mesh.send(get()).await;
    let issued = answer.header("set-cookie").to_owned();
    assert!(
        issued.starts_with("place=") && issued.contains("Path=/shop") && issued.contains("Max-Age=60"),
        "{issued}"
    );
    let pair = issued.split(';').next().unwrap().to_owned();
    let home = answer.body;
    for _ in 0..10 {
        let request = Request::get("/").header("cookie", &pair);
        let answer = mesh.send(request.body("").unwrap()).await;
        assert_eq!(answer.body, home);
        assert_eq!(answer.header("set-cookie"), "", "it has one");
    }
    let seen: Vec<Seen> = [mesh.v1.seen(), mesh.v2.seen()].concat();
    assert_eq!(seen.len(), 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_serves_so_many_requests() {
    let mesh = mesh("{connectionPool: {http: {maxRequestsPerConnection: 2}}}").await;
    for _ in 0..12 {
        assert_eq!(mesh.get("/").await.status, 200);
    }
    let request = || Request::get("/").body("").unwrap();
    for _ in 0..12 {
        let answer = mesh.try_http2(92, request(), http::HeaderMap::new()).await;
        assert_eq!(answer.unwrap().status, 200);
    }
    let mut served = std::collections::HashMap::new();
    for seen in [mesh.v1.seen(), mesh.v2.seen()].concat() {
        *served.entry(seen.peer).or_insert(0) += 1;
    }
    assert_eq!(served.values().sum::<i32>(), 24);
    assert!(served.values().all(|count| *count <= 2), "{served:?}");
    assert!(
        served.values().any(|count| *count == 2),
        "connections are used again: {served:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_of_http_is_the_ports_or_the_rules() {
    let version = async |policy: &str| {
        let mesh = mesh(policy).await;
        assert_eq!(mesh.get("/").await.status, 200);
        let seen: Vec<Seen> = [mesh.v1.seen(), mesh.v2.seen()].concat();
        seen[0].version
    };
    assert_eq!(
        version("{connectionPool: {tcp: {connectTimeout: 1s}}}").await,
        http::Version::HTTP_11
    );
    let upgraded = version("{connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}").await;
    assert_eq!(upgraded, http::Version::HTTP_2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reports_a_high_load_gets_less() {
    const BUSY: &str = "TEXT application_utilization=0.9,rps_fractional=100";
    const IDLE: &str = "TEXT application_utilization=0.1,rps_fractional=100";
    let mesh = mesh(
        "{loadBalancer: {backendUtilization: {weightStabilizationPeriod: 0s, weightUpdatePeriod: 0.1s}}}",
    )
    .await;
    // Of 40 requests, those that the first of two gets.
    let share = async |grpc: bool| {
        let before = mesh.v1.seen().len();
        for _ in 0..40 {
            if grpc {
                let request = Request::post("/pkg.Service/Method").header("content-type", "application/grpc");
                let sent = mesh.try_http2(92, request.body("message").unwrap(), HeaderMap::new());
                assert_eq!(sent.await.unwrap().status, 200);
            } else {
                assert_eq!(mesh.send(get()).await.status, 200);
            }
        }
        mesh.v1.seen().len() - before
    };
    let settled = async |grpc: bool, expected: std::ops::Range<usize>| {
        let mut last = 0;
        for _ in 0..100 {
            last = share(grpc).await;
            if expected.contains(&last) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{last} of 40 requests, not {expected:?}");
    };
    assert_eq!(share(false).await, 20);
    mesh.v1.tell(Load::Head(BUSY));
    mesh.v2.tell(Load::Head(IDLE));
    settled(false, 3..6).await;
    // In trailers it is the other way round.
    mesh.v1.tell(Load::Trailers(IDLE));
    mesh.v2.tell(Load::Trailers(BUSY));
    settled(true, 35..38).await;
}
