//! The macros that make a component of a filter.

/// Makes a component of a filter: write it once, after its `impl Filter`.
///
/// With a `schema`, as in `export!(Greet, schema = include_str!("../schema.json"))`, the JSON schema of its configuration
/// becomes part of the component, where `cairn filter inspect` finds it.
///
/// In a native build, as for tests, nothing comes of it.
#[macro_export]
macro_rules! export {
    ($filter:ty $(, schema = $schema:expr)? $(,)?) => {
        $crate::export_natively!($filter);
        $($crate::export_schema!($schema);)?

        #[cfg(target_family = "wasm")]
        const _: () = {
            $crate::export_slot!($filter);
    $crate::bindings::export_hooks!(Component with_types_in $crate::bindings);
        };
    };
}

/// Makes a component of a filter that is also a [`Ticker`](crate::Ticker). It may have a `schema`, as with [`export!`].
#[macro_export]
macro_rules! export_ticking {
    ($filter:ty $(, schema = $schema:expr)? $(,)?) => {
        $crate::export_natively!($filter);
        $($crate::export_schema!($schema);)?

        #[cfg(not(target_family = "wasm"))]
        const _: () = {
            #[used]
            static TICK: fn(&$filter) = <$filter as $crate::Ticker>::tick;
        };

        #[cfg(target_family = "wasm")]
        const _: () = {
            $crate::export_slot!($filter);
    $crate::bindings::export_hooks!(Component with_types_in $crate::bindings);
    $crate::bindings::ticking::export_ticker!(Component with_types_in $crate::bindings::ticking);
        };
    };
}

// Without exports the compiler would call a filter dead code.
#[doc(hidden)]
#[macro_export]
macro_rules! export_natively {
    ($filter:ty) => {
        #[cfg(not(target_family = "wasm"))]
        const _: () = {
            type Config = <$filter as $crate::Filter>::Config;

            #[used]
            static CONFIGURE: fn(Config) -> ::std::result::Result<$filter, ::std::string::String> =
                <$filter as $crate::Filter>::configure;
        };
    };
}

// A section of its own, which linkers and tools that make components leave as it is.
#[doc(hidden)]
#[macro_export]
macro_rules! export_schema {
    ($schema:expr) => {
        const _: () = {
            const TEXT: &str = $schema;

            #[cfg(target_family = "wasm")]
            #[used]
            #[unsafe(link_section = "cairn:config-schema")]
            static SCHEMA: [u8; TEXT.len()] = $crate::component::bytes(TEXT);
        };
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! export_slot {
    ($filter:ty) => {
        struct Component;

        ::std::thread_local! {
            static FILTER: ::std::cell::OnceCell<$filter> = const { ::std::cell::OnceCell::new() };
        }

        impl $crate::component::Exported for Component {
            type Filter = $filter;

            fn slot<R>(with: impl FnOnce(&::std::cell::OnceCell<$filter>) -> R) -> R {
                FILTER.with(with)
            }
        }
    };
}
