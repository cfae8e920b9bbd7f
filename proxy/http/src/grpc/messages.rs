//! Counting messages in a body.

/// Bytes in front of each message: whether it is compressed, and its length (gRPC over HTTP/2, "Length-Prefixed-Message").
const PREFIX: u8 = 5;

/// Counts the messages of a body that goes by, in whatever pieces. A message counts when its prefix has passed.
///
/// ```
/// use cairn_http::grpc::Messages;
///
/// let mut messages = Messages::default();
/// messages.pass(b"\0\0\0\0\x02hi\0\0\0");
/// assert_eq!(messages.count(), 1);
/// messages.pass(b"\0\0");
/// assert_eq!(messages.count(), 2);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Messages {
    count: u64,
    /// Bytes of the present message that have not passed.
    rest: u32,
    /// Bytes of the next prefix that have.
    prefix: u8,
    /// Its length, as far as it is known.
    length: u32,
}

impl Messages {
    /// How many have passed.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The next piece of the body.
    pub fn pass(&mut self, mut piece: &[u8]) {
        loop {
            let skipped = usize::try_from(self.rest).unwrap_or(usize::MAX).min(piece.len());
            self.rest -= u32::try_from(skipped).unwrap_or(self.rest);
            let Some((&byte, rest)) = piece.get(skipped..).and_then(<[u8]>::split_first) else {
                return;
            };
            piece = rest;
            // The first byte says whether the message is compressed, and is shifted out again.
            self.length = self.length << 8 | u32::from(byte);
            self.prefix += 1;
            if self.prefix == PREFIX {
                self.count += 1;
                self.rest = self.length;
                self.prefix = 0;
            }
        }
    }
}
