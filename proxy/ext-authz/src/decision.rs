//! What the answer of a server over gRPC means.
//!
//! Facts are of Envoy's `ext_authz_grpc_impl.cc` and `ext_authz.cc`.

use bytes::Bytes;
use cairn_api::ext_authz::{
    CheckResponse, DeniedHttpResponse, HeaderValueOption, HttpResponse, OkHttpResponse,
};
use http::StatusCode;

use crate::change::{Changes, Head, Invalid};
use crate::error::CheckError;
use crate::query::QueryChanges;
use crate::refusal::{DENIED, ERROR, Metadata, Refusal};
use crate::rewrite;
use crate::verdict::{Allowed, Verdict};

/// What a server has decided.
pub(crate) fn decide(answer: CheckResponse) -> Verdict {
    let metadata = answer.dynamic_metadata.map(Metadata::from).unwrap_or_default();
    let code = answer.status.map_or(0, |status| status.code);
    let decided = match (code, answer.http_response) {
        (0, None) => Ok(Verdict::Allowed(Box::new(Allowed {
            metadata,
            ..Allowed::default()
        }))),
        (0, Some(HttpResponse::Ok(ok))) => allowed(ok, metadata).map(|one| Verdict::Allowed(Box::new(one))),
        // It says both that the request may pass and how it is refused. Envoy lets it pass; here nothing does that a
        // server may have meant to refuse.
        (0, Some(HttpResponse::Denied(_) | HttpResponse::Error(_))) => Err(Invalid),
        (_, Some(HttpResponse::Error(error))) => refused(error, ERROR, metadata).map(|(status, refusal)| {
            Verdict::Error(CheckError::Unable {
                status,
                refusal: Box::new(refusal),
            })
        }),
        (_, Some(HttpResponse::Denied(denied))) => {
            refused(denied, DENIED, metadata).map(|(_, refusal)| Verdict::Denied(Box::new(refusal)))
        }
        (_, None | Some(HttpResponse::Ok(_))) => Ok(Verdict::Denied(Box::new(Refusal {
            metadata,
            ..Refusal::new(StatusCode::FORBIDDEN, DENIED)
        }))),
    };
    decided.unwrap_or_else(|Invalid| Verdict::Denied(Box::new(Refusal::invalid())))
}

fn allowed(ok: OkHttpResponse, metadata: Metadata) -> Result<Allowed, Invalid> {
    let mut allowed = Allowed {
        metadata: ok.dynamic_metadata.map_or(metadata, Metadata::from),
        ..Allowed::default()
    };
    for option in &ok.headers {
        let (name, value) = parts(option)?;
        rewrite::request_field(&mut allowed, Head::Request.action(option)?, name, value)?;
    }
    allowed.fields = allowed.fields.settle();
    for name in &ok.headers_to_remove {
        allowed.remove(name)?;
    }
    allowed.response = changes(&ok.response_headers_to_add, Head::Response)?.settle();
    let set = ok.query_parameters_to_set.into_iter();
    let set = set.map(|parameter| (parameter.key, parameter.value)).collect();
    allowed.query = QueryChanges::new(set, ok.query_parameters_to_remove)?;
    Ok(allowed)
}

/// The response to a request that is refused, and the status that it is to have, where that is one.
fn refused(
    denied: DeniedHttpResponse,
    details: &'static str,
    metadata: Metadata,
) -> Result<(Option<StatusCode>, Refusal), Invalid> {
    let code = denied.status.map_or(0, |status| status.code);
    let status = u16::try_from(code).ok().filter(|code| (200..600).contains(code));
    let status = status.and_then(|code| StatusCode::from_u16(code).ok());
    let mut refusal = Refusal::new(status.unwrap_or(StatusCode::FORBIDDEN), details);
    refusal.metadata = metadata;
    changes(&denied.headers, Head::Refusal)?.apply(&mut refusal.headers)?;
    Ok((status, refusal.with_body(denied.body)))
}

fn changes(options: &[HeaderValueOption], head: Head) -> Result<Changes, Invalid> {
    let mut changes = Changes::default();
    for option in options {
        let (name, value) = parts(option)?;
        let (name, value) = rewrite::field(name, value)?;
        changes.push(head.action(option)?, name, value)?;
    }
    Ok(changes)
}

fn parts(option: &HeaderValueOption) -> Result<(&[u8], &[u8]), Invalid> {
    let header = option.header.as_ref().ok_or(Invalid)?;
    let value: &Bytes = if header.value.is_empty() {
        &header.raw_value
    } else {
        &header.value
    };
    Ok((header.key.as_bytes(), value))
}

#[cfg(test)]
mod tests;
