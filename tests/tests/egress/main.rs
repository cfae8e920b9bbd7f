//! What is outside of the mesh: endpoints that are names, and what is put upon connections to them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod layers;
mod names;
mod server_names;
mod sessions;
mod visibility;

use std::net::SocketAddr;

use cairn_tests::{Answer, Lone};
use http::Request;

/// A ServiceEntry that goes through the waypoint.
fn entry(name: &str, spec: &str) -> String {
    format!(
        "
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, labels: {{istio.io/use-waypoint: waypoint}}}}
spec: {{{spec}}}
"
    )
}

/// GETs `/` of a host as `sleep`, which connects to `address`.
async fn get(mesh: &Lone, address: SocketAddr, host: &str) -> Answer {
    let request = Request::get("/").header("host", host).body("").unwrap();
    let sent = mesh.tunnels.send("sleep", mesh.network.ip(11), address, request);
    sent.await.expect("the waypoint answers")
}

/// GETs until the answer is this body.
async fn until(mesh: &Lone, address: SocketAddr, host: &str, body: &str) {
    let mut last = None;
    for _ in 0..600 {
        let answer = get(mesh, address, host).await;
        if answer.body == body {
            return;
        }
        last = Some(answer);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{host} never answered {body}: {last:?}");
}
