//! All endpoints of a service are replaced while requests go on.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cairn_tests::{Client, Lone};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::load::{Lane, Load};
use crate::raw::until;

/// An application that ends as applications in Kubernetes do: what is under way is finished, and what is idle closed.
struct Pod {
    number: u8,
    answered: Arc<AtomicUsize>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Pod {
    async fn start(address: SocketAddr, number: u8) -> Pod {
        let listener = TcpListener::bind(address).await.unwrap();
        let answered = Arc::new(AtomicUsize::new(0));
        let (stop, mut stopped) = watch::channel(false);
        let count = Arc::clone(&answered);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = tokio::select! {
                    _ = stopped.wait_for(|stop| *stop) => break,
                    accepted = listener.accept() => accepted.unwrap(),
                };
                let (count, mut stopped) = (Arc::clone(&count), stopped.clone());
                connections.spawn(async move {
                    let service = service_fn(|request: http::Request<hyper::body::Incoming>| {
                        count.fetch_add(1, Ordering::Relaxed);
                        async {
                            // Long enough for some to be under way at any time.
                            tokio::time::sleep(Duration::from_millis(5)).await;
                            Ok::<_, Infallible>(http::Response::new(request.into_body()))
                        }
                    });
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
                    tokio::select! {
                        _ = &mut connection => return,
                        _ = stopped.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
                    }
                    let _ = connection.await;
                });
            }
            drop(listener);
            connections.join_all().await;
        });
        Pod {
            number,
            answered,
            stop,
            task,
        }
    }

    /// Ends; gives how many requests it has answered.
    async fn end(self) -> usize {
        self.stop.send_replace(true);
        let ended = tokio::time::timeout(Duration::from_secs(60), self.task).await;
        ended.expect("nothing holds it").unwrap();
        self.answered.load(Ordering::Relaxed)
    }
}

fn yaml(pods: impl IntoIterator<Item = u8>) -> String {
    let service = "
apiVersion: v1
kind: Service
metadata: {name: rolling, labels: {istio.io/use-waypoint: waypoint}}
spec: {clusterIP: NET.18, selector: {app: rolling}, ports: [{name: any, port: 80, targetPort: 8080}]}
";
    let pod = |number: u8| {
        format!(
            "---
apiVersion: v1
kind: Pod
metadata: {{name: rolling-{number}, labels: {{app: rolling, istio.io/dataplane-mode: none}}}}
spec: {{serviceAccountName: rolling, containers: [{{name: app}}]}}
status: {{podIP: NET.{number}}}
"
        )
    };
    std::iter::once(service.to_owned())
        .chain(pods.into_iter().map(pod))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_is_replaced_and_no_request_fails() {
    let start = async |mesh: &Lone, number| Pod::start(mesh.network.socket(number, 8080), number).await;
    let mesh = Lone::start(&[("rolling.yaml", &yaml(40..43))]).await;
    let mut pods = Vec::new();
    for number in 40..43 {
        pods.push(start(&mesh, number).await);
    }
    // 500 requests a second, on connections of all kinds.
    let lanes = [Lane::Kept, Lane::Http2, Lane::Kept, Lane::Anew].repeat(5);
    let service = mesh.network.socket(18, 80);
    let load = Load::start(&mesh, service, &lanes, Some(Duration::from_millis(40)));
    load.more(200).await;
    for number in 43..49 {
        let new = start(&mesh, number).await;
        let old = pods.remove(0);
        pods.push(new);
        mesh.directory
            .write("rolling.yaml", &yaml(pods.iter().map(|pod| pod.number)));
        let address = mesh.network.socket(old.number, 8080).to_string();
        until("the waypoint has followed", async || {
            let client = Client::from(mesh.network.ip(1));
            let dump = client.get(mesh.network.socket(30, 15000), "/config_dump").await;
            (!dump.unwrap().body.contains(&address)).then_some(())
        })
        .await;
        assert!(old.end().await > 0, "no pod is replaced before it was used");
        load.more(100).await;
    }
    let sum = load.stop().await;
    sum.assert_none_failed_of(800);
    for pod in pods {
        assert!(pod.end().await > 0);
    }
}
