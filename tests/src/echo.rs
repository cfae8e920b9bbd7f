//! An application that sends back what it gets.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A TCP server that sends back each byte, and tells who came.
#[derive(Debug)]
pub struct Echo {
    peers: Arc<Mutex<Vec<SocketAddr>>>,
    // Ends the accept loop and all connections with the server.
    _tasks: JoinSet<()>,
}

impl Echo {
    /// Listens on `address`.
    pub async fn start(address: SocketAddr) -> Echo {
        let listener = TcpListener::bind(address).await.expect("the address is free");
        let peers = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&peers);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut stream, peer)) = listener.accept().await {
                record.lock().unwrap_or_else(PoisonError::into_inner).push(peer);
                connections.spawn(async move {
                    let mut buffer = [0; 4096];
                    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                        if stream.write_all(&buffer[..read]).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Echo { peers, _tasks: tasks }
    }

    /// Where the connections so far came from.
    #[must_use]
    pub fn peers(&self) -> Vec<SocketAddr> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
