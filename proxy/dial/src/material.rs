//! Certificates, lists and keys out of PEM.

use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use webpki::{CertRevocationList, OwnedCertRevocationList};

use crate::settings::{ClientCertificate, SettingsError, TlsSettings, Trust};
use crate::verify::{Authorities, fingerprint};

/// Whom `settings` trust; `None`: anybody.
pub(crate) fn authorities(settings: &TlsSettings) -> Result<Option<Authorities>, SettingsError> {
    let revoked = settings.revoked.as_deref();
    let mut lists = revoked.map(revocation_lists).transpose()?;
    if lists.as_ref().is_some_and(Vec::is_empty) {
        return Err(SettingsError::NoRevocationList);
    }
    let (roots, pinned) = match &settings.trust {
        Trust::Anyone => {
            return match (lists, settings.subject_alt_names.is_empty()) {
                (None, true) => Ok(None),
                (Some(_), _) => Err(SettingsError::AnyoneRestricted("revocation lists")),
                (_, false) => Err(SettingsError::AnyoneRestricted("subject alternative names")),
            };
        }
        Trust::System => (system()?, Vec::new()),
        Trust::Authorities(pem) => {
            let given = given(pem)?;
            // Envoy takes the lists in a bundle as seriously as those in a file of their own.
            lists.get_or_insert_default().extend(revocation_lists(pem)?);
            given
        }
    };
    Ok(Some(Authorities {
        roots,
        pinned,
        revoked: lists.unwrap_or_default(),
    }))
}

/// The certificate to show with those that lead on from it, and its key.
pub(crate) fn client(
    client: &ClientCertificate,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), SettingsError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&client.chain)
        .collect::<Result<_, _>>()
        .map_err(|error| SettingsError::ClientChain(error.to_string()))?;
    if chain.is_empty() {
        return Err(SettingsError::ClientChain("it holds no certificate".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(&client.key)
        .map_err(|error| SettingsError::ClientKey(error.to_string()))?;
    Ok((chain, key))
}

type Pinned = Vec<[u8; 32]>;

fn given(pem: &[u8]) -> Result<(Arc<RootCertStore>, Pinned), SettingsError> {
    let mut roots = RootCertStore::empty();
    let mut pinned = Vec::new();
    for (place, certificate) in (1..).zip(CertificateDer::pem_slice_iter(pem)) {
        let bad = |reason: String| SettingsError::BadAuthority { place, reason };
        let certificate = certificate.map_err(|error| bad(error.to_string()))?;
        pinned.push(fingerprint(&certificate));
        roots.add(certificate).map_err(|error| bad(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(SettingsError::NoAuthority);
    }
    Ok((Arc::new(roots), pinned))
}

/// The same for all settings: they are large, and take a while to read.
fn system() -> Result<Arc<RootCertStore>, SettingsError> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    if let Some(roots) = ROOTS.get() {
        return Ok(roots.clone());
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(SettingsError::NoSystemAuthority);
    }
    Ok(ROOTS.get_or_init(|| Arc::new(roots)).clone())
}

fn revocation_lists(pem: &[u8]) -> Result<Vec<CertRevocationList<'static>>, SettingsError> {
    let read = |(place, list): (usize, Result<CertificateRevocationListDer<'static>, _>)| {
        let bad = |reason: String| SettingsError::BadRevocationList { place, reason };
        let list = list.map_err(|error: rustls_pki_types::pem::Error| bad(error.to_string()))?;
        let list = OwnedCertRevocationList::from_der(&list).map_err(|error| bad(error.to_string()))?;
        Ok(list.into())
    };
    (1..)
        .zip(CertificateRevocationListDer::pem_slice_iter(pem))
        .map(read)
        .collect()
}
