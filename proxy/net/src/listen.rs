//! Listening sockets.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use crate::sys;

/// How to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenOptions {
    /// Let other sockets, also of another process, listen on the same address (`SO_REUSEPORT`): the old and
    /// the new process overlap at an upgrade. Off by default, since it hides that an address is taken.
    pub reuse_port: bool,
    /// Connections that may wait to be accepted; the kernel caps it (`net.core.somaxconn`). Default 1,024.
    pub backlog: u32,
    /// The setting that chose the address, such as `--listen`; error messages then name it.
    pub setting: Option<&'static str>,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            reuse_port: false,
            backlog: 1024,
            setting: None,
        }
    }
}

/// Why an address cannot be listened on: the address, the cause and what to do, in one sentence.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// Another socket listens there.
    #[error("cannot listen on {address}: address already in use; stop the process that holds it or choose another address{}", with(.setting))]
    InUse {
        /// The address asked for.
        address: SocketAddr,
        /// The setting that chose it.
        setting: Option<&'static str>,
    },
    /// The address belongs to no interface of this machine.
    #[error("cannot listen on {address}: no interface has this address; add it to one or choose another address{}", with(.setting))]
    NotLocal {
        /// The address asked for.
        address: SocketAddr,
        /// The setting that chose it.
        setting: Option<&'static str>,
    },
    /// The process may not use this port.
    #[error("cannot listen on {address}: permission denied; grant CAP_NET_BIND_SERVICE or choose a port from 1024 on{}", with(.setting))]
    Denied {
        /// The address asked for.
        address: SocketAddr,
        /// The setting that chose it.
        setting: Option<&'static str>,
    },
    /// No file descriptor is left.
    #[error("cannot listen on {address}: too many open files; raise the limit of open files (ulimit -n)")]
    OutOfFiles {
        /// The address asked for.
        address: SocketAddr,
        /// What the kernel answered.
        source: io::Error,
    },
    /// Anything else.
    #[error("cannot listen on {address}: {source}")]
    Io {
        /// The address asked for.
        address: SocketAddr,
        /// What the kernel answered.
        source: io::Error,
    },
}

/// Listens on an address. Port 0 takes a free port; `[::]` also accepts IPv4.
///
/// # Errors
///
/// [`ListenError`], whose text is ready to be shown to the person who chose the address.
///
/// # Panics
///
/// Outside a tokio runtime, as every tokio socket does.
pub fn listen(address: SocketAddr, options: &ListenOptions) -> Result<TcpListener, ListenError> {
    open(address, options).map_err(|source| explain(address, options.setting, source))
}

/// Has new connections go to the successor of this process: the socket that was the second to listen, with `SO_REUSEPORT`, on
/// the address of `listener`. To be followed by some time of accepting what had begun to connect before, and then by closing.
///
/// The kernel spreads connections over all who listen, and those that wait in the queue of one that closes are lost; this is
/// how it comes to close with an empty queue. Where there is no second one, nothing changes.
///
/// # Errors
///
/// The kernel knows no such thing.
pub fn give_way(listener: &impl AsFd) -> io::Result<()> {
    sys::prefer_second_listener(listener.as_fd())
}

fn open(address: SocketAddr, options: &ListenOptions) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    // Without it a restart fails for as long as connections of the old process linger in TIME-WAIT.
    socket.set_reuse_address(true)?;
    if options.reuse_port {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
    TcpListener::from_std(socket.into())
}

fn explain(address: SocketAddr, setting: Option<&'static str>, source: io::Error) -> ListenError {
    match source.raw_os_error() {
        Some(libc::EADDRINUSE) => ListenError::InUse { address, setting },
        Some(libc::EADDRNOTAVAIL) => ListenError::NotLocal { address, setting },
        Some(libc::EACCES | libc::EPERM) => ListenError::Denied { address, setting },
        Some(libc::EMFILE | libc::ENFILE) => ListenError::OutOfFiles { address, source },
        _ => ListenError::Io { address, source },
    }
}

fn with(setting: &Option<&'static str>) -> String {
    setting
        .map(|setting| format!(" with {setting}"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::net::SocketAddr;

    use tokio::net::TcpStream;

    use super::{ListenError, ListenOptions, explain, give_way, listen};

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn a_taken_address_is_named_with_what_to_do() {
        let first = listen(address("127.0.0.1:0"), &ListenOptions::default()).unwrap();
        let taken = first.local_addr().unwrap();
        let error = listen(taken, &ListenOptions::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot listen on {taken}: address already in use; stop the process that holds it or choose another address"
            )
        );
        let named = ListenOptions {
            setting: Some("--listen"),
            ..ListenOptions::default()
        };
        let error = listen(taken, &named).unwrap_err().to_string();
        assert!(
            error.ends_with("or choose another address with --listen"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn reuse_port_lets_two_listen() {
        let options = ListenOptions {
            reuse_port: true,
            ..ListenOptions::default()
        };
        let first = listen(address("127.0.0.1:0"), &options).unwrap();
        listen(first.local_addr().unwrap(), &options).unwrap();
    }

    #[tokio::test]
    async fn a_listener_that_gives_way_gets_no_new_connections() {
        let options = ListenOptions {
            reuse_port: true,
            ..ListenOptions::default()
        };
        let old = listen(address("127.0.0.1:0"), &options).unwrap();
        let shared = old.local_addr().unwrap();
        // Alone, it goes on as before.
        give_way(&old).unwrap();
        let (connected, accepted) = tokio::join!(TcpStream::connect(shared), old.accept());
        drop((connected.unwrap(), accepted.unwrap()));

        let new = listen(shared, &options).unwrap();
        for _ in 0..20 {
            let (connected, accepted) = tokio::join!(TcpStream::connect(shared), new.accept());
            assert_eq!(connected.unwrap().local_addr().unwrap(), accepted.unwrap().1);
        }
        drop(old);
        let (connected, accepted) = tokio::join!(TcpStream::connect(shared), new.accept());
        drop((connected.unwrap(), accepted.unwrap()));
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_explained() {
        let error = listen(address("192.0.2.1:80"), &ListenOptions::default()).unwrap_err();
        assert!(matches!(error, ListenError::NotLocal { .. }), "{error}");
        assert!(
            error.to_string().contains("no interface has this address"),
            "{error}"
        );
    }

    #[test]
    fn permission_and_other_causes_are_told_apart() {
        let denied = explain(
            address("0.0.0.0:80"),
            None,
            std::io::Error::from_raw_os_error(libc::EACCES),
        );
        assert!(denied.to_string().contains("CAP_NET_BIND_SERVICE"), "{denied}");
        let files = explain(
            address("0.0.0.0:80"),
            None,
            std::io::Error::from_raw_os_error(libc::EMFILE),
        );
        assert!(files.to_string().contains("too many open files"), "{files}");
        let other = explain(
            address("0.0.0.0:80"),
            None,
            std::io::Error::from_raw_os_error(libc::ENOBUFS),
        );
        assert!(matches!(other, ListenError::Io { .. }));
    }

    #[tokio::test]
    async fn the_ipv6_wildcard_accepts_ipv4() {
        let Ok(listener) = listen(address("[::]:0"), &ListenOptions::default()) else {
            return; // this machine has no IPv6
        };
        let port = listener.local_addr().unwrap().port();
        let (client, accepted) = tokio::join!(TcpStream::connect(("127.0.0.1", port)), async {
            listener.accept().await
        });
        client.unwrap();
        accepted.unwrap();
    }
}
