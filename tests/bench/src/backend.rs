//! The application behind the waypoints: a plain HTTP/1.1 server in a process of its own, as fast as is easy.

use std::convert::Infallible;
use std::future::Future;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::BytesMut;
use cairn_hbone::{ConnectionInfo, DrainWatch, Handler, Request, Settings, server, transport};
use cairn_identity::{Credential, tls};
use cairn_tests::Process;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::certificates::Certificates;
use crate::mesh::{self, HBONE_PORT};

/// The hidden subcommand that [`start`] runs.
pub const COMMAND: &str = "backend";

/// What every request is answered.
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\n\
    content-type: application/json\r\n\
    content-length: 45\r\n\
    \r\n\
    {\"item\":7,\"name\":\"lantern\",\"price\":\"12.50\" }\n";
const END_OF_HEAD: &[u8] = b"\r\n\r\n";
/// The request that is answered by what has come of it.
const SEEN: &[u8] = b"GET /seen ";
const READY: &str = "backend listening";

/// What the process is told.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Where to take plain connections.
    #[arg(long)]
    listen: SocketAddr,
    /// The mesh's CA: take tunnels as well, as the application's ztunnel would.
    #[arg(long)]
    ca: Option<PathBuf>,
}

/// Starts the process. `program` is this crate's binary.
///
/// # Panics
///
/// The process does not start.
#[must_use]
pub fn start(program: &Path, address: SocketAddr, ca: Option<&Path>) -> Process {
    let address = address.to_string();
    let mut arguments = vec![COMMAND, "--listen", &address];
    if let Some(ca) = ca.and_then(Path::to_str) {
        arguments.extend(["--ca", ca]);
    }
    let process = Process::start(program, &arguments);
    process.wait_for_text(READY);
    process
}

/// The process's work. Returns only when it cannot go on.
///
/// # Errors
///
/// An address cannot be listened on.
pub async fn serve(arguments: Arguments) -> Result<Infallible> {
    let plain = listen(arguments.listen).await?;
    if let Some(ca) = &arguments.ca {
        let certificates = Certificates::open(ca)?;
        let credential = certificates
            .identities()
            .credential(&mesh::identity("app"))
            .await?;
        let listener = listen(SocketAddr::new(arguments.listen.ip(), HBONE_PORT)).await?;
        tokio::spawn(accept(listener, move |stream, peer| {
            tunnels(stream, peer, Arc::clone(&credential))
        }));
    }
    writeln!(std::io::stdout(), "{READY}")?;
    accept(plain, |stream, _| answer(stream)).await
}

async fn listen(address: SocketAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("the backend cannot listen on {address}"))
}

async fn accept<F>(listener: TcpListener, serve: impl Fn(TcpStream, SocketAddr) -> F) -> Result<Infallible>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    loop {
        let (stream, peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // A connection that breaks is the waypoint's to notice.
        tokio::spawn(serve(stream, peer));
    }
}

/// Answers requests without a body until the connection ends.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<()> {
    let mut received = BytesMut::with_capacity(4096);
    while stream.read_buf(&mut received).await? > 0 {
        while let Some(end) = find(&received, END_OF_HEAD) {
            let head = received.split_to(end + END_OF_HEAD.len());
            if head.starts_with(SEEN) {
                stream.write_all(seen(&head).as_bytes()).await?;
            } else {
                stream.write_all(RESPONSE).await?;
            }
        }
    }
    Ok(())
}

/// A response that tells the values of all `x-bench` of a request, with commas between.
fn seen(head: &[u8]) -> String {
    let text = String::from_utf8_lossy(head);
    let values: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("x-bench: "))
        .collect();
    let body = values.join(",");
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Where `needle` begins in `text`.
pub(crate) fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|window| window == needle)
}

async fn tunnels(stream: TcpStream, peer_address: SocketAddr, credential: Arc<Credential>) -> Result<()> {
    let local_address = stream.local_addr()?;
    let (stream, peer) = tls::accept(transport(stream), &credential, Duration::from_secs(10)).await?;
    let info = ConnectionInfo {
        peer_address,
        local_address,
        peer,
    };
    server::serve(
        stream,
        info,
        &Settings::default(),
        DrainWatch::never(),
        Arc::new(Answering),
    )
    .await?;
    Ok(())
}

/// The application at the end of each tunnel.
struct Answering;

impl Handler for Answering {
    async fn connect(&self, request: Request) {
        if let Ok(tunnel) = request.accept(Default::default()) {
            // As for plain connections.
            let _ = answer(tunnel).await;
        }
    }
}
