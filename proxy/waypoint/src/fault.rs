//! Phase 5, fault: what a route's fault does to a request.

use cairn_route::{AbortStatus, Fault};

use crate::failure::{Failure, Flags};
use crate::record::Recorder;

/// Waits and aborts as `fault` decides. A client that goes away ends the wait, because its request's future is dropped.
pub(crate) async fn inject(fault: &Fault, recorder: &mut Recorder) -> Result<(), Failure> {
    let (delay, abort) = fault.decide(rand::random());
    if let Some(delay) = delay {
        recorder.flag(Flags::DELAY_INJECTED);
        tokio::time::sleep(delay).await;
    }
    match abort {
        None => Ok(()),
        Some(AbortStatus::Http(status)) => Err(Failure::Aborted(status)),
        Some(AbortStatus::Grpc(status)) => Err(Failure::AbortedGrpc(status)),
    }
}
