//! From `sessionPersistence` to a [`SessionPersistence`].

use std::time::Duration;

use cairn_api::gateway::{self, CookieLifetime, SessionPersistenceType};
use sha2::{Digest, Sha256};

use crate::compile::findings::Findings;
use crate::session::{Carrier, SessionPersistence};

/// The longest name that the specification allows.
const LONGEST: usize = 128;

/// Compiles `form`, whose path in the object is `field`; `rule` names the rule, in the whole mesh. `None`: it does not compile, and
/// there is a finding that says so.
pub(super) fn compile(
    form: &gateway::SessionPersistence,
    rule: &str,
    field: &str,
    findings: &mut Findings,
) -> Option<SessionPersistence> {
    let before = findings.len();
    let kind = form.type_.unwrap_or_default();
    let given = form.session_name.clone();
    let name = given.unwrap_or_else(|| own_name(rule));
    let carrier = match kind {
        SessionPersistenceType::Cookie => Carrier::Cookie {
            permanent: is_permanent(form),
            name: name.clone(),
        },
        SessionPersistenceType::Header => match name.parse() {
            Ok(header) => Carrier::Header(header),
            Err(_) => Carrier::Cookie {
                name: String::new(),
                permanent: false,
            },
        },
    };
    if !is_token(&name) || name.len() > LONGEST {
        findings.error(
            format!("{field}.sessionName"),
            format!("`{name}` cannot be the name of a cookie or header"),
            format!("write up to {LONGEST} letters, digits and dashes, such as `cart-session`"),
        );
    }
    if kind == SessionPersistenceType::Header && form.cookie_config.is_some() {
        findings.error(
            format!("{field}.cookieConfig"),
            "sessions that a header carries have no cookie",
            "leave it out, or write `type: Cookie`",
        );
    }
    if is_permanent(form) && timeout(form.absolute_timeout).is_none() {
        findings.error(
            format!("{field}.absoluteTimeout"),
            "it is not said how long browsers are to keep the cookie",
            "write a duration such as `24h`, or `lifetimeType: Session`",
        );
    }
    findings
        .error_since(before)
        .is_none()
        .then_some(SessionPersistence {
            carrier,
            absolute: timeout(form.absolute_timeout),
            idle: timeout(form.idle_timeout),
        })
}

fn is_permanent(form: &gateway::SessionPersistence) -> bool {
    let cookie = form.cookie_config.as_ref();
    cookie.and_then(|cookie| cookie.lifetime_type) == Some(CookieLifetime::Permanent)
}

/// Zero is no limit, as it is of the timeouts of a rule.
fn timeout(written: Option<cairn_api::value::Duration>) -> Option<Duration> {
    written
        .map(|timeout| timeout.get())
        .filter(|timeout| !timeout.is_zero())
}

/// A name that no other rule has and that every waypoint gives it.
fn own_name(rule: &str) -> String {
    let digest = Sha256::digest(rule.as_bytes());
    let digits = digest.iter().take(6).map(|byte| format!("{byte:02x}"));
    format!("cairn-session-{}", digits.collect::<String>())
}

/// RFC 9110, section 5.6.2: what names a header may name a cookie too.
fn is_token(name: &str) -> bool {
    name.parse::<http::HeaderName>().is_ok()
}
