#![forbid(unsafe_code)]
//! What is put upon a connection to an endpoint before its bytes.
//!
//! A DestinationRule may ask for three things between the connection and what is sent on it: the PROXY protocol, TLS that
//! is begun here, and a tunnel through a forward proxy. [`Layers`] puts them on in this order, whichever are asked for, on
//! any stream of bytes: a TCP connection, or a tunnel of the mesh. What comes of it, [`Layered`], is a stream of bytes
//! again. With nothing asked for it is the stream itself.
//!
//! [`Tls`] and [`Tunnel`] are built once from settings, fallibly, and shared by all connections; nothing is read or parsed
//! when a connection is made. Both tell whether they are equal to others, for whoever keeps connections by their settings.
//! No time limits are set here: drop the future, and the connection goes with it.
//!
//! It reads no files but the system's certificates and knows nothing of the mesh; who uses it brings PEM, names and streams.
//!
//! ```
//! use cairn_dial::{Alpn, Ends, Layers, ProxyHeader};
//! use tokio::io::{AsyncReadExt as _, duplex};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (stream, mut endpoint) = duplex(1024);
//! let layers = Layers {
//!     proxy_protocol: Some(ProxyHeader::V1),
//!     ..Layers::default()
//! };
//! let ends = Ends {
//!     source: "192.0.2.1:4711".parse()?,
//!     destination: "198.51.100.7:443".parse()?,
//! };
//! let layered = layers.apply(stream, &ends, None, Alpn::None).await?;
//! drop(layered);
//! let mut seen = String::new();
//! endpoint.read_to_string(&mut seen).await?;
//! assert_eq!(seen, "PROXY TCP4 192.0.2.1 198.51.100.7 4711 443\r\n");
//! # Ok(())
//! # }
//! ```

mod answer;
mod body;
#[cfg(test)]
mod foundry;
mod header;
mod layers;
mod material;
mod settings;
mod stream;
mod tls;
mod tunnel;
mod verify;

pub use answer::AnswerError;
pub use header::{Ends, ProxyHeader};
pub use layers::{LayerError, Layered, Layers};
pub use settings::{ClientCertificate, Fingerprint, SettingsError, TlsSettings, Trust};
pub use stream::Tunneled;
pub use tls::{Alpn, Protocol, Tls, TlsError, TlsStream};
pub use tunnel::{Method, TargetError, Tunnel, TunnelError};
pub use verify::NamesError;
