//! A mesh on loopback addresses of its own, applications in it, and what they saw.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cairn_config::State;
use cairn_identity::{Identities, LocalCa, SpiffeId};
use cairn_mesh::controllers;
use cairn_telemetry::{AccessLog, Sink};
use cairn_ztunnel::{Options, Ztunnel};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// The longest that anything is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A /24 of 127.0.0.0/8: the second octet tells test processes apart, the third the tests in one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Network {
    second: u8,
    third: u8,
}

impl Network {
    pub(crate) fn new() -> Network {
        static NEXT: AtomicU8 = AtomicU8::new(128);
        let second = 1 + u8::try_from(std::process::id() % 230).unwrap();
        let third = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(third >= 128, "one test process has used all its networks");
        Network { second, third }
    }

    pub(crate) fn ip(self, host: u8) -> IpAddr {
        Ipv4Addr::new(127, self.second, self.third, host).into()
    }

    pub(crate) fn at(self, host: u8, port: u16) -> SocketAddr {
        SocketAddr::new(self.ip(host), port)
    }

    /// `NET.` stands for the network in YAML.
    pub(crate) fn fill(self, text: &str) -> String {
        text.replace("NET.", &format!("127.{}.{}.", self.second, self.third))
    }

    pub(crate) async fn connect(self, from: u8, to: SocketAddr) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(self.at(from, 0))?;
        socket.connect(to).await
    }
}

/// A running mesh. Pods have the service account that they are named after.
pub(crate) struct Mesh {
    pub(crate) net: Network,
    pub(crate) identities: Identities,
    pub(crate) ztunnel: Option<Ztunnel>,
    config: watch::Sender<Arc<State>>,
    stats: SocketAddr,
    lines: Lines,
    _ca: tempfile::TempDir,
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Mesh {
    pub(crate) async fn start(net: Network, yaml: &str) -> Mesh {
        Mesh::start_with(net, yaml, Options::default()).await
    }

    pub(crate) async fn start_with(net: Network, yaml: &str, options: Options) -> Mesh {
        let ca = tempfile::tempdir().unwrap();
        let issuer = LocalCa::open_or_create(&ca.path().join("ca"), "cluster.local").unwrap();
        let identities = Identities::new(Arc::new(issuer), cairn_identity::Options::default());
        let (sender, mut receiver) = tokio::sync::mpsc::channel(1000);
        let lines = Lines::default();
        tokio::spawn({
            let lines = lines.clone();
            async move {
                while let Some(line) = receiver.recv().await {
                    lines.0.lock().unwrap().push(line);
                }
            }
        });
        let options = Options {
            admin: options.admin.or(Some(net.at(250, 0))),
            stats: options.stats.or(Some(net.at(250, 0))),
            ready: options.ready.or(Some(net.at(250, 0))),
            access_lines: Some(AccessLog::new(Sink::Channel(sender)).unwrap()),
            ..options
        };
        let (config, receiver) = watch::channel(state(net, yaml, 1));
        let ztunnel = Ztunnel::start(options, receiver, identities.clone())
            .await
            .unwrap();
        let stats = ztunnel.addresses().stats;
        Mesh {
            net,
            identities,
            ztunnel: Some(ztunnel),
            config,
            stats,
            lines,
            _ca: ca,
        }
    }

    /// Puts another configuration in force.
    pub(crate) async fn edit(&self, yaml: &str) {
        let version = self.config.borrow().version + 1;
        self.config.send_replace(state(self.net, yaml, version));
        let mut current = self.ztunnel.as_ref().unwrap().version();
        timeout(PATIENCE, current.wait_for(|current| *current >= version))
            .await
            .unwrap()
            .unwrap();
    }

    /// Connects from a pod's address to another address.
    pub(crate) async fn connect(&self, from: u8, to: SocketAddr) -> TcpStream {
        self.net.connect(from, to).await.unwrap()
    }

    /// Sends `text`, ends it, and gives what came back, or the error that the connection ended with.
    pub(crate) async fn ask(&self, from: u8, to: SocketAddr, text: &str) -> std::io::Result<String> {
        let mut stream = self.net.connect(from, to).await?;
        ask(&mut stream, text).await
    }

    /// Waits for a line of the access log that holds all of `parts`.
    pub(crate) async fn line(&self, parts: &[&str]) -> String {
        let parts: Vec<String> = parts.iter().map(|part| self.net.fill(part)).collect();
        eventually(
            &format!("a line with {parts:?} in {:#?}", self.lines()),
            async || {
                let lines = self.lines();
                lines
                    .into_iter()
                    .find(|line| parts.iter().all(|part| line.contains(part)))
            },
        )
        .await
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.0.lock().unwrap().clone()
    }

    /// The value of the first sample whose line holds all of `parts`.
    pub(crate) async fn sample(&self, parts: &[&str]) -> Option<u64> {
        let text = get(self.stats, "/stats/prometheus").await;
        let line = text
            .lines()
            .find(|line| parts.iter().all(|part| line.contains(part)))?;
        line.rsplit(' ').next()?.parse().ok()
    }
}

pub(crate) fn state(net: Network, yaml: &str, version: u64) -> Arc<State> {
    let mut state = cairn_config::from_str(&net.fill(yaml), "mesh.yaml".as_ref());
    assert!(!state.report.has_errors(), "{}", state.report);
    state.objects = Arc::new(controllers::complete(&state.objects));
    state.version = version;
    Arc::new(state)
}

/// A pod whose last octet is `host`, with a service account of its own name.
pub(crate) fn pod(name: &str, app: &str, host: u8) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{app: {app}, version: v1}}}}\n\
         spec: {{serviceAccountName: {name}}}\nstatus: {{podIP: NET.{host}}}\n---\n"
    )
}

