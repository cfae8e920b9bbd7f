//! Header operations of a route and of its destinations, merged.

use cairn_api::gateway::HeaderModifier;
use cairn_api::istio;
use http::HeaderValue;
use http::header::{CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING};

use super::findings::Findings;
use crate::headers::{HeaderOperations, Pass, Value};
use crate::template::Template;

/// The operations of one `headers` block.
#[derive(Debug, Clone, Default)]
pub(super) struct Operations {
    request: Pass,
    response: Pass,
    /// `host` or `:authority`, set or added.
    pub(super) authority: Option<HeaderValue>,
}

/// Compiles `headers`, whose path in the object is `field`. `None`: part of it does not compile, and
/// there is a finding that says so.
pub(super) fn compile(
    headers: Option<&istio::Headers>,
    field: &str,
    findings: &mut Findings,
) -> Option<Operations> {
    let Some(headers) = headers else {
        return Some(Operations::default());
    };
    let mut authority = None;
    let request = pass(
        headers.request.as_ref(),
        &format!("{field}.request"),
        Some(&mut authority),
        findings,
    );
    let response = pass(
        headers.response.as_ref(),
        &format!("{field}.response"),
        None,
        findings,
    );
    Some(Operations {
        request: request?,
        response: response?,
        authority,
    })
}

/// A header modifier of the Gateway API, and the path of its field in the object.
pub(super) type Modifier<'a> = (&'a HeaderModifier, String);

/// Compiles the header modifiers of a list of filters. `None` as above. Values are taken as Istio takes them, with their
/// variables; one that would be no such value stands for itself.
pub(super) fn modifiers(
    request: Option<Modifier<'_>>,
    response: Option<Modifier<'_>>,
    findings: &mut Findings,
) -> Option<Operations> {
    let mut authority = None;
    let request = request.map(|modifier| modified(&modifier, Some(&mut authority), findings));
    let response = response.map(|modifier| modified(&modifier, None, findings));
    Some(Operations {
        request: request.unwrap_or(Some(Pass::default()))?,
        response: response.unwrap_or(Some(Pass::default()))?,
        authority,
    })
}

fn modified(
    (modifier, field): &Modifier<'_>,
    mut authority: Option<&mut Option<HeaderValue>>,
    findings: &mut Findings,
) -> Option<Pass> {
    let mut pass = Pass::default();
    let mut complete = true;
    for (place, name) in modifier.remove.iter().enumerate() {
        match writable(name, &format!("{field}.remove[{place}]"), findings) {
            Ok(name) => pass.remove.extend(name),
            Err(Refused) => complete = false,
        }
    }
    let lists = [
        ("set", &modifier.set, &mut pass.set),
        ("add", &modifier.add, &mut pass.add),
    ];
    for (list, headers, written) in lists {
        for (place, header) in headers.iter().enumerate() {
            let field = format!("{field}.{list}[{place}]");
            if let Some(authority) = authority.as_deref_mut()
                && is_authority(&header.name)
            {
                match fixed(&header.value, &field, findings) {
                    Some(value) => drop(authority.get_or_insert(value)),
                    None => complete = false,
                }
                continue;
            }
            let literal = Template::parse(&header.value).is_err();
            let value = match literal {
                true => fixed(&header.value, &field, findings).map(Value::Fixed),
                false => self::value(&header.value, &field, findings),
            };
            match (writable(&header.name, &field, findings), value) {
                // Of several for one name, the specification takes the first.
                (Ok(Some(name)), Some(value)) if written.iter().all(|(known, _)| *known != name) => {
                    written.push((name, value));
                }
                (Ok(_), Some(_)) => {}
                _ => complete = false,
            }
        }
    }
    complete.then_some(pass)
}

impl Operations {
    /// Those of the route alone, for responses that it makes itself.
    pub(super) fn of_responses(&self) -> HeaderOperations {
        HeaderOperations::new([self.response.clone()])
    }

