//! What endpoints report of their load in responses (ORCA), where their weights depend on it.

use cairn_balance::{Endpoint, LoadReport, Utilization};
use http::{HeaderMap, HeaderValue};

use crate::clock;
use crate::upstream::Upstream;

/// Takes note of a report among the fields of a response's head or end. Whether it says enough for a weight.
pub(crate) fn note(endpoint: &Endpoint<Upstream>, utilization: &Utilization, fields: &HeaderMap) -> bool {
    match LoadReport::find(|name| fields.get(name).map(HeaderValue::as_bytes)) {
        None => false,
        Some(Ok(report)) => endpoint
            .standing()
            .observe_load(&report, utilization, clock::now()),
        Some(Err(error)) => {
            tracing::debug!(endpoint = %endpoint.data.address, "the report of its load cannot be read: {error}");
            false
        }
    }
}
