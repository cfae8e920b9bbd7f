//! Publishing modules in registries.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::client::{Connector, Insecure};
use crate::credentials::DockerConfig;
use crate::digest::Digest;
use crate::error::FetchError;
use crate::fetcher::Options;
use crate::format;
use crate::manifest::{CNCF_CONFIG, CNCF_LAYER, OCI_MANIFEST, SOLO_CONFIG, SOLO_LAYER};
use crate::reference::ImageReference;
use crate::registry::{Purpose, Session};
use crate::tls::Trust;

/// The layout of an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layout {
    /// That of CNCF, which tools for components use: `wkg`, wasmCloud, Spin.
    #[default]
    Oci,
    /// That of Solo, which Istio's own proxies read.
    Istio,
}

/// What is to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The module, or component.
    pub bytes: Bytes,
    /// The layout of the image.
    pub layout: Layout,
    /// The interfaces that a component imports; they are told in the layout of CNCF.
    pub imports: Vec<String>,
    /// The interfaces that it exports.
    pub exports: Vec<String>,
}

/// What has been published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// The digest of the image: what a WasmPlugin's `url` names after an `@`, or its `sha256`.
    pub image: Digest,
    /// The digest of the module.
    pub module: Digest,
    /// Whether the module had to be sent; it may have been there.
    pub sent: bool,
}

/// Why nothing was published.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// An image is published under a tag.
    #[error("{image} names a digest, which comes of what is pushed; name a tag alone")]
    Digest {
        /// The image.
        image: String,
    },
    /// It took longer than it may.
    #[error("{image} was not pushed within {limit:?}; check that its registry answers")]
    Timeout {
        /// The image.
        image: String,
        /// How long it may take.
        limit: Duration,
    },
    /// It is no WebAssembly, or the registry did not take it.
    #[error(transparent)]
    Refused(#[from] FetchError),
}

/// Publishes modules. What a [`Fetcher`](crate::Fetcher) refuses to ask it refuses to tell: the same addresses, the same
/// proof of who a registry is.
pub struct Publisher {
    connector: Connector,
    timeout: Duration,
    max_size: u64,
}

impl Publisher {
    /// A publisher. Of the options, the cache means nothing here, and the timeout is that of one image as a whole.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        Self {
            connector: Connector::new(
                Insecure::new(&options.insecure_registries),
                Trust::new(options.roots.clone()),
                options.allow_private,
            ),
            timeout: options.timeout,
            max_size: options.max_size,
        }
    }

    /// Pushes a module under the image's tag, `latest` without one. The same module makes the same image each time; what
    /// of it the registry has is not sent again.
    ///
    /// # Errors
    ///
    /// [`PublishError`]. What was sent before an error is no image until its manifest is there.
    pub async fn publish(
        &self,
        image: &ImageReference,
        publication: &Publication,
        credentials: Option<&DockerConfig>,
    ) -> Result<Published, PublishError> {
        if image.digest().is_some() {
            return Err(PublishError::Digest {
                image: image.to_string(),
            });
        }
        format::check(&publication.bytes, "what is to be pushed")?;
        if publication.bytes.len() as u64 > self.max_size {
            return Err(PublishError::Refused(FetchError::TooLarge {
                what: "what is to be pushed".to_owned(),
                limit: self.max_size,
            }));
        }
        let push = self.push(image, publication, credentials);
        match tokio::time::timeout(self.timeout, push).await {
            Ok(pushed) => Ok(pushed?),
            Err(_) => Err(PublishError::Timeout {
                image: image.to_string(),
                limit: self.timeout,
            }),
        }
    }

    async fn push(
        &self,
        image: &ImageReference,
        publication: &Publication,
        credentials: Option<&DockerConfig>,
    ) -> Result<Published, FetchError> {
        let credential = credentials.and_then(|all| all.credential(image.registry()));
        let mut session = Session::new(&self.connector, image, credential, Purpose::Push)?;
        let module = Digest::of(&publication.bytes);
        let config = publication.config(module);
        let manifest = publication.manifest(&config);
        let sent = session.put_blob(publication.bytes.clone()).await?;
        session.put_blob(config).await?;
        let image = session.put_manifest(OCI_MANIFEST, manifest).await?;
        Ok(Published { image, module, sent })
    }
}

impl Publication {
    fn config(&self, module: Digest) -> Bytes {
        let config = match self.layout {
            Layout::Oci if format::is_component(&self.bytes) => json!({
                "created": CREATED,
                "architecture": "wasm",
                "os": "wasip2",
                "layerDigests": [module.to_string()],
                "component": {"imports": self.imports, "exports": self.exports},
            }),
            Layout::Oci => json!({
                "created": CREATED,
                "architecture": "wasm",
                "os": "wasip1",
                "layerDigests": [module.to_string()],
            }),
            Layout::Istio => json!({}),
        };
        config.to_string().into()
    }

    fn manifest(&self, config: &[u8]) -> Bytes {
        let (config_type, layer_type) = match self.layout {
            Layout::Oci => (CNCF_CONFIG, CNCF_LAYER),
            Layout::Istio => (SOLO_CONFIG, SOLO_LAYER),
        };
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(config_type, config),
            "layers": [descriptor(layer_type, &self.bytes)],
        });
        manifest.to_string().into()
    }
}

/// Tools that read the config want a time, and with the true one no image would ever be the same as another.
const CREATED: &str = "1970-01-01T00:00:00Z";

fn descriptor(kind: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": kind, "digest": Digest::of(bytes).to_string(), "size": bytes.len()})
}

impl fmt::Debug for Publisher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Publisher").finish_non_exhaustive()
    }
}
