//! The host of filters: WebAssembly components that see the requests of a service, and can harm nothing but their own
//! request.
//!
//! An [`Engine`] compiles components and runs them. A [`Filter`] is one generation of one plugin: a component with its
//! configuration, what it subscribed to, and a bounded pool of instances. Its hooks are called with an [`Exchange`], the
//! request and response on their way through the proxy, and end in a verdict or in a [`HookFailure`]. A hook that failed
//! has changed nothing of the exchange.
//!
//! Compiling is heavy work: with an [`Apart`] a process of its own does it, and this one only loads what came of it.
//!
//! An [`Inspection`] says what a component is without running it.
//!
//! The contract with filters is the WIT package in `wit/`. This crate knows nothing of routes, policies or of how a
//! plugin is attached to a service; what it is to be told of the mesh comes as [`Attributes`], and what filters may do
//! in the mesh as [`Grants`].
//!
//! ```no_run
//! use std::sync::Arc;
//! use cairn_wasm::{Engine, EngineOptions, Exchange, Filter, RequestHead, Spec, Unknown};
//!
//! # async fn example(request: RequestHead) -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::new(&EngineOptions::default())?;
//! let component = std::fs::read("filter.wasm")?;
//! let filter = Filter::load(&engine, &component, Spec::new("default/hello")).await?;
//! let mut exchange = Exchange::new(request, Arc::new(Unknown));
//! let answer = filter.on_request_head(&mut exchange, true).await?;
//! println!("{:?}, changed: {}", answer.verdict, answer.changed);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod apart;
mod bindings;
mod block;
mod current;
mod edit;
mod engine;
mod exchange;
mod expose;
mod failure;
mod filter;
mod format;
#[doc(hidden)]
pub mod fuzz;
mod grants;
mod host;
mod imports;
mod inspect;
mod instance;
mod limits;
mod log;
mod measure;
mod meter;
mod plugin;
mod pool;
mod recent;
mod room;
mod settings;
mod shared;
mod spec;
mod subscriptions;
mod verdict;
mod workshop;

pub use apart::Apart;
pub use engine::{Engine, EngineError, EngineOptions};
pub use exchange::{Attributes, Exchange, RequestHead, ResponseHead, Unknown, Value};
pub use expose::expose;
pub use failure::{HookFailure, LoadError, Reason};
pub use filter::Filter;
pub use grants::{Answer, Call, CallError, Calling, Grants, Outbound};
pub use imports::{Grant, Need};
pub use inspect::{CONFIG_SCHEMA, Import, InspectError, Inspection, LinearMemory, Producer};
pub use limits::{Isolation, Limits};
pub use measure::{GuestMetrics, MetricReading, SeriesReading};
pub use meter::Meter;
pub use shared::SharedStore;
pub use spec::Spec;
pub use subscriptions::{BodyInterest, Lines, Subscriptions};
pub use verdict::{BodyVerdict, HeadAnswer, HeadVerdict, LocalReply};
pub use workshop::compile_if_asked;
