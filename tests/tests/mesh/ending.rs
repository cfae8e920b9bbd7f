//! Processes that are asked to end.

use std::time::Duration;

use cairn_tests::{Backend, Echo, eventually};
use http::{Request, StatusCode};
use tokio::task::JoinSet;

use crate::flow::{Flow, Talk};
use crate::scene::{self, BARE, POD, SERVICE, SLEEP};

/// Longer than any test waits: nothing may have to be forced.
const GRACE: [&str; 2] = ["--grace", "3600"];

#[tokio::test(flavor = "multi_thread")]
async fn a_waypoint_that_is_terminated_under_load_finishes_what_it_has_begun() {
    let mesh = scene::start(&[]);
    let backend = Backend::start(mesh.network.socket(POD, 8080), "app").await;
    let waypoint = mesh.waypoint_with("waypoint", &GRACE);
    let service = mesh.network.socket(SERVICE, 80);
    let flow = Flow::start(mesh.client(SLEEP), service);
    flow.until(StatusCode::OK).await;

    backend.stall();
    let mut slow = JoinSet::new();
    for _ in 0..10 {
        let client = mesh.client(SLEEP);
        slow.spawn(async move {
            client
                .send(service, Request::post("/slow").body("hi").unwrap())
                .await
        });
    }
    // Those of the flow wait as well, one in each of its lanes.
    eventually("all are under way", || (backend.waiting() >= 18).then_some(()));
    let before = std::time::Instant::now();
    waypoint.terminate();
    waypoint.wait_for_text("draining");
    backend.resume();
    for answer in slow.join_all().await {
        let answer = answer.expect("what was under way comes to its end");
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (StatusCode::OK, "backend app: hi")
        );
    }
    let ended = waypoint.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    assert!(ended.text.contains("drained\tfinished=true"), "{}", ended.text);

    let fails = mesh.until(SLEEP, service, "/", Result::is_err).await;
    assert!(fails.is_err());
    let _waypoint = mesh.waypoint("waypoint");
    flow.until(StatusCode::OK).await;
    let calls = flow.stop().await;
    for call in calls.iter().filter(|call| call.sent < before) {
        assert_eq!(call.status(), Some(StatusCode::OK), "{call:?}");
    }
    // Later ones may find nobody there, but nobody is told anything wrong.
    let told: Vec<_> = calls
        .iter()
        .filter_map(|call| call.status())
        .filter(|status| *status != StatusCode::OK)
        .collect();
    assert!(told.is_empty(), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ztunnel_that_is_terminated_lets_open_connections_finish() {
    let files = [("mesh.yaml", scene::APP)];
    let mesh = cairn_tests::Mesh::start_with(&files, &GRACE);
    let _echo = Echo::start(mesh.network.socket(POD, 8090)).await;
    let waypoint = mesh.waypoint("waypoint");
    let connect = async |service| mesh.client(SLEEP).connect(mesh.network.socket(service, 90)).await;
    let mut through = Talk::new(connect(SERVICE).await.unwrap());
    let mut straight = Talk::new(connect(BARE).await.unwrap());
    through.say("before").await.unwrap();
    straight.say("before").await.unwrap();

    mesh.ztunnel.terminate();
    mesh.ztunnel.wait_for_text("draining");
    let mut closed = false;
    for _ in 0..600 {
        closed = connect(BARE).await.is_err();
        if closed {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(closed, "it takes no new connections");
    through.say("during").await.unwrap();
    straight.say("during").await.unwrap();
    drop((through, straight));
    let ended = mesh.ztunnel.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    let complete = ended.text.matches("connection complete\t").count();
    let bytes = ended.text.matches("bytes_sent=12 bytes_recv=12").count();
    assert_eq!((complete, bytes), (4, 4), "{}", ended.text);
    drop(waypoint);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ztunnel_that_comes_back_serves_at_once() {
    let mesh = scene::start(&[]);
    let _backend = Backend::start(mesh.network.socket(POD, 8080), "app").await;
    let _waypoint = mesh.waypoint("waypoint");
    let service = mesh.network.socket(SERVICE, 80);
    assert_eq!(
        mesh.get(SLEEP, service, "/").await.unwrap().status,
        StatusCode::OK
    );
    let mesh = mesh.restart_ztunnel();
    mesh.ready();
    // The waypoint's connections into the old one are of no use any more.
    for _ in 0..5 {
        assert_eq!(
            mesh.get(SLEEP, service, "/").await.unwrap().status,
            StatusCode::OK
        );
    }
}
