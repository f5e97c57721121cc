//! Thousands who are slow on purpose: cut off in time, within bounded memory, and genuine deliveries are served.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use support::fleet::{Probe, ProbeOptions};
use support::http::Connection;
use support::process::{PATIENCE, allow_many_connections};
use support::scripted::Count;
use support::sign;
use tokio::time::{sleep, timeout};

/// What a forger sends first: everything that the source asks for, and a signature that is none.
fn head_of_a_forgery(length: usize) -> Vec<u8> {
    let signature = format!("t={},v1={}", sign::now_unix(), "0".repeat(64));
    format!(
        "POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nStripe-Signature: {signature}\r\n\r\n"
    )
    .into_bytes()
}

/// Delivers genuine events, one after the other, until told to stop. How many.
async fn deliver_until(probe: &Probe, stop: impl Fn() -> bool) -> usize {
    let mut delivered = 0;
    while !stop() {
        deliver(probe, 1).await;
        delivered += 1;
    }
    delivered
}

async fn deliver(probe: &Probe, times: usize) {
    for _ in 0..times {
        let answer = probe.deliver("evt_1", "{}").await.expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

/// What a slow client sends at once, and what it then sends a byte a second of.
type Slow = (Vec<u8>, Vec<u8>);

/// Sends a byte a second until the server has closed.
async fn dawdle(server: SocketAddr, (at_once, slowly): Slow, open: Count, cut: Count) {
    let mut connection = Connection::open(server).await.expect("a connection");
    connection.write(&at_once).await.expect("written");
    open.add();
    for byte in slowly.iter().cycle() {
        if connection.write(&[*byte]).await.is_err() {
            break;
        }
        sleep(Duration::from_secs(1)).await;
        if let Ok(closed) = timeout(Duration::from_millis(1), connection.is_closed()).await
            && closed
        {
            break;
        }
    }
    cut.add();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slowloris() {
    const MANY: usize = 3_000;
    allow_many_connections();
    let times = ProbeOptions::alone().setting("head_timeout = \"2s\"").setting("read_timeout = \"2s\"");
    let probe = times.start();
    let (open, cut) = (Count::new(), Count::new());
    let begun = b"POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\nX-Slow: ".to_vec();
    let kinds: [Slow; 3] =
        [(Vec::new(), b"x".to_vec()), (begun, b"x".to_vec()), (head_of_a_forgery(1_000_000), b" ".to_vec())];
    let all = tokio::spawn(join_all((0..MANY).map({
        let (open, cut, address) = (open.clone(), cut.clone(), probe.address());
        move |index| dawdle(address, kinds[index % 3].clone(), open.clone(), cut.clone())
    })));
    open.reach(MANY / 2).await;

    let served = timeout(PATIENCE, deliver_until(&probe, || cut.get() == MANY)).await;
    let served = served.unwrap_or_else(|_| panic!("{} of {MANY} are cut off", cut.get()));
    assert!(served > 0, "genuine deliveries meanwhile");
    all.await.expect("no panic");
    assert!(probe.process.ended().is_none());
}

/// Begins a head, and a body, and neither goes on.
async fn begin(probe: &Probe) -> (Connection, Connection) {
    let mut head = Connection::open(probe.address()).await.expect("a connection");
    head.write(b"POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\nX-Slow: ").await.expect("written");
    let mut body = Connection::open(probe.address()).await.expect("a connection");
    body.write(&head_of_a_forgery(1_000_000)).await.expect("written");
    (head, body)
}

/// One deadline is longer than what is usual for it, and the other longer than any test: when the one has come, what
/// waits for the other is still open, and would not be if either were the usual one.
async fn the_longer_of_two_is_open(deadlines: [&str; 2], shorter: Duration, head_is_longer: bool) {
    let began = Instant::now();
    let [head, body] = deadlines;
    let options = ProbeOptions::alone().setting(&format!("head_timeout = \"{head}\""));
    let probe = options.setting(&format!("read_timeout = \"{body}\"")).start();
    let (head, body) = begin(&probe).await;
    let (mut longer, mut cut) = if head_is_longer { (head, body) } else { (body, head) };
    // Whether it is answered or closed.
    let _ = timeout(PATIENCE, cut.any_response()).await.expect("it is cut off");
    assert!(began.elapsed() >= shorter, "after {:?}", began.elapsed());
    assert!(timeout(Duration::from_millis(100), longer.any_response()).await.is_err(), "{deadlines:?}");
}

#[tokio::test]
async fn each_deadline_is_the_one_that_was_set() {
    let (seven, twelve) = (Duration::from_secs(7), Duration::from_secs(12));
    // Usual are 5 s for a head and 10 s for a body.
    tokio::join!(
        the_longer_of_two_is_open(["1h", "7s"], seven, true),
        the_longer_of_two_is_open(["12s", "1h"], twelve, false),
    );
}

/// The bytes of bodies are counted in `body_budget.rs`; this is what the process really takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn preauth_memory_bound() {
    const MANY: usize = 1_000;
    const LARGEST: usize = 25 << 20;
    const EACH: usize = 2 << 20;
    const BUDGET: u64 = 16 << 20;
    /// A connection's own: the 32 KiB through which it reads, its task, and what the allocator makes of both.
    const CONNECTION: u64 = 96 << 10;
    allow_many_connections();
    let probe = ProbeOptions::alone()
        .setting("max_body = \"25 MiB\"")
        .setting(&format!("max_buffered = {BUDGET}"))
        .setting("read_timeout = \"5m\"")
        .start();
    deliver(&probe, 20).await;
    let before = probe.process.peak_memory();

    let sent = Count::new();
    let forge = |_| {
        let (sent, server) = (sent.clone(), probe.address());
        async move {
            let mut connection = Connection::open(server).await.expect("a connection");
            connection.write(&head_of_a_forgery(LARGEST)).await.expect("the head is taken");
            // Whoever has to make room is refused half-way.
            for _ in 0..EACH / (512 << 10) {
                if connection.write(&[b' '; 512 << 10]).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            sent.add();
            connection
        }
    };
    let forgeries = tokio::spawn(join_all((0..MANY).map(forge)));
    let delivered = deliver_until(&probe, || sent.get() == MANY).await;
    let connections = forgeries.await.expect("no panic");

    let grown = probe.process.peak_memory() - before;
    assert!(delivered > 0);
    assert!(grown < BUDGET + CONNECTION * MANY as u64, "{} MiB for {MANY} connections", grown >> 20);
    drop(connections);
}
