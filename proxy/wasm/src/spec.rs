//! What a plugin is to be.

use std::sync::Arc;

use crate::grants::Grants;
use crate::limits::{Isolation, Limits};
use crate::measure::GuestMetrics;
use crate::meter::Meter;
use crate::shared::SharedStore;

/// A plugin as its resource describes it, but for the component.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Namespace and name, for logs and metrics.
    pub plugin: Arc<str>,
    /// The name that the filter itself is told, under which its metadata stands.
    pub name: Arc<str>,
    /// The configuration, as JSON.
    pub config: Arc<[u8]>,
    /// The environment.
    pub environment: Vec<(String, String)>,
    /// What it may use.
    pub limits: Limits,
    /// What it may do.
    pub grants: Grants,
    /// Which requests share an instance.
    pub isolation: Isolation,
    /// What is counted about it; goes on over generations.
    pub meter: Arc<Meter>,
    /// What it counts itself; goes on over generations.
    pub metrics: Arc<GuestMetrics>,
    /// What its instances share; goes on over generations.
    pub shared: Arc<SharedStore>,
}

impl Spec {
    /// A plugin without configuration, with the default limits and no grants.
    pub fn new(plugin: &str) -> Spec {
        Spec {
            plugin: plugin.into(),
            name: plugin.into(),
            config: Arc::from(&b"{}"[..]),
            environment: Vec::new(),
            limits: Limits::default(),
            grants: Grants::default(),
            isolation: Isolation::default(),
            meter: Arc::new(Meter::new(plugin)),
            metrics: Arc::new(GuestMetrics::new(plugin)),
            shared: Arc::new(SharedStore::new(Limits::default().shared)),
        }
    }
}