    /// Those for requests and for responses of a destination. Of a route with one destination both blocks
    /// are one set, in which the destination's values win. Among several, the destination's operations
    /// come first and the route's have the last word. Envoy, as Istio configures it, does the same.
    pub(super) fn merged(
        &self,
        destination: Operations,
        single: bool,
    ) -> (HeaderOperations, HeaderOperations) {
        let merge = |route: &Pass, destination: Pass| {
            if single {
                HeaderOperations::new([route.clone().and(destination)])
            } else {
                HeaderOperations::new([destination, route.clone()])
            }
        };
        (
            merge(&self.request, destination.request),
            merge(&self.response, destination.response),
        )
    }
}

fn pass(
    operations: Option<&istio::HeaderOperations>,
    field: &str,
    mut authority: Option<&mut Option<HeaderValue>>,
    findings: &mut Findings,
) -> Option<Pass> {
    let Some(operations) = operations else {
        return Some(Pass::default());
    };
    let mut pass = Pass::default();
    let mut complete = true;
    for name in &operations.remove {
        match writable(name, &format!("{field}.remove"), findings) {
            Ok(Some(name)) => pass.remove.push(name),
            Ok(None) => {}
            Err(Refused) => complete = false,
        }
    }
    let lists = [
        ("set", &operations.set, &mut pass.set),
        ("add", &operations.add, &mut pass.add),
    ];
    for (list, values, written) in lists {
        for (name, value) in values {
            let field = format!("{field}.{list}.{name}");
            if let Some(authority) = authority.as_deref_mut()
                && is_authority(name)
            {
                // `set` comes first and wins; the text is taken as it is, without variables.
                match fixed(value, &field, findings) {
                    Some(value) => drop(authority.get_or_insert(value)),
                    None => complete = false,
                }
                continue;
            }
            match (
                writable(name, &field, findings),
                self::value(value, &field, findings),
            ) {
                (Ok(Some(name)), Some(value)) => written.push((name, value)),
                (Ok(None), _) => {}
                _ => complete = false,
            }
        }
    }
    complete.then_some(pass)
}

/// The name cannot be one.
struct Refused;

/// The header, if operations may touch it.
fn writable(name: &str, field: &str, findings: &mut Findings) -> Result<Option<HeaderName>, Refused> {
    if name.starts_with(':') || is_authority(name) {
        findings.warning(
            field,
            format!("`{name}` is not a header that can be changed here; this is ignored"),
            "change path and authority with `rewrite`",
        );
        return Ok(None);
    }
    let Ok(header) = HeaderName::from_bytes(name.as_bytes()) else {
        findings.error(
            field,
            format!("`{name}` is not a header name"),
            "write a name such as `x-user`",
        );
        return Err(Refused);
    };
    if header == CONTENT_LENGTH || header == TRANSFER_ENCODING {
        // Whoever says where a message ends other than its sender lets requests be smuggled.
        findings.warning(
            field,
            format!("`{header}` says where the message ends, which only the proxy knows; this is ignored"),
            format!("leave out `{header}`"),
        );
        return Ok(None);
    }
    Ok(Some(header))
}

fn value(value: &str, field: &str, findings: &mut Findings) -> Option<Value> {
    let template = match Template::parse(value) {
        Ok(template) => template,
        Err(error) => {
            findings.error(
                field,
                format!("`{value}`: {error}"),
                "write `%%` where a percent sign is meant",
            );
            return None;
        }
    };
    for variable in template.untold() {
        findings.unsupported(
            field,
            format!("this version does not know what `%{variable}%` stands for; it is left empty"),
            "leave it out",
        );
    }
    match template.fixed() {
        Some(text) => fixed(text, field, findings).map(Value::Fixed),
        None => Some(Value::Computed(template)),
    }
}

/// A value without variables, also for `rewrite.authority`.
pub(super) fn fixed(text: &str, field: &str, findings: &mut Findings) -> Option<HeaderValue> {
    match HeaderValue::from_str(text).or_else(|_| HeaderValue::from_bytes(text.as_bytes())) {
        Ok(value) => Some(value),
        Err(_) => {
            findings.error(
                field,
                "the value has characters that no header may have",
                "remove control characters",
            );
            None
        }
    }
}

fn is_authority(name: &str) -> bool {
    name.eq_ignore_ascii_case("host") || name.eq_ignore_ascii_case(":authority")
}
