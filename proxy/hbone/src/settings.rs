//! Settings of the HTTP/2 connections under the tunnels.

use std::time::Duration;

use http::StatusCode;

/// How a connection of either side behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes that a peer may send on one stream before the other end has taken them.
    pub stream_window: u32,
    /// The same for all streams of a connection together.
    ///
    /// By default as large as HTTP/2 allows: with anything less, a few readers that have stopped reading stop all
    /// others on the connection. What a peer can make us hold is bounded by the windows of the streams, and their
    /// number by [`Settings::max_concurrent_streams`].
    pub connection_window: u32,
    /// Largest frame that is accepted, 16,384 to 16,777,215 bytes.
    pub max_frame_size: u32,
    /// Largest header list that a server accepts, in bytes as HTTP/2 counts them.
    pub max_header_list_size: u32,
    /// How many tunnels a client may have open on one connection to a server.
    pub max_concurrent_streams: u32,
    /// Bytes that one stream may hold while it waits to be written.
    pub send_buffer: usize,
    /// What the frames of a connection that wait to be read may cost beyond their payload, in bytes.
    ///
    /// A DATA frame of less than 256 bytes costs the difference. A peer that makes more than this wait is closed with
    /// `ENHANCE_YOUR_CALM`; tunnels of chatty protocols, read slowly, can need much.
    pub data_frame_budget: usize,
    /// How long a client may take, once TLS is established, to begin HTTP/2.
    pub handshake_timeout: Duration,
    /// Time between two PINGs.
    pub ping_interval: Duration,
    /// How long the answer to a PING may take before the connection is given up.
    pub ping_timeout: Duration,
    /// The answer to a request that is not CONNECT.
    pub non_connect: StatusCode,
}

/// Istio's values: those of ztunnel, but for the connection window.
impl Default for Settings {
    fn default() -> Settings {
        Settings {
            stream_window: 4 << 20,
            connection_window: (1 << 31) - 1,
            max_frame_size: 1 << 20,
            max_header_list_size: 64 << 10,
            max_concurrent_streams: 200,
            send_buffer: 400 << 10,
            data_frame_budget: 32 << 20,
            handshake_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(10),
            ping_timeout: Duration::from_secs(20),
            non_connect: StatusCode::BAD_REQUEST,
        }
    }
}

/// How many streams are remembered that we have reset, and for how long.
///
/// What a peer has sent before it learns of a reset is passed over on a stream that is remembered; on any other it is
/// an error, and h2 closes connections on which there are many. Applications that give up by the hundred, with
/// downloads under way, are ordinary.
pub(crate) const MAX_RESET_STREAMS: usize = 4096;
pub(crate) const RESET_MEMORY: Duration = Duration::from_secs(10);

/// How many errors in streams, over its whole life, end a connection.
pub(crate) const MAX_STREAM_ERRORS: usize = 1 << 16;

/// Largest window of HTTP/2.
const MAX_WINDOW: u32 = (1 << 31) - 1;

/// The bounds of SETTINGS_MAX_FRAME_SIZE.
const FRAME_SIZES: std::ops::RangeInclusive<u32> = 16_384..=16_777_215;

impl Settings {
    pub(crate) fn stream_window(&self) -> u32 {
        self.stream_window.min(MAX_WINDOW)
    }

    pub(crate) fn connection_window(&self) -> u32 {
        self.connection_window.min(MAX_WINDOW)
    }

    pub(crate) fn max_frame_size(&self) -> u32 {
        self.max_frame_size
            .clamp(*FRAME_SIZES.start(), *FRAME_SIZES.end())
    }

    /// How much a reader takes before it tells the peer: often enough for any window, not for every frame.
    pub(crate) fn release_at(&self) -> usize {
        (self.stream_window() / 4).min(32 << 10) as usize
    }
}
