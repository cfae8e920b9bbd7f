//! From what users write to a provider.

use std::collections::BTreeMap;
use std::time::Duration;

use cairn_api::istio::{ExtAuthzGrpc, ExtAuthzHttp, ExtAuthzRequestBody, MeshExtensionProvider};
use cairn_api::meta::ObjectRef;
use cairn_config::Problem;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, StatusCode};

use crate::field;
use crate::over_http;
use crate::pattern::Patterns;
use crate::provider::{BodyLimit, Form, Provider};
use crate::service::ServiceName;

/// Istio's `timeoutOrDefault`. A time of 0, which is none to Envoy, is this too: nothing waits for ever.
const TIMEOUT: Duration = Duration::from_secs(600);

type Fixed = Vec<(HeaderName, HeaderValue)>;
type Templates = Vec<(HeaderName, String)>;

/// Takes down what is wrong with one provider.
pub(crate) struct Findings<'a> {
    object: &'a ObjectRef,
    path: String,
    /// Errors so far.
    errors: usize,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Findings<'a> {
    pub(crate) fn new(
        object: &'a ObjectRef,
        form: &MeshExtensionProvider,
        index: usize,
        problems: &'a mut Vec<Problem>,
    ) -> Findings<'a> {
        let name = match form.name.as_str() {
            "" => index.to_string(),
            name => name.to_owned(),
        };
        Findings {
            object,
            path: format!("mesh.extensionProviders[{name}]"),
            errors: 0,
            problems,
        }
    }

    pub(crate) fn error(&mut self, field: &str, message: impl Into<String>, hint: &str) {
        self.errors += 1;
        let path = format!("{}.{field}", self.path);
        self.problems
            .push(Problem::error(self.object.clone(), path, message, hint));
    }

    fn warning(&mut self, field: &str, message: impl Into<String>, hint: &str) {
        let path = format!("{}.{field}", self.path);
        self.problems
            .push(Problem::warning(self.object.clone(), path, message, hint));
    }
}

/// The provider, when there is nothing wrong with it.
pub(crate) fn provider(form: &MeshExtensionProvider, findings: &mut Findings<'_>) -> Option<Provider> {
    let provider = match (&form.envoy_ext_authz_http, &form.envoy_ext_authz_grpc) {
        (Some(http), None) => over_http(&form.name, http, &mut Fields::new("envoyExtAuthzHttp", findings)),
        (None, Some(grpc)) => over_grpc(&form.name, grpc, &mut Fields::new("envoyExtAuthzGrpc", findings)),
        _ => {
            let message = "it is a provider over HTTP and one over gRPC";
            findings.error("envoyExtAuthzGrpc", message, "make two providers of it");
            None
        }
    };
    provider.filter(|_| findings.errors == 0)
}

fn over_http(name: &str, form: &ExtAuthzHttp, fields: &mut Fields<'_, '_>) -> Option<Provider> {
    let path_prefix = fields.path_prefix(&form.path_prefix);
    // The deprecated list is heard when the other is empty.
    let include = match form.include_request_headers_in_check.as_slice() {
        [] => fields.included("includeHeadersInCheck", &form.include_headers_in_check),
        list => {
            if !form.include_headers_in_check.is_empty() {
                let message = "it is not heard beside `includeRequestHeadersInCheck`";
                fields.warning("includeHeadersInCheck", message, "remove it");
            }
            fields.included("includeRequestHeadersInCheck", list)
        }
    };
    let (additional, templates) = fields.additional(&form.include_additional_headers_in_check);
    let settings = over_http::Settings {
        path_prefix,
        include,
        additional,
        to_upstream: fields.patterns("headersToUpstreamOnAllow", &form.headers_to_upstream_on_allow),
        to_downstream_on_allow: fields
            .patterns("headersToDownstreamOnAllow", &form.headers_to_downstream_on_allow),
        to_downstream_on_deny: fields
            .patterns("headersToDownstreamOnDeny", &form.headers_to_downstream_on_deny),
    };
    let (service, port) = fields.service(&form.service, form.port);
    Some(Provider {
        name: name.to_owned(),
        service: service?,
        port: port?,
        timeout: timeout(form.timeout),
        fail_open: form.fail_open,
        clear_route_cache: form.clear_route_cache,
        status_on_error: fields.status_on_error(&form.status_on_error)?,
        body: fields.body(form.include_request_body_in_check.as_ref()),
        templates,
        form: Form::Http(settings),
    })
}

fn over_grpc(name: &str, form: &ExtAuthzGrpc, fields: &mut Fields<'_, '_>) -> Option<Provider> {
    let (service, port) = fields.service(&form.service, form.port);
    let body = fields.body(form.include_request_body_in_check.as_ref());
    let status_on_error = fields.status_on_error(&form.status_on_error);
    let service = service?;
    // The host alone: so Istio has Envoy write it, and it is visible ASCII.
    let authority = HeaderValue::try_from(service.authority()).ok()?;
    let body_form = form.include_request_body_in_check.as_ref();
    Some(Provider {
        name: name.to_owned(),
        service,
        port: port?,
        timeout: timeout(form.timeout),
        fail_open: form.fail_open,
        clear_route_cache: form.clear_route_cache,
        status_on_error: status_on_error?,
        body,
        templates: Vec::new(),
        form: Form::Grpc {
            pack_as_bytes: body_form.is_some_and(|body| body.pack_as_bytes),
            authority,
        },
    })
}

fn timeout(timeout: Option<cairn_api::value::Duration>) -> Duration {
    timeout
        .map(|timeout| timeout.get())
        .filter(|timeout| !timeout.is_zero())
        .unwrap_or(TIMEOUT)
}

