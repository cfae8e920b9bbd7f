//! The engine: compiles components, and lets their instances run for a while.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::apart::{Apart, ApartError};
use crate::bindings::Filter as World;
use crate::failure::LoadError;
use crate::host::Host;
use crate::room::{Idle, Rooms};
use crate::{format, settings};

/// How often a guest that runs lets others run.
pub(crate) const TICK: Duration = Duration::from_millis(1);
/// Of threads that compile: the kernel gives the others about ten times as much.
const NICENESS: i32 = 10;
/// The most linear memory that any plugin may be allowed.
const MAX_MEMORY: usize = 256 << 20;
/// Processes that compile at a time: each may need a lot of memory, and has threads for all of the processor.
const AT_ONCE: usize = 2;
/// What an instance keeps resident between two hooks without asking the kernel for it again.
const KEEP_RESIDENT: usize = 256 << 10;
/// Core modules of which one component may be made: interpreters of scripting languages have many.
const CORE_INSTANCES: u32 = 64;

/// How an engine is to be.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Where compiled components are kept, in a directory that only this process may write; nowhere without.
    pub cache: Option<PathBuf>,
    /// Who compiles, in a process of its own; this process does without. Where nothing is kept, a directory for what it has
    /// compiled is made among those of temporary files.
    pub compiler: Option<Apart>,
    /// Instances of all plugins at a time.
    pub slots: u32,
}

impl Default for EngineOptions {
    fn default() -> EngineOptions {
        EngineOptions {
            cache: None,
            compiler: None,
            slots: 1000,
        }
    }
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The cache cannot be used.
    #[error("the cache of compiled filters in {directory} cannot be used: {reason}")]
    Cache {
        /// Where it is.
        directory: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The runtime does not start.
    #[error("the WebAssembly engine does not start: {0}")]
    Runtime(String),
}

/// Compiles and runs the components of all plugins. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: wasmtime::Engine,
    linker: Arc<Linker<Host>>,
    compiled: Arc<Compiled>,
    workshop: Option<Arc<Workshop>>,
    rooms: Arc<Rooms>,
    _clock: Arc<Clock>,
}

impl Engine {
    /// Starts an engine.
    ///
    /// # Errors
    ///
    /// [`EngineError`].
    pub fn new(options: &EngineOptions) -> Result<Engine, EngineError> {
        let mut config = settings::config();
        let workshop = Workshop::new(options);
        let kept = workshop.as_ref().map(|workshop| workshop.directory.as_path());
        if let Some(directory) = kept.or(options.cache.as_deref()) {
            let cache = settings::cache(directory).map_err(|reason| EngineError::Cache {
                directory: directory.to_path_buf(),
                reason,
            })?;
            config.cache(Some(cache));
        }
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pooling(options.slots)));
        let inner = wasmtime::Engine::new(&config).map_err(|error| runtime(&error))?;
        let mut linker = Linker::new(&inner);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(|error| runtime(&error))?;
        World::add_to_linker::<_, HasSelf<Host>>(&mut linker, |host| host)
            .map_err(|error| runtime(&error))?;
        Ok(Engine {
            _clock: Arc::new(Clock::start(&inner)?),
            rooms: Arc::default(),
            workshop: workshop.map(Arc::new),
            inner,
            linker: Arc::new(linker),
            compiled: Arc::default(),
        })
    }

    pub(crate) fn inner(&self) -> &wasmtime::Engine {
        &self.inner
    }

    pub(crate) fn linker(&self) -> &Linker<Host> {
        &self.linker
    }

    /// Counts a pool among those that share the engine's room.
    pub(crate) fn share(&self, pool: Weak<dyn Idle>) {
        self.rooms.add(pool);
    }

    /// Makes room for one more instance, if another is idle.
    pub(crate) fn make_way(&self) -> bool {
        self.rooms.make_way()
    }

    /// Compiles a component; takes long.
    /// Plugins of the same component share what has been compiled, for as long as one of them has it.
    pub(crate) async fn compile(&self, bytes: Bytes) -> Result<Arc<Component>, LoadError> {
        format::check(&bytes)?;
        let place = self.compiled.place(Sha256::digest(&bytes).into());
        // Whoever wants the same meanwhile waits for this.
        let mut known = place.lock().await;
        if let Some(component) = known.upgrade() {
            return Ok(component);
        }
        if let Some(workshop) = &self.workshop {
            workshop.compile(&bytes, &self.inner).await?;
        }
        let engine = self.inner.clone();
        let made = move || aside(|| Component::new(&engine, &bytes));
        let compiled = tokio::task::spawn_blocking(made).await;
        let compiled = compiled.map_err(|reason| LoadError::Compile(reason.to_string()))?;
        let compiled = compiled.map_err(|reason| LoadError::Compile(reason.to_string()))?;
        let component = compiled.map_err(|error| LoadError::Compile(format!("{error:#}")))?;
        let component = Arc::new(component);
        *known = Arc::downgrade(&component);
        Ok(component)
    }
}

