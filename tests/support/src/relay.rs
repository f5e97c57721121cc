//! A way to a server that can be cut.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes connections on to a server until it is [cut](Self::cut): then what is on its way stays there and new
/// connections get no answer, as when a network breaks in two. Nothing is closed.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    whole: watch::Sender<bool>,
}

impl Relay {
    /// Opens a way to `server`.
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let whole = watch::Sender::new(true);
        let seen = whole.subscribe();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass_on(client, server, seen.clone()));
            }
        });
        Self { address, whole }
    }

    /// Where to connect instead.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on nothing passes.
    pub fn cut(&self) {
        self.whole.send_replace(false);
    }
}

async fn pass_on(mut client: TcpStream, server: SocketAddr, mut whole: watch::Receiver<bool>) {
    let passing = async {
        let mut server = TcpStream::connect(server).await?;
        tokio::io::copy_bidirectional(&mut client, &mut server).await?;
        io::Result::Ok(server)
    };
    let cut = tokio::select! {
        biased;
        cut = whole.wait_for(|whole| !whole) => cut.is_ok(),
        _ = passing => false,
    };
    if cut {
        // Held open, and silent, for as long as the test runs.
        std::future::pending::<()>().await;
    }
    drop(client);
}
