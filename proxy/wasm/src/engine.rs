//! The engine: compiles components, and lets their instances run for a while.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{
    Cache, CacheConfig, Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
};

use crate::bindings::Filter as World;
use crate::failure::LoadError;
use crate::format;
use crate::host::Host;
use crate::room::{Idle, Rooms};

/// How often a guest that runs lets others run.
pub(crate) const TICK: Duration = Duration::from_millis(1);
/// Of threads that compile: the kernel gives the others about ten times as much.
const NICENESS: i32 = 10;
/// The most linear memory that any plugin may be allowed.
const MAX_MEMORY: usize = 256 << 20;
/// What an instance keeps resident between two hooks without asking the kernel for it again.
const KEEP_RESIDENT: usize = 256 << 10;
/// Core modules of which one component may be made: interpreters of scripting languages have many.
const CORE_INSTANCES: u32 = 64;

/// How an engine is to be.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Where compiled components are kept, in a directory that only this process may write; nowhere without.
    pub cache: Option<PathBuf>,
    /// Instances of all plugins at a time.
    pub slots: u32,
}

impl Default for EngineOptions {
    fn default() -> EngineOptions {
        EngineOptions {
            cache: None,
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
        let mut config = config();
        if let Some(directory) = &options.cache {
            config.cache(Some(cache(directory)?));
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

    /// Compiles a component; takes long, and is to be done where nobody waits.
    /// Plugins of the same component share what has been compiled, for as long as one of them has it.
    pub(crate) fn compile(&self, bytes: &[u8]) -> Result<Arc<Component>, LoadError> {
        format::check(bytes)?;
        let place = self.compiled.place(Sha256::digest(bytes).into());
        // Whoever wants the same meanwhile waits for this.
        let mut known = place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(component) = known.upgrade() {
            return Ok(component);
        }
        let compiled = aside(|| Component::new(&self.inner, bytes));
        let compiled = compiled.map_err(|reason| LoadError::Compile(reason.to_string()))?;
        let component = compiled.map_err(|error| LoadError::Compile(format!("{error:#}")))?;
        let component = Arc::new(component);
        *known = Arc::downgrade(&component);
        Ok(component)
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

type Place = Arc<Mutex<Weak<Component>>>;

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

fn config() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        // What no hook needs, and what makes every call three times as dear.
        .concurrency_support(false)
        .epoch_interruption(true)
        .cranelift_opt_level(OptLevel::Speed)
        .memory_init_cow(true);
    config
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

fn cache(directory: &Path) -> Result<Cache, EngineError> {
    let wrong = |reason: String| EngineError::Cache {
        directory: directory.to_path_buf(),
        reason,
    };
    private(directory).map_err(|error| wrong(error.to_string()))?;
    let mut config = CacheConfig::new();
    config.with_directory(directory);
    Cache::new(config).map_err(|error| wrong(format!("{error:#}")))
}

/// Compiled components are machine code that is run: nobody else may put any there.
fn private(directory: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let metadata = std::fs::metadata(directory)?;
    let ours = std::fs::metadata("/proc/self")?.uid();
    if metadata.uid() != ours {
        return Err(std::io::Error::other("it belongs to another user"));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
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
