//! What is around a filter in a test.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::metrics::Metrics;
use super::store::Store;
use crate::log::Level;
use crate::outbound::{Answer, Call, CallError};

/// 2026-01-01T00:00:00Z.
const BEGINNING: Duration = Duration::from_secs(1_767_225_600);

/// The clock, the shared store, the services, the log and the metrics. Clones are the same world.
#[derive(Clone, Debug, Default)]
pub struct World(Rc<RefCell<Content>>);

pub(crate) struct Content {
    wall: Duration,
    monotonic: Duration,
    chance: u64,
    pub(crate) store: Store,
    pub(crate) metrics: Metrics,
    pub(crate) lines: Vec<(Level, String)>,
    pub(crate) calls: Vec<Call>,
    service: Option<Service>,
}

type Service = Rc<dyn Fn(&Call) -> Result<Answer, CallError>>;

impl World {
    /// It is the first of January of 2026, and nobody answers calls.
    pub fn new() -> World {
        World::default()
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        let mut content = self.0.borrow_mut();
        content.wall += by;
        content.monotonic += by;
    }

    /// Sets the clock, in time since 1970.
    pub fn set_wall(&self, wall: Duration) {
        self.0.borrow_mut().wall = wall;
    }

    /// From now on calls are answered by this.
    pub fn answer(&self, service: impl Fn(&Call) -> Result<Answer, CallError> + 'static) {
        self.0.borrow_mut().service = Some(Rc::new(service));
    }

    /// The calls that were made.
    pub fn calls(&self) -> Vec<Call> {
        self.0.borrow().calls.clone()
    }

    /// The lines that were logged.
    pub fn log(&self) -> Vec<String> {
        self.0
            .borrow()
            .lines
            .iter()
            .map(|(_, line)| line.clone())
            .collect()
    }

    /// The value of a counter or of a gauge, or the sum of a histogram; 0 if nothing was counted.
    pub fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        self.0
            .borrow()
            .metrics
            .read(name, labels)
            .map_or(0.0, |(value, _)| value)
    }

    /// How many observations a histogram has.
    pub fn observations(&self, name: &str, labels: &[&str]) -> u64 {
        self.0
            .borrow()
            .metrics
            .read(name, labels)
            .map_or(0, |(_, count)| count)
    }

    /// The keys of the shared store.
    pub fn keys(&self) -> Vec<String> {
        self.0.borrow().store.keys()
    }

    /// From now on the shared store has no room, or has room again.
    pub fn set_full(&self, full: bool) {
        self.0.borrow_mut().store.full = full;
    }

    /// Calls `hook` in this world.
    pub(crate) fn during<R>(&self, hook: impl FnOnce() -> R) -> R {
        let before = CURRENT.replace(self.clone());
        let result = hook();
        CURRENT.set(before);
        result
    }

    /// Changes or reads the world that the hook under way is in.
    pub(crate) fn with<R>(change: impl FnOnce(&mut Content) -> R) -> R {
        let world = CURRENT.with_borrow(World::clone);
        let mut content = world.0.borrow_mut();
        change(&mut content)
    }

    /// Lets the service of this world answer. It may look at the world itself, so nothing is borrowed meanwhile.
    pub(crate) fn called(call: &Call) -> Result<Answer, CallError> {
        let service = World::with(|content| {
            content.calls.push(call.clone());
            content.service.clone()
        });
        match service {
            Some(service) => service(call),
            None => Err(CallError::Denied(format!("{} is not granted", call.target()))),
        }
    }
}

thread_local! {
    static CURRENT: RefCell<World> = RefCell::new(World::new());
}

impl Content {
    pub(crate) fn wall(&self) -> u64 {
        nanoseconds(self.wall)
    }

    pub(crate) fn monotonic(&self) -> u64 {
        nanoseconds(self.monotonic)
    }

    /// The same in every run: tests are to fail always or never. An xorshift generator.
    pub(crate) fn chance(&mut self) -> u8 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        self.chance
            .to_le_bytes()
            .into_iter()
            .fold(0, |byte, next| byte ^ next)
    }
}

impl Default for Content {
    fn default() -> Content {
        Content {
            wall: BEGINNING,
            monotonic: Duration::ZERO,
            chance: 0x9e37_79b9_7f4a_7c15,
            store: Store::default(),
            metrics: Metrics::default(),
            lines: Vec::new(),
            calls: Vec::new(),
            service: None,
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content")
            .field("wall", &self.wall)
            .field("store", &self.store)
            .field("metrics", &self.metrics)
            .field("lines", &self.lines)
            .field("calls", &self.calls)
            .finish_non_exhaustive()
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
