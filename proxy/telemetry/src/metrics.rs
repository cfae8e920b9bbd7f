//! The registry of metrics and its text formats.

mod exposition;
mod histogram;
mod process;
mod translate;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text;
use prometheus_client::registry::Metric;

pub use exposition::{Expose, Exposition, Format, Kind, escape_label_value};
pub use process::ProcessSample;
/// The library of counters, gauges and families that [`Registry::register`] takes.
pub use prometheus_client as client;

pub(crate) use histogram::{Histogram, Unit};

/// All metrics of a process. Cheap to clone; what is registered stays registered.
///
/// Ordinary metrics are those of `prometheus-client`. What has many series and a hot path, as [`crate::traffic`] has,
/// writes its own text through [`Expose`].
#[derive(Clone, Default)]
pub struct Registry {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    client: RwLock<client::registry::Registry>,
    sources: RwLock<Vec<Arc<dyn Expose>>>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Registry").finish_non_exhaustive()
    }
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Registry {
        Registry::default()
    }

    /// Registers a metric of `prometheus-client`. Counters are named without `_total`, which the formats add.
    pub fn register(&self, name: &str, help: &str, metric: impl Metric) {
        // The library adds the full stop.
        let help = help.trim_end_matches('.');
        self.inner
            .client
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .register(name, help, metric);
    }

    /// Registers a collector of `prometheus-client`.
    pub fn register_collector(&self, collector: Box<dyn Collector>) {
        self.inner
            .client
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .register_collector(collector);
    }

    /// Registers a source that writes its own text.
    pub fn register_source(&self, source: Arc<dyn Expose>) {
        self.inner
            .sources
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(source);
    }

    /// A number that is counted elsewhere, read at each scrape. The name is without `_total`.
    pub fn observe_counter(
        &self,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> u64 + Send + Sync + 'static,
    ) {
        self.observe(Kind::Counter, name, help, move |out| out.sample("", "", read()));
    }

    /// A number that is kept elsewhere, read at each scrape.
    pub fn observe_gauge(
        &self,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        self.observe(Kind::Gauge, name, help, move |out| out.sample("", "", read()));
    }

    /// `istio_build{component,tag} 1`: what runs here, in which version.
    pub fn build_info(&self, component: &str, tag: &str) {
        let mut labels = String::new();
        for (name, value) in [("component=\"", component), ("\",tag=\"", tag), ("\"", "")] {
            labels.push_str(name);
            escape_label_value(&mut labels, value);
        }
        self.observe(
            Kind::Gauge,
            "istio_build",
            "Istio component build info.",
            move |out| {
                out.sample("", &labels, 1u64);
            },
        );
    }

    /// The `process_*` metrics, from what `read` finds at each scrape.
    pub fn process(&self, read: impl Fn() -> ProcessSample + Send + Sync + 'static) {
        self.register_source(Arc::new(process::Process(read)));
    }

    /// All metrics as text.
    pub fn encode(&self, format: Format) -> String {
        let mut out = String::with_capacity(16 << 10);
        self.encode_client(format, &mut out);
        let sources = self
            .inner
            .sources
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut exposition = Exposition::new(&mut out, format);
        for source in &sources {
            source.expose(&mut exposition);
        }
        if format == Format::OpenMetrics {
            out.push_str("# EOF\n");
        }
        out
    }

    fn encode_client(&self, format: Format, out: &mut String) {
        let client = self.inner.client.read().unwrap_or_else(PoisonError::into_inner);
        let mut open_metrics = String::new();
        if let Err(error) = text::encode_registry(&mut open_metrics, &client) {
            // Only a collector can cause it; what it wrote so far may be half a line.
            tracing::error!(%error, "metrics cannot be encoded");
            return;
        }
        match format {
            Format::OpenMetrics => out.push_str(&open_metrics),
            Format::Text => translate::to_text(&open_metrics, out),
        }
    }

    fn observe(
        &self,
        kind: Kind,
        name: &'static str,
        help: &'static str,
        write: impl Fn(&mut Exposition<'_>) + Send + Sync + 'static,
    ) {
        self.register_source(Arc::new(Observed {
            kind,
            name,
            help,
            write,
        }));
    }
}

/// One metric that a closure writes.
struct Observed<W> {
    kind: Kind,
    name: &'static str,
    help: &'static str,
    write: W,
}

impl<W: Fn(&mut Exposition<'_>) + Send + Sync + 'static> Expose for Observed<W> {
    fn expose(&self, out: &mut Exposition<'_>) {
        out.family(self.name, self.help, self.kind);
        (self.write)(out);
    }
}

#[cfg(test)]
mod tests;
