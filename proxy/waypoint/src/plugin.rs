//! The resources that attach filters: what they say, what they bind to, and the generations of their filters.

mod annotations;
mod attach;
mod load;
mod module;
mod problems;
mod slot;
mod spec;
mod ticker;
mod tools;
mod trial;
mod written;

pub(crate) use annotations::defaults;
pub(crate) use attach::{Attached, Target, bind};
pub(crate) use load::Loader;
pub(crate) use slot::{Slot, Slots, Status};
pub(crate) use spec::{FailStrategy, PluginSpec};
pub use tools::Storage;
pub use trial::Trials;
pub(crate) use written::{Phase, Written};
