//! One instance of a component, and one call of a hook with all its bounds.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use wasmtime::component::{Component, Instance as Linked, Resource};
use wasmtime::{PoolConcurrencyLimitError, Store, Trap, UpdateDeadline};

use crate::bindings::cairn::filter::types::{Block, BodyVerdict, Edit, Head, HeadVerdict, Subscriptions};
use crate::bindings::{Filter as World, FilterIndices, FilterPre};
use crate::block;
use crate::engine::{Engine, TICK};
use crate::exchange::Exchange;
use crate::failure::{Exceeded, HookFailure, LoadError, Reason};
use crate::host::Host;
use crate::plugin::Plugin;
use crate::subscriptions::Lines;

/// Memory that an instance may gain over what it had when it was configured, before it makes room for a fresh one.
const GROWTH: usize = 4 << 20;

/// The interface of what is called without a request.
const TICKER: &str = "cairn:filter/ticker@0.1.0";

/// A call.
pub(crate) enum Hook<'a> {
    Configure { config: &'a [u8], name: &'a str },
    RequestHead { lines: &'a Lines, end: bool },
    RequestBody { part: &'a [u8], end: bool },
    RequestTrailers(&'a Block),
    ResponseHead { lines: &'a Lines, end: bool },
    ResponseBody { part: &'a [u8], end: bool },
    ResponseTrailers(&'a Block),
    Done,
    Tick,
}

/// What it came to.
pub(crate) enum Said {
    Configured(Result<Subscriptions, String>),
    Head(HeadVerdict),
    Body(BodyVerdict),
    Trailers(Vec<Edit>),
    Nothing,
}

/// An instance that has been configured. It serves one hook at a time.
pub(crate) struct Instance {
    store: Store<Host>,
    world: World,
    linked: Linked,
    /// Where heads are packed; kept for its capacity.
    scratch: Head,
    plugin: Arc<Plugin>,
    uses: u32,
    /// Bytes of memory when it was configured.
    fresh: usize,
    /// Bytes that have been counted.
    counted: usize,
}

/// What instances are made from.
pub(crate) struct Template {
    /// Its clock bounds what hooks may use.
    engine: Engine,
    plugin: Arc<Plugin>,
    pre: FilterPre<Host>,
    indices: FilterIndices,
    /// Shared with other plugins of the same component while this is there.
    _component: Arc<Component>,
}

impl Template {
    /// Links a component to what the host gives.
    pub(crate) fn new(
        engine: &Engine,
        component: Arc<Component>,
        plugin: &Arc<Plugin>,
    ) -> Result<Template, LoadError> {
        let mismatch = |error: wasmtime::Error| LoadError::Mismatch(format!("{error:#}"));
        let pre = engine.linker().instantiate_pre(&component).map_err(mismatch)?;
        Ok(Template {
            engine: engine.clone(),
            plugin: Arc::clone(plugin),
            indices: FilterIndices::new(&pre).map_err(mismatch)?,
            pre: FilterPre::new(pre).map_err(mismatch)?,
            _component: component,
        })
    }

    pub(crate) fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// An instance that is not configured yet. Where there is no room for one more, one that is idle makes way, whichever
    /// plugin it is of, else one that ends its work soon does.
    pub(crate) async fn instance(&self) -> Result<Instance, HookFailure> {
        let until = Instant::now() + self.plugin.spec.limits.wait;
        loop {
            match self.try_instance().await {
                Ok(instance) => return Ok(instance),
                Err(error) if error.is::<PoolConcurrencyLimitError>() => {
                    if self.engine.make_way() {
                        continue;
                    }
                    if Instant::now() >= until {
                        return Err(HookFailure::new(
                            Reason::Busy,
                            "the engine has no room for one more",
                        ));
                    }
                    tokio::time::sleep(TICK).await;
                }
                Err(error) => return Err(HookFailure::new(Reason::Start, format!("{error:#}"))),
            }
        }
    }

    async fn try_instance(&self) -> wasmtime::Result<Instance> {
        let plugin = &self.plugin;
        let mut store = Store::new(self.pre.engine(), Host::new(plugin));
        store.limiter(|host| &mut host.memory);
        // What one call may make the host allocate for its arguments.
        store.set_hostcall_fuel(plugin.spec.limits.memory);
        store.epoch_deadline_callback(|mut context| {
            let budget = &mut context.data_mut().budget;
            if budget.ticks == 0 {
                budget.exhausted = true;
                return Ok(UpdateDeadline::Interrupt);
            }
            budget.ticks -= 1;
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        });
        allow(&mut store, plugin.spec.limits.start);
        let linked = self.pre.instance_pre().instantiate_async(&mut store).await?;
        let world = self.indices.load(&mut store, &linked)?;
        plugin.spec.meter.started();
        let mut instance = Instance {
            store,
            world,
            linked,
            scratch: Head {
                fields: block::empty(),
                end_of_stream: false,
            },
            plugin: Arc::clone(plugin),
            uses: 0,
            fresh: 0,
            counted: 0,
        };
        instance.settle();
        instance.fresh = instance.counted;
        Ok(instance)
    }
}

impl Instance {
    /// Whether it may serve another hook.
    pub(crate) fn is_usable(&self) -> bool {
        let limits = &self.plugin.spec.limits;
        self.uses < limits.uses && self.counted <= self.fresh.saturating_add(GROWTH)
    }

    /// What it has after `configure` is what a fresh one has, which has served no hook yet.
    pub(crate) fn configured(&mut self) {
        self.settle();
        self.fresh = self.counted;
        self.uses = 0;
    }

    /// Calls a hook with the exchange lent to it. Of an instance whose hook has failed nothing can be expected any more.
    pub(crate) async fn call(
        &mut self,
        exchange: &mut Exchange,
        hook: Hook<'_>,
    ) -> Result<Said, HookFailure> {
        self.store.data_mut().exchange = Some(exchange.lend()?);
        let limits = &self.plugin.spec.limits;
        let (cpu, wall) = (limits.cpu, limits.wall);
        let lent = Lent {
            instance: self,
            exchange,
        };
        lent.instance.bounded(cpu, wall, hook).await
    }

    /// Calls what is called for no exchange.
    pub(crate) async fn bounded(
        &mut self,
        cpu: Duration,
        wall: Duration,
        hook: Hook<'_>,
    ) -> Result<Said, HookFailure> {
        allow(&mut self.store, cpu);
        let configures = matches!(hook, Hook::Configure { .. });
        self.uses += 1;
        let mut busy = Duration::ZERO;
        let called = {
            let hook = pin!(self.run(hook));
            within(
                wall,
                Measured {
                    hook,
                    busy: &mut busy,
                },
            )
            .await
        };
        self.settle();
        if !configures {
            self.plugin.spec.meter.called(busy);
        }
        let host = self.store.data();
        let (reason, message) = match called {
            Some(Ok(said)) => return Ok(said),
            None => (Reason::Wall, format!("took longer than {wall:?}")),
            Some(Err(_)) if host.budget.exhausted => (Reason::Cpu, format!("used more than {cpu:?} of CPU")),
            Some(Err(error)) if host.memory.refused => (
                Reason::Memory,
                format!(
                    "wanted more than {} bytes of memory: {}",
                    self.plugin.spec.limits.memory,
                    said(&error)
                ),
            ),
            Some(Err(error)) if error.is::<Exceeded>() => (Reason::Limit, said(&error)),
            Some(Err(error)) => (Reason::Trap, said(&error)),
        };
        Err(HookFailure::new(reason, message))
    }

    async fn run(&mut self, hook: Hook<'_>) -> wasmtime::Result<Said> {
        let Instance {
            store,
            world,
            linked,
            scratch,
            ..
        } = self;
        let hooks = world.cairn_filter_hooks();
        // The one exchange of the store's data.
        let exchange = Resource::new_borrow(0);
        Ok(match hook {
            Hook::Configure { config, name } => {
                Said::Configured(hooks.call_configure(store, config, name).await?)
            }
            Hook::RequestHead { lines, end } => {
                if let Some(content) = &store.data().exchange {
                    block::request(&mut scratch.fields, &content.request, lines);
                }
                scratch.end_of_stream = end;
                Said::Head(hooks.call_on_request_head(store, exchange, scratch).await?)
            }
            Hook::RequestBody { part, end } => {
                Said::Body(hooks.call_on_request_body(store, exchange, part, end).await?)
            }
            Hook::RequestTrailers(trailers) => {
                Said::Trailers(hooks.call_on_request_trailers(store, exchange, trailers).await?)
            }
            Hook::ResponseHead { lines, end } => {
                let content = store.data().exchange.as_ref();
                if let Some(head) = content.and_then(|content| content.response.as_ref()) {
                    block::response(&mut scratch.fields, head, lines);
                }
                scratch.end_of_stream = end;
                Said::Head(hooks.call_on_response_head(store, exchange, scratch).await?)
            }
            Hook::ResponseBody { part, end } => {
                Said::Body(hooks.call_on_response_body(store, exchange, part, end).await?)
            }
            Hook::ResponseTrailers(trailers) => {
                Said::Trailers(hooks.call_on_response_trailers(store, exchange, trailers).await?)
            }
            Hook::Done => {
                hooks.call_on_done(store, exchange).await?;
                Said::Nothing
            }
            Hook::Tick => {
                let ticker = linked.get_export_index(&mut *store, None, TICKER);
                let tick = linked.get_export_index(&mut *store, ticker.as_ref(), "tick");
                let tick = tick.ok_or_else(|| wasmtime::Error::msg("the ticker is gone"))?;
                let tick = linked.get_typed_func::<(), ()>(&mut *store, &tick)?;
                tick.call_async(store, ()).await?;
                Said::Nothing
            }
        })
    }

    /// Counts the memory that it has now.
    fn settle(&mut self) {
        let bytes = self.store.data().memory.bytes;
        if bytes != self.counted {
            let signed = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
            self.plugin.spec.meter.grown(signed(bytes) - signed(self.counted));
            self.counted = bytes;
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let meter = &self.plugin.spec.meter;
        meter.grown(-i64::try_from(self.counted).unwrap_or(i64::MAX));
        meter.ended();
    }
}

/// An exchange that an instance has for one hook. It comes back however the hook ends, also when nobody waits for it any more.
struct Lent<'a> {
    instance: &'a mut Instance,
    exchange: &'a mut Exchange,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.exchange
            .give_back(self.instance.store.data_mut().exchange.take());
    }
}

/// Gives the next call this much CPU time; the tick under way is not counted.
fn allow(store: &mut Store<Host>, cpu: Duration) {
    const EACH: u64 = TICK.as_nanos() as u64;
    // Each call comes by here, and a division of 128 bits takes a while.
    let nanoseconds = u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX);
    let budget = &mut store.data_mut().budget;
    budget.ticks = nanoseconds.div_ceil(EACH);
    budget.exhausted = false;
    store.set_epoch_deadline(1);
}

/// Why a guest gave up: the kind of trap, else the words of whoever refused it something, on one line.
fn said(error: &wasmtime::Error) -> String {
    match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string(),
        None => {
            let text = format!("{:#}", error.root_cause());
            text.lines().next().unwrap_or_default().to_owned()
        }
    }
}

/// Most hooks end without waiting for anything, and no timer is started for those.
async fn within<F: Future>(wall: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let first = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
    match first {
        Poll::Ready(output) => Some(output),
        Poll::Pending => tokio::time::timeout(wall, future).await.ok(),
    }
}

/// A future that says how long it was being polled.
struct Measured<'a, F> {
    hook: Pin<&'a mut F>,
    busy: &'a mut Duration,
}

impl<F: Future> Future for Measured<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<F::Output> {
        let began = Instant::now();
        let polled = self.hook.as_mut().poll(cx);
        *self.busy += began.elapsed();
        polled
    }
}
