//! What a filter should never do, and what a host must survive.
#![expect(clippy::panic, reason = "it is what the host is tested with")]

use std::hint::black_box;

/// Traps.
pub(crate) fn panic(why: &str) -> ! {
    panic!("{why}")
}

/// Never ends, and never gives anything back.
pub(crate) fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Computes for a while, and ends.
pub(crate) fn work(turns: u64) {
    for turn in 0..turns {
        black_box(turn);
    }
}

/// Takes so many bytes, writes to each page of them and gives them back.
pub(crate) fn allocate(bytes: usize) {
    let mut taken = vec![0_u8; bytes];
    for page in taken.chunks_mut(4096) {
        if let Some(first) = page.first_mut() {
            *first = 1;
        }
    }
    black_box(&taken);
}

/// Takes memory until there is none.
pub(crate) fn hoard() -> ! {
    let mut taken: Vec<Vec<u8>> = Vec::new();
    loop {
        taken.push(black_box(vec![1; 1 << 20]));
    }
}

/// Calls itself until there is no stack left.
pub(crate) fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 32]);
    // What comes after the call keeps it from becoming a loop.
    let below = if depth == u64::MAX { 0 } else { recurse(depth + 1) };
    below.wrapping_add(frame.iter().fold(0, |sum, next| sum ^ next))
}
