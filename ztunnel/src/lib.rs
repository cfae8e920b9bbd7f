#![forbid(unsafe_code)]
//! The ztunnel: the L4 proxy of a node. It gives what its pods send an identity and a tunnel, and lets into them what
//! policies allow.
//!
//! `capture` and `socks5` take connections of pods, `outbound` brings them to a waypoint, to the ztunnel of the
//! destination, or in the clear to where nobody has a tunnel; `inbound` takes tunnels to pods, and `admission` asks the
//! policies, for as long as a connection lasts. `ledger` and `access` tell of each connection; `follow` keeps up with the
//! configuration, and `start` runs it all. Built on the lower floors: `cairn-mesh` decides, `cairn-hbone` and
//! `cairn-net` carry.
//!
//! In this version the mesh is on loopback: every address of 127.0.0.0/8 is this machine's, so the proxy listens on the
//! virtual addresses of services, and tells its callers by the address that they call from.
//!
//! ```no_run
//! # async fn run(config: tokio::sync::watch::Receiver<std::sync::Arc<cairn_config::State>>,
//! #              identities: cairn_identity::Identities) -> Result<(), cairn_ztunnel::StartError> {
//! use cairn_ztunnel::{Options, Ztunnel};
//!
//! let ztunnel = Ztunnel::start(Options::default(), config, identities).await?;
//! println!("metrics on {}", ztunnel.addresses().stats);
//! ztunnel.quit().await;
//! ztunnel.drain().await;
//! # Ok(())
//! # }
//! ```

mod access;
mod admin;
mod admission;
mod capture;
mod dump;
mod failure;
mod follow;
mod inbound;
mod ledger;
mod listeners;
mod names;
mod options;
mod outbound;
mod party;
mod proxy;
mod record;
mod sockets;
mod socks5;
mod start;
mod vips;

pub use admin::Addresses;
pub use options::{Options, StartError};
pub use start::Ztunnel;
