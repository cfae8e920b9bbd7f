//! The other side of compiling in a process of its own: a process that compiles one component and ends.

use std::fmt::Display;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, Signal, getpid, kill_process, setrlimit};
use wasmtime::component::Component;

use crate::settings;

/// What a program is asked with, before the directory of the cache.
pub(crate) const WORD: &str = "compile-filter";
/// The component is in the cache.
pub(crate) const KEPT: u8 = 40;
/// It does not compile; why is on standard output.
pub(crate) const REFUSED: u8 = 41;
/// It cannot be compiled or kept here; why is on standard output.
pub(crate) const NOT_KEPT: u8 = 42;

/// What is smaller is compiled in a moment, and should not wait for as long as there are requests: interpreters are larger,
/// filters of compiled languages are not.
const SMALL: usize = 1 << 20;
/// Of who compiles what is small: the kernel gives the others about ten times as much.
const NICENESS: i32 = 10;
/// Bytes of memory that compiling may take: what no component takes that anyone would run beside requests.
const MEMORY: u64 = 2 << 30;
/// Seconds of processor time.
const SECONDS: u64 = 300;

/// Compiles a component, where this process was started for that by an [`Apart`](crate::Apart), and says how it is to end;
/// none in a process that is there for something else.
///
/// To be called first thing in `main`, before there are threads.
#[must_use]
pub fn compile_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != WORD {
        return None;
    }
    let directory = PathBuf::from(arguments.next()?);
    let (code, said) = match work(&directory) {
        Ok(()) => (KEPT, String::new()),
        Err(Stopped::Component(reason)) => (REFUSED, reason),
        Err(Stopped::Place(reason)) => (NOT_KEPT, reason),
    };
    let mut output = io::stdout();
    let _ = output.write_all(said.as_bytes());
    let _ = output.flush();
    Some(ExitCode::from(code))
}

/// Why there is nothing new in the cache.
enum Stopped {
    Component(String),
    Place(String),
}

fn work(directory: &Path) -> Result<(), Stopped> {
    stay_within();
    let component = receive().map_err(place)?;
    make_room(component.len());
    let cache = settings::cache(directory).map_err(Stopped::Place)?;
    let mut config = settings::config();
    config.cache(Some(cache.clone()));
    let engine = wasmtime::Engine::new(&config).map_err(|error| Stopped::Place(format!("{error:#}")))?;
    Component::new(&engine, component).map_err(|error| Stopped::Component(format!("{error:#}")))?;
    // A miss is counted when what was compiled has been written.
    if cache.cache_hits() + cache.cache_misses() == 0 {
        return Err(Stopped::Place(format!(
            "{} cannot be written",
            directory.display()
        )));
    }
    Ok(())
}

/// Bounds what may be used, in a process that has nothing to lose. A bound that cannot be had is done without.
fn stay_within() {
    // Where memory runs out, it is this process that goes.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let at_most = |resource, bound| {
        let limit = Rlimit {
            current: Some(bound),
            maximum: Some(bound),
        };
        let _ = setrlimit(resource, limit);
    };
    at_most(Resource::Data, MEMORY);
    at_most(Resource::Cpu, SECONDS);
    at_most(Resource::Core, 0);
}

/// Stays out of the way of whoever serves requests, with all threads that are started from now on.
fn make_room(size: usize) {
    let _ = rustix::process::setpriority_process(None, NICENESS);
    if size > SMALL {
        let _ = cairn_net::limits::run_when_idle();
    }
}

/// The component; once it is there, somebody listens for the end of those who wait.
fn receive() -> io::Result<Vec<u8>> {
    let mut input = io::stdin().lock();
    let mut length = [0; 8];
    input.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    let mut component = Vec::new();
    input.by_ref().take(length).read_to_end(&mut component)?;
    if u64::try_from(component.len()).is_ok_and(|read| read == length) {
        drop(input);
        std::thread::Builder::new()
            .name("waited-for".to_owned())
            .spawn(|| {
                let _ = io::stdin().read(&mut [0]);
                // A compiler cannot be asked to stop.
                let _ = kill_process(getpid(), Signal::KILL);
            })?;
        return Ok(component);
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

fn place(error: impl Display) -> Stopped {
    Stopped::Place(error.to_string())
}
