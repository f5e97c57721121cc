//! A way to a server that can be broken.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes connections on to a server until a test breaks something. Nothing is closed thereby: what does not pass gets
/// no answer, as when a network breaks in two or forgets a connection.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    way: watch::Sender<Way>,
}

/// What passes. Connections are numbered in the order in which they came.
#[derive(Debug, Clone)]
struct Way {
    server: SocketAddr,
    connections: u64,
    cut: bool,
    /// Of these connections nothing passes.
    silent: BTreeSet<u64>,
    /// Of these no answer passes.
    unanswered: BTreeSet<u64>,
}

#[derive(Debug, Clone, Copy)]
enum Direction {
    Question,
    Answer,
}

impl Relay {
    /// Opens a way to `server`.
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let whole =
            Way { server, connections: 0, cut: false, silent: BTreeSet::new(), unanswered: BTreeSet::new() };
        let way = watch::Sender::new(whole);
        let opened = way.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (number, server) = (opened.borrow().connections, opened.borrow().server);
                opened.send_modify(|way| way.connections += 1);
                tokio::spawn(pass_on(client, server, number, opened.subscribe()));
            }
        });
        Self { address, way }
    }

    /// Where to connect instead.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `redis://127.0.0.1:PORT/0`
    pub fn redis_url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    /// From now on nothing passes.
    pub fn cut(&self) {
        self.way.send_modify(|way| way.cut = true);
    }

    /// The connections there are fall silent; new ones pass.
    pub fn forget_connections(&self) {
        self.way.send_modify(|way| way.silent.extend(0..way.connections));
    }

    /// The `number`th connection, counted from 0, falls silent.
    pub fn forget_connection(&self, number: u64) {
        self.way.send_modify(|way| _ = way.silent.insert(number));
    }

    /// On the connections there are, questions reach the server and answers do not come back; new ones pass.
    pub fn lose_answers(&self) {
        self.way.send_modify(|way| way.unanswered.extend(0..way.connections));
    }

    /// New connections lead to another server; those there are stay where they are.
    pub fn lead_to(&self, server: SocketAddr) {
        self.way.send_modify(|way| way.server = server);
    }
}

impl Way {
    fn stops(&self, number: u64, direction: Direction) -> bool {
        let unanswered = matches!(direction, Direction::Answer) && self.unanswered.contains(&number);
        self.cut || unanswered || self.silent.contains(&number)
    }
}

async fn pass_on(client: TcpStream, server: SocketAddr, number: u64, way: watch::Receiver<Way>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let ((questions, answered), (answers, questioned)) = (client.into_split(), server.into_split());
    tokio::select! {
        () = copy(questions, questioned, Direction::Question, number, way.clone()) => {}
        () = copy(answers, answered, Direction::Answer, number, way) => {}
    }
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    direction: Direction,
    number: u64,
    mut way: watch::Receiver<Way>,
) {
    let stopped = tokio::select! {
        biased;
        stopped = async { way.wait_for(|way| way.stops(number, direction)).await.is_ok() } => stopped,
        _ = tokio::io::copy(&mut from, &mut to) => false,
    };
    if stopped {
        // Held open, and silent, for as long as the test runs.
        std::future::pending::<()>().await;
    }
}
