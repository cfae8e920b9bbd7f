//! A report as protobuf writes it in JSON.

use serde_json::{Map, Value};

use super::{LoadReport, ReportError, excerpt};

pub(super) fn parse(text: &[u8]) -> Result<LoadReport, ReportError> {
    let object: Map<String, Value> =
        serde_json::from_slice(text).map_err(|_| ReportError::Malformed("a JSON object"))?;
    let mut report = LoadReport::default();
    for (name, value) in object.iter().filter(|(_, value)| !value.is_null()) {
        match field(name) {
            // The rate as a whole number, which nothing is weighed by any more.
            "rps" => {}
            map @ ("named_metrics" | "utilization" | "request_cost") => {
                let entries = value
                    .as_object()
                    .ok_or_else(|| ReportError::Value(excerpt(name)))?;
                for (key, value) in entries.iter().filter(|(key, _)| !key.is_empty()) {
                    let name = format!("{map}.{key}");
                    let value = number(&name, value)?;
                    report.set(&name, value)?;
                }
            }
            // A key stands in its map, not beside it.
            field if field.contains('.') => return Err(ReportError::Unknown(excerpt(field))),
            field => report.set(field, number(name, value)?)?,
        }
    }
    Ok(report)
}

/// The name as in the definition of the message; JSON has it in camel case too.
fn field(name: &str) -> &str {
    match name {
        "cpuUtilization" => "cpu_utilization",
        "memUtilization" => "mem_utilization",
        "applicationUtilization" => "application_utilization",
        "rpsFractional" => "rps_fractional",
        "namedMetrics" => "named_metrics",
        "requestCost" => "request_cost",
        name => name,
    }
}

/// A number, which may be in quotation marks.
fn number(name: &str, value: &Value) -> Result<f64, ReportError> {
    let number = match value {
        Value::String(text) => text.parse().ok(),
        value => value.as_f64(),
    };
    number.ok_or_else(|| ReportError::Value(excerpt(name)))
}
