//! A waypoint alone: its process, one service behind it with a plain backend, and tunnels into it.

use std::net::SocketAddr;
use std::path::Path;

use http::{HeaderMap, Request};

use crate::{Answer, Backend, Directory, Network, Process, Tunnels, binary};

/// The mesh of a `Lone` waypoint: service `app` (port 80 HTTP, 90 TCP, 91 undeclared, 92 gRPC) with pods v1 and v2.
pub(crate) const MESH: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: "accessLogFile: /dev/stdout"}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: waypoint}
spec:
  gatewayClassName: istio-waypoint
  addresses: [{type: IPAddress, value: NET.30}]
  listeners: [{name: mesh, port: 15008, protocol: HBONE}]
---
apiVersion: v1
kind: Service
metadata: {name: app, labels: {istio.io/use-waypoint: waypoint}}
spec:
  clusterIP: NET.10
  selector: {app: app}
  ports:
  - {name: http, port: 80, targetPort: 8080}
  - {name: tcp, port: 90, targetPort: 8090}
  - {name: any, port: 91, targetPort: 8080}
  - {name: grpc, port: 92, targetPort: 8080}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: app}
spec:
  host: app
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
---
apiVersion: v1
kind: Pod
metadata: {name: app-v1, labels: {app: app, version: v1, istio.io/dataplane-mode: none}}
spec: {serviceAccountName: app, containers: [{name: app}]}
status: {podIP: NET.21}
---
apiVersion: v1
kind: Pod
metadata: {name: app-v2, labels: {app: app, version: v2, istio.io/dataplane-mode: none}}
spec: {serviceAccountName: app, containers: [{name: app}]}
status: {podIP: NET.22}
---
apiVersion: v1
kind: Pod
metadata: {name: sleep, labels: {app: sleep}}
spec: {serviceAccountName: sleep}
status: {podIP: NET.11}
---
apiVersion: v1
kind: Pod
metadata: {name: notsleep, labels: {app: notsleep}}
spec: {serviceAccountName: notsleep}
status: {podIP: NET.12}
"#;

/// The settings of the mesh in it.
const LOG: &str = "accessLogFile: /dev/stdout";

/// A running waypoint.
pub struct Lone {
    /// Its addresses.
    pub network: Network,
    /// Its configuration.
    pub directory: Directory,
    /// Its process.
    pub waypoint: Process,
    /// Tunnels into it.
    pub tunnels: Tunnels,
    /// The application of pod v1.
    pub v1: Backend,
    /// The application of pod v2.
    pub v2: Backend,
    ca: tempfile::TempDir,
}

impl Lone {
    /// Starts the backends and a waypoint on the built-in mesh and `files`.
    pub async fn start(files: &[(&str, &str)]) -> Lone {
        Lone::start_with(files, &[]).await
    }

    /// As [`start`](Lone::start), with more arguments for the waypoint.
    pub async fn start_with(files: &[(&str, &str)], arguments: &[&str]) -> Lone {
        Lone::on(Network::new(), files, arguments).await
    }

    /// As [`start`](Lone::start), with more settings of the mesh: lines of YAML without double quotes.
    pub async fn start_in(settings: &str, files: &[(&str, &str)]) -> Lone {
        let more = format!("{LOG}\\n{}", settings.trim().replace('\n', "\\n"));
        Lone::of(&MESH.replace(LOG, &more), Network::new(), files, &[]).await
    }

    /// As [`start_with`](Lone::start_with), on addresses that something else is on already.
    pub async fn on(network: Network, files: &[(&str, &str)], arguments: &[&str]) -> Lone {
        Lone::of(MESH, network, files, arguments).await
    }

