#![forbid(unsafe_code)]
//! The bytes of WebAssembly modules, from where they are published.
//!
//! A [`Fetcher`] takes a [`Request`], which is what a WasmPlugin says of its module, and returns a [`Module`] or an error
//! that says what to do. It reads images of registries in the four layouts that are in use, files of web servers, and
//! files of the machine. What it has fetched it keeps in a cache on disk, by content. Nothing that comes is trusted: sizes
//! are bounded while reading and while unpacking, digests are checked, and addresses that a proxy must not ask are refused
//! at the connection itself. It fetches once a call; [`Retry`] tries until it works.
//!
//! [`Documents`] are small things of web servers, fetched by the same rules.
//!
//! A [`Publisher`] pushes a module to a registry, under the same rules.
//!
//! It depends on `cairn-net` for connections, and knows nothing of what a module is for.
//!
//! ```
//! use cairn_fetch::{Fetcher, Options, Origin, Request};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("filter.wasm");
//! # std::fs::write(&path, b"\0asm\x0d\0\x01\0")?;
//! let fetcher = Fetcher::new(&Options::default())?;
//! let url = format!("file://{}", path.display());
//! let module = fetcher.fetch(&Request::new(url.parse()?)).await?;
//! assert_eq!(module.origin, Origin::File);
//! assert!(module.bytes.starts_with(b"\0asm"));
//! # Ok(())
//! # }
//! ```

mod cache;
mod challenge;
mod client;
mod credentials;
mod digest;
mod document;
mod error;
mod fetcher;
mod flight;
mod format;
#[doc(hidden)]
pub mod fuzz;
mod guard;
mod manifest;
mod publish;
mod reference;
mod registry;
mod retry;
mod source;
mod tls;
mod unpack;

pub use credentials::{CredentialsError, DockerConfig};
pub use digest::{Digest, DigestError};
pub use document::{Document, Documents};
pub use error::FetchError;
pub use fetcher::{Fetcher, Module, Options, Origin, PullPolicy, Request};
pub use publish::{Layout, Publication, PublishError, Published, Publisher};
pub use reference::{ImageReference, ReferenceError};
pub use retry::Retry;
pub use source::{Source, SourceError};
