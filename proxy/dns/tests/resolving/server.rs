//! A name server on loopback that answers as a test says. It writes its messages itself (RFC 1035, section 4), so that it
//! can write those that no library would.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

pub(crate) const A: u16 = 1;
pub(crate) const AAAA: u16 = 28;

pub(crate) const NO_ERROR: u8 = 0;
pub(crate) const SERVER_FAILURE: u8 = 2;
pub(crate) const NO_SUCH_NAME: u8 = 3;

/// What the server does when it is asked.
#[derive(Clone)]
pub(crate) enum Reply {
    /// The addresses of the kind that was asked for.
    Addresses(u32, Vec<IpAddr>),
    /// A response code and nothing else.
    Code(u8),
    /// Nothing.
    Silence,
    /// Bytes made of the question.
    Bytes(fn(&Question) -> Vec<u8>),
    /// Over UDP only that there is more, over TCP this.
    OverTcp(Box<Reply>),
    /// This, when it is let go.
    Held(Arc<Semaphore>, Box<Reply>),
}

pub(crate) fn addresses(ttl: u32, addresses: &[&str]) -> Reply {
    Reply::Addresses(ttl, ips(addresses))
}

pub(crate) fn ips(addresses: &[&str]) -> Vec<IpAddr> {
    addresses.iter().map(|address| address.parse().unwrap()).collect()
}

/// A question as it came.
pub(crate) struct Question {
    id: [u8; 2],
    /// The question's section.
    section: Vec<u8>,
    name: String,
    kind: u16,
}

impl Question {
    fn read(message: &[u8]) -> Option<Self> {
        let mut labels = Vec::new();
        let mut at = 12;
        loop {
            let length = usize::from(*message.get(at)?);
            at += 1;
            if length == 0 {
                break;
            }
            labels.push(String::from_utf8(message.get(at..at + length)?.to_vec()).ok()?);
            at += length;
        }
        let kind = message.get(at..at + 2)?;
        Some(Self {
            id: [message[0], message[1]],
            section: message.get(12..at + 4)?.to_vec(),
            name: labels.join(".").to_lowercase(),
            kind: u16::from_be_bytes([kind[0], kind[1]]),
        })
    }

    /// A response to this question: flags besides "response, recursion available", and the records.
    pub(crate) fn response(&self, flags: u16, records: &[Vec<u8>]) -> Vec<u8> {
        let count = u16::try_from(records.len()).unwrap();
        let mut message = self.id.to_vec();
        for number in [0x8180 | flags, 1, count, 0, 0] {
            message.extend(number.to_be_bytes());
        }
        message.extend(&self.section);
        message.extend(records.concat());
        message
    }

    /// The response with another id than the question's.
    pub(crate) fn misdirected(&self, records: &[Vec<u8>]) -> Vec<u8> {
        let mut message = self.response(0, records);
        message[1] = !message[1];
        message
    }
}

/// A record; without an owner of its own it is the question's.
pub(crate) fn record(owner: Option<&str>, kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let mut record = owner.map_or_else(|| vec![0xc0, 12], labels);
    record.extend(kind.to_be_bytes());
    record.extend(1_u16.to_be_bytes());
    record.extend(ttl.to_be_bytes());
    record.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
    record.extend(data);
    record
}

/// A name as it is on the wire.
pub(crate) fn labels(name: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in name.split('.') {
        wire.push(u8::try_from(label.len()).unwrap());
        wire.extend(label.as_bytes());
    }
    wire.push(0);
    wire
}

#[derive(Default)]
struct Shared {
    replies: Mutex<HashMap<(String, u16), Reply>>,
    asked: Mutex<HashMap<(String, u16), usize>>,
    pending: AtomicUsize,
    most_pending: AtomicUsize,
}

impl Shared {
    fn enter(&self, question: &Question) -> Reply {
        let key = (question.name.clone(), question.kind);
        *self.asked.lock().unwrap().entry(key.clone()).or_default() += 1;
        let pending = self.pending.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_pending.fetch_max(pending, Ordering::SeqCst);
        let replies = self.replies.lock().unwrap();
        replies.get(&key).cloned().unwrap_or(Reply::Code(NO_SUCH_NAME))
    }

