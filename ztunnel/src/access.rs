//! The line that the access log has for each connection, in the words and the order of Istio's ztunnel.

use std::fmt::{Display, Write as _};
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use cairn_telemetry::AccessLog;
use jiff::Timestamp;
use tracing::Level;

use crate::record::{Direction, Record};

/// A connection that has ended.
pub(crate) struct Line<'a> {
    pub(crate) record: &'a Record,
    /// Bytes from the workload that this proxy serves.
    pub(crate) sent: u64,
    /// Bytes to it.
    pub(crate) received: u64,
    pub(crate) duration: Duration,
    pub(crate) error: Option<String>,
}

/// The level cannot be a variable; everything else is the same for all.
macro_rules! connection {
    ($level:expr, $line:expr, $message:literal) => {{
        let line: &Line<'_> = $line;
        let record = line.record;
        tracing::event!(
            target: "access",
            $level,
            src.addr = %record.source,
            src.workload = record.client.name(),
            src.namespace = record.client.namespace(),
            src.identity = record.client.identity().map(|identity| identity.as_str()),
            src.cluster = record.client.cluster(),
            dst.addr = %record.destination,
            dst.hbone_addr = record.authority.as_ref().map(tracing::field::display),
            dst.service = record.service.as_ref().map(|service| &*service.hostname),
            dst.workload = record.server.name(),
            dst.namespace = record.server.namespace(),
            dst.identity = record.server.identity().map(|identity| identity.as_str()),
            dst.cluster = record.server.cluster(),
            direction = record.direction.as_str(),
            bytes_sent = line.sent,
            bytes_recv = line.received,
            duration = line.milliseconds(),
            error = line.error,
            $message
        )
    }};
}

impl Line<'_> {
    /// A connection has been opened.
    pub(crate) fn opened(&self) {
        connection!(Level::DEBUG, self, "connection opened");
    }

    /// A connection has ended: to the log, and to `lines`.
    pub(crate) fn ended(&self, lines: &AccessLog) {
        if self.error.is_none() {
            connection!(Level::INFO, self, "connection complete");
        } else {
            connection!(Level::ERROR, self, "connection complete");
        }
        let level = if self.error.is_none() { "info" } else { "error" };
        lines.write(|out| self.write(level, out));
    }

    fn milliseconds(&self) -> String {
        format!("{}ms", self.duration.as_millis())
    }

    fn write(&self, level: &str, out: &mut Vec<u8>) {
        let record = self.record;
        let mut fields = Fields::default();
        fields.plain("src.addr", Some(record.source));
        fields.quoted("src.workload", record.client.name());
        fields.quoted("src.namespace", record.client.namespace());
        fields.quoted(
            "src.identity",
            record.client.identity().map(|identity| identity.as_str()),
        );
        fields.quoted("src.cluster", record.client.cluster());
        fields.plain("dst.addr", Some(record.destination));
        fields.plain("dst.hbone_addr", record.authority.as_ref());
        fields.quoted(
            "dst.service",
            record.service.as_ref().map(|service| &*service.hostname),
        );
        fields.quoted("dst.workload", record.server.name());
        fields.quoted("dst.namespace", record.server.namespace());
        fields.quoted(
            "dst.identity",
            record.server.identity().map(|identity| identity.as_str()),
        );
        fields.quoted("dst.cluster", record.server.cluster());
        fields.quoted("direction", Some(record.direction.as_str()));
        fields.plain("bytes_sent", Some(self.sent));
        fields.plain("bytes_recv", Some(self.received));
        fields.quoted("duration", Some(&self.milliseconds()));
        fields.quoted("error", self.error.as_deref());
        finish(out, level, "connection complete", &fields);
    }
}

/// A connection was turned away before anything was known of it but its ends.
pub(crate) fn refused(
    direction: Direction,
    source: SocketAddr,
    destination: SocketAddr,
    error: &dyn Display,
    lines: &AccessLog,
) {
    let (direction, error) = (direction.as_str(), error.to_string());
    tracing::event!(
        target: "access",
        Level::WARN,
        src.addr = %source,
        dst.addr = %destination,
        direction,
        error,
        "connection failed"
    );
    lines.write(|out| {
        let mut fields = Fields::default();
        fields.plain("src.addr", Some(source));
        fields.plain("dst.addr", Some(destination));
        fields.quoted("direction", Some(direction));
        fields.quoted("error", Some(&error));
        finish(out, "warn", "connection failed", &fields);
    });
}

/// The fields of a line; those without a value are left out.
#[derive(Default)]
struct Fields(String);

impl Fields {
    fn plain(&mut self, name: &str, value: Option<impl Display>) {
        let Some(value) = value else { return };
        let separator = if self.0.is_empty() { "" } else { " " };
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{separator}{name}={value}");
    }

    fn quoted(&mut self, name: &str, value: Option<&str>) {
        self.plain(name, value.map(|value| format!("{value:?}")));
    }
}

fn finish(out: &mut Vec<u8>, level: &str, message: &str, fields: &Fields) {
    // Nor to a Vec.
    let _ = write!(
        out,
        "{:.6}\t{level}\taccess\t{message}\t{}",
        Timestamp::now(),
        fields.0
    );
}

#[cfg(test)]
mod tests;
