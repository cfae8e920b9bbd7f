//! What can be known of a connection on which nothing has been read for a while.

use std::mem::MaybeUninit;
use std::os::fd::AsFd as _;

use socket2::SockRef;
use tokio::net::TcpStream;

use crate::sys;

/// Whether a connection on which nothing is expected is of no more use: its peer has closed it, or has said something.
///
/// Asks the kernel. What tokio knows is as old as the last turn of its event loop, which on a busy machine is long enough for
/// a request to be lost.
pub fn is_over(stream: &TcpStream) -> bool {
    let mut byte = [MaybeUninit::uninit()];
    match SockRef::from(stream).peek(&mut byte) {
        Ok(_) => true,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    }
}

/// How many of the bytes that were written the peer's machine has not acknowledged, if the kernel knows.
///
/// Where the peer has closed the connection and these are all the bytes of a request, nobody will ever read them: the peer had
/// closed before they came. They may have been read where it has reset the connection instead, for a reset acknowledges
/// nothing.
pub fn unacknowledged(stream: &TcpStream) -> Option<u64> {
    sys::unacknowledged(stream.as_fd()).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::{is_over, unacknowledged};

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (ours, theirs) = tokio::join!(
            TcpStream::connect(listener.local_addr().unwrap()),
            listener.accept()
        );
        (ours.unwrap(), theirs.unwrap().0)
    }

    #[tokio::test]
    async fn the_end_is_known_before_the_runtime_knows_it() {
        let (ours, theirs) = pair().await;
        assert!(!is_over(&ours));
        drop(theirs);
        // On loopback a FIN has arrived when close returns; nothing here lets the runtime look.
        assert!(is_over(&ours));
    }

    #[tokio::test]
    async fn words_that_nobody_asked_for_are_an_end() {
        let (ours, mut theirs) = pair().await;
        theirs
            .write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
            .await
            .unwrap();
        assert!(is_over(&ours));
    }

    #[tokio::test]
    async fn what_came_too_late_is_told_from_what_was_read() {
        let (mut ours, theirs) = pair().await;
        drop(theirs);
        ours.write_all(b"late").await.unwrap();
        assert_eq!(ours.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(unacknowledged(&ours), Some(4));

        let (mut ours, mut theirs) = pair().await;
        ours.write_all(b"read").await.unwrap();
        theirs.read_exact(&mut [0; 4]).await.unwrap();
        drop(theirs);
        assert_eq!(ours.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(unacknowledged(&ours), Some(0));
    }
}
