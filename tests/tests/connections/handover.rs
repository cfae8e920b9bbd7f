//! A waypoint that hands over to another one, and connections that are asked to end for their age.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cairn_identity::{Identities, LocalCa, Options, SpiffeId, tls};
use cairn_tests::{Client, Echo, Lone};
use http::{Method, Request, StatusCode};
use tokio::net::TcpStream;

use crate::load::{Lane, Load};
use crate::raw::until;

#[tokio::test(flavor = "multi_thread")]
async fn waypoints_replace_each_other_under_load_and_no_request_fails() {
    // Long: nothing may have to be forced.
    let arguments = ["--reuse-port", "--grace", "3600"];
    let mut mesh = Lone::start_with(&[], &arguments).await;
    let lanes = [Lane::Kept, Lane::Anew, Lane::Http2, Lane::Anew].repeat(5);
    let pace = Some(Duration::from_millis(40));
    let load = Load::start(&mesh, mesh.service(91), &lanes, pace);
    load.more(200).await;
    for _ in 0..3 {
        let next = mesh.another(&arguments);
        next.wait_for_text("waypoint listening");
        load.more(100).await;
        let old = std::mem::replace(&mut mesh.waypoint, next);
        old.terminate();
        old.wait_for_text("draining");
        let ended = old.wait();
        assert_eq!(ended.code, Some(0), "{}", ended.text);
        assert!(ended.text.contains("drained\tfinished=true"), "{}", ended.text);
        load.more(200).await;
    }
    load.stop().await.assert_none_failed_of(1000);
    let mut seen: Vec<_> = mesh.v1.seen().into_iter().chain(mesh.v2.seen()).collect();
    let all = seen.len();
    seen.sort_by(|one, other| one.body.cmp(&other.body));
    seen.dedup_by(|one, other| one.body == other.body);
    assert_eq!(seen.len(), all, "no request reaches an application twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waypoint_that_ends_says_that_it_is_not_ready_and_waits_no_longer_than_it_is_given() {
    let mesh = Lone::start_with(&[], &["--grace", "8"]).await;
    let ready = async || {
        let client = Client::from(mesh.network.ip(1));
        let answer = client.get(mesh.network.socket(30, 15021), "/healthz/ready").await;
        answer.map(|answer| answer.status)
    };
    until("it is ready", async || {
        (ready().await.ok() == Some(StatusCode::OK)).then_some(())
    })
    .await;
    // One request will never be answered.
    mesh.v1.stall();
    mesh.v2.stall();
    let (tunnels, source, service) = (mesh.tunnels.clone(), mesh.network.ip(11), mesh.service(80));
    let stuck = tokio::spawn(async move {
        let request = Request::get("/").body("").unwrap();
        tunnels.send("sleep", source, service, request).await
    });
    until("it is under way", async || {
        (mesh.v1.waiting() + mesh.v2.waiting() == 1).then_some(())
    })
    .await;
    mesh.waypoint.terminate();
    mesh.waypoint.wait_for_text("draining");
    assert_eq!(ready().await.unwrap(), StatusCode::INTERNAL_SERVER_ERROR);
    let Lone { waypoint, v1, v2, .. } = mesh;
    let ended = waypoint.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    assert!(ended.text.contains("drained\tfinished=false"), "{}", ended.text);
    assert!(stuck.await.unwrap().is_err(), "it cannot have been answered");
    drop((v1, v2));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_connection_is_asked_to_end_and_ends_with_its_last_tunnel() {
    let mesh = Lone::start_with(&[], &["--max-connection-age", "1"]).await;
    let _echoes = [
        Echo::start(mesh.network.socket(21, 8090)).await,
        Echo::start(mesh.network.socket(22, 8090)).await,
    ];
    let lanes = [Lane::Kept, Lane::Http2, Lane::Anew].repeat(3);
    let load = Load::start(&mesh, mesh.service(91), &lanes, Some(Duration::from_millis(40)));
    for _ in 0..2 {
        let (mut requests, connection) = http2(&mesh).await;
        let connection = tokio::spawn(connection);
        let connect = || {
            let mut connect = Request::new(());
            *connect.method_mut() = Method::CONNECT;
            let authority = mesh.service(90).to_string();
            *connect.uri_mut() = http::Uri::builder().authority(authority).build().unwrap();
            connect
        };
        let (response, mut out) = requests.send_request(connect(), false).unwrap();
        let mut back = response.await.unwrap().into_body();
        until("no more tunnels are taken", async || {
            let ready = requests.clone().ready().await;
            match ready.and_then(|mut ready| ready.send_request(connect(), true)) {
                Ok((response, _)) => {
                    // Taken, or not looked at any more.
                    let _ = response.await;
                    None
                }
                Err(error) => {
                    assert!(
                        error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR),
                        "{error}"
                    );
                    Some(())
                }
            }
        })
        .await;
        // The one that was open goes on for as long as it likes.
        for word in ["one", "two"] {
            out.send_data(Bytes::from(word), false).unwrap();
            assert_eq!(back.data().await.unwrap().unwrap(), word);
        }
        assert!(!connection.is_finished());
        out.send_data(Bytes::new(), true).unwrap();
        while let Some(data) = back.data().await {
            assert!(data.unwrap().is_empty(), "nothing comes but the end");
        }
        drop(requests);
        let ended = tokio::time::timeout(Duration::from_secs(60), connection).await;
        ended
            .expect("the connection ends with its last tunnel")
            .unwrap()
            .unwrap();
    }
    load.stop().await.assert_none_failed_of(100);
}

/// A connection of a ztunnel.
async fn http2(
    mesh: &Lone,
) -> (
    h2::client::SendRequest<Bytes>,
    impl Future<Output = Result<(), h2::Error>> + Send + 'static,
) {
    let ca = LocalCa::open_or_create(&mesh.ca(), "cluster.local").unwrap();
    let identities = Identities::new(Arc::new(ca), Options::default());
    let sleep = SpiffeId::new("cluster.local", "default", "sleep");
    let credential = identities.credential(&sleep).await.unwrap();
    let tcp = TcpStream::connect(mesh.network.socket(30, 15008)).await.unwrap();
    let expected = [SpiffeId::new("cluster.local", "default", "waypoint")];
    let (tls, _) = tls::connect(tcp, &credential, &expected, Duration::from_secs(10))
        .await
        .unwrap();
    h2::client::handshake(tls).await.unwrap()
}
