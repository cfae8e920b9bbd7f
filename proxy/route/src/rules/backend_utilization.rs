//! Weights from the load that endpoints report.

use std::time::Duration;

use cairn_api::istio::BackendUtilization as Form;

use super::field::Field;

/// Weights from the load that endpoints report in their responses (ORCA).
#[derive(Debug, Clone, PartialEq)]
pub struct BackendUtilization {
    /// How long an endpoint must have reported before its weight counts.
    pub stabilization_period: Duration,
    /// How long after its last report the weight of an endpoint counts.
    pub expiration_period: Duration,
    /// The time between recalculations.
    pub update_period: Duration,
    /// How much a request in error adds to the utilization, 1 being all of it, in proportion to the requests.
    pub error_penalty: f64,
    /// Metrics, the highest of which is the utilization: fields of a report, or keys of its maps as `map.key`, `*` for all of
    /// them.
    pub metric_names: Vec<String>,
}

/// More often than that weights are not calculated, as in Envoy.
const SHORTEST_UPDATE: Duration = Duration::from_millis(100);

/// The defaults of Envoy, where Istio has none of its own.
impl Default for BackendUtilization {
    fn default() -> BackendUtilization {
        BackendUtilization {
            stabilization_period: Duration::from_secs(10),
            expiration_period: Duration::from_secs(180),
            update_period: Duration::from_secs(1),
            error_penalty: 0.0,
            metric_names: Vec::new(),
        }
    }
}

impl BackendUtilization {
    pub(super) fn new(form: &Form, field: &mut Field<'_>) -> BackendUtilization {
        let default = BackendUtilization::default();
        let stabilization = field.span_or_zero("weightStabilizationPeriod", form.weight_stabilization_period);
        let expiration = field.span("weightExpirationPeriod", form.weight_expiration_period);
        let update = field.span("weightUpdatePeriod", form.weight_update_period);
        let update = update.unwrap_or(default.update_period);
        if update < SHORTEST_UPDATE {
            field.at("weightUpdatePeriod").warning(
                "weights are calculated every 100 milliseconds at most, as in Envoy",
                "write `100ms` or more",
            );
        }
        let penalty = form.error_utilization_penalty_percent;
        BackendUtilization {
            stabilization_period: stabilization.unwrap_or(default.stabilization_period),
            expiration_period: expiration.unwrap_or(default.expiration_period),
            update_period: update.max(SHORTEST_UPDATE),
            error_penalty: penalty.map_or(default.error_penalty, |percent| f64::from(percent) / 100.0),
            metric_names: metric_names(form, field),
        }
    }
}

/// Those that a report can have; others would never be there.
fn metric_names(form: &Form, field: &mut Field<'_>) -> Vec<String> {
    let mut list = field.at("metricNamesForComputingUtilization");
    let mut names = Vec::new();
    for (place, name) in form.metric_names_for_computing_utilization.iter().enumerate() {
        if is_metric(name) {
            names.push(name.clone());
        } else {
            list.item(place).error(
                format!("no report of load has a metric `{name}`; it has no effect"),
                "write a field of OrcaLoadReport such as `cpu_utilization`, or a key of one of its maps such as `named_metrics.queue`",
            );
        }
    }
    names
}

fn is_metric(name: &str) -> bool {
    match name.split_once('.') {
        Some((map, key)) => {
            ["named_metrics", "utilization", "request_cost"].contains(&map) && !key.is_empty()
        }
        None => [
            "application_utilization",
            "cpu_utilization",
            "mem_utilization",
            "rps_fractional",
            "eps",
        ]
        .contains(&name),
    }
}

#[cfg(test)]
mod tests;
