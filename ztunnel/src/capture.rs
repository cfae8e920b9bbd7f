//! Taking the connections of pods, on loopback: at the virtual addresses of services.

use std::net::SocketAddr;

use tokio::net::TcpStream;

use crate::listeners::Serve;
use crate::outbound::Outbound;
use crate::sockets::{keep_alive, reset};

/// Takes connections to the address that they were made to.
#[derive(Clone)]
pub(crate) struct Capture {
    pub(crate) outbound: Outbound,
}

impl Serve for Capture {
    async fn serve(self, stream: TcpStream, peer: SocketAddr) {
        let Ok(destination) = stream.local_addr() else {
            return;
        };
        let Some(caller) = self.outbound.caller(peer, destination) else {
            return reset(&stream);
        };
        keep_alive(&stream);
        match self.outbound.open(&caller, destination).await {
            Ok(opened) => self.outbound.carry(stream, opened).await,
            Err(_) => reset(&stream),
        }
    }
}
