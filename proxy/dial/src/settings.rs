//! What TLS towards an endpoint is built from, as it was configured.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};

/// What a DestinationRule (`SIMPLE`, `MUTUAL`) or a BackendTLSPolicy says of TLS, with the files and Secrets that it names
/// read already.
///
/// Which names the endpoint's certificate must have follows Istio:
///
/// | `subject_alt_names` | `sni` | the certificate must be for |
/// |---|---|---|
/// | some | any | one of them |
/// | none | set | nobody in particular: any that the authorities have issued |
/// | none | none | the server name of the connection; without one, nobody in particular |
///
/// The last line is what Envoy's `auto_san_validation` does, which Istio switches on when a DestinationRule gives neither.
/// A BackendTLSPolicy gives its `hostname` as both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// Who is trusted.
    pub trust: Trust,
    /// Revocation lists, PEM.
    ///
    /// As with Envoy every certificate of a chain but the authority that is trusted is looked up, so that each issuer must
    /// have its list here. A list that is past its next update refuses everybody: who renews certificates must renew lists.
    /// Lists among the authorities count as well.
    pub revoked: Option<Vec<u8>>,
    /// The certificate to show to an endpoint that asks for one.
    pub client: Option<ClientCertificate>,
    /// Names of which the endpoint's certificate must have one.
    ///
    /// A name matches a DNS name of the certificate (also one like `*.example.com`, for one label), an IP address, a URI
    /// (`spiffe://…`, exactly) or a mail address. The common name is never looked at.
    pub subject_alt_names: Vec<String>,
    /// The server name to send, whatever the connection is for. An IP address is not sent: SNI has names only (RFC 6066).
    pub sni: Option<String>,
}

/// Whose certificates are taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Trust {
    /// Anybody's. That the endpoint has the key of its certificate is still checked.
    Anyone,
    /// Those that the authorities of the system vouch for. They are read once in the life of the process.
    #[default]
    System,
    /// Those that these authorities vouch for, PEM. A certificate that is itself among them is taken too, as Envoy does.
    Authorities(Vec<u8>),
}

/// A certificate to show, and its key.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate and those that lead to an authority, PEM.
    pub chain: Vec<u8>,
    /// The key: PKCS#8, PKCS#1 or SEC1, PEM, not encrypted.
    pub key: Vec<u8>,
}

impl fmt::Debug for ClientCertificate {
    // Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").finish_non_exhaustive()
    }
}

/// A digest of settings: the same for the same inputs, different for different ones.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

impl TlsSettings {
    /// What tells these settings from others. It is cheaper than building them.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let mut digest = Context::new(&SHA256);
        let mut field = |tag: u8, bytes: &[u8]| {
            digest.update(&[tag]);
            digest.update(&(bytes.len() as u64).to_be_bytes());
            digest.update(bytes);
        };
        match &self.trust {
            Trust::Anyone => field(b'a', &[]),
            Trust::System => field(b's', &[]),
            Trust::Authorities(pem) => field(b'c', pem),
        }
        if let Some(pem) = &self.revoked {
            field(b'r', pem);
        }
        if let Some(client) = &self.client {
            field(b'l', &client.chain);
            field(b'k', &client.key);
        }
        let mut names: Vec<&String> = self.subject_alt_names.iter().collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            field(b'n', name.as_bytes());
        }
        if let Some(sni) = &self.sni {
            field(b'i', sni.as_bytes());
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.finish().as_ref());
        Fingerprint(bytes)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is wrong with settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The authorities are no authorities.
    #[error("the authorities hold no certificate; give PEM with at least one `BEGIN CERTIFICATE`")]
    NoAuthority,
    /// One of them cannot be read.
    #[error("certificate {place} of the authorities cannot be read ({reason}); correct it or leave it out")]
    BadAuthority {
        /// Which, from 1.
        place: usize,
        /// Why not.
        reason: String,
    },
    /// The system has none.
    #[error(
        "this system has no root certificates; install ca-certificates, set SSL_CERT_FILE or name authorities"
    )]
    NoSystemAuthority,
    /// The revocation lists are no lists.
    #[error("the revocation list is empty; give PEM with at least one `BEGIN X509 CRL`, or none at all")]
    NoRevocationList,
    /// One of them cannot be read.
    #[error("revocation list {place} cannot be read ({reason}); publish it anew, as version 2 with a number")]
    BadRevocationList {
        /// Which, from 1.
        place: usize,
        /// Why not.
        reason: String,
    },
    /// The client certificate is none.
    #[error("the client certificate cannot be read ({0}); give PEM that begins with the certificate to show")]
    ClientChain(String),
    /// Its key is none.
    #[error(
        "the key of the client certificate cannot be read ({0}); give PEM of PKCS#8, PKCS#1 or SEC1 that is not encrypted"
    )]
    ClientKey(String),
    /// The key is of another certificate.
    #[error("the key is not that of the client certificate ({0}); give the two that were issued together")]
    ClientPair(String),
    /// A name that no certificate can have.
    #[error("a subject alternative name is empty; write the name that the endpoint's certificate has")]
    EmptyName,
    /// A server name that cannot be sent.
    #[error("{0:?} cannot be sent as server name; write a host name")]
    Sni(String),
    /// Anybody is trusted, and something says otherwise.
    #[error("anybody is to be trusted, and {0} restrict who is; leave out the one or the other")]
    AnyoneRestricted(&'static str),
    /// Something that the TLS library does not put up with.
    #[error("TLS cannot be set up: {0}")]
    Library(String),
}
