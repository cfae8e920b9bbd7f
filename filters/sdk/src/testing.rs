//! A waypoint for unit tests: `cargo test` runs a filter's logic without any WebAssembly.
//!
//! ```
//! # use cairn_filter::{Exchange, Filter, Head, HeadVerdict, NoConfig, Reply, Subscriptions};
//! # struct Closed;
//! # impl Filter for Closed {
//! #     type Config = NoConfig;
//! #     fn configure(_: NoConfig) -> Result<Closed, String> { Ok(Closed) }
//! #     fn subscriptions(&self) -> Subscriptions { Subscriptions::new().request_head([":path"]) }
//! #     fn on_request_head(&self, _: &Exchange<'_>, head: &Head) -> HeadVerdict {
//! #         if head.path() == Some("/admin") { return Reply::new(403).into(); }
//! #         HeadVerdict::next().set("x-checked", "yes")
//! #     }
//! # }
//! use cairn_filter::testing::{Harness, Request};
//!
//! let harness = Harness::<Closed>::new("{}")?;
//! let refused = harness.request(Request::get("/admin"));
//! assert_eq!(refused.reply().map(Reply::status), Some(403));
//!
//! let passed = harness.request(Request::get("/"));
//! assert_eq!(passed.request_field("x-checked").as_deref(), Some("yes"));
//! # Ok::<(), String>(())
//! ```
//!
//! The harness keeps to the rules of the waypoint: a hook sees only the fields that it subscribed to, is not called
//! unless it subscribed, and fails if its edits are illegal.

mod exchange;
pub(crate) mod imports;
mod legal;
mod message;
mod metrics;
mod store;
mod world;

use std::collections::BTreeMap;
use std::fmt;

pub use exchange::Exchange;
pub use imports::Current;
pub use message::{Request, Response};
pub use world::World;

use crate::bindings::cairn::filter::types::Subscriptions as RawSubscriptions;
use crate::filter::{Filter, Ticker, configured};

/// The plugin's name in tests.
pub const PLUGIN: &str = "test";

/// A configured filter, and the world around it.
pub struct Harness<F> {
    filter: F,
    subscriptions: RawSubscriptions,
    world: World,
}

impl<F: Filter> Harness<F> {
    /// Configures a filter with a `pluginConfig`, as JSON.
    ///
    /// # Errors
    ///
    /// What the filter says is wrong with its configuration.
    pub fn new(config: &str) -> Result<Harness<F>, String> {
        Harness::within(&World::new(), config)
    }

    /// Configures a filter in a world that is there: as another instance of the plugin, with the same clock, shared store
    /// and metrics.
    ///
    /// # Errors
    ///
    /// What the filter says is wrong with its configuration.
    pub fn within(world: &World, config: &str) -> Result<Harness<F>, String> {
        let filter: F = world.during(|| {
            crate::plugin::named(PLUGIN.to_owned());
            configured(config.as_bytes())
        })?;
        Ok(Harness {
            subscriptions: world.during(|| filter.subscriptions()).into_raw(),
            filter,
            world: world.clone(),
        })
    }

    /// The clock, the shared store, the services, the log and the metrics.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The filter itself.
    pub fn filter(&self) -> &F {
        &self.filter
    }

    /// Lets a request come, and calls the filter for its head.
    pub fn request(&self, request: Request) -> Exchange<'_, F> {
        Exchange::begin(&self.filter, &self.subscriptions, &self.world, request)
    }
}

impl<F: Ticker> Harness<F> {
    /// Lets the time pass that was subscribed to; whether it was is what this returns.
    pub fn tick(&self) -> bool {
        let Some(every) = self.subscriptions.tick else {
            return false;
        };
        self.world.advance(std::time::Duration::from_millis(every.into()));
        self.world.during(|| self.filter.tick());
        true
    }
}

// Not derived: an author's filter need not be `Debug` for a test to unwrap a result.
impl<F> fmt::Debug for Harness<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Harness")
            .field("subscriptions", &self.subscriptions)
            .field("world", &self.world)
            .finish_non_exhaustive()
    }
}

/// Attributes by their paths.
type Attributes = BTreeMap<String, crate::Value>;
/// Metadata by plugin and key.
type Metadata = BTreeMap<(String, String), crate::Value>;

#[cfg(test)]
mod tests;
