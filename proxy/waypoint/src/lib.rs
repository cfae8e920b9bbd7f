//! The waypoint: HBONE tunnels in, requests routed, faulted and authorized, tunnels or plain connections out.
//!
//! `pipeline` is the life of a request, one module a phase: `accept` (who is there), `tunnel` (which destination), `protocol` (what is spoken),
//! `head` (one reading of it), `authorize`, `fault`, `forward` (the route), `attempt` (an endpoint), `respond`, `record`.
//! `compile` turns configuration into the [`Plans`] that requests read; `start` runs it all. Built on the lower floors:
//! `cairn-mesh` for who is where, `cairn-route` and `cairn-authz` for decisions, `cairn-hbone` and `cairn-http` for wires.
//!
//! ```no_run
//! # async fn run(config: tokio::sync::watch::Receiver<std::sync::Arc<cairn_config::State>>,
//! #              identities: cairn_identity::Identities) -> Result<(), Box<dyn std::error::Error>> {
//! use cairn_waypoint::{Options, Waypoint};
//!
//! let gateway = cairn_api::meta::Key { namespace: "default".into(), name: "namespace".into() };
//! let waypoint = Waypoint::start(Options::new(gateway), config, identities).await?;
//! println!("tunnels on {}", waypoint.address());
//! waypoint.drain().await;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod accept;
mod access_log;
mod admin;
mod attempt;
mod attributes;
mod authenticate;
mod authorize;
mod beyond;
mod breaker;
mod calls;
mod clock;
mod cluster;
mod compile;
mod deadline;
mod downstream;
mod dump;
mod exchange;
pub mod explain;
mod external;
mod failure;
mod fault;
mod files;
mod filtering;
mod follow;
mod forward;
mod head;
mod hello;
mod labels;
mod load;
mod mirror;
mod names;
mod opaque;
mod pipeline;
mod plan;
mod plugin;
mod protocol;
mod proxy;
mod record;
mod respond;
mod saturation;
mod sought;
mod start;
mod switch;
mod target;
mod timeouts;
mod tokens;
mod tunnel;
mod upload;
mod upstream;

pub use admin::Addresses;
pub use compile::compile;
pub use failure::{Failure, Flags, Reply, Side, UpstreamFault};
pub use plan::Plans;
pub use plugin::{Storage, Trials};
pub use start::{Options, StartError, Waypoint};
