#![forbid(unsafe_code)]
//! The addresses of names, for services that are outside the mesh.
//!
//! A [`Resolver`] resolves the hosts of ServiceEntries whose resolution is `DNS` or `DNS_ROUND_ROBIN`, and of endpoints that
//! are names: they are [followed](Resolver::follow), which keeps them resolved in the background, and read without a lock
//! where requests are sent. Hosts that a request brings, as with `DYNAMIC_DNS`, are [looked up](Resolver::lookup). What
//! changes an address and what does not follows Envoy: a server that is away changes nothing, an answer without addresses
//! does.
//!
//! Everything is bounded: names, questions at a time, the time of each, addresses of an answer.
//!
//! No address is refused here: names of private and of loopback addresses are ordinary in a mesh. Whoever resolves a name
//! that a request brings, and must not reach some addresses, has to look at what [`Resolver::lookup`] returned, and connect
//! to that and not to the name. Answers are as trustworthy as the way to the name servers; DNSSEC is theirs to check.
//!
//! It depends on no other crate of the house.
//!
//! ```no_run
//! use cairn_dns::{Host, Options, Resolver};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let resolver = Resolver::new(Options::default())?;
//! let host: Host = "api.example.com".parse()?;
//! let mut changes = resolver.changes();
//! resolver.follow([host.clone()])?;
//! while changes.changed().await.is_ok() {
//!     let resolution = resolver.followed(&host).map(|followed| followed.resolution());
//!     println!("{:?}", resolution.map(|resolution| resolution.addresses().clone()));
//! }
//! # Ok(())
//! # }
//! ```

mod ask;
mod error;
mod follow;
mod host;
mod lookup;
mod options;
mod resolution;
mod resolver;

pub use error::{DnsError, TooManyNames};
pub use follow::Followed;
pub use host::{Host, HostError};
pub use options::{Families, Options};
pub use resolution::Resolution;
pub use resolver::Resolver;
