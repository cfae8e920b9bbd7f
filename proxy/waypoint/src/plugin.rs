//! WasmPlugin resources: what they say, what they bind to, and the generations of their filters.

mod annotations;
mod attach;
mod load;
mod slot;
mod spec;

pub(crate) use attach::{Attached, Target, bind, check};
pub(crate) use load::Loader;
pub(crate) use slot::{Slot, Slots, Status};
pub(crate) use spec::{FailStrategy, Phase, PluginSpec};
