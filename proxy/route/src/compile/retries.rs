//! From `retries` to a [`Retry`].

use std::time::Duration;

use cairn_api::istio::HttpRetry;
use http::StatusCode;

use super::findings::Findings;
use crate::retry::{Retry, RetryOn};

/// Pauses and attempts of less than a millisecond are none.
const SHORTEST: Duration = Duration::from_millis(1);

/// Compiles `retries`, whose path in the object is `field`. `None`: part of it does not compile, and there is a finding that
/// says so.
pub(super) fn compile(retries: &HttpRetry, field: &str, findings: &mut Findings) -> Option<Retry> {
    let default = Retry::default();
    let attempts = match retries.attempts.unwrap_or_default() {
        0 => return Some(Retry::none()),
        attempts => u32::try_from(attempts).ok(),
    };
    if attempts.is_none() {
        findings.error(
            format!("{field}.attempts"),
            "the number is below zero",
            "write how often a request is tried again, or 0",
        );
    }
    let conditions = if retries.retry_on.is_empty() {
        Some((default.on, Vec::new()))
    } else {
        conditions(&retries.retry_on, &format!("{field}.retryOn"), findings)
    };
    let (on, statuses) = conditions?;
    Some(Retry {
        attempts: attempts?,
        per_try_timeout: retries
            .per_try_timeout
            .map(|timeout| timeout.get())
            .filter(|timeout| *timeout >= SHORTEST),
        on,
        statuses,
        previous_hosts: retries.retry_ignore_previous_hosts == Some(false),
        remote_localities: retries.retry_remote_localities == Some(true),
        backoff: retries
            .backoff
            .map(|backoff| backoff.get())
            .filter(|backoff| *backoff >= SHORTEST)
            .unwrap_or(default.backoff),
    })
}

fn conditions(written: &str, field: &str, findings: &mut Findings) -> Option<(RetryOn, Vec<StatusCode>)> {
    let (mut on, mut statuses) = (RetryOn::default(), Vec::new());
    let before = findings.len();
    for name in written.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        if let Some(condition) = RetryOn::named(name) {
            on = on.and(condition);
        } else if let Ok(Ok(status)) = name.parse().map(StatusCode::from_u16) {
            on = on.and(RetryOn::STATUS_CODES);
            statuses.push(status);
        } else if matches!(name, "retriable-headers" | "http3-post-connect-failure") {
            let message = format!("`{name}` has nothing to do in a waypoint");
            findings.warning(field, message, "leave it out");
        } else {
            let known: Vec<_> = RetryOn::names().collect();
            let hint = format!("write a status or some of {}", known.join(", "));
            findings.error(field, format!("`{name}` is no condition for a retry"), hint);
        }
    }
    findings.error_since(before).is_none().then_some((on, statuses))
}