    async fn of(mesh: &str, network: Network, files: &[(&str, &str)], arguments: &[&str]) -> Lone {
        let directory = Directory::new(network);
        directory.write("mesh.yaml", mesh);
        for (name, yaml) in files {
            directory.write(name, yaml);
        }
        let ca = tempfile::tempdir().expect("a temporary directory");
        let ca_dir = ca.path().join("ca");
        let v1 = Backend::start(network.socket(21, 8080), "v1").await;
        let v2 = Backend::start(network.socket(22, 8080), "v2").await;
        let waypoint = Lone::process(&directory, &ca, arguments);
        waypoint.wait_for_text("waypoint listening");
        let identity = "spiffe://cluster.local/ns/default/sa/waypoint";
        let tunnels = Tunnels::new(&ca_dir, identity, network.socket(30, 15008));
        Lone {
            network,
            directory,
            waypoint,
            tunnels,
            v1,
            v2,
            ca,
        }
    }

    /// Another process on the same configuration and CA.
    #[must_use]
    pub fn another(&self, arguments: &[&str]) -> Process {
        Lone::process(&self.directory, &self.ca, arguments)
    }

    /// The CA's directory.
    #[must_use]
    pub fn ca(&self) -> std::path::PathBuf {
        self.ca.path().join("ca")
    }

    /// The service's address with a port.
    #[must_use]
    pub fn service(&self, port: u16) -> SocketAddr {
        self.network.socket(10, port)
    }

    /// One request from service account `sleep` to the service's HTTP port.
    pub async fn send(&self, request: Request<&str>) -> Answer {
        self.send_as("sleep", request).await
    }

    /// One request from service account `account`.
    pub async fn send_as(&self, account: &str, request: Request<&str>) -> Answer {
        let host = if account == "sleep" { 11 } else { 12 };
        let sent = self
            .tunnels
            .send(account, self.network.ip(host), self.service(80), request);
        sent.await.expect("the waypoint answers")
    }

    /// One request from service account `sleep` to a port of the service; an error when there is no whole response.
    ///
    /// # Errors
    ///
    /// The tunnel, the connection or the body breaks.
    pub async fn try_send(&self, port: u16, request: Request<&str>) -> anyhow::Result<Answer> {
        let source = self.network.ip(11);
        self.tunnels
            .send("sleep", source, self.service(port), request)
            .await
    }

    /// As [`try_send`](Lone::try_send), with HTTP/2, and with trailers.
    ///
    /// # Errors
    ///
    /// The tunnel, the connection or the stream breaks.
    pub async fn try_http2(
        &self,
        port: u16,
        request: Request<&str>,
        trailers: HeaderMap,
    ) -> anyhow::Result<Answer> {
        let source = self.network.ip(11);
        self.tunnels
            .send_http2("sleep", source, self.service(port), request, trailers)
            .await
    }

    /// GETs a path as `sleep`.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body("").expect("a request")).await
    }

    /// GETs a path until the answer is as wanted.
    pub async fn until(&self, path: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
        for _ in 0..600 {
            let answer = self.get(path).await;
            if wanted(&answer) {
                return answer;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("{path} never got the answer that was waited for");
    }

    fn process(directory: &Directory, ca: &tempfile::TempDir, arguments: &[&str]) -> Process {
        let (ca, cache) = (ca.path().join("ca"), ca.path().join("cache"));
        share_compiled(&cache);
        let mut all = vec![
            "--config",
            directory.path().to_str().expect("UTF-8"),
            "--gateway",
            "default/waypoint",
        ];
        all.extend(["--ca", ca.to_str().expect("UTF-8"), "--threads", "1"]);
        all.extend(["--cache", cache.to_str().expect("UTF-8")]);
        all.extend(arguments);
        Process::start(&binary("waypoint"), &all)
    }
}

/// Compiling a filter takes seconds without optimizations. What has been compiled is kept for all tests, by content; what
/// has been fetched is each test's own.
fn share_compiled(cache: &Path) {
    let shared = binary("waypoint").with_file_name("compiled-filters");
    let ours = cache.join("compiled");
    if !ours.exists() {
        std::fs::create_dir_all(&shared).expect("the directory of the binaries can be written");
        std::fs::create_dir_all(cache).expect("a temporary directory can be written");
        std::os::unix::fs::symlink(shared, ours).expect("a link");
    }
}
