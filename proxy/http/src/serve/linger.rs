//! Closing a connection without losing the last answer.

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::timeout;

use crate::guard::StrictHead;

const PATIENCE: Duration = Duration::from_secs(1);
const LIMIT: usize = 1 << 20;

/// Reads on for a while where the client was still sending when the connection ended.
///
/// A socket that is closed with bytes unread is reset, and the reset overtakes the answer that explains it (RFC 9112
/// section 9.6): whoever is refused in the middle of an upload would never learn why.
pub(super) async fn after<IO>(guard: StrictHead<IO>, well: bool)
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    if guard.is_between_requests() || (!well && guard.refusal().is_none()) {
        return;
    }
    let mut io = guard.into_inner();
    let drained = async {
        if io.shutdown().await.is_ok() {
            drain(&mut io).await;
        }
    };
    let _ = timeout(PATIENCE, drained).await;
}

async fn drain<IO>(io: &mut IO)
where
    IO: AsyncRead + Unpin,
{
    let mut space = [MaybeUninit::uninit(); 4096];
    let mut left = LIMIT;
    while left > 0 {
        let read = poll_fn(|cx| {
            let mut buf = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut *io).poll_read(cx, &mut buf))?;
            Poll::Ready(std::io::Result::Ok(buf.filled().len()))
        })
        .await;
        match read {
            Ok(count) if count > 0 => left = left.saturating_sub(count),
            _ => return,
        }
    }
}
