//! From `validation` to [`ClientTls`].

use std::net::IpAddr;

use cairn_api::gateway::{BackendTlsPolicy, BackendTlsValidation, SubjectAltName, SubjectAltNameType};
use cairn_api::meta::ObjectRef;
use cairn_config::{Objects, Problem};

use super::trust;
use crate::rules::{ClientTls, TlsOrigination, Trust};

/// A reason, as a condition says it, and a message.
pub(super) type Said = (&'static str, String);

/// What a policy asks for, and what its status says of that.
pub(super) struct Validated {
    pub(super) tls: ClientTls,
    /// Why it cannot be done: the reason of `Accepted`.
    pub(super) refused: Option<Said>,
    /// Which authorities are not there: the reason of `ResolvedRefs`.
    pub(super) unresolved: Option<Said>,
}

/// Collects what is wrong in the `validation` of one policy.
pub(super) struct Wrong<'a> {
    object: &'a ObjectRef,
    problems: &'a mut Vec<Problem>,
}

impl Wrong<'_> {
    /// Tells of an error at a field of `spec.validation`, and gives the message back.
    pub(super) fn at(&mut self, field: &str, message: impl Into<String>, hint: &str) -> String {
        let message = message.into();
        let field = format!("spec.validation{field}");
        let problem = Problem::error(self.object.clone(), field, message.as_str(), hint);
        self.problems.push(problem);
        message
    }
}

impl Validated {
    /// What cannot be understood is [`ClientTls::Unusable`]: nothing is sent, and that is told.
    pub(super) fn new(
        policy: &BackendTlsPolicy,
        object: &ObjectRef,
        objects: &Objects,
        problems: &mut Vec<Problem>,
    ) -> Validated {
        let form = policy.spec.validation.clone().unwrap_or_default();
        let mut wrong = Wrong { object, problems };
        let mut unresolved = None;
        let trust = trust::compile(&form, object, objects, &mut unresolved, &mut wrong);
        let hostname = hostname(&form, &mut wrong);
        let names = names(&form, &mut wrong);
        match (trust, hostname, names) {
            (Ok(trust), Ok(hostname), Ok(names)) => Validated {
                tls: originate(trust, hostname, names),
                refused: None,
                unresolved,
            },
            (trust, hostname, names) => Validated {
                tls: ClientTls::Unusable,
                refused: [trust.err(), hostname.err(), names.err()]
                    .into_iter()
                    .flatten()
                    .next(),
                unresolved,
            },
        }
    }
}

fn originate(trust: Trust, hostname: String, names: Vec<String>) -> ClientTls {
    // Without others, the certificate must have the name that is sent; with them, one of those, which it may be among.
    let subject_alt_names = if names.is_empty() {
        vec![hostname.clone()]
    } else {
        names
    };
    ClientTls::Originate(TlsOrigination {
        client: None,
        trust,
        subject_alt_names,
        sni: Some(hostname),
    })
}

fn hostname(form: &BackendTlsValidation, wrong: &mut Wrong<'_>) -> Result<String, Said> {
    let name = form.hostname.to_ascii_lowercase();
    if is_name(&name) {
        return Ok(name);
    }
    let message = match name.as_str() {
        "" => "it is not said which name endpoints have; nothing is sent to them".to_owned(),
        _ => format!("`{name}` is no name of a server; nothing is sent to it"),
    };
    let hint = "write the name in their certificate, without `*`";
    Err(("Invalid", wrong.at(".hostname", message, hint)))
}

fn names(form: &BackendTlsValidation, wrong: &mut Wrong<'_>) -> Result<Vec<String>, Said> {
    let named = form.subject_alt_names.iter().enumerate();
    let named = named.map(|(place, written)| {
        name(written).ok_or_else(|| {
            let field = format!(".subjectAltNames[{place}]");
            let message = "this is no name that a certificate can have; nothing is sent";
            let hint = "write `type: Hostname` with `hostname`, or `type: URI` with `uri`";
            ("Invalid", wrong.at(&field, message, hint))
        })
    });
    named.collect()
}

/// The name, when the field is there that goes with the type.
fn name(written: &SubjectAltName) -> Option<String> {
    let text = |field: &Option<String>| field.clone().filter(|text| !text.is_empty());
    match (written.type_?, text(&written.hostname), text(&written.uri)) {
        (SubjectAltNameType::Hostname, Some(name), None) => {
            let name = name.to_ascii_lowercase();
            is_name(name.strip_prefix("*.").unwrap_or(&name)).then_some(name)
        }
        (SubjectAltNameType::Uri, None, Some(uri)) => {
            let scheme = uri.split_once("://").map(|(scheme, _)| scheme);
            scheme.is_some_and(|scheme| !scheme.is_empty()).then_some(uri)
        }
        _ => None,
    }
}

fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let mut bytes = label.bytes();
        !label.is_empty() && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    name.len() <= 253 && name.split('.').all(is_label) && name.parse::<IpAddr>().is_err()
}
