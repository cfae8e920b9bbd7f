//! A name server that answers as a test says.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::UdpSocket;
use tokio::task::JoinSet;

/// Names and their addresses.
type Names = Arc<Mutex<Option<HashMap<String, Vec<IpAddr>>>>>;

/// Answers questions for addresses of IPv4 over UDP; they live for a second.
#[derive(Debug)]
pub struct NameServer {
    names: Names,
    // Ends with the server.
    _tasks: JoinSet<()>,
}

impl NameServer {
    /// Listens on `address` and knows no name.
    pub async fn start(address: SocketAddr) -> NameServer {
        let socket = UdpSocket::bind(address).await.expect("the address is free");
        let names: Names = Arc::new(Mutex::new(Some(HashMap::new())));
        let known = Arc::clone(&names);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut question = [0; 512];
            while let Ok((length, client)) = socket.recv_from(&mut question).await {
                // A client that has gone asks again.
                let _ = socket.send_to(&answer(&known, &question[..length]), client).await;
            }
        });
        NameServer { names, _tasks: tasks }
    }

    /// Gives a name these addresses; none: there is no such name.
    pub fn set(&self, name: &str, addresses: &[IpAddr]) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let names = names.get_or_insert_default();
        names.insert(name.to_owned(), addresses.to_vec());
    }

    /// Answers from now on that it fails.
    pub fn fail(&self) {
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// RFC 1035, section 4.
fn answer(names: &Names, question: &[u8]) -> Vec<u8> {
    let mut labels = Vec::new();
    let mut at = 12;
    while question[at] != 0 {
        let length = usize::from(question[at]);
        labels.push(String::from_utf8_lossy(&question[at + 1..=at + length]).to_lowercase());
        at += length + 1;
    }
    let is_v4 = question[at + 1..at + 3] == [0, 1];
    let names = names.lock().unwrap_or_else(PoisonError::into_inner);
    let known = names.as_ref().map(|names| names.get(&labels.join(".")));
    let code = match known {
        Some(Some(known)) if !known.is_empty() => 0,
        Some(_) => 3,
        None => 2,
    };
    let known = known.flatten();
    let addresses = known.into_iter().flatten().filter_map(|ip| match ip {
        IpAddr::V4(v4) if is_v4 => Some(v4.octets()),
        _ => None,
    });
    let addresses: Vec<[u8; 4]> = addresses.collect();
    let mut message = question[..2].to_vec();
    message.extend([
        0x81,
        0x80 | code,
        0,
        1,
        0,
        u8::try_from(addresses.len()).expect("few"),
    ]);
    message.extend([0, 0, 0, 0]);
    message.extend(&question[12..at + 5]);
    for address in addresses {
        // The name of the question, A, IN, a second, four bytes.
        message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
        message.extend(address);
    }
    message
}
