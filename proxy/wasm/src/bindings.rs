//! What `wit/` says, in Rust.
#![allow(missing_docs, unreachable_pub, unused_qualifications)]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "filter",
    imports: {
        "cairn:filter/outbound": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    additional_derives: [PartialEq],
    with: {
        "cairn:filter/exchanges.exchange": crate::current::Current,
    },
});

/// The version of the contract.
pub(crate) const VERSION: &str = "0.1.0";
