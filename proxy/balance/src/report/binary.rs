//! A report as protobuf writes it.

use super::{LoadReport, ReportError};

const MALFORMED: ReportError = ReportError::Malformed("a protobuf message");

/// What a field of a message has.
enum Value<'a> {
    Double(f64),
    Bytes(&'a [u8]),
    /// Of a type that no field which is read has.
    Other,
}

/// The fields of a message that are left to read.
struct Fields<'a>(&'a [u8]);

pub(super) fn parse(message: &[u8]) -> Result<LoadReport, ReportError> {
    let mut report = LoadReport::default();
    let mut fields = Fields(message);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, Value::Double(value)) => report.set("cpu_utilization", value)?,
            (2, Value::Double(value)) => report.set("mem_utilization", value)?,
            (4, Value::Bytes(entry)) => insert(&mut report, "request_cost", entry)?,
            (5, Value::Bytes(entry)) => insert(&mut report, "utilization", entry)?,
            (6, Value::Double(value)) => report.set("rps_fractional", value)?,
            (7, Value::Double(value)) => report.set("eps", value)?,
            (8, Value::Bytes(entry)) => insert(&mut report, "named_metrics", entry)?,
            (9, Value::Double(value)) => report.set("application_utilization", value)?,
            // What a later version adds.
            _ => {}
        }
    }
    Ok(report)
}

/// An entry of a map, which is a message of a key and a value. One without a key can be asked for by no name.
fn insert(report: &mut LoadReport, map: &str, entry: &[u8]) -> Result<(), ReportError> {
    let (mut key, mut value) = ("", 0.0);
    let mut fields = Fields(entry);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Bytes(bytes)) => key = std::str::from_utf8(bytes).map_err(|_| MALFORMED)?,
            (2, Value::Double(double)) => value = double,
            _ => {}
        }
    }
    if key.is_empty() {
        return Ok(());
    }
    report.set(&format!("{map}.{key}"), value)
}

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, ReportError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => {
                self.varint()?;
                Value::Other
            }
            1 => Value::Double(f64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| MALFORMED)?;
                let (bytes, rest) = self.0.split_at_checked(length).ok_or(MALFORMED)?;
                self.0 = rest;
                Value::Bytes(bytes)
            }
            5 => {
                self.array::<4>()?;
                Value::Other
            }
            // Groups are no longer written, and there is nothing else.
            _ => return Err(MALFORMED),
        };
        match tag >> 3 {
            0 => Err(MALFORMED),
            number => Ok(Some((number, value))),
        }
    }

    fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], ReportError> {
        let (array, rest) = self.0.split_first_chunk().ok_or(MALFORMED)?;
        self.0 = rest;
        Ok(*array)
    }

    /// Seven bits in a byte, the lowest first; the highest bit says that more follow.
    fn varint(&mut self) -> Result<u64, ReportError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(MALFORMED)
    }
}
