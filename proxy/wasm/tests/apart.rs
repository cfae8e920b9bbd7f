//! Components that a process of its own compiles: another of this program, which is why it has its own `main`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use std::path::Path;
use std::process::ExitCode;

use cairn_tests::component;
use cairn_wasm::{Apart, Engine, EngineOptions, Filter, LoadError, Spec, compile_if_asked};

/// What the names of directories of temporary files begin with.
const PLACES: &str = "cairn-filters-";

fn main() -> ExitCode {
    if let Some(ended) = compile_if_asked() {
        return ended;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(tests());
    ExitCode::SUCCESS
}

async fn tests() {
    let Some(bench) = component("bench") else {
        println!("there is no compiler for filters");
        return;
    };
    let bench = std::fs::read(bench).unwrap();
    what_was_compiled_apart_comes_by_the_cache(&bench).await;
    without_a_cache_there_is_a_place_for_a_while(&bench).await;
    a_component_that_does_not_compile_is_refused_with_its_reason(&bench).await;
    where_no_process_can_be_started_this_one_compiles(&bench).await;
    println!("compiled apart: 4 tests passed");
}

async fn what_was_compiled_apart_comes_by_the_cache(bench: &[u8]) {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("compiled");
    let engine = engine(Some(&cache), Apart::this_program());
    let process = cairn_net::proc::cpu_time().unwrap();
    let filter = load(&engine, bench).await.unwrap();
    let spent = cairn_net::proc::cpu_time().unwrap().total() - process.total();
    assert!(filter.subscriptions().request_head.is_some());
    assert_eq!(kept(&cache), 1);

    // Compiled by this process it takes many times as much of its time.
    let within = Engine::new(&EngineOptions::default()).unwrap();
    let process = cairn_net::proc::cpu_time().unwrap();
    load(&within, bench).await.unwrap();
    let itself = cairn_net::proc::cpu_time().unwrap().total() - process.total();
    assert!(
        spent * 2 < itself,
        "{spent:?} with another process, {itself:?} without"
    );
}

async fn without_a_cache_there_is_a_place_for_a_while(bench: &[u8]) {
    let places = || {
        let entries = std::fs::read_dir(std::env::temp_dir()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name());
        names
            .filter(|name| name.to_string_lossy().starts_with(PLACES))
            .count()
    };
    let before = places();
    let engine = engine(None, Apart::this_program());
    drop(load(&engine, bench).await.unwrap());
    assert_eq!(places(), before + 1);
    drop(engine);
    assert_eq!(places(), before);
}

async fn a_component_that_does_not_compile_is_refused_with_its_reason(bench: &[u8]) {
    let broken = bench.get(..bench.len() / 2).unwrap();
    let apart = load(&engine(None, Apart::this_program()), broken).await;
    let within = load(&Engine::new(&EngineOptions::default()).unwrap(), broken).await;
    let (Err(LoadError::Compile(apart)), Err(LoadError::Compile(within))) = (apart, within) else {
        panic!("half a component is no filter");
    };
    assert_eq!(apart, within);
}

async fn where_no_process_can_be_started_this_one_compiles(bench: &[u8]) {
    let engine = engine(None, Apart::program("/nowhere/compiler"));
    load(&engine, bench).await.unwrap();
}

fn engine(cache: Option<&Path>, compiler: Apart) -> Engine {
    Engine::new(&EngineOptions {
        cache: cache.map(Path::to_path_buf),
        compiler: Some(compiler),
        ..EngineOptions::default()
    })
    .unwrap()
}

async fn load(engine: &Engine, component: &[u8]) -> Result<Filter, LoadError> {
    let spec = Spec {
        config: (*br#"{"head": "nothing"}"#).into(),
        ..Spec::new("default/bench")
    };
    Filter::load(engine, component, spec).await
}

/// Compiled components in a cache.
fn kept(cache: &Path) -> usize {
    let mut found = 0;
    for entry in std::fs::read_dir(cache).unwrap() {
        let entry = entry.unwrap();
        found += match entry.file_type().unwrap().is_dir() {
            true => kept(&entry.path()),
            false => usize::from(entry.path().extension().is_none()),
        };
    }
    found
}
