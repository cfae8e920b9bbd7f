//! TLS towards endpoints.

use cairn_api::istio::{ClientTlsSettings, TlsMode};

use super::field::Field;

/// TLS towards endpoints, within the mesh's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientTls {
    /// None.
    Disable,
    /// That of the mesh.
    IstioMutual,
    /// As these settings say.
    Originate(TlsOrigination),
    /// It cannot be known what was meant. Nothing may be sent: it could have been meant to be encrypted, or to be sent to nobody
    /// else.
    Unusable,
}

/// TLS that is begun here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsOrigination {
    /// The client certificate; `None`: none is shown.
    pub client: Option<ClientCertificate>,
    /// Who is trusted.
    pub trust: Trust,
    /// Names of which the endpoint's certificate must have one; none: that of the request where [`sni`](Self::sni) is not set either,
    /// else any that is trusted will do.
    pub subject_alt_names: Vec<String>,
    /// The server name that is sent; `None`: that of the request.
    pub sni: Option<String>,
}

/// A certificate to show, and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientCertificate {
    /// In files.
    Files {
        /// The certificate.
        certificate: String,
        /// The private key.
        key: String,
    },
    /// In a secret of this name, in the waypoint's namespace: a credential is the proxy's that shows it.
    Secret(String),
}

/// Whose certificates are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Anybody's.
    Anyone,
    /// Those of the authorities that the system knows.
    System {
        /// The file of the revocation list.
        revoked: Option<String>,
    },
    /// Those of the authorities in a file.
    File {
        /// The file of the authorities.
        authorities: String,
        /// The file of the revocation list.
        revoked: Option<String>,
    },
    /// Those of the authorities in a secret of this name, in the waypoint's namespace; where it has none, those that the system
    /// knows.
    Secret(String),
    /// Those of the authorities in this text, of which each is a certificate in PEM.
    Pem(String),
}

impl ClientTls {
    pub(super) fn new(form: &ClientTlsSettings, field: &mut Field<'_>) -> ClientTls {
        match form.mode {
            None if *form != ClientTlsSettings::default() => {
                field.at("mode").error(
                    "settings of TLS are given, and not whether it is used; nothing is sent",
                    "write `mode: SIMPLE` or `mode: MUTUAL`",
                );
                ClientTls::Unusable
            }
            None | Some(TlsMode::Disable) => ClientTls::Disable,
            Some(TlsMode::IstioMutual) => {
                if names_certificates(form) {
                    field.error(
                        "ISTIO_MUTUAL takes the certificates of the mesh; those that are named are not looked at",
                        "leave out certificates, keys and `credentialName`, or write `mode: MUTUAL`",
                    );
                }
                ClientTls::IstioMutual
            }
            Some(TlsMode::Simple) => originate(form, None, field),
            Some(TlsMode::Mutual) => match ClientCertificate::new(form, field) {
                Some(client) => originate(form, Some(client), field),
                None => ClientTls::Unusable,
            },
        }
    }
}

fn originate(
    form: &ClientTlsSettings,
    client: Option<ClientCertificate>,
    field: &mut Field<'_>,
) -> ClientTls {
    let Some(trust) = Trust::new(form, field) else {
        return ClientTls::Unusable;
    };
    ClientTls::Originate(TlsOrigination {
        client,
        trust,
        subject_alt_names: form.subject_alt_names.clone(),
        sni: given(&form.sni),
    })
}

impl ClientCertificate {
    fn new(form: &ClientTlsSettings, field: &mut Field<'_>) -> Option<ClientCertificate> {
        if let Some(secret) = given(&form.credential_name) {
            return Some(ClientCertificate::Secret(secret));
        }
        let certificate = given(&form.client_certificate);
        let key = given(&form.private_key);
        for (name, missing) in [
            ("clientCertificate", certificate.is_none()),
            ("privateKey", key.is_none()),
        ] {
            if missing {
                field.at(name).error(
                    "MUTUAL needs a certificate to show and its key; nothing is sent",
                    "name both files, or a secret in `credentialName`",
                );
            }
        }
        Some(ClientCertificate::Files {
            certificate: certificate?,
            key: key?,
        })
    }
}

impl Trust {
    fn new(form: &ClientTlsSettings, field: &mut Field<'_>) -> Option<Trust> {
        let restricted = names_authorities(form) || !form.subject_alt_names.is_empty();
        if form.insecure_skip_verify == Some(true) {
            if restricted {
                field.at("insecureSkipVerify").error(
                    "certificates are to be checked and to be taken unchecked; nothing is sent",
                    "leave out `insecureSkipVerify`, or `caCertificates`, `caCrl` and `subjectAltNames`",
                );
                return None;
            }
            return Some(Trust::Anyone);
        }
        if let Some(secret) = given(&form.credential_name) {
            if names_files(form) {
                field.at("credentialName").error(
                    "certificates are named both as a secret and as files; nothing is sent",
                    "write either `credentialName` or the files",
                );
                return None;
            }
            return Some(Trust::Secret(secret));
        }
        let revoked = given(&form.ca_crl);
        // Istio's own name for them.
        let authorities = given(&form.ca_certificates).filter(|file| file != "system");
        Some(match authorities {
            Some(authorities) => Trust::File { authorities, revoked },
            None => Trust::System { revoked },
        })
    }
}

fn given(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn names_authorities(form: &ClientTlsSettings) -> bool {
    !form.ca_certificates.is_empty() || !form.ca_crl.is_empty()
}

fn names_files(form: &ClientTlsSettings) -> bool {
    names_authorities(form) || !form.client_certificate.is_empty() || !form.private_key.is_empty()
}

fn names_certificates(form: &ClientTlsSettings) -> bool {
    names_files(form) || !form.credential_name.is_empty()
}

#[cfg(test)]
mod tests;
