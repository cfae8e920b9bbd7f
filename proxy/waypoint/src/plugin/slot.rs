//! The place of a plugin, which outlives the generations of its filter.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use cairn_api::meta::ObjectRef;
use cairn_telemetry::metrics::{Expose, Exposition};
use cairn_wasm::{Filter, GuestMetrics, Meter, SharedStore};
use tokio::sync::watch;
use tokio::time::Instant;

use super::spec::PluginSpec;
use super::ticker::{Task, tick};

/// How long a request waits for the first generation of a plugin.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a waypoint that begins waits for its filters before it says that it is ready.
const WARMING: Duration = Duration::from_secs(60);

/// How far the newest generation of a plugin has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// It is being fetched, compiled or configured.
    Loading,
    /// It is in force.
    Ready,
    /// It cannot be had; what was in force before still is.
    Failed(String),
}

/// One plugin of this waypoint.
pub(crate) struct Slot {
    pub(crate) object: ObjectRef,
    pub(crate) label: Arc<str>,
    filter: ArcSwapOption<Filter>,
    /// Of the generation in force.
    ticking: Mutex<Option<Task>>,
    status: watch::Sender<Status>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) metrics: Arc<GuestMetrics>,
    pub(crate) shared: Arc<SharedStore>,
}

impl Slot {
    fn new(spec: &PluginSpec) -> Slot {
        Slot {
            object: spec.object.clone(),
            label: Arc::clone(&spec.label),
            filter: ArcSwapOption::empty(),
            ticking: Mutex::default(),
            status: watch::channel(Status::Loading).0,
            meter: Arc::new(Meter::new(&spec.label)),
            metrics: Arc::new(GuestMetrics::new(&spec.label)),
            shared: Arc::new(SharedStore::new(cairn_wasm::Limits::default().shared)),
        }
    }

    /// The generation in force. While there was none yet, waits for the first for a while: whoever attaches a plugin wants
    /// requests neither refused nor let through meanwhile. `until` is when a request has waited long enough for all of its
    /// plugins, from the first that it waits for.
    pub(crate) async fn current(&self, until: &mut Option<Instant>) -> Option<Arc<Filter>> {
        if let Some(filter) = self.filter.load_full() {
            return Some(filter);
        }
        let mut status = self.status.subscribe();
        let loaded = status.wait_for(|status| *status != Status::Loading);
        let until = *until.get_or_insert_with(|| Instant::now() + PATIENCE);
        let _ = tokio::time::timeout_at(until, loaded).await;
        self.filter.load_full()
    }

    pub(crate) fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    pub(super) fn loading(&self) {
        self.status.send_replace(Status::Loading);
    }

    pub(super) fn ready(&self, filter: Filter) {
        let filter = Arc::new(filter);
        *self.ticking.lock().unwrap_or_else(PoisonError::into_inner) = tick(&filter);
        self.filter.store(Some(filter));
        self.status.send_replace(Status::Ready);
    }

    pub(super) fn failed(&self, reason: String) {
        self.meter.load_failed();
        self.status.send_replace(Status::Failed(reason));
    }
}

/// The plugins of this waypoint, by their names.
#[derive(Default)]
pub(crate) struct Slots(Mutex<HashMap<ObjectRef, Arc<Slot>>>);

impl Slots {
    /// The place of a plugin, made when it is asked for first.
    pub(crate) fn of(&self, spec: &PluginSpec) -> Arc<Slot> {
        let mut slots = self.lock();
        if let Some(slot) = slots.get(&spec.object) {
            return Arc::clone(slot);
        }
        let slot = Arc::new(Slot::new(spec));
        slots.insert(spec.object.clone(), Arc::clone(&slot));
        slot
    }

    /// All of them, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Slot>> {
        let mut all: Vec<_> = self.lock().values().cloned().collect();
        all.sort_by(|one, other| one.object.cmp(&other.object));
        all
    }

    /// Waits until each of those that are there is in force, or is known not to be had; for a while.
    pub(crate) async fn settled(&self) {
        let until = Instant::now() + WARMING;
        for slot in self.all() {
            let mut status = slot.status.subscribe();
            let settled = status.wait_for(|status| *status != Status::Loading);
            let _ = tokio::time::timeout_at(until, settled).await;
        }
    }

    /// What is counted about and by each.
    fn counts(&self) -> Vec<(Arc<Meter>, Arc<GuestMetrics>)> {
        let all = self.all();
        let counts = all
            .iter()
            .map(|slot| (Arc::clone(&slot.meter), Arc::clone(&slot.metrics)));
        counts.collect()
    }

    pub(super) fn retain(&self, keep: impl Fn(&ObjectRef) -> bool) {
        self.lock().retain(|object, _| keep(object));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ObjectRef, Arc<Slot>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Expose for Slots {
    fn expose(&self, out: &mut Exposition<'_>) {
        cairn_wasm::expose(&self.counts(), out);
    }
}
