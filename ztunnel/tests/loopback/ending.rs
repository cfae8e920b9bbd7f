//! Coming to an end.

use std::time::Duration;

use cairn_ztunnel::Options;
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use crate::harness::{App, Mesh, Network, PATIENCE, echo, ended, eventually, pod, service};

fn mesh() -> String {
    pod("sleep", "sleep", 11) + &pod("hello", "hello", 12) + &service("hello", 1)
}

#[tokio::test]
async fn a_drain_waits_for_open_connections_and_takes_no_new_ones() {
    let net = Network::new();
    let _app = App::echo(net.at(12, 8080)).await;
    let options = Options {
        grace: PATIENCE,
        ..Options::default()
    };
    let mut mesh = Mesh::start_with(net, &mesh(), options).await;
    let mut open = mesh.connect(11, net.at(1, 80)).await;
    echo(&mut open, "before").await.unwrap();

    let drain = tokio::spawn(mesh.ztunnel.take().unwrap().drain());
    for address in [net.at(1, 80), net.at(12, 15008)] {
        eventually(&format!("{address} is closed"), async || {
            net.connect(11, address).await.err()
        })
        .await;
    }
    echo(&mut open, "during").await.unwrap();
    assert!(!drain.is_finished());
    open.shutdown().await.unwrap();
    ended(&mut open).await;
    assert!(
        timeout(PATIENCE, drain).await.unwrap().unwrap(),
        "nothing had to be forced"
    );
    for direction in ["inbound", "outbound"] {
        let direction = format!("direction=\"{direction}\"");
        mesh.line(&[
            "\tinfo\taccess\tconnection complete",
            "bytes_sent=12 bytes_recv=12",
            &direction,
        ])
        .await;
    }
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_cut_and_told_of() {
    let net = Network::new();
    let _app = App::echo(net.at(12, 8080)).await;
    let options = Options {
        grace: Duration::from_millis(50),
        ..Options::default()
    };
    let mut mesh = Mesh::start_with(net, &mesh(), options).await;
    let mut open = mesh.connect(11, net.at(1, 80)).await;
    echo(&mut open, "before").await.unwrap();
    assert!(
        !timeout(PATIENCE, mesh.ztunnel.take().unwrap().drain())
            .await
            .unwrap()
    );
    ended(&mut open).await;
    mesh.line(&["\terror\t", "error=\"connection closed due to connection drain\""])
        .await;
}

#[tokio::test]
async fn a_drain_with_nothing_open_is_done_at_once() {
    let net = Network::new();
    let options = Options {
        grace: Duration::from_secs(3600),
        ..Options::default()
    };
    let mut mesh = Mesh::start_with(net, &mesh(), options).await;
    let _app = App::named("hello", net.at(12, 8080)).await;
    mesh.ask(11, net.at(1, 80), "hi").await.unwrap();
    assert!(
        timeout(PATIENCE, mesh.ztunnel.take().unwrap().drain())
            .await
            .unwrap()
    );
}
