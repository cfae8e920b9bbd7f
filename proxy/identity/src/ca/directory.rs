//! The files of a CA directory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rcgen::{KeyPair, PublicKeyData};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};

const CERTIFICATE: &str = "ca-cert.pem";
const KEY: &str = "ca-key.pem";
const ROOTS: &str = "root-cert.pem";
const CHAIN: &str = "cert-chain.pem";
const LOCK: &str = ".lock";

/// The paths of a complete CA directory.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) certificate: PathBuf,
    key: PathBuf,
    roots: PathBuf,
    chain: PathBuf,
}

impl Files {
    fn of(dir: &Path) -> Files {
        Files {
            certificate: dir.join(CERTIFICATE),
            key: dir.join(KEY),
            roots: dir.join(ROOTS),
            chain: dir.join(CHAIN),
        }
    }

    /// The private key, which has to be that of the signing certificate.
    pub(super) fn key_pair(&self) -> Result<KeyPair, CaError> {
        let der = PrivateKeyDer::from_pem_slice(&read(&self.key)?).map_err(|_| CaError::Malformed {
            path: self.key.clone(),
            content: "private key in PEM form",
        })?;
        let key = KeyPair::try_from(&der).map_err(|source| CaError::Key {
            path: self.key.clone(),
            source,
        })?;
        let certificate = self.signing_certificate()?;
        let (_, parsed) =
            X509Certificate::from_der(&certificate).map_err(|_| self.malformed_certificate())?;
        if *parsed.public_key().subject_public_key.data != *key.der_bytes() {
            return Err(CaError::Mismatch {
                key: self.key.clone(),
                certificate: self.certificate.clone(),
            });
        }
        Ok(key)
    }

    pub(super) fn signing_certificate(&self) -> Result<CertificateDer<'static>, CaError> {
        CertificateDer::from_pem_slice(&read(&self.certificate)?).map_err(|_| self.malformed_certificate())
    }

    pub(super) fn roots(&self) -> Result<Vec<CertificateDer<'static>>, CaError> {
        certificates(&self.roots)
    }

    /// What has to follow a leaf: from the signing certificate up to the root, without it.
    pub(super) fn intermediates(
        &self,
        signing: &CertificateDer<'static>,
    ) -> Result<Vec<CertificateDer<'static>>, CaError> {
        let mut chain = vec![signing.clone()];
        if self.chain.exists() {
            chain.extend(
                certificates(&self.chain)?
                    .into_iter()
                    .filter(|certificate| certificate != signing),
            );
        }
        let roots = self.roots()?;
        chain.retain(|certificate| !roots.contains(certificate));
        Ok(chain)
    }

    pub(super) fn malformed_certificate(&self) -> CaError {
        CaError::Malformed {
            path: self.certificate.clone(),
            content: "certificate in PEM form",
        }
    }

    /// Whether the directory holds a CA. The signing certificate is the last file that a creator puts in place.
    fn exist(&self) -> bool {
        self.certificate.exists()
    }

    fn any_exists(&self) -> bool {
        [&self.certificate, &self.key, &self.roots, &self.chain]
            .into_iter()
            .any(|path| path.exists())
    }
}

/// The CA files in `dir`; when there are none, those that `generate` makes (certificate and key as PEM).
pub(super) fn open_or_create(
    dir: &Path,
    generate: impl FnOnce() -> Result<(String, String), rcgen::Error>,
) -> Result<Files, CaError> {
    let files = Files::of(dir);
    if files.exist() {
        return complete(files);
    }
    make_directory(dir)?;
    let lock = dir.join(LOCK);
    let locked = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock);
    let locked = locked.map_err(|source| CaError::Write {
        path: lock.clone(),
        source,
    })?;
    // Advisory, and gone with the process that held it: nobody has to clear a stale one.
    locked
        .lock()
        .map_err(|source| CaError::Write { path: lock, source })?;
    if !files.any_exists() {
        let (certificate, key) = generate().map_err(CaError::Generate)?;
        write(&files.key, &key, 0o600)?;
        write(&files.roots, &certificate, 0o644)?;
        write(&files.chain, &certificate, 0o644)?;
        write(&files.certificate, &certificate, 0o644)?;
        tracing::info!(dir = %dir.display(), "made a certificate authority");
    }
    complete(files)
}

fn complete(files: Files) -> Result<Files, CaError> {
    for path in [&files.certificate, &files.key, &files.roots] {
        if !path.exists() {
            return Err(CaError::Missing { path: path.clone() });
        }
    }
    Ok(files)
}

fn make_directory(dir: &Path) -> Result<(), CaError> {
    match fs::create_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(CaError::NoParent { path: dir.to_owned() })
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if dir.is_dir() {
                Ok(())
            } else {
                Err(CaError::NotADirectory { path: dir.to_owned() })
            }
        }
        Err(source) => Err(CaError::Write {
            path: dir.to_owned(),
            source,
        }),
        Ok(()) => Ok(()),
    }
}

/// Puts a file in place whole. Under the lock.
fn write(path: &Path, content: &str, mode: u32) -> Result<(), CaError> {
    let failed = |source| CaError::Write {
        path: path.to_owned(),
        source,
    };
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    // What a creator left behind that was killed half-way.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)
        .map_err(failed)?;
    file.write_all(content.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(failed)?;
    fs::rename(&temporary, path).map_err(failed)
}

fn read(path: &Path) -> Result<Vec<u8>, CaError> {
    fs::read(path).map_err(|source| CaError::Read {
        path: path.to_owned(),
        source,
    })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CaError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(CaError::Malformed {
            path: path.to_owned(),
            content: "certificate in PEM form",
        }),
    }
}

/// Why a CA directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaError {
    /// The directory is to be made in one that does not exist.
    #[error("cannot create the CA directory {}: its parent directory does not exist", path.display())]
    NoParent {
        /// The CA directory.
        path: PathBuf,
    },
    /// There is a file where the directory should be.
    #[error("{} is not a directory; the CA needs one", path.display())]
    NotADirectory {
        /// The path given.
        path: PathBuf,
    },
    /// Some files of a CA are there, but not this one.
    #[error("{} is missing; add it, or empty the CA directory to have a new CA made", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file does not hold what its name promises.
    #[error("{} holds no {content}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        content: &'static str,
    },
    /// The private key is of a kind that cannot sign here.
    #[error("the private key in {} cannot be used: {source} (ECDSA P-256 or P-384, RSA from 2048 bits, Ed25519)", path.display())]
    Key {
        /// The key file.
        path: PathBuf,
        /// What the library said.
        source: rcgen::Error,
    },
    /// The key is not that of the certificate.
    #[error("the private key in {} does not belong to the certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// The key file.
        key: PathBuf,
        /// The certificate file.
        certificate: PathBuf,
    },
    /// The signing certificate cannot be read.
    #[error("the certificate in {} cannot be used: {source}", path.display())]
    Certificate {
        /// The certificate file.
        path: PathBuf,
        /// What the library said.
        source: rcgen::Error,
    },
    /// What the CA signs would be refused by every peer: expired, not a CA, or not below the root.
    #[error("certificates signed by {} do not verify against the root: {reason}", path.display())]
    Unusable {
        /// The certificate file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A new CA could not be made.
    #[error("cannot generate a CA: {0}")]
    Generate(#[source] rcgen::Error),
}
