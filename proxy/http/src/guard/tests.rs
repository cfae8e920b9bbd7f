#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use proptest::prelude::*;
use tokio::io::AsyncReadExt as _;

use super::*;

/// A stream that yields the given pieces, then ends.
struct Pieces(std::collections::VecDeque<Vec<u8>>);

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(mut piece) = self.0.pop_front() {
            let rest = piece.split_off(piece.len().min(buf.remaining()));
            buf.put_slice(&piece);
            if !rest.is_empty() {
                self.0.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
}

/// What the guard yields of `bytes` cut at these places and read with a buffer of `room` bytes.
fn through(bytes: &[u8], cuts: &[usize], room: usize) -> (Vec<u8>, Option<Refusal>) {
    let mut pieces = std::collections::VecDeque::new();
    let mut at = 0;
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.sort_unstable();
    for cut in cuts.into_iter().chain([bytes.len()]) {
        if cut > at {
            pieces.push_back(bytes[at..cut].to_vec());
            at = cut;
        }
    }
    runtime().block_on(async {
        let mut guard = StrictHead::new(Pieces(pieces), Limits::default());
        let mut out = Vec::new();
        let mut buffer = vec![0; room];
        let reading = async {
            while let Ok(count) = guard.read(&mut buffer).await {
                if count == 0 {
                    break;
                }
                out.extend_from_slice(&buffer[..count]);
            }
        };
        // After a refusal nothing more comes, and no end either.
        let _ = tokio::time::timeout(std::time::Duration::from_millis(5), reading).await;
        let refusal = guard.refusal().cloned();
        (out, refusal)
    })
}

const GOOD: &[u8] = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nPOST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
    POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\r\n\r\n2\r\nxy\r\n0\r\n\r\nGET /d HTTP/1.0\r\n\r\n";

#[test]
fn a_fast_path_copies_nothing() {
    let (out, refusal) = through(GOOD, &[], 4096);
    assert_eq!(out, GOOD);
    assert_eq!(refusal, None);
}

#[test]
fn refusals_say_why() {
    let (_, refusal) = through(
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        &[],
        4096,
    );
    let refusal = refusal.unwrap();
    assert_eq!((refusal.status.as_u16(), refusal.body), (501, "Not Implemented"));
    assert_eq!(refusal.reason, "a Transfer-Encoding other than chunked");
    assert_eq!(refusal.flag(), Some("DPE"));
    assert_eq!(refusal.response().status(), 501);
}

/// Bytes that look like requests, whole and broken, in any order.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "4\r\nabcd\r\n",
        "0\r\n\r\n",
        "0\r\nX: y\r\n\r\n",
        "abcd",
        "\r\n",
        "GET /x<y> HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        "GET / HTTP/1.1\r\n",
        "Host: a\r\n",
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
        "\n",
        "\r",
        "\0",
        "x",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// How the bytes were cut on their way, and how much is read at once, changes nothing.
    #[test]
    fn cuts_do_not_matter(
        bytes in streams(),
        cuts in prop::collection::vec(any::<usize>(), 0..6),
        room in 1usize..64,
    ) {
        let (whole, refusal) = through(&bytes, &[], 4096);
        let (cut, refusal_cut) = through(&bytes, &cuts, room);
        // Of a body that breaks, the part that came before is delivered if it came in a piece of its own.
        let broken = refusal.is_some() && !whole.ends_with(link::MARKER);
        if !broken || !cut.starts_with(&whole) {
            prop_assert_eq!(String::from_utf8_lossy(&whole), String::from_utf8_lossy(&cut));
        }
        prop_assert_eq!(refusal, refusal_cut);
    }

    /// No bytes at all make it panic or yield a head that was not checked.
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let (out, _) = through(&bytes, &[], 128);
        let yielded = String::from_utf8_lossy(&out).into_owned();
        prop_assert!(
            out.is_empty() || yielded.starts_with("refused") || yielded.trim_start_matches("\r\n").is_empty()
                || yielded.contains("HTTP/1."),
            "{yielded:?}"
        );
    }
}

/// What the guard lets through hyper accepts: its parser is the same one, and these are the ends it adds to it.
#[test]
fn whatever_passes_is_a_valid_uri() {
    for byte in 0x21..=0xff_u32 {
        let Some(letter) = char::from_u32(byte) else {
            continue;
        };
        for target in [format!("/a{letter}b"), format!("/a?b{letter}c")] {
            let bytes = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
            let (out, refusal) = through(bytes.as_bytes(), &[], 4096);
            if refusal.is_some() {
                continue;
            }
            let out = String::from_utf8(out).unwrap();
            let passed = out.split(' ').nth(1).unwrap();
            let uri: http::Uri = passed
                .parse()
                .unwrap_or_else(|_| panic!("{target:?} passes as {passed:?}"));
            assert_eq!(uri.to_string(), passed, "{target:?}");
        }
    }
}

/// A request with a body would be another one as an extended CONNECT, which has none.
#[test]
fn only_a_get_without_a_body_upgrades() {
    let fields = "Host: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n";
    for (line, framing, kept) in [
        ("GET", "", true),
        ("GET", "Content-Length: 0\r\n\r\n", true),
        ("POST", "", false),
        ("HEAD", "", false),
        ("POST", "Content-Length: 2\r\n\r\nok", false),
        ("GET", "Content-Length: 2\r\n\r\nok", false),
        (
            "GET",
            "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            false,
        ),
    ] {
        let framing = if framing.is_empty() { "\r\n" } else { framing };
        let next = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
        let bytes = format!("{line} /chat HTTP/1.1\r\n{fields}{framing}{next}");
        let (out, refusal) = through(bytes.as_bytes(), &[], 4096);
        let out = String::from_utf8(out).unwrap();
        assert_eq!(refusal, None);
        assert_eq!(out.contains("Upgrade: websocket\r\n"), kept, "{bytes:?}");
        // What follows a wish that is granted later on has to wait for that.
        assert_eq!(out.ends_with(next), !kept, "{bytes:?}");
    }
}
