//! What is told of each connection: its metrics while it lasts, its line in the access log at its end.

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use cairn_net::copy::Count;
use cairn_telemetry::AccessLog;
use cairn_telemetry::metrics::Registry;
use cairn_telemetry::metrics::client::metrics::family::Family;
use cairn_telemetry::metrics::client::metrics::gauge::Gauge;
use cairn_telemetry::traffic::{SeriesOptions, TcpMetrics, TcpSeries};

use crate::access::{self, Line};
use crate::failure::Failure;
use crate::record::{Direction, Record};

type Sockets = Family<[(&'static str, &'static str); 1], Gauge>;

/// Where everything about connections is written down.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    tcp: TcpMetrics,
    sockets: Sockets,
    lines: AccessLog,
}

impl Ledger {
    pub(crate) fn new(registry: &Registry, lines: AccessLog) -> Ledger {
        let sockets = Sockets::default();
        registry.register(
            "istio_tcp_sockets_open",
            "Number of connections that are open now",
            sockets.clone(),
        );
        Ledger {
            tcp: TcpMetrics::register(registry, SeriesOptions::default()),
            sockets,
            lines,
        }
    }

    /// A connection has been opened; its bytes are counted by what is returned, which has to be closed.
    pub(crate) fn open(&self, record: Record, began: Instant) -> Account {
        let series = self.tcp.series(&record.labels("-"));
        series.opened();
        self.sockets(&record).inc();
        let account = Account {
            ledger: self.clone(),
            record,
            series,
            began,
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
        };
        account.line(None).opened();
        account
    }

    /// A connection did not come about.
    pub(crate) fn failed(&self, record: &Record, began: Instant, failure: &Failure) {
        self.tcp.series(&record.labels(failure.flags())).failed();
        let line = Line {
            record,
            sent: 0,
            received: 0,
            duration: began.elapsed(),
            error: Some(failure.to_string()),
        };
        line.ended(&self.lines);
    }

    /// A connection was turned away before much was known of it but its ends.
    pub(crate) fn turned_away(&self, record: &Record, failure: &Failure) {
        self.tcp.series(&record.labels(failure.flags())).failed();
        self.refused(record.direction, record.source, record.destination, failure);
    }

    /// A connection was turned away, of which nothing is known that could be counted.
    pub(crate) fn refused(
        &self,
        direction: Direction,
        source: SocketAddr,
        destination: SocketAddr,
        error: &dyn Display,
    ) {
        access::refused(direction, source, destination, error, &self.lines);
    }

    /// Waits until the access lines have left the process.
    pub(crate) fn flush(&self) {
        self.lines.flush();
    }

    fn sockets(&self, record: &Record) -> Gauge {
        let reporter = match record.direction {
            Direction::Inbound => "destination",
            Direction::Outbound => "source",
        };
        self.sockets.get_or_create_owned(&[("reporter", reporter)])
    }
}

/// The account of one open connection. Counts from the view of the workload that this proxy serves.
pub(crate) struct Account {
    ledger: Ledger,
    record: Record,
    series: Arc<TcpSeries>,
    began: Instant,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Account {
    /// The connection has ended.
    pub(crate) fn close(self, result: Result<(), Failure>) {
        self.series.closed();
        self.ledger.sockets(&self.record).dec();
        if let Err(Failure::PolicyChanged) = result {
            self.ledger
                .tcp
                .series(&self.record.labels(Failure::PolicyChanged.flags()))
                .failed();
        }
        self.line(result.err().as_ref()).ended(&self.ledger.lines);
    }

    fn line(&self, failure: Option<&Failure>) -> Line<'_> {
        Line {
            record: &self.record,
            sent: self.sent.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
            duration: self.began.elapsed(),
            error: failure.map(Failure::to_string),
        }
    }
}

/// Istio's metrics count from the view of the destination, whoever reports.
impl Count for Account {
    fn sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
        match self.record.direction {
            Direction::Inbound => self.series.add_sent(bytes),
            Direction::Outbound => self.series.add_received(bytes),
        }
    }

    fn received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
        match self.record.direction {
            Direction::Inbound => self.series.add_received(bytes),
            Direction::Outbound => self.series.add_sent(bytes),
        }
    }
}
