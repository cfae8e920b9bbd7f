//! Who may do what: tokens, and the policies that ask for them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod external;
mod tokens;
