//! When endpoints are set aside.

use std::time::Duration;

use cairn_api::istio::OutlierDetection as Form;

use super::field::Field;

/// When an endpoint is set aside, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutlierDetection {
    /// Server errors in a row; 0: they do not matter.
    pub server_errors: u32,
    /// Gateway errors (502, 503, 504) in a row; 0: they do not matter by themselves.
    pub gateway_errors: u32,
    /// Errors of connecting in a row, counted apart. `None`: they count as server and gateway errors.
    pub local_errors: Option<u32>,
    /// The status codes that count as server errors; none: all from 500 on.
    pub error_codes: Vec<u16>,
    /// Time between sweeps.
    pub interval: Duration,
    /// How long the first ejection lasts.
    pub base_ejection: Duration,
    /// How many of the endpoints may be set aside at a time, percent.
    pub max_ejection_percent: u32,
    /// Share of healthy endpoints, percent, below which all are used.
    pub min_health_percent: u32,
}

impl Default for OutlierDetection {
    fn default() -> OutlierDetection {
        OutlierDetection {
            server_errors: 5,
            gateway_errors: 0,
            local_errors: None,
            error_codes: Vec::new(),
            interval: Duration::from_secs(10),
            base_ejection: Duration::from_secs(30),
            max_ejection_percent: 10,
            min_health_percent: 0,
        }
    }
}

impl OutlierDetection {
    pub(super) fn new(form: &Form, field: &mut Field<'_>) -> OutlierDetection {
        let default = OutlierDetection::default();
        let percent = field.percent("maxEjectionPercent", form.max_ejection_percent, 10);
        OutlierDetection {
            server_errors: form.consecutive_5xx_errors.unwrap_or(default.server_errors),
            gateway_errors: gateway_errors(form, field),
            local_errors: local_errors(form, field),
            error_codes: error_codes(form, field),
            interval: field.span("interval", form.interval).unwrap_or(default.interval),
            base_ejection: field
                .span("baseEjectionTime", form.base_ejection_time)
                .unwrap_or(default.base_ejection),
            // Istio does not tell 0 from nothing.
            max_ejection_percent: percent
                .filter(|percent| *percent > 0)
                .unwrap_or(default.max_ejection_percent),
            min_health_percent: field
                .percent("minHealthPercent", form.min_health_percent, 0)
                .unwrap_or_default(),
        }
    }
}

fn gateway_errors(form: &Form, field: &mut Field<'_>) -> u32 {
    let old = field.limit("consecutiveErrors", form.consecutive_errors);
    if old.is_some() {
        field.at("consecutiveErrors").warning(
            "the field is deprecated; it is taken for `consecutiveGatewayErrors`",
            "write `consecutiveGatewayErrors` or `consecutive5xxErrors`",
        );
    }
    form.consecutive_gateway_errors.or(old).unwrap_or_default()
}

fn local_errors(form: &Form, field: &mut Field<'_>) -> Option<u32> {
    let given = form.consecutive_local_origin_failures.filter(|count| *count > 0);
    if form.split_external_local_origin_errors {
        return Some(given.unwrap_or(5));
    }
    if given.is_some() {
        field.at("consecutiveLocalOriginFailures").error(
            "errors of connecting are not counted apart, so the number has no effect",
            "write `splitExternalLocalOriginErrors: true` too",
        );
    }
    None
}

fn error_codes(form: &Form, field: &mut Field<'_>) -> Vec<u16> {
    let mut list = field.at("outlierDetectionHttpErrorCodes");
    let mut codes = Vec::new();
    for (place, given) in form.outlier_detection_http_error_codes.iter().enumerate() {
        match u16::try_from(*given)
            .ok()
            .filter(|code| (100..=599).contains(code))
        {
            Some(code) => codes.push(code),
            None => list.item(place).error(
                format!("{given} is no status code; it is left out"),
                "write a number from 100 to 599",
            ),
        }
    }
    codes
}

#[cfg(test)]
mod tests;
