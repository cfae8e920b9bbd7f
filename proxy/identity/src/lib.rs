#![forbid(unsafe_code)]
//! Identities of the mesh: SPIFFE ids, the certificates that prove them, and TLS with both ends proven.

mod spiffe;

pub use spiffe::{SpiffeId, SpiffeIdError};