/// A service at `NET.<vip>:80`, in front of port 8080 of the pods of `app`.
pub(crate) fn service(app: &str, vip: u8) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {app}}}\n\
         spec: {{clusterIP: NET.{vip}, selector: {{app: {app}}}, ports: [{{name: tcp, port: 80, targetPort: 8080}}]}}\n---\n"
    )
}

pub(crate) fn identity(name: &str) -> SpiffeId {
    SpiffeId::new("cluster.local", "default", name)
}

/// Sends `text`, ends it, and gives what came back.
pub(crate) async fn ask(stream: &mut TcpStream, text: &str) -> std::io::Result<String> {
    let exchange = async {
        stream.write_all(text.as_bytes()).await?;
        stream.shutdown().await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    };
    timeout(PATIENCE, exchange).await.expect("an answer in time")
}

/// Sends `text` and reads as many bytes back.
pub(crate) async fn echo(stream: &mut TcpStream, text: &str) -> std::io::Result<()> {
    let exchange = async {
        stream.write_all(text.as_bytes()).await?;
        let mut answer = vec![0; text.len()];
        stream.read_exact(&mut answer).await?;
        assert_eq!(answer, text.as_bytes());
        Ok(())
    };
    timeout(PATIENCE, exchange).await.expect("an echo in time")
}

/// Waits until the connection is at its end, one way or another.
pub(crate) async fn ended(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    // A reset is an end as well.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest))
        .await
        .expect("an end in time");
}

/// An application.
pub(crate) struct App {
    seen: Arc<Mutex<Vec<SocketAddr>>>,
}

impl App {
    /// Sends back what it is sent as soon as it comes, to the end.
    pub(crate) async fn echo(address: SocketAddr) -> App {
        App::serve(address, async |mut stream: TcpStream, _| {
            let (mut reader, mut writer) = stream.split();
            let _ = tokio::io::copy(&mut reader, &mut writer).await;
        })
        .await
    }

    /// Reads to the end, and answers with its name, the address of the client and what it has read.
    pub(crate) async fn named(name: &'static str, address: SocketAddr) -> App {
        App::serve(
            address,
            move |mut stream: TcpStream, peer: SocketAddr| async move {
                let mut text = String::new();
                if stream.read_to_string(&mut text).await.is_ok() {
                    let _ = stream
                        .write_all(format!("{name} {} {text}", peer.ip()).as_bytes())
                        .await;
                }
            },
        )
        .await
    }

    pub(crate) async fn serve<F>(
        address: SocketAddr,
        serve: impl Fn(TcpStream, SocketAddr) -> F + Send + 'static,
    ) -> App
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await.unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let app = App {
            seen: Arc::clone(&seen),
        };
        tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                seen.lock().unwrap().push(peer);
                tokio::spawn(serve(stream, peer));
            }
        });
        app
    }

    /// The addresses that have connected.
    pub(crate) fn seen(&self) -> Vec<IpAddr> {
        self.seen.lock().unwrap().iter().map(SocketAddr::ip).collect()
    }
}

/// The body of an HTTP response.
pub(crate) async fn get(address: SocketAddr, path: &str) -> String {
    http(address, "GET", path).await
}

pub(crate) async fn http(address: SocketAddr, method: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut response))
        .await
        .unwrap()
        .unwrap();
    let (_, body) = response.split_once("\r\n\r\n").unwrap();
    body.to_owned()
}

/// Polls until `probe` gives something.
pub(crate) async fn eventually<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "waited {PATIENCE:?} in vain for {what}"
        );
        sleep(Duration::from_millis(10)).await;
    }
}
