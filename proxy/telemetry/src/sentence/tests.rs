#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::io;

use super::*;

#[derive(Debug, thiserror::Error)]
enum Outer {
    #[error("{path} cannot be read: {source}; check its permissions")]
    Quotes { path: &'static str, source: io::Error },
    #[error("the file is of no use")]
    Silent(#[source] io::Error),
}

#[test]
fn causes_follow_unless_they_are_quoted() {
    let denied = || io::Error::other("permission denied");
    assert_eq!(
        sentence(&Outer::Silent(denied())),
        "the file is of no use: permission denied"
    );
    let quotes = Outer::Quotes {
        path: "a.yaml",
        source: denied(),
    };
    assert_eq!(
        sentence(&quotes),
        "a.yaml cannot be read: permission denied; check its permissions"
    );
}
