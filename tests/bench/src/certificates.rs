//! The mesh's CA, and certificates from it for whoever cannot mint their own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use cairn_identity::{Identities, Issuer as _, LocalCa, Options, SpiffeId};
use pem::Pem;

use crate::mesh::TRUST_DOMAIN;

/// Longer than any run.
const VALIDITY: Duration = Duration::from_secs(24 * 60 * 60);

/// A CA in a directory, in the layout of Istio's plug-in CA.
#[derive(Debug)]
pub struct Certificates {
    directory: PathBuf,
    ca: Arc<LocalCa>,
}

/// A certificate as files.
#[derive(Clone, Debug)]
pub struct Files {
    /// The certificate with its intermediates.
    pub chain: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The mesh's trust anchors.
    pub roots: PathBuf,
}

impl Certificates {
    /// Opens the CA in `directory`, or makes one there.
    ///
    /// # Errors
    ///
    /// The directory cannot be written, or holds something else.
    pub fn open(directory: &Path) -> Result<Certificates> {
        let ca = LocalCa::open_or_create(directory, TRUST_DOMAIN)?;
        Ok(Certificates {
            directory: directory.to_owned(),
            ca: Arc::new(ca),
        })
    }

    /// The CA's directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A certificate store over the CA.
    #[must_use]
    pub fn identities(&self) -> Identities {
        let options = Options {
            trust_domain: TRUST_DOMAIN.to_owned(),
            ..Options::default()
        };
        Identities::new(Arc::<LocalCa>::clone(&self.ca), options)
    }

    /// Mints a certificate and writes it into `directory`.
    ///
    /// # Errors
    ///
    /// The files cannot be written.
    pub async fn write(&self, identity: &SpiffeId, directory: &Path) -> Result<Files> {
        let issued = self.ca.issue(identity, VALIDITY).await?;
        let certificates = |chain: &[_]| -> Vec<Pem> {
            let blocks = chain.iter();
            blocks
                .map(|block: &_| Pem::new("CERTIFICATE", AsRef::<[u8]>::as_ref(block)))
                .collect()
        };
        let write = |name: &str, blocks: &[Pem]| -> Result<PathBuf> {
            let path = directory.join(name);
            std::fs::write(&path, pem::encode_many(blocks))
                .with_context(|| format!("{} cannot be written", path.display()))?;
            Ok(path)
        };
        Ok(Files {
            chain: write("chain.pem", &certificates(&issued.chain))?,
            key: write("key.pem", &[Pem::new("PRIVATE KEY", issued.key.secret_der())])?,
            roots: write("roots.pem", &certificates(&issued.roots))?,
        })
    }
}