    async fn reply(&self, message: &[u8], tcp: bool) -> Option<Vec<u8>> {
        let question = Question::read(message)?;
        let mut reply = self.enter(&question);
        while let Reply::Held(gate, then) = reply {
            gate.acquire().await.unwrap().forget();
            reply = *then;
        }
        self.pending.fetch_sub(1, Ordering::SeqCst);
        match reply {
            Reply::OverTcp(_) if !tcp => Some(question.response(0x0200, &[])),
            Reply::OverTcp(then) => answer(&question, *then),
            other => answer(&question, other),
        }
    }
}

fn answer(question: &Question, reply: Reply) -> Option<Vec<u8>> {
    Some(match reply {
        Reply::Addresses(ttl, addresses) => {
            let records = addresses
                .iter()
                .filter_map(|address| match (address, question.kind) {
                    (IpAddr::V4(address), A) => Some(record(None, A, ttl, &address.octets())),
                    (IpAddr::V6(address), AAAA) => Some(record(None, AAAA, ttl, &address.octets())),
                    _ => None,
                });
            question.response(0, &records.collect::<Vec<_>>())
        }
        Reply::Code(code) => question.response(code.into(), &[]),
        Reply::Bytes(make) => make(question),
        Reply::Silence | Reply::OverTcp(_) | Reply::Held(..) => return None,
    })
}

/// The server. When it is dropped, nobody listens any more.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    tasks: [JoinHandle<()>; 2],
}

impl fmt::Debug for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Server")
            .field("address", &self.address)
            .finish()
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        // A port that is free for UDP may be taken for TCP.
        for _ in 0..100 {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                return Self::serve(udp, tcp);
            }
        }
        panic!("no port is free for both UDP and TCP");
    }

    /// A server where another was. Somebody's question may go out from that port meanwhile.
    pub(crate) async fn start_at(address: SocketAddr) -> Self {
        for _ in 0..3000 {
            if let Ok(udp) = UdpSocket::bind(address).await
                && let Ok(tcp) = TcpListener::bind(address).await
            {
                return Self::serve(udp, tcp);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{address} is taken");
    }

    fn serve(udp: UdpSocket, tcp: TcpListener) -> Self {
        let shared = Arc::new(Shared::default());
        Self {
            address: udp.local_addr().unwrap(),
            tasks: [
                tokio::spawn(serve_udp(udp, shared.clone())),
                tokio::spawn(serve_tcp(tcp, shared.clone())),
            ],
            shared,
        }
    }

    /// Ends the server, and waits until its sockets are closed.
    pub(crate) async fn stop(mut self) -> SocketAddr {
        for task in &mut self.tasks {
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
        }
        self.address
    }

    pub(crate) fn set(&self, name: &str, reply: &Reply) {
        for kind in [A, AAAA] {
            self.set_kind(name, kind, reply.clone());
        }
    }

    pub(crate) fn set_kind(&self, name: &str, kind: u16, reply: Reply) {
        self.shared
            .replies
            .lock()
            .unwrap()
            .insert((name.to_owned(), kind), reply);
    }

    /// How often it was asked.
    pub(crate) fn asked(&self, name: &str, kind: u16) -> usize {
        let asked = self.shared.asked.lock().unwrap();
        asked.get(&(name.to_owned(), kind)).copied().unwrap_or_default()
    }

    /// The most questions that were waiting at a time.
    pub(crate) fn most_pending(&self) -> usize {
        self.shared.most_pending.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn serve_udp(socket: UdpSocket, shared: Arc<Shared>) {
    let socket = Arc::new(socket);
    let mut replies = JoinSet::new();
    let mut buffer = [0; 1500];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        let (message, socket, shared) = (buffer[..length].to_vec(), socket.clone(), shared.clone());
        replies.spawn(async move {
            if let Some(reply) = shared.reply(&message, false).await {
                // Whoever asked may have left.
                let _ = socket.send_to(&reply, from).await;
            }
        });
    }
}

async fn serve_tcp(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve_stream(stream, shared.clone()));
    }
}

async fn serve_stream(mut stream: TcpStream, shared: Arc<Shared>) -> std::io::Result<()> {
    loop {
        let length = stream.read_u16().await?;
        let mut message = vec![0; length.into()];
        stream.read_exact(&mut message).await?;
        if let Some(reply) = shared.reply(&message, true).await {
            stream.write_u16(u16::try_from(reply.len()).unwrap()).await?;
            stream.write_all(&reply).await?;
        }
    }
}
