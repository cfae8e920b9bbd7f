//! The server name that a client's TLS asks for, read without taking part.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use cairn_http::sniff::Rewound;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::timeout;

/// Bytes that are read at most: a hello of many key shares is a few KiB.
const LONGEST: usize = 64 * 1024;
/// The first byte of every TLS connection: a handshake record.
pub(crate) const HANDSHAKE: u8 = 22;
/// The second: the version's first half.
const MAJOR: u8 = 3;

/// What a client begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hello {
    /// TLS, and the name that it asks for, in lower case.
    Tls(Option<Arc<str>>),
    /// Something else.
    Other,
    /// Nobody has looked.
    Unread,
    /// What may be TLS and cannot be read, or nothing at all in the time there was: no telling which name it is for.
    Unreadable,
}

impl Hello {
    /// The name that is asked for.
    pub(crate) fn name(&self) -> Option<&Arc<str>> {
        match self {
            Hello::Tls(name) => name.as_ref(),
            Hello::Other | Hello::Unread | Hello::Unreadable => None,
        }
    }
}

/// Reads the hello of a client, for as long as `patience` allows, and gives a stream that starts from the first byte again.
pub(crate) async fn read<IO>(mut io: IO, patience: Duration) -> io::Result<(Hello, Rewound<IO>)>
where
    IO: AsyncRead + Unpin,
{
    let mut seen = BytesMut::new();
    let found = timeout(patience, judge(&mut io, &mut seen)).await;
    let hello = match found {
        Ok(found) => found?,
        Err(_elapsed) => Hello::Unreadable,
    };
    Ok((hello, Rewound::new(io, seen.freeze())))
}

async fn judge<IO>(io: &mut IO, seen: &mut BytesMut) -> io::Result<Hello>
where
    IO: AsyncRead + Unpin,
{
    let mut acceptor = Acceptor::default();
    let mut shown = 0;
    while seen.len() < LONGEST {
        let ended = io.read_buf(seen).await? == 0;
        if seen.first() != Some(&HANDSHAKE) || seen.get(1).is_some_and(|major| *major != MAJOR) {
            return Ok(Hello::Other);
        }
        if ended {
            return Ok(Hello::Unreadable);
        }
        while let Some(mut rest) = seen.get(shown..).filter(|rest| !rest.is_empty()) {
            match acceptor.read_tls(&mut rest) {
                Ok(0) | Err(_) => return Ok(Hello::Unreadable),
                Ok(count) => shown += count,
            }
            match acceptor.accept() {
                Ok(None) => {}
                Ok(Some(accepted)) => {
                    let hello = accepted.client_hello();
                    let name = hello.server_name().map(|name| name.to_ascii_lowercase().into());
                    return Ok(Hello::Tls(name));
                }
                Err(_) => return Ok(Hello::Unreadable),
            }
        }
    }
    Ok(Hello::Unreadable)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, ClientConnection, RootCertStore};
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn hello(name: &str) -> Vec<u8> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        bytes
    }

    async fn read_back(bytes: &[u8]) -> (Hello, Vec<u8>) {
        let (hello, mut stream) = read(bytes, PATIENCE).await.unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        (hello, all)
    }

    #[tokio::test]
    async fn names_are_read_and_every_byte_is_kept() {
        let mut bytes = hello("Api.Example.com");
        bytes.extend(b"more");
        let named = Hello::Tls(Some("api.example.com".into()));
        assert_eq!(read_back(&bytes).await, (named, bytes.clone()));
        let without = hello("192.0.2.1");
        assert_eq!(read_back(&without).await, (Hello::Tls(None), without));
        for other in [&b"SSH-2.0-x\r\n"[..], b"", &[22, 9, 9, 9]] {
            assert_eq!(read_back(other).await, (Hello::Other, other.to_vec()));
        }
        for odd in [&bytes[..20], &[22], &[22, 3, 1, 0, 2, 9, 9]] {
            assert_eq!(read_back(odd).await, (Hello::Unreadable, odd.to_vec()));
        }
    }

    #[tokio::test]
    async fn a_hello_in_pieces_is_one() {
        let bytes = hello("a.example");
        let (mut client, server) = tokio::io::duplex(1);
        let sent = bytes.clone();
        tokio::spawn(async move {
            client.write_all(&sent).await.unwrap();
            std::future::pending::<()>().await;
        });
        let (read, stream) = read(server, PATIENCE).await.unwrap();
        assert_eq!(read, Hello::Tls(Some("a.example".into())));
        assert_eq!(stream.into_parts().1, bytes);
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_is_not_waited_for() {
        let (_client, server) = tokio::io::duplex(1);
        let (read, _) = read(server, PATIENCE).await.unwrap();
        assert_eq!(read, Hello::Unreadable);
    }
}
