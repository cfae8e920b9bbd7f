//! From `caCertificateRefs` and `wellKnownCACertificates` to [`Trust`].

use cairn_api::gateway::{BackendTlsValidation, LocalObjectReference};
use cairn_api::meta::{Key, ObjectRef};
use cairn_config::Objects;

use super::validation::{Said, Wrong};
use crate::base64;
use crate::rules::Trust;

/// The key under which authorities stand.
const AUTHORITIES: &str = "ca.crt";

/// Whose certificates are taken. Authorities that are there are trusted even where others are not; `unresolved` tells of those.
pub(super) fn compile(
    form: &BackendTlsValidation,
    policy: &ObjectRef,
    objects: &Objects,
    unresolved: &mut Option<Said>,
    wrong: &mut Wrong<'_>,
) -> Result<Trust, Said> {
    let known = form.well_known_ca_certificates.as_deref().unwrap_or_default();
    match (known, form.ca_certificate_refs.as_slice()) {
        ("", []) => {
            let message = "it is not said whom to trust; nothing is sent";
            let hint = "name a ConfigMap in `caCertificateRefs`, or write `wellKnownCACertificates: System`";
            Err(("Invalid", wrong.at("", message, hint)))
        }
        ("System", []) => Ok(Trust::System { revoked: None }),
        (_, []) => {
            let message = format!("`{known}` are no authorities that are known here; nothing is sent");
            let hint = "write `System`, or name a ConfigMap in `caCertificateRefs`";
            Err(("Invalid", wrong.at(".wellKnownCACertificates", message, hint)))
        }
        ("", references) => {
            let mut texts = Vec::new();
            for (place, reference) in references.iter().enumerate() {
                match authorities(reference, &policy.namespace, objects) {
                    Ok(text) => texts.push(text),
                    Err((reason, message)) => {
                        let field = format!(".caCertificateRefs[{place}]");
                        let hint = "name a ConfigMap or Secret of the policy's namespace, with certificates in `ca.crt`";
                        let message = wrong.at(&field, message, hint);
                        unresolved.get_or_insert((reason, message));
                    }
                }
            }
            if texts.is_empty() {
                let message = "none of the authorities is there; nothing is sent".to_owned();
                return Err(("NoValidCACertificate", message));
            }
            Ok(Trust::Pem(texts.join("\n")))
        }
        _ => {
            let message = "authorities are both named and taken as the system knows them; nothing is sent";
            let hint = "write either `caCertificateRefs` or `wellKnownCACertificates`";
            Err(("Invalid", wrong.at("", message, hint)))
        }
    }
}

/// The certificates in an object, as PEM. Of a Secret nothing else is read, least of all its key.
fn authorities(reference: &LocalObjectReference, namespace: &str, objects: &Objects) -> Result<String, Said> {
    const INVALID: &str = "InvalidCACertificateRef";
    let key = Key::new(namespace, reference.name.as_str());
    let kind = reference.kind.as_str();
    let is_core = matches!(reference.group.as_str(), "" | "core");
    let text = match kind {
        "ConfigMap" if is_core => objects
            .config_maps
            .get(&key)
            .map(|object| object.data.get(AUTHORITIES).cloned()),
        "Secret" if is_core => objects.secrets.get(&key).map(|object| {
            let plain = object.string_data.get(AUTHORITIES);
            let plain = plain.map(|text| text.reveal().to_owned());
            let coded = object.data.get(AUTHORITIES);
            plain.or_else(|| String::from_utf8(base64::decode(coded?.reveal())?).ok())
        }),
        _ => {
            let message = format!("`{kind}` of group `{}` holds no authorities", reference.group);
            return Err(("InvalidKind", message));
        }
    };
    let Some(text) = text else {
        return Err((INVALID, format!("there is no {kind} {key}")));
    };
    text.filter(|text| has_certificate(text)).ok_or_else(|| {
        let message = format!("{kind} {key} has no certificate in `{AUTHORITIES}`");
        (INVALID, message)
    })
}

/// Whether a text has a certificate, and nothing that only looks like one (RFC 7468, section 5).
fn has_certificate(text: &str) -> bool {
    let mut blocks = text.split("-----BEGIN CERTIFICATE-----").skip(1).peekable();
    let is_whole = |block: &str| {
        let body = block
            .split_once("-----END CERTIFICATE-----")
            .map(|(body, _)| body);
        let body = body.map(|body| body.split_ascii_whitespace().collect::<String>());
        // A SEQUENCE, in DER.
        body.and_then(|body| base64::decode(&body))
            .is_some_and(|der| der.first() == Some(&0x30))
    };
    blocks.peek().is_some() && blocks.all(is_whole)
}
