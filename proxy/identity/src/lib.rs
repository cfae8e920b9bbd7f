#![forbid(unsafe_code)]
//! Identities of the mesh: SPIFFE ids, the certificates that prove them, and TLS with both ends proven.
//!
//! An [`Issuer`] mints certificates ([`LocalCa`] from a directory), [`Identities`] keeps one per workload and renews
//! it in time, a [`Credential`] is one certificate with the TLS settings built from it, and [`tls`] makes handshakes
//! after which both ends know each other's [`SpiffeId`]. Built on rustls with AWS-LC, rcgen and x509-parser; it knows
//! nothing of the mesh but its trust domain.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use cairn_identity::{Identities, LocalCa, Options, SpiffeId, tls};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let ca = LocalCa::open_or_create(&dir.path().join("ca"), "cluster.local")?;
//! let identities = Identities::new(Arc::new(ca), Options::default());
//! let sleep = identities.credential(&SpiffeId::new("cluster.local", "default", "sleep")).await?;
//! let hello = identities.credential(&SpiffeId::new("cluster.local", "default", "hello")).await?;
//!
//! let (near, far) = tokio::io::duplex(16 * 1024);
//! let limit = Duration::from_secs(5);
//! let expected = [hello.id().clone()];
//! let (client, server) = tokio::join!(
//!     tls::connect(near, &sleep, &expected, limit),
//!     tls::accept(far, &hello, limit),
//! );
//! assert_eq!(client?.1, *hello.id());
//! assert_eq!(server?.1, *sleep.id());
//! # Ok(())
//! # }
//! ```

mod ca;
mod credential;
#[cfg(test)]
mod foundry;
mod issuer;
mod peer;
mod spiffe;
mod store;
pub mod tls;
mod verify;

pub use ca::{CaError, LocalCa};
pub use credential::{Credential, CredentialError};
pub use issuer::{BoxFuture, IssueError, IssuedCertificate, Issuer};
pub use peer::{CertificateDetail, PeerError, identity_of};
pub use spiffe::{SpiffeId, SpiffeIdError};
pub use store::{CertificateInfo, CertificateState, Identities, IdentityError, MintError, Options};
pub use tls::TlsError;
