//! What the guard under hyper and the service above it tell each other.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::task::Waker;

use http::Extensions;

use super::Refusal;

/// The request that stands for a refused one. Its method is lower-case, which no request has that passed the guard.
pub(super) const MARKER: &[u8] = b"refused / HTTP/1.1\r\nhost: -\r\n\r\n";

/// The method of [`MARKER`].
pub(crate) const MARKER_METHOD: &str = "refused";

/// Whether the connection is about to stop being HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Switch {
    /// No, or the switch was refused.
    None,
    /// A request for it is being answered.
    Expected,
    /// Yes: 101, or 2xx to CONNECT.
    Granted,
}

/// Shared by the two ends of one connection.
#[derive(Debug, Default)]
pub(crate) struct Link {
    refusal: OnceLock<Refusal>,
    switch: AtomicU8,
    in_flight: AtomicBool,
    draining: AtomicBool,
    broken: AtomicBool,
    /// The extensions of a request for a switch: they lead to the connection.
    pending: Mutex<Option<Extensions>>,
    /// Whoever reads while a switch is expected: hyper would not read again by itself.
    reader: Mutex<Option<Waker>>,
    /// Another one for each request, and another again when its response is there.
    request: AtomicU64,
    hinted: AtomicBool,
    /// Interim responses for the client, when there are any.
    hints: Mutex<Vec<u8>>,
}

const NONE: u8 = 0;
const EXPECTED: u8 = 1;
const GRANTED: u8 = 2;

// One task polls both ends, so that no ordering between the fields is needed.
impl Link {
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        self.refusal.get()
    }

    pub(crate) fn refuse(&self, refusal: Refusal) {
        let _ = self.refusal.set(refusal);
    }

    pub(crate) fn switch(&self) -> Switch {
        match self.switch.load(Ordering::Acquire) {
            EXPECTED => Switch::Expected,
            GRANTED => Switch::Granted,
            _ => Switch::None,
        }
    }

    pub(super) fn expect_switch(&self) {
        self.switch.store(EXPECTED, Ordering::Release);
    }

    /// Answers a request for a switch. Without one this does nothing.
    pub(crate) fn answer_switch(&self, granted: bool) {
        let answer = if granted { GRANTED } else { NONE };
        let answered = self
            .switch
            .compare_exchange(EXPECTED, answer, Ordering::AcqRel, Ordering::Acquire);
        if answered.is_ok()
            && let Some(reader) = self.reader.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            reader.wake();
        }
    }

    /// Has the reader woken when the switch is answered.
    pub(super) fn wake_on_answer(&self, reader: &Waker) {
        *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(reader.clone());
    }

    /// Keeps the way to a connection that a request wants to switch.
    pub(crate) fn remember(&self, extensions: &Extensions) {
        *self.pending.lock().unwrap_or_else(PoisonError::into_inner) = Some(extensions.clone());
    }

    pub(crate) fn recall(&self) -> Option<Extensions> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether the body of the request that is being served has broken framing.
    pub(crate) fn broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    pub(super) fn set_broken(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }

    pub(crate) fn in_flight(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(crate) fn set_in_flight(&self, in_flight: bool) {
        self.in_flight.store(in_flight, Ordering::Relaxed);
    }

    pub(crate) fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// The request that is being answered, as a number.
    pub(crate) fn request(&self) -> u64 {
        self.request.load(Ordering::Relaxed)
    }

    /// A request has come.
    pub(crate) fn begin(&self) {
        self.request.fetch_add(1, Ordering::Relaxed);
    }

    /// Its response is there: hints would come too late.
    pub(crate) fn answered(&self) {
        self.request.fetch_add(1, Ordering::Relaxed);
        if self.hinted.swap(false, Ordering::Relaxed) {
            self.hints.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    /// Keeps an interim response of that request until it can be written, or until the response comes; unless that makes too
    /// many of them.
    pub(crate) fn hint(&self, request: u64, bytes: &[u8], limit: usize) {
        let mut hints = self.hints.lock().unwrap_or_else(PoisonError::into_inner);
        if self.request() == request && hints.len() + bytes.len() <= limit {
            hints.extend_from_slice(bytes);
            self.hinted.store(true, Ordering::Relaxed);
        }
    }

    /// What is to be written between two responses.
    pub(super) fn hints(&self) -> Option<Vec<u8>> {
        if !self.hinted.swap(false, Ordering::Relaxed) {
            return None;
        }
        Some(std::mem::take(
            &mut *self.hints.lock().unwrap_or_else(PoisonError::into_inner),
        ))
    }
}
