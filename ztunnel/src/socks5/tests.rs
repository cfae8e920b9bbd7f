#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Asked, Misunderstanding, negotiate};

/// What is made of all that a client sends, and what it is answered.
fn exchange(sent: &[u8]) -> (Result<Asked, Misunderstanding>, Vec<u8>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (mut near, mut far) = tokio::io::duplex(4096);
        near.write_all(sent).await.unwrap();
        near.shutdown().await.unwrap();
        let asked = negotiate(&mut far).await;
        drop(far);
        let mut answered = Vec::new();
        near.read_to_end(&mut answered).await.unwrap();
        (asked, answered)
    })
}

#[test]
fn addresses_and_names_are_read() {
    let asked = |request: &[u8]| exchange(&[&[5, 1, 0, 5, 1, 0], request].concat());
    let (address, answered) = asked(&[1, 127, 0, 10, 1, 0, 80]);
    assert_eq!(address.unwrap(), Asked::Address("127.0.10.1:80".parse().unwrap()));
    assert_eq!(answered, [5, 0]);
    let mapped = asked(&[4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 10, 1, 0, 80]).0;
    assert_eq!(mapped.unwrap(), Asked::Address("127.0.10.1:80".parse().unwrap()));
    let name = asked(b"\x03\x05hello\x1f\x90").0;
    assert_eq!(name.unwrap(), Asked::Host("hello".to_owned(), 8080));
    assert!(matches!(
        asked(b"\x03\x01\xff\x00\x50").0,
        Err(Misunderstanding::Host)
    ));
    assert!(matches!(asked(&[1, 127, 0]).0, Err(Misunderstanding::Io(_))));
}

proptest! {
    #[test]
    fn whatever_comes_is_read_or_refused(rest in prop::collection::vec(any::<u8>(), 0..600), valid in 0usize..=9) {
        // The first bytes of a valid request, so that more than its first byte is tried.
        let start = [5, 1, 0, 5, 1, 0, 3, 255, b'a'];
        let sent = [&start[..valid], &rest].concat();
        let (asked, answered) = exchange(&sent);
        prop_assert!(answered.is_empty() || answered == [5, 0] || answered == [5, 0xff]);
        if asked.is_ok() {
            prop_assert_eq!(answered, [5, 0]);
        }
    }
}
