//! One instance of a component, and one call of a hook with all its bounds.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use wasmtime::component::Instance as Linked;
use wasmtime::{Store, Trap, UpdateDeadline};

use crate::bindings::Filter as World;
use crate::bindings::cairn::filter::types::Head;
use crate::block;
use crate::engine::TICK;
use crate::exchange::Exchange;
use crate::failure::{HookFailure, Reason};
use crate::filter::Plugin;
use crate::host::Host;

/// Memory that an instance may gain over what it had when it was configured, before it makes room for a fresh one.
const GROWTH: usize = 4 << 20;

/// An instance that has been configured. It serves one hook at a time.
pub(crate) struct Instance {
    pub(crate) store: Store<Host>,
    pub(crate) world: World,
    pub(crate) linked: Linked,
    /// Where heads are packed; kept for its capacity.
    pub(crate) scratch: Head,
    plugin: Arc<Plugin>,
    uses: u32,
    /// Bytes of memory when it was configured.
    fresh: usize,
    /// Bytes that have been counted.
    counted: usize,
}

impl Instance {
    /// An instance that is not configured yet.
    pub(crate) async fn start(plugin: &Arc<Plugin>) -> Result<Instance, HookFailure> {
        let engine = plugin.pre.engine();
        let mut store = Store::new(engine, Host::new(plugin));
        store.limiter(|host| &mut host.memory);
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
        let linked = plugin
            .pre
            .instance_pre()
            .instantiate_async(&mut store)
            .await
            .map_err(|error| HookFailure::new(Reason::Start, format!("{error:#}")))?;
        let world = plugin
            .indices
            .load(&mut store, &linked)
            .map_err(|error| HookFailure::new(Reason::Start, format!("{error:#}")))?;
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

    /// Whether it may serve another hook.
    pub(crate) fn is_usable(&self) -> bool {
        let limits = &self.plugin.spec.limits;
        self.uses < limits.uses && self.counted <= self.fresh.saturating_add(GROWTH)
    }

    /// What it has after `configure` is what a fresh one has.
    pub(crate) fn configured(&mut self) {
        self.settle();
        self.fresh = self.counted;
    }

    /// Calls a hook with the exchange lent to it. Of an instance whose hook has failed nothing can be expected any more.
    pub(crate) async fn call<T>(
        &mut self,
        exchange: &mut Exchange,
        hook: impl AsyncFnOnce(&mut Instance) -> wasmtime::Result<T>,
    ) -> Result<T, HookFailure> {
        self.store.data_mut().exchange = Some(exchange.lend()?);
        let limits = &self.plugin.spec.limits;
        let (cpu, wall) = (limits.cpu, limits.wall);
        let called = self.bounded(cpu, wall, hook).await;
        exchange.give_back(self.store.data_mut().exchange.take());
        called
    }

    /// Calls what is called for no exchange.
    pub(crate) async fn bounded<T>(
        &mut self,
        cpu: Duration,
        wall: Duration,
        hook: impl AsyncFnOnce(&mut Instance) -> wasmtime::Result<T>,
    ) -> Result<T, HookFailure> {
        allow(&mut self.store, cpu);
        self.uses += 1;
        let mut busy = Duration::ZERO;
        let called = {
            let hook = pin!(hook(self));
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
        self.plugin.spec.meter.called(busy);
        let host = self.store.data();
        let (reason, message) = match called {
            Some(Ok(value)) => return Ok(value),
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
            Some(Err(error)) => (Reason::Trap, said(&error)),
        };
        Err(HookFailure::new(reason, message))
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

/// Gives the next call this much CPU time; the tick under way is not counted.
fn allow(store: &mut Store<Host>, cpu: Duration) {
    let ticks = cpu.as_nanos().div_ceil(TICK.as_nanos());
    let budget = &mut store.data_mut().budget;
    budget.ticks = u64::try_from(ticks).unwrap_or(u64::MAX);
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
