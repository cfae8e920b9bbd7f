//! The handshake of WebSocket on HTTP/1 (RFC 6455 section 4): a proxy that translates between the versions of HTTP has to
//! play one side of it, because HTTP/2 has none.

#[cfg(test)]
mod tests;

use http::{HeaderName, HeaderValue};

/// `sec-websocket-key`.
pub(crate) const KEY: HeaderName = http::header::SEC_WEBSOCKET_KEY;
/// `sec-websocket-accept`.
pub(crate) const ACCEPT: HeaderName = http::header::SEC_WEBSOCKET_ACCEPT;

/// What every server appends to the key (RFC 6455 section 1.3).
const SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A fresh key: 16 random bytes in base64.
pub(crate) fn key() -> HeaderValue {
    let random: [u8; 16] = rand::random();
    value(&base64(&random))
}

/// The answer to a key.
pub(crate) fn accept(key: &HeaderValue) -> HeaderValue {
    let salted = [key.as_bytes(), SUFFIX].concat();
    value(&base64(&sha1(&salted)))
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0u32, |bits, at| {
            bits << 8 | u32::from(group.get(at).copied().unwrap_or(0))
        });
        for at in 0..4 {
            let digit = DIGITS
                .get((bits >> (18 - 6 * at)) as usize & 63)
                .copied()
                .unwrap_or(b'A');
            text.push(if at <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// FIPS 180-4 section 6.1. Not for security: the handshake only shows that the server has understood it.
fn sha1(message: &[u8]) -> [u8; 20] {
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize((message.len() + 9).next_multiple_of(64) - 8, 0);
    padded.extend_from_slice(&(message.len() as u64 * 8).to_be_bytes());

    let mut state: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    for block in padded.chunks_exact(64) {
        // A window of the last 16 words of the schedule.
        let mut words = [0u32; 16];
        for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
            *word = u32::from_be_bytes(*bytes);
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for round in 0..80 {
            let (mix, constant) = match round {
                0..20 => (b & c | !b & d, 0x5a82_7999),
                20..40 => (b ^ c ^ d, 0x6ed9_eba1),
                40..60 => (b & c | b & d | c & d, 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6),
            };
            let [word, _, third, _, _, _, _, _, ninth, _, _, _, _, fourteenth, _, _] = words;
            let sum = a
                .rotate_left(5)
                .wrapping_add(mix)
                .wrapping_add(e)
                .wrapping_add(constant)
                .wrapping_add(word);
            (a, b, c, d, e) = (sum, a, b.rotate_left(30), c, d);
            words.rotate_left(1);
            if let Some(last) = words.last_mut() {
                *last = (word ^ third ^ ninth ^ fourteenth).rotate_left(1);
            }
        }
        for (total, part) in state.iter_mut().zip([a, b, c, d, e]) {
            *total = total.wrapping_add(part);
        }
    }
    let mut digest = [0; 20];
    for (bytes, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    digest
}