/// The fields of one provider.
struct Fields<'a, 'b> {
    kind: &'static str,
    findings: &'a mut Findings<'b>,
}

impl<'a, 'b> Fields<'a, 'b> {
    fn new(kind: &'static str, findings: &'a mut Findings<'b>) -> Self {
        Fields { kind, findings }
    }

    fn error(&mut self, field: &str, message: impl Into<String>, hint: &str) {
        let kind = self.kind;
        self.findings.error(&format!("{kind}.{field}"), message, hint);
    }

    fn warning(&mut self, field: &str, message: impl Into<String>, hint: &str) {
        let kind = self.kind;
        self.findings.warning(&format!("{kind}.{field}"), message, hint);
    }

    fn service(&mut self, service: &str, port: Option<u32>) -> (Option<ServiceName>, Option<u16>) {
        let service = ServiceName::parse(service).map_err(|message| {
            let hint = "write `HOST` or `NAMESPACE/HOST`, such as `ext-authz.foo.svc.cluster.local`";
            self.error("service", message, hint);
        });
        let number = port
            .and_then(|port| u16::try_from(port).ok())
            .filter(|port| *port != 0);
        if number.is_none() {
            let message = match port {
                None | Some(0) => "the port is missing".to_owned(),
                Some(port) => format!("{port} is no port"),
            };
            self.error("port", message, "write the port of the service, 1 to 65535");
        }
        (service.ok(), number)
    }

    fn path_prefix(&mut self, prefix: &str) -> String {
        let is_path =
            prefix.starts_with('/') && !prefix.contains('#') && PathAndQuery::try_from(prefix).is_ok();
        if !prefix.is_empty() && !is_path {
            let message = format!("`{prefix}` does not begin a path");
            self.error("pathPrefix", message, "write a path that begins with `/`");
        }
        prefix.to_owned()
    }

    fn status_on_error(&mut self, status: &str) -> Option<StatusCode> {
        if status.is_empty() {
            return Some(StatusCode::FORBIDDEN);
        }
        let code = status.parse().ok().filter(|code| is_known_status(*code));
        match code.and_then(|code| StatusCode::from_u16(code).ok()) {
            Some(code) => {
                if code.as_u16() < 400 {
                    let message = format!(
                        "{code} is not a status of failure: refused requests look as if they had passed"
                    );
                    self.warning("statusOnError", message, "write a status like `403` or `503`");
                }
                Some(code)
            }
            None => {
                let message = format!("`{status}` is no status");
                self.error("statusOnError", message, "write a status like `403` or `503`");
                None
            }
        }
    }

    fn body(&mut self, form: Option<&ExtAuthzRequestBody>) -> Option<BodyLimit> {
        let form = form?;
        let bytes = form.max_request_bytes.unwrap_or_default();
        if bytes == 0 {
            let message = "nothing is to be sent of the body";
            let hint =
                "write how many bytes may be held back and sent, or remove `includeRequestBodyInCheck`";
            self.error("includeRequestBodyInCheck.maxRequestBytes", message, hint);
        }
        Some(BodyLimit {
            bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
            partial: form.allow_partial_message,
        })
    }

    /// Names of fields to send. Those of the first line are sent anyway.
    fn included(&mut self, field: &str, entries: &[String]) -> Patterns {
        const ANYWAY: [&str; 3] = [":authority", ":method", ":path"];
        let entries: Vec<(usize, &String)> = entries.iter().enumerate().collect();
        let rest = entries
            .into_iter()
            .filter(|(_, entry)| !ANYWAY.contains(&entry.as_str()));
        self.listed(field, rest)
    }

    fn patterns(&mut self, field: &str, entries: &[String]) -> Patterns {
        self.listed(field, entries.iter().enumerate())
    }

    fn listed<'e>(&mut self, field: &str, entries: impl Iterator<Item = (usize, &'e String)>) -> Patterns {
        let mut patterns = Patterns::default();
        for (index, entry) in entries {
            let Err(flaw) = patterns.push(entry) else {
                continue;
            };
            let field = format!("{field}[{index}]");
            if flaw.is_error() {
                self.error(&field, flaw.message(entry), flaw.hint());
            } else {
                self.warning(&field, flaw.message(entry), flaw.hint());
            }
        }
        patterns
    }

    /// Fixed fields, and those with variables.
    fn additional(&mut self, fields: &BTreeMap<String, String>) -> (Fixed, Templates) {
        let (mut fixed, mut templates) = (Vec::new(), Vec::new());
        for (name, text) in fields {
            let field = format!("includeAdditionalHeadersInCheck[{name}]");
            let parsed = HeaderName::from_bytes(name.as_bytes()).ok();
            let Some(name) = parsed.filter(|name| !field::is_framing(name)) else {
                self.error(
                    &field,
                    format!("`{name}` is no header that can be added"),
                    "write the name of a header",
                );
                continue;
            };
            if text.contains('%') {
                templates.push((name, text.clone()));
            } else if let Ok(value) = HeaderValue::from_str(text) {
                // Envoy does not write what is empty.
                if !value.is_empty() {
                    fixed.push((name, value));
                }
            } else {
                self.error(
                    &field,
                    "the value cannot stand in a header",
                    "write printable ASCII",
                );
            }
        }
        (fixed, templates)
    }
}

/// Whether Envoy knows a status by name (`envoy.type.v3.StatusCode`), without those that end no response.
fn is_known_status(code: u16) -> bool {
    matches!(
        code,
        200..=208 | 226 | 300..=305 | 307 | 308 | 400..=417 | 421..=424 | 426 | 428 | 429 | 431 | 500..=508 | 510 | 511
    )
}
