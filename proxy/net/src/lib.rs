//! Sockets: listening, accepting, connecting, copying, and what the process itself costs.
//!
//! Everything above this crate speaks in terms of [`tokio::net::TcpStream`]; the options that make such a
//! stream behave like one of Istio's data plane (no delay, keepalive, a chosen source address without using up
//! ephemeral ports, an accept loop that outlives a shortage of file descriptors) are set here and nowhere else.
//! It depends on tokio, socket2 and libc, and it is the only crate in which `unsafe` is permitted: in the private module `sys`,
//! one system call per function.
//!
//! ```
//! use std::net::{IpAddr, Ipv4Addr};
//! use cairn_net::{ConnectOptions, ListenOptions};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = cairn_net::listen("127.0.0.1:0".parse()?, &ListenOptions::default())?;
//! let client: IpAddr = Ipv4Addr::new(127, 0, 20, 3).into();
//! let options = ConnectOptions { source: Some(client), ..ConnectOptions::default() };
//! let stream = cairn_net::connect(listener.local_addr()?, &options).await?;
//! assert_eq!(stream.local_addr()?.ip(), client);
//! # Ok(())
//! # }
//! ```

mod accept;
mod connect;
pub mod copy;
pub mod doubt;
mod keepalive;
pub mod limits;
mod listen;
pub mod proc;
mod sys;

pub use accept::{ConnectionLimit, accept_loop};
pub use connect::{ConnectError, ConnectOptions, connect};
pub use keepalive::Keepalive;
pub use listen::{ListenError, ListenOptions, give_way, listen};
