//! The plugin that the filter is.

use std::cell::RefCell;

thread_local! {
    static NAME: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The plugin's name, under which its metadata is found: `pluginName` of its `WasmPlugin`, else the resource's name.
/// Empty before [`Filter::configure`](crate::Filter::configure).
pub fn name() -> String {
    NAME.with_borrow(String::clone)
}

pub(crate) fn named(name: String) {
    NAME.set(name);
}
