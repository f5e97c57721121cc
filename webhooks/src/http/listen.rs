//! From an address to a socket that is listened on.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket, lookup_host};

/// How many connections may wait until they are accepted, unless the system says less (`net.core.somaxconn`). A crowd
/// that comes at once, strangers among it, must not have a provider's connection reset: by default it would be 128.
const BACKLOG: u32 = 4_096;

/// Listens on the first address of this name that can be listened on.
pub(super) async fn listen(name: &str) -> io::Result<TcpListener> {
    let mut failed = io::Error::new(io::ErrorKind::AddrNotAvailable, "it has no address");
    for address in lookup_host(name).await? {
        match listen_on(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // As `TcpListener::bind` has it: a process that follows another need not wait for its last connections to be forgotten.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn a_crowd_may_wait() {
        let most = std::fs::read_to_string("/proc/sys/net/core/somaxconn");
        let most = most.ok().and_then(|it| it.trim().parse::<usize>().ok()).unwrap_or(128);
        let listener = listen("localhost:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // Nobody accepts them. One for which there is no room is not refused, but tried again after a second, and again.
        let crowd = (0..most.min(400)).map(|_| TcpStream::connect(address));
        let crowd = futures_util::future::try_join_all(crowd);
        let waiting = tokio::time::timeout(support::process::PATIENCE, crowd).await.expect("there is room");
        assert_eq!(waiting.unwrap().len(), most.min(400));
    }

    #[tokio::test]
    async fn what_is_taken_is_an_error() {
        let taken = listen("127.0.0.1:0").await.unwrap();
        let error = listen(&taken.local_addr().unwrap().to_string()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
