#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::*;

fn contains(blocks: &[&str], address: &str) -> bool {
    let blocks: Vec<IpNet> = blocks
        .iter()
        .map(|block| Blocks::parse(block).expect(block))
        .collect();
    Blocks::new(&blocks).contains(address.parse().unwrap())
}

#[test]
fn addresses_and_blocks() {
    assert!(contains(&["10.1.2.3"], "10.1.2.3") && !contains(&["10.1.2.3"], "10.1.2.4"));
    assert!(contains(&["10.1.2.3/16"], "10.1.0.0") && contains(&["10.1.0.0/16"], "10.1.255.255"));
    assert!(!contains(&["10.1.0.0/16"], "10.2.0.0") && !contains(&["10.1.0.0/16"], "10.0.255.255"));
    assert!(contains(&["0.0.0.0/0"], "255.255.255.255") && !contains(&["0.0.0.0/0"], "::1"));
    assert!(contains(&["2001:db8::/32"], "2001:db8:1::1") && !contains(&["::/0"], "10.0.0.1"));
    assert!(!contains(&[], "10.0.0.1"));
}

#[test]
fn overlapping_blocks_are_a_union() {
    let blocks = [
        "10.0.0.0/8",
        "10.0.0.7",
        "10.255.255.0/24",
        "11.0.0.0/31",
        "9.9.9.9",
    ];
    for inside in ["10.0.0.7", "10.0.0.8", "10.255.255.255", "11.0.0.1", "9.9.9.9"] {
        assert!(contains(&blocks, inside), "{inside}");
    }
    for outside in ["11.0.0.2", "9.9.9.8", "9.9.9.10", "0.0.0.0", "255.255.255.255"] {
        assert!(!contains(&blocks, outside), "{outside}");
    }
}

#[test]
fn mapped_addresses_are_ipv4() {
    assert!(contains(&["10.0.0.0/8"], "::ffff:10.0.0.1"));
    assert!(contains(&["::ffff:10.0.0.1"], "10.0.0.1"));
    assert!(
        contains(&["::ffff:10.0.0.0/104"], "10.2.0.1") && !contains(&["::ffff:10.0.0.0/104"], "11.0.0.1")
    );
    assert!(contains(&["::ffff:0:0/96"], "1.2.3.4"));
}

#[test]
fn what_is_no_block() {
    for text in [
        "",
        "10.0.0",
        "10.0.0.0/33",
        "10.0.0.0/",
        "a",
        "10.0.0.1 ",
        "fe80::1%eth0",
        "010.0.0.1",
        "::/129",
        "*",
    ] {
        assert_eq!(Blocks::parse(text), None, "{text}");
    }
}
