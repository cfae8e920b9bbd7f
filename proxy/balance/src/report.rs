//! What an endpoint says of its load: an Open Request Cost Aggregation (ORCA) report.

mod binary;
mod json;

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use thiserror::Error;

/// A report of load, `xds.data.orca.v3.OrcaLoadReport`. Every number in it is finite, and those that have a field of their own
/// are not below zero; what is not reported is zero.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadReport {
    /// The part of the processors that is in use; more than 1 beyond a soft limit.
    pub cpu_utilization: f64,
    /// The part of the memory that is in use.
    pub mem_utilization: f64,
    /// What the application takes for its utilization; more than 1 beyond a soft limit.
    pub application_utilization: f64,
    /// Requests in a second.
    pub rps_fractional: f64,
    /// Errors in a second.
    pub eps: f64,
    /// The maps, by the name of the map, a dot and the key.
    metrics: BTreeMap<String, f64>,
}

/// Why a report is left out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReportError {
    /// It is longer than any report.
    #[error("the report of load has {0} bytes; send at most {limit}", limit = LONGEST)]
    TooLong(usize),
    /// It begins with none of the words that say what follows.
    #[error("the report of load begins with none of `TEXT `, `JSON ` and `BIN `; put one of them first")]
    Form,
    /// A byte of it has no place in its form.
    #[error("the report of load is not {0}; send what its first word or its header promises")]
    Malformed(&'static str),
    /// There is no such metric.
    #[error(
        "the report of load has a metric `{0}`; name the fields of OrcaLoadReport, and keys of its maps as `map.key`"
    )]
    Unknown(String),
    /// A metric is there twice.
    #[error("the report of load has the metric `{0}` twice; send it once")]
    Repeated(String),
    /// The value of a metric is not a number that it can have.
    #[error("the report of load has no value for `{0}` that it can have; send a finite number, not below 0")]
    Value(String),
}

/// The longest value of a header that is read.
const LONGEST: usize = 16 * 1024;

/// The maps of a report.
const MAPS: [&str; 3] = ["named_metrics", "utilization", "request_cost"];

/// Envoy and gRPC pad or do not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

impl LoadReport {
    /// The header or trailer in one of three forms.
    pub const HEADER: &'static str = "endpoint-load-metrics";
    /// The header or trailer in the binary form, as gRPC has it.
    pub const BINARY_HEADER: &'static str = "endpoint-load-metrics-bin";

    /// The report in the headers or trailers of a response, of which `field` has the first value of a name in lower case. `None`
    /// if there is none.
    ///
    /// ```
    /// use cairn_balance::LoadReport;
    ///
    /// let field = |name: &str| (name == LoadReport::HEADER).then_some(&b"TEXT cpu_utilization=0.5, rps_fractional=20"[..]);
    /// let report = LoadReport::find(field).unwrap().unwrap();
    /// assert_eq!((report.cpu_utilization, report.rps_fractional), (0.5, 20.0));
    /// ```
    pub fn find<'a>(field: impl Fn(&str) -> Option<&'a [u8]>) -> Option<Result<LoadReport, ReportError>> {
        if let Some(value) = field(Self::BINARY_HEADER) {
            return Some(Self::parse_binary(value));
        }
        field(Self::HEADER).map(Self::parse)
    }

    /// Reads the value of [`HEADER`](Self::HEADER).
    pub fn parse(value: &[u8]) -> Result<LoadReport, ReportError> {
        check_length(value)?;
        if let Some(text) = value.strip_prefix(b"TEXT ") {
            Self::from_text(std::str::from_utf8(text).map_err(|_| ReportError::Malformed("text"))?)
        } else if let Some(json) = value.strip_prefix(b"JSON ") {
            json::parse(json)
        } else if let Some(binary) = value.strip_prefix(b"BIN ") {
            Self::parse_binary(binary)
        } else {
            Err(ReportError::Form)
        }
    }

    /// Reads the value of [`BINARY_HEADER`](Self::BINARY_HEADER).
    pub fn parse_binary(value: &[u8]) -> Result<LoadReport, ReportError> {
        check_length(value)?;
        let message = BASE64.decode(value.trim_ascii());
        binary::parse(&message.map_err(|_| ReportError::Malformed("base64"))?)
    }

    /// A metric: a field, as `cpu_utilization`; a key of a map, as `named_metrics.queue`; or the most of all keys of a map, as
    /// `named_metrics.*`. `None` where a map does not have it.
    pub fn metric(&self, name: &str) -> Option<f64> {
        if let Some(field) = self.field(name) {
            return Some(field);
        }
        match name.strip_suffix('*') {
            Some(prefix) if prefix.ends_with('.') => {
                let within = self.metrics.iter().filter(|(name, _)| name.starts_with(prefix));
                within.map(|(_, value)| *value).reduce(f64::max)
            }
            _ => self.metrics.get(name).copied(),
        }
    }

    fn from_text(text: &str) -> Result<LoadReport, ReportError> {
        let mut report = LoadReport::default();
        let mut seen = BTreeSet::new();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let parts = entry.split_once('=').or_else(|| entry.split_once(':'));
            let (name, value) = parts.ok_or(ReportError::Malformed("a list of names and values"))?;
            let name = name.trim();
            let value = value.trim().parse();
            report.set(name, value.map_err(|_| ReportError::Value(excerpt(name)))?)?;
            if !seen.insert(name) {
                return Err(ReportError::Repeated(excerpt(name)));
            }
        }
        Ok(report)
    }

    fn set(&mut self, name: &str, value: f64) -> Result<(), ReportError> {
        let field = match name {
            "cpu_utilization" => &mut self.cpu_utilization,
            "mem_utilization" => &mut self.mem_utilization,
            "application_utilization" => &mut self.application_utilization,
            "rps_fractional" => &mut self.rps_fractional,
            "eps" => &mut self.eps,
            _ if is_in_map(name) && value.is_finite() => {
                self.metrics.insert(name.to_owned(), value);
                return Ok(());
            }
            _ if is_in_map(name) => return Err(ReportError::Value(excerpt(name))),
            _ => return Err(ReportError::Unknown(excerpt(name))),
        };
        if !(value.is_finite() && value >= 0.0) {
            return Err(ReportError::Value(excerpt(name)));
        }
        *field = value;
        Ok(())
    }

    fn field(&self, name: &str) -> Option<f64> {
        Some(match name {
            "cpu_utilization" => self.cpu_utilization,
            "mem_utilization" => self.mem_utilization,
            "application_utilization" => self.application_utilization,
            "rps_fractional" => self.rps_fractional,
            "eps" => self.eps,
            _ => return None,
        })
    }
}

fn check_length(value: &[u8]) -> Result<(), ReportError> {
    match value.len() {
        length if length > LONGEST => Err(ReportError::TooLong(length)),
        _ => Ok(()),
    }
}

/// As much of a name as is worth a line of a log.
fn excerpt(name: &str) -> String {
    name.chars().take(64).collect()
}

fn is_in_map(name: &str) -> bool {
    let parts = name.split_once('.');
    parts.is_some_and(|(map, key)| MAPS.contains(&map) && !key.is_empty())
}

#[cfg(test)]
mod tests;
