//! What is generated from `wit/filter.wit`. Authors never see it: the rest of this crate stands before it.
#![allow(
    clippy::all,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    unsafe_code,
    unused_qualifications,
    rust_2018_idioms,
    reason = "generated"
)]

wit_bindgen::generate!({
    path: "../../wit",
    world: "filter",
    pub_export_macro: true,
    default_bindings_module: "::cairn_filter::bindings",
    runtime_path: "::cairn_filter::wit_bindgen::rt",
    export_macro_name: "export_hooks",
    additional_derives: [Clone, PartialEq],
});

/// The ticker by itself: a world that has it is only described where a filter exports one.
pub mod ticking {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package cairn:ticking;
            world ticking {
                export cairn:filter/ticker@0.1.0;
            }
        ",
        world: "cairn:ticking/ticking",
        pub_export_macro: true,
        default_bindings_module: "::cairn_filter::bindings::ticking",
        runtime_path: "::cairn_filter::wit_bindgen::rt",
        export_macro_name: "export_ticker",
    });
}
