//! The client: one HBONE connection, many tunnels on it, in each an HTTP/1.1 connection that is kept alive.
//!
//! It runs on one thread, does as little as it can per request, and sends the next request of a tunnel when the last one
//! has been answered: the waypoint under it is always busy with as many requests as there are tunnels.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::{Bytes, BytesMut};
use cairn_hbone::{Authority, ConnectRequest, Destination, Pool, PoolOptions, Settings, Tunnel};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::backend::find;
use crate::certificates::Certificates;
use crate::mesh::{self, Mesh};

/// Longer than any request takes that is answered at all.
const PATIENCE: Duration = Duration::from_secs(30);

/// Tunnels to one waypoint. They stay open from round to round.
#[derive(Debug)]
pub struct Client {
    tunnels: Vec<Tunnel>,
    request: Bytes,
    // Holds the connection.
    _pool: Pool,
}

/// Where tunnels lead, and through what.
#[derive(Clone, Copy, Debug)]
pub struct Through<'a> {
    /// The mesh of the service.
    pub mesh: &'a Mesh,
    /// The waypoint's address.
    pub waypoint: SocketAddr,
    /// The port of the service.
    pub port: u16,
}

/// What one round of requests took.
#[derive(Debug)]
pub struct Sample {
    /// From the first request to the last response.
    pub elapsed: Duration,
    /// Of each request, in microseconds.
    pub latencies: Vec<u32>,
}

impl Client {
    /// Opens `count` tunnels through a waypoint, all on one connection.
    ///
    /// # Errors
    ///
    /// The waypoint is not there, has another identity, or refuses.
    pub async fn connect(
        certificates: &Certificates,
        through: Through<'_>,
        count: usize,
        request: &'static str,
    ) -> Result<Client> {
        let pool = Pool::new(
            certificates.identities(),
            Settings::default(),
            PoolOptions::default(),
        );
        let destination = Destination {
            source: mesh::identity("sleep"),
            expected: Arc::from([mesh::waypoint()]),
            address: through.waypoint,
            bind: Some(through.mesh.client()),
        };
        let service = SocketAddr::new(through.mesh.service().ip(), through.port);
        let mut tunnels = Vec::with_capacity(count);
        for _ in 0..count {
            let request = ConnectRequest::new(Authority::Ip(service));
            tunnels.push(pool.connect(&destination, request).await?);
        }
        ensure!(
            pool.connections() == 1,
            "{count} tunnels do not fit on one connection"
        );
        Ok(Client {
            tunnels,
            request: Bytes::from_static(request.as_bytes()),
            _pool: pool,
        })
    }

    /// Sends `requests` requests, and waits for their responses: all must be 200.
    ///
    /// # Errors
    ///
    /// Another response, or none. The client is of no more use then.
    pub async fn run(&mut self, requests: usize) -> Result<Sample> {
        let left = Arc::new(AtomicUsize::new(requests));
        let mut tasks = JoinSet::new();
        let began = Instant::now();
        for tunnel in self.tunnels.drain(..) {
            tasks.spawn(timeout(
                PATIENCE.max(Duration::from_millis(requests as u64)),
                stream(tunnel, self.request.clone(), Arc::clone(&left)),
            ));
        }
        let mut latencies = Vec::with_capacity(requests);
        while let Some(ended) = tasks.join_next().await {
            let (tunnel, part) = ended?.context("a tunnel has stalled")??;
            self.tunnels.push(tunnel);
            latencies.extend(part);
        }
        Ok(Sample {
            elapsed: began.elapsed(),
            latencies,
        })
    }

    /// The status and the body of one request, on the first tunnel.
    ///
    /// # Errors
    ///
    /// There is no response.
    pub async fn ask(&mut self, request: &str) -> Result<(u16, String)> {
        let tunnel = self.tunnels.first_mut().context("no tunnel is open")?;
        let request = Bytes::copy_from_slice(request.as_bytes());
        let response = timeout(PATIENCE, exchange(tunnel, request))
            .await
            .context("no answer to a probe")??;
        let text = String::from_utf8_lossy(&response);
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        Ok((status(&response)?, body.to_owned()))
    }
}

/// Sends requests on one tunnel while there are any left.
async fn stream(mut tunnel: Tunnel, request: Bytes, left: Arc<AtomicUsize>) -> Result<(Tunnel, Vec<u32>)> {
    let mut latencies = Vec::new();
    let take = |left: usize| left.checked_sub(1);
    while left
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
        .is_ok()
    {
        let began = Instant::now();
        let status = status(&exchange(&mut tunnel, request.clone()).await?)?;
        ensure!(status == 200, "a request was answered {status}");
        latencies.push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    Ok((tunnel, latencies))
}

/// One request and the whole of its response.
async fn exchange(tunnel: &mut Tunnel, request: Bytes) -> Result<Bytes> {
    tunnel.send(request).await?;
    let mut received = next(tunnel).await?;
    // The common case is a response in one piece, which is not copied.
    while !is_complete(&received)? {
        let more = next(tunnel).await?;
        let mut joined = BytesMut::from(received);
        joined.extend_from_slice(&more);
        received = joined.freeze();
    }
    Ok(received)
}

async fn next(tunnel: &mut Tunnel) -> Result<Bytes> {
    tunnel.recv().await?.context("the waypoint has ended the tunnel")
}

/// Whether a response with `content-length` is there in full, and nothing behind it.
fn is_complete(response: &[u8]) -> Result<bool> {
    let Some(end) = find(response, b"\r\n\r\n") else {
        return Ok(false);
    };
    let (head, rest) = response.split_at(end);
    let length = content_length(head).with_context(|| {
        format!(
            "a response without content-length: {}",
            String::from_utf8_lossy(head)
        )
    })?;
    match rest.len().cmp(&(length + 4)) {
        std::cmp::Ordering::Less => Ok(false),
        std::cmp::Ordering::Equal => Ok(true),
        std::cmp::Ordering::Greater => bail!("a response that is longer than it says"),
    }
}

fn content_length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"\r\ncontent-length: ";
    let value = head.get(find(head, NAME)? + NAME.len()..)?;
    let digits = value.split(|byte| *byte == b'\r').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn status(response: &[u8]) -> Result<u16> {
    let digits = response.strip_prefix(b"HTTP/1.1 ").and_then(|line| line.get(..3));
    let status = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    status.with_context(|| format!("not a response: {}", String::from_utf8_lossy(response)))
}

#[cfg(test)]
mod tests {
    use super::{is_complete, status};

    const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: 2\r\nserver: x\r\n\r\nhi";

    #[test]
    fn a_response_is_complete_when_its_last_byte_is_there() {
        for length in 0..RESPONSE.len() {
            assert!(!is_complete(RESPONSE.get(..length).expect("a part")).expect("a response"));
        }
        assert!(is_complete(RESPONSE).expect("a response"));
        assert_eq!(status(RESPONSE).expect("a response"), 200);
    }

    #[test]
    fn what_cannot_be_followed_is_an_error() {
        assert!(is_complete(&[RESPONSE, b"x"].concat()).is_err());
        assert!(is_complete(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        assert!(status(b"SSH-2.0").is_err());
    }
}
