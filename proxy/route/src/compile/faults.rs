//! From `fault` to a [`Fault`].

use std::time::Duration;

use cairn_api::istio::{self, HttpFaultInjection, Percent};
use http::StatusCode;

use super::findings::Findings;
use crate::fault::{Abort, AbortStatus, Delay, Fault, Percentage};
use crate::grpc;

/// Compiles `fault`, whose path in the object is `field`. `None`: part of it does not compile, and
/// there is a finding that says so.
pub(super) fn compile(fault: &HttpFaultInjection, field: &str, findings: &mut Findings) -> Option<Fault> {
    let delay = fault
        .delay
        .as_ref()
        .map(|delay| self::delay(delay, &format!("{field}.delay"), findings));
    let abort = fault
        .abort
        .as_ref()
        .map(|abort| self::abort(abort, &format!("{field}.abort"), findings));
    if delay.is_none() && abort.is_none() {
        findings.warning(
            field,
            "a fault without `delay` and `abort` does nothing",
            "leave it out",
        );
    }
    Some(Fault {
        delay: transposed(delay)?,
        abort: transposed(abort)?,
    })
}

/// What is there must have compiled.
fn transposed<T>(part: Option<Option<T>>) -> Option<Option<T>> {
    match part {
        None => Some(None),
        Some(compiled) => compiled.map(Some),
    }
}

fn delay(delay: &istio::Delay, field: &str, findings: &mut Findings) -> Option<Delay> {
    let fixed = match delay.fixed_delay {
        Some(fixed) if fixed.get() >= Duration::from_millis(1) => Some(fixed.get()),
        Some(_) => {
            findings.error(
                format!("{field}.fixedDelay"),
                "the delay is shorter than a millisecond",
                "write a duration such as `2s`",
            );
            None
        }
        None => {
            let message = match delay.exponential_delay {
                Some(_) => "only fixed delays are injected",
                None => "the delay has no duration",
            };
            findings.error(
                format!("{field}.fixedDelay"),
                message,
                "write a duration, `fixedDelay: 2s`",
            );
            None
        }
    };
    let percentage = match (&delay.percentage, delay.percent) {
        (None, Some(percent)) => self::percentage(f64::from(percent), &format!("{field}.percent"), findings),
        (percentage, _) => self::share(percentage.as_ref(), field, findings),
    };
    Some(Delay {
        fixed: fixed?,
        percentage: percentage?,
    })
}

fn abort(abort: &istio::Abort, field: &str, findings: &mut Findings) -> Option<Abort> {
    let status = match (abort.http_status, &abort.grpc_status, &abort.http2_error) {
        (Some(status), None, None) => http_status(status, &format!("{field}.httpStatus"), findings),
        (None, Some(name), None) => grpc_status(name, &format!("{field}.grpcStatus"), findings),
        (None, None, Some(_)) => {
            findings.error(
                format!("{field}.http2Error"),
                "HTTP/2 errors are not injected",
                "abort with `httpStatus` or `grpcStatus`",
            );
            None
        }
        (None, None, None) => {
            findings.error(
                field,
                "the abort says no status",
                "give `httpStatus: 503` or `grpcStatus: UNAVAILABLE`",
            );
            None
        }
        _ => {
            findings.error(
                field,
                "the abort says more than one status",
                "keep one of `httpStatus` and `grpcStatus`",
            );
            None
        }
    };
    let percentage = share(abort.percentage.as_ref(), field, findings);
    Some(Abort {
        status: status?,
        percentage: percentage?,
    })
}

fn http_status(status: i32, field: &str, findings: &mut Findings) -> Option<AbortStatus> {
    let code = u16::try_from(status)
        .ok()
        .filter(|code| (200..600).contains(code));
    let code = code.and_then(|code| StatusCode::from_u16(code).ok());
    if code.is_none() {
        findings.error(
            field,
            format!("{status} is not an HTTP status"),
            "write one from 200 to 599",
        );
    }
    code.map(AbortStatus::Http)
}

fn grpc_status(name: &str, field: &str, findings: &mut Findings) -> Option<AbortStatus> {
    let code = grpc::code(name);
    if code.is_none() {
        findings.error(
            field,
            format!("`{name}` is not a gRPC status"),
            "write its name in capitals, `UNAVAILABLE`",
        );
    }
    code.map(AbortStatus::Grpc)
}

/// A share that is not given strikes nobody, as in Istio.
fn share(percent: Option<&Percent>, field: &str, findings: &mut Findings) -> Option<Percentage> {
    let field = format!("{field}.percentage");
    match percent {
        Some(percent) => percentage(percent.value, &format!("{field}.value"), findings),
        None => {
            findings.warning(
                field,
                "without a percentage no request is struck",
                "write `percentage: {value: 100}` to strike all",
            );
            Percentage::new(0.0)
        }
    }
}

fn percentage(percent: f64, field: &str, findings: &mut Findings) -> Option<Percentage> {
    let percentage = Percentage::new(percent);
    if percentage.is_none() {
        findings.error(
            field,
            format!("{percent} is not a percentage"),
            "write a number from 0 to 100",
        );
    }
    percentage
}
