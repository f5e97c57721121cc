//! A way to PostgreSQL that is cut in the middle of a COMMIT.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// Passes connections on to a server, message by message, until a COMMIT comes that is to be cut.
#[derive(Debug)]
pub struct PostgresRelay {
    address: SocketAddr,
    cut: Arc<Mutex<Option<Cut>>>,
}

/// Where the next COMMIT is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// It never reaches the server, and both ends see the connection close.
    Before,
    /// The server has carried it out and says so; the client sees the connection close.
    After,
    /// The same, but nothing closes: the client waits.
    Silence,
}

impl PostgresRelay {
    /// Opens a way to `server`.
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let cut = Arc::default();
        let shared = Arc::clone(&cut);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let cut = Arc::clone(&shared);
                tokio::spawn(async move {
                    // However it ends, both ends are closed then.
                    let _ = pass_on(client, server, &cut).await;
                });
            }
        });
        Self { address, cut }
    }

    /// The same database as `url`, by this way.
    pub fn url(&self, url: &str) -> String {
        let (_, database) = url.rsplit_once('/').expect("a URL with a database");
        // The messages have to be readable.
        format!("postgres://postgres@{}/{database}?sslmode=disable", self.address)
    }

    /// The next COMMIT is cut, and no further one.
    pub fn cut_next_commit(&self, cut: Cut) {
        *self.cut.lock().expect("no test panics in here") = Some(cut);
    }

    /// Whether the COMMIT has come.
    pub fn has_cut(&self) -> bool {
        self.cut.lock().expect("no test panics in here").is_none()
    }
}

async fn pass_on(client: TcpStream, server: SocketAddr, cut: &Mutex<Option<Cut>>) -> io::Result<()> {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = TcpStream::connect(server).await?.into_split();
    let asked = forward(&mut from_client, &mut to_server, cut);
    let answered = tokio::io::copy(&mut from_server, &mut to_client);
    let cut = tokio::select! {
        cut = asked => cut?,
        _ = answered => return Ok(()),
    };
    match cut {
        None | Some(Cut::Before) => {}
        Some(Cut::After) => drop(from_server.read_u8().await),
        Some(Cut::Silence) => {
            from_server.read_u8().await?;
            // Held open for as long as the test runs.
            std::future::pending::<()>().await;
        }
    }
    Ok(())
}

/// Passes messages on until the client closes, or one is a COMMIT that is to be cut: then it has been passed on, unless
/// it is cut before.
async fn forward(
    client: &mut OwnedReadHalf,
    server: &mut OwnedWriteHalf,
    cut: &Mutex<Option<Cut>>,
) -> io::Result<Option<Cut>> {
    // The first message has no type in front.
    let startup = message(client).await?;
    server.write_all(&startup).await?;
    loop {
        let kind = match client.read_u8().await {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            kind => kind?,
        };
        let body = message(client).await?;
        let commits = kind == b'Q' && body[4..].eq_ignore_ascii_case(b"COMMIT\0");
        let cut = if commits { cut.lock().expect("no test panics in here").take() } else { None };
        if cut != Some(Cut::Before) {
            server.write_u8(kind).await?;
            server.write_all(&body).await?;
        }
        if cut.is_some() {
            return Ok(cut);
        }
    }
}

/// A length, which counts itself, and as many bytes.
async fn message(client: &mut OwnedReadHalf) -> io::Result<Vec<u8>> {
    let length = client.read_u32().await?;
    let mut message = length.to_be_bytes().to_vec();
    message.resize(length as usize, 0);
    client.read_exact(&mut message[4..]).await?;
    Ok(message)
}
