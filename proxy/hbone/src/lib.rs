#![forbid(unsafe_code)]
//! HBONE: tunnels through HTTP/2 CONNECT with mutual TLS, as Istio's ambient mesh speaks it.
//!
//! [`server::serve`] turns a connection into [`Request`]s for a [`Handler`], [`Pool`] opens [`Tunnel`]s over
//! connections that are shared and kept, and [`copy::bidirectional`] carries a TCP connection through one. The modules
//! [`authority`], [`baggage`], [`forwarded`] and [`traceparent`] read what a peer sends along: whatever the bytes, the
//! worst is that they find nothing in them. Built on h2 and [`cairn_identity`]; what is inside the tunnels is
//! somebody else's affair.
//!
//! ```
//! use std::net::SocketAddr;
//! use std::sync::Arc;
//! use std::time::Duration;
//! use cairn_hbone::{
//!     Authority, ConnectRequest, ConnectionInfo, Destination, DrainWatch, Handler, Pool, PoolOptions, Request,
//!     Settings, server, transport,
//! };
//! use cairn_identity::{Identities, LocalCa, Options, SpiffeId, tls};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! /// Sends back whatever it is sent.
//! struct Echo;
//!
//! impl Handler for Echo {
//!     async fn connect(&self, request: Request) {
//!         let Ok(mut tunnel) = request.accept(Default::default()) else { return };
//!         while let Ok(Some(data)) = tunnel.recv().await {
//!             if tunnel.send(data).await.is_err() {
//!                 return;
//!             }
//!         }
//!         let _ = tunnel.finish();
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let ca = LocalCa::open_or_create(&dir.path().join("ca"), "cluster.local")?;
//! let identities = Identities::new(Arc::new(ca), Options::default());
//! let sleep = SpiffeId::new("cluster.local", "default", "sleep");
//! let hello = SpiffeId::new("cluster.local", "default", "hello");
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let address = listener.local_addr()?;
//! let credential = identities.credential(&hello).await?;
//! tokio::spawn(async move {
//!     let (tcp, peer_address) = listener.accept().await.unwrap();
//!     let local_address = tcp.local_addr().unwrap();
//!     let (tls, peer) = tls::accept(transport(tcp), &credential, Duration::from_secs(10)).await.unwrap();
//!     let info = ConnectionInfo { peer_address, local_address, peer };
//!     server::serve(tls, info, &Settings::default(), DrainWatch::never(), Arc::new(Echo)).await
//! });
//!
//! let pool = Pool::new(identities, Settings::default(), PoolOptions::default());
//! let destination = Destination { source: sleep, expected: Arc::new([hello]), address, bind: None };
//! let target: SocketAddr = "10.0.0.1:8080".parse()?;
//! let mut tunnel = pool.connect(&destination, ConnectRequest::new(Authority::Ip(target))).await?;
//! tunnel.write_all(b"hello").await?;
//! tunnel.shutdown().await?;
//! let mut answer = String::new();
//! tunnel.read_to_string(&mut answer).await?;
//! assert_eq!(answer, "hello");
//! # Ok(())
//! # }
//! ```

pub mod authority;
pub mod baggage;
pub mod copy;
pub mod drain;
pub mod forwarded;
pub mod pool;
pub mod server;
mod settings;
mod supervisor;
pub mod traceparent;
mod transport;
mod tunnel;

pub use authority::{Authority, AuthorityError};
pub use baggage::Baggage;
pub use copy::{CopyError, CopyOutcome, CopyTimeouts, Counters};
pub use drain::{Drain, DrainWatch};
pub use forwarded::Forwarded;
pub use pool::{ConnectError, ConnectRequest, Destination, Dial, DirectDial, Pool, PoolOptions};
pub use server::{ConnectionInfo, Error, Handler, Request};
pub use settings::Settings;
pub use traceparent::TraceParent;
pub use transport::{Transport, transport};
pub use tunnel::{Tunnel, TunnelReceiver, TunnelSender};

#[cfg(test)]
mod tests;
