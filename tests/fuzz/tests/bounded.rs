//! Every target on its seeds, and on what becomes of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::panic::catch_unwind;

use cairn_fuzz::{TARGETS, Target};
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

const ROUNDS: usize = 1_000;

/// Bytes that mean something to one parser or another.
const TELLING: &[u8] = b"\0\r\n \t:;,=\"'%/.&*[]{}-#?<>|\\\x7f\xff09aA";

/// A few changes of `seed`, or pieces of it and `other`.
fn change(random: &mut StdRng, seed: &[u8], other: &[u8]) -> Vec<u8> {
    let mut data = seed.to_vec();
    for _ in 0..random.random_range(1..6) {
        let at = random.random_range(0..=data.len());
        match random.random_range(0..7) {
            0 => data.insert(at, TELLING[random.random_range(0..TELLING.len())]),
            1 => data.truncate(at),
            2 if at < data.len() => drop(data.remove(at)),
            3 if at < data.len() => data[at] = (random.next_u32() & 0xff) as u8,
            4 if at < data.len() => data[at] = TELLING[random.random_range(0..TELLING.len())],
            5 => {
                let from = random.random_range(0..=other.len());
                let piece = other[from..].iter().take(random.random_range(0..40)).copied();
                data.splice(at..at, piece.collect::<Vec<_>>());
            }
            _ => {
                let end = random.random_range(at..=data.len());
                let piece = data[at..end].to_vec();
                data.splice(at..at, piece);
            }
        }
    }
    data
}

fn check(target: &Target) {
    let mut random = StdRng::seed_from_u64(15008);
    for seed in target.seeds {
        (target.run)(seed);
    }
    for _ in 0..ROUNDS {
        let mut pick = || target.seeds[random.random_range(0..target.seeds.len())];
        let (seed, other) = (pick(), pick());
        let data = change(&mut random, seed, other);
        let passed = catch_unwind(|| (target.run)(&data)).is_ok();
        assert!(
            passed,
            "{} found something in b\"{}\"",
            target.name,
            data.escape_ascii()
        );
    }
}

macro_rules! tests {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            check(TARGETS.iter().find(|target| target.name == stringify!($name)).expect("a target"));
        })*

        #[test]
        fn no_target_is_left_out() {
            let tested = [$(stringify!($name)),*];
            for target in TARGETS {
                assert!(tested.contains(&target.name), "{} is not run here", target.name);
            }
            let manifest = include_str!("../Cargo.toml");
            for name in tested {
                assert!(manifest.contains(&format!("\"targets/{name}.rs\"")), "{name} has no binary");
            }
        }
    };
}

tests! {
    authority baggage certificate challenge check_response component configuration docker_config duration edits forwarded grpc_message http1 http2
    jwks layer load_report manifest path sniff source spiffe_id token traceparent tunnel
}