/// Where others compile for this process.
struct Workshop {
    compiler: Apart,
    /// The cache, by which what they have compiled comes here.
    directory: PathBuf,
    under_way: Semaphore,
    _temporary: Option<TempDir>,
}

impl Workshop {
    /// None, if all is to be compiled by this process.
    fn new(options: &EngineOptions) -> Option<Workshop> {
        let compiler = options.compiler.clone()?;
        if let Some(directory) = &options.cache {
            return Some(Workshop {
                compiler,
                directory: directory.clone(),
                under_way: Semaphore::new(AT_ONCE),
                _temporary: None,
            });
        }
        let temporary = tempfile::Builder::new().prefix("cairn-filters-").tempdir();
        let temporary = temporary.inspect_err(|error| {
            tracing::warn!(
                "there is no room for what is compiled apart: {error}; filters are compiled by this process"
            );
        });
        let temporary = temporary.ok()?;
        Some(Workshop {
            compiler,
            directory: temporary.path().to_path_buf(),
            under_way: Semaphore::new(AT_ONCE),
            _temporary: Some(temporary),
        })
    }

    /// Has a component compiled, which is in the cache then. Where it cannot be, this process will have to.
    async fn compile(&self, bytes: &[u8], engine: &wasmtime::Engine) -> Result<(), LoadError> {
        let mark = self.mark(bytes, engine);
        if mark.exists() {
            return Ok(());
        }
        let _turn = self.under_way.acquire().await;
        match self.compiler.compile(bytes, &self.directory).await {
            Ok(()) => {
                // What is not marked is looked for by another process again, which finds it.
                if let Some(marks) = mark.parent()
                    && std::fs::create_dir_all(marks).is_ok()
                {
                    let _ = std::fs::write(&mark, []);
                }
                Ok(())
            }
            Err(ApartError::Component(reason)) => Err(LoadError::Compile(reason)),
            Err(ApartError::Place(reason)) => {
                tracing::warn!("a filter is compiled by the process that serves requests: {reason}");
                Ok(())
            }
        }
    }
}

impl Workshop {
    /// A file that is there when a component has been compiled for engines like this one: then nobody has to wait for another
    /// process. Should the cache have lost it since, this process compiles it.
    fn mark(&self, bytes: &[u8], engine: &wasmtime::Engine) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let name = format!("{:x}-{:016x}.apart", Sha256::digest(bytes), hasher.finish());
        self.directory.join("apart").join(name)
    }
}

/// Does work in threads that take what others leave of the processor, and that are there for this alone.
fn aside<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, rayon::ThreadPoolBuildError> {
    let threads = rayon::ThreadPoolBuilder::new()
        .thread_name(|number| format!("compiler-{number}"))
        .start_handler(|_| {
            // On Linux this is about the thread that calls. Where it is not allowed, compiling is in the way of requests.
            let _ = rustix::process::setpriority_process(None, NICENESS);
        })
        .build()?;
    Ok(threads.install(work))
}

/// The components that are in use, by their SHA-256.
#[derive(Default)]
struct Compiled(Mutex<HashMap<[u8; 32], Place>>);

type Place = Arc<tokio::sync::Mutex<Weak<Component>>>;

impl Compiled {
    fn place(&self, digest: [u8; 32]) -> Place {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that nobody has or is about to have any more.
        places.retain(|_, place| {
            let used = |place: &Place| place.try_lock().map_or(true, |known| known.strong_count() > 0);
            Arc::strong_count(place) > 1 || used(place)
        });
        Arc::clone(places.entry(digest).or_default())
    }
}

fn pooling(slots: u32) -> PoolingAllocationConfig {
    let mut pooling = PoolingAllocationConfig::new();
    pooling
        .total_component_instances(slots)
        .total_core_instances(slots.saturating_mul(8))
        .total_memories(slots)
        .total_tables(slots.saturating_mul(8))
        .total_stacks(slots)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(4)
        .max_tables_per_component(CORE_INSTANCES)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        .max_memory_size(MAX_MEMORY)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(64 << 10)
        .pagemap_scan(Enabled::Auto);
    pooling
}

fn runtime(error: &dyn std::fmt::Display) -> EngineError {
    EngineError::Runtime(format!("{error:#}"))
}

/// Counts time for guests, for as long as the engine lives.
struct Clock(#[expect(dead_code, reason = "dropped to stop the thread")] Sender<()>);

impl Clock {
    fn start(engine: &wasmtime::Engine) -> Result<Clock, EngineError> {
        let engine = engine.weak();
        let (alive, stopped) = channel();
        std::thread::Builder::new()
            .name("filter-clock".to_owned())
            .spawn(move || {
                while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(TICK) {
                    match engine.upgrade() {
                        Some(engine) => engine.increment_epoch(),
                        None => return,
                    }
                }
            })
            .map_err(|error| runtime(&error))?;
        Ok(Clock(alive))
    }
}
