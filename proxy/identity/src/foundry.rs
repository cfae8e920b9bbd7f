//! Certificates for tests, the odd ones included.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{CertificateParams, DistinguishedName, IsCa, KeyPair, KeyUsagePurpose, SanType};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::verify::TrustDomains;
use crate::{BoxFuture, Credential, IssueError, IssuedCertificate, Issuer, SpiffeId};

pub(crate) fn id(account: &str) -> SpiffeId {
    SpiffeId::new("cluster.local", "default", account)
}

/// A CA that signs whatever it is told to.
pub(crate) struct Foundry {
    pub(crate) issuer: rcgen::Issuer<'static, KeyPair>,
    pub(crate) root: CertificateDer<'static>,
}

impl Foundry {
    pub(crate) fn new() -> Foundry {
        Foundry::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut CertificateParams)) -> Foundry {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap().into();
        Foundry {
            issuer: rcgen::Issuer::new(params, key),
            root,
        }
    }

    /// A certificate whose URI names are `uris`, otherwise as `change` leaves it.
    pub(crate) fn cast(
        &self,
        uris: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> IssuedCertificate {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = uris
            .iter()
            .map(|&uri| SanType::URI(uri.try_into().unwrap()))
            .collect();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let chain = vec![params.signed_by(&key, &self.issuer).unwrap().into()];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        IssuedCertificate {
            chain,
            key,
            roots: vec![self.root.clone()],
        }
    }

    pub(crate) fn credential(&self, id: &SpiffeId) -> Credential {
        self.credential_with(id, &[], |_| {})
    }

    pub(crate) fn credential_with(
        &self,
        id: &SpiffeId,
        aliases: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Credential {
        let aliases: Vec<_> = aliases.iter().map(|&alias| alias.to_owned()).collect();
        let domains = TrustDomains::new(id.trust_domain(), &aliases);
        Credential::new(id.clone(), self.cast(&[id.as_str()], change), domains).unwrap()
    }
}

/// An issuer that counts, and does as it is told.
pub(crate) struct Scripted {
    foundry: Foundry,
    pub(crate) calls: AtomicUsize,
    /// Whether to refuse.
    pub(crate) broken: Mutex<bool>,
    /// How long an answer takes.
    pub(crate) delay: Duration,
}

impl Scripted {
    pub(crate) fn new(delay: Duration) -> Arc<Scripted> {
        let foundry = Foundry::new();
        Arc::new(Scripted {
            foundry,
            calls: AtomicUsize::new(0),
            broken: Mutex::new(false),
            delay,
        })
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn set_broken(&self, broken: bool) {
        *self.broken.lock().unwrap() = broken;
    }
}

impl Issuer for Scripted {
    fn issue<'a>(
        &'a self,
        id: &'a SpiffeId,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<IssuedCertificate, IssueError>> {
        Box::pin(async move {
            self.calls.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(self.delay).await;
            if *self.broken.lock().unwrap() {
                return Err(IssueError::Failed("out of ink".into()));
            }
            Ok(self.foundry.cast(&[id.as_str()], |params| {
                let now = std::time::SystemTime::now()
                    .duration_since(std::time::UNIX_EPOCH)
                    .unwrap();
                params.not_after = rcgen::date_time_ymd(1970, 1, 1) + (now + ttl);
            }))
        })
    }
}
