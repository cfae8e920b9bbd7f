//! Backends that are written out byte by byte.

use std::net::SocketAddr;
use std::time::Duration;

use cairn_hbone::Tunnel;
use cairn_tests::Lone;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Service `raw` in front of one pod: port 80 HTTP, 81 HTTP/2, 90 TCP, on ports 8080, 8081 and 8090 of the pod. On port 80
/// nothing that fails is tried again.
pub(crate) const MESH: &str = r#"
apiVersion: v1
kind: Service
metadata: {name: raw, labels: {istio.io/use-waypoint: waypoint}}
spec:
  clusterIP: NET.16
  selector: {app: raw}
  ports:
  - {name: http, port: 80, targetPort: 8080}
  - {name: http2, port: 81, targetPort: 8081}
  - {name: tcp, port: 90, targetPort: 8090}
---
apiVersion: v1
kind: Pod
metadata: {name: raw, labels: {app: raw, istio.io/dataplane-mode: none}}
spec: {serviceAccountName: raw, containers: [{name: raw}]}
status: {podIP: NET.26}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: raw}
spec:
  hosts: [raw]
  http:
  - {match: [{port: 80}], route: [{destination: {host: raw, port: {number: 80}}}], retries: {attempts: 0}}
  - {match: [{port: 81}], route: [{destination: {host: raw, port: {number: 81}}}]}
"#;

/// The host number of the service.
pub(crate) const SERVICE: u8 = 16;
/// The host number of the pod.
pub(crate) const POD: u8 = 26;

/// A request as it was read.
pub(crate) struct Read {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// The next request or response; `None` at the end. Its body is as long as its head says.
pub(crate) async fn message(stream: &mut BufReader<impl AsyncRead + Unpin>) -> Option<Read> {
    let head = head(stream).await?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let named = name.eq_ignore_ascii_case("content-length");
        named.then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    Some(Read { head, body })
}

/// The next head, in lower case; `None` at the end.
pub(crate) async fn head(stream: &mut BufReader<impl AsyncRead + Unpin>) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    Some(head.to_ascii_lowercase())
}

/// Serves each connection to `address` with `serve`, until it is dropped.
pub(crate) async fn listen<F>(
    address: SocketAddr,
    serve: impl Fn(TcpStream) -> F + Send + Sync + 'static,
) -> JoinSet<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    // The one before, at the same address, may be on its way out.
    let listener = until("the address is free", async || {
        TcpListener::bind(address).await.ok()
    })
    .await;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve(stream));
            while connections.try_join_next().is_some() {}
        }
    });
    tasks
}

/// A tunnel to a port of the service.
pub(crate) async fn tunnel(mesh: &Lone, port: u16) -> Tunnel {
    let service = mesh.network.socket(SERVICE, port);
    let opened = mesh.tunnels.open("sleep", mesh.network.ip(11), service);
    opened.await.unwrap()
}

/// Polls until `probe` gives something, not for ever.
pub(crate) async fn until<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..1200 {
        if let Some(found) = probe().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("waited in vain until {what}");
}
