//! Bodies of any size: what they cost against the floor, and how often each is held in memory.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use webhooks::{Delivery, InMemoryWebhookEventStore, WebhookEvent, WebhookEventListener, Webhooks};

use crate::cpu::Worked;
use crate::floor::Floor;
use crate::goal::at_most;
use crate::rounds::median;
use crate::sample::{Provider, SECRET};
use crate::{AnyError, memory};

/// GitHub's are the largest that there are.
const PROVIDER: Provider = Provider::GitHub;
const SIZES: [(&str, usize); 6] = [
    ("100 B", 100),
    ("1 KiB", 1 << 10),
    ("16 KiB", 16 << 10),
    ("256 KiB", 256 << 10),
    ("4 MiB", 4 << 20),
    ("25 MiB", LARGEST),
];
const LARGEST: usize = 25 << 20;
const ROUNDS: usize = 7;
/// About so many bytes a round and side.
const BYTES: usize = 64 << 20;
const IN_FLIGHT: usize = 8;

pub(crate) async fn run() -> Result<(), AnyError> {
    println!("| body | the floor, µs | the whole path, µs | ratio |\n|---|---|---|---|");
    for (name, bytes) in SIZES {
        let (floor, whole, ratio) = measure(bytes).await?;
        println!("| {name} | {floor:.1} | {whole:.1} | {ratio:.2} |");
    }
    let copies = copies().await?;
    println!(
        "\n{IN_FLIGHT} requests of 25 MiB in flight, over HTTP: {} of its body each",
        at_most(1.05, copies)
    );
    Ok(())
}

/// Microseconds of both sides, and the median of the rounds' ratios.
async fn measure(bytes: usize) -> Result<(f64, f64, f64), AnyError> {
    let processor = webhooks(Look).await?.handle().processor().clone();
    let mut floor = Floor::new(PROVIDER)?;
    let count = (BYTES / bytes).clamp(2, 20_000);
    let batch = count.min(128);
    let (mut by_hand, mut ours, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let mut id = 0;
    for round in 0..=ROUNDS {
        let mut spent = [Duration::ZERO; 2];
        for _ in 0..count / batch {
            for (side, spent) in spent.iter_mut().enumerate() {
                let requests: Vec<Delivery> =
                    (0..batch).map(|at| PROVIDER.request(id + at as u64, bytes)).collect::<Result<_, _>>()?;
                id += batch as u64;
                let began = Worked::so_far()?;
                for request in requests {
                    if side == 0 {
                        floor.receive(&request)?;
                    } else if processor.process(request).await.status != 200 {
                        return Err("refused".into());
                    }
                }
                *spent += began.since()?;
            }
        }
        if round > 0 {
            let [floor, whole] = spent.map(|it| it.as_secs_f64() * 1e6 / (count / batch * batch) as f64);
            by_hand.push(floor);
            ours.push(whole);
            ratios.push(whole / floor);
        }
    }
    Ok((median(by_hand), median(ours), median(ratios)))
}

/// How often a body is held in memory while its listener runs.
async fn copies() -> Result<f64, AnyError> {
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::new(Semaphore::new(0));
    let router = webhooks(Hold { held: Arc::clone(&held), gate: Arc::clone(&gate) }).await?.router()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    let request = Arc::new(PROVIDER.request(0, LARGEST)?);
    let before = memory::resident()?;
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..IN_FLIGHT {
        let request = Arc::clone(&request);
        clients.spawn(async move { send(TcpStream::connect(address).await?, &request, number).await });
    }
    held.acquire_many(u32::try_from(IN_FLIGHT)?).await?.forget();
    let copies = (memory::resident()? - before) / (IN_FLIGHT * request.body().len()) as f64;
    gate.add_permits(IN_FLIGHT);
    while let Some(client) = clients.join_next().await {
        client??;
    }
    Ok(copies)
}

/// Sends the request under an id of its own, and waits for the answer.
async fn send(mut stream: TcpStream, request: &Delivery, number: usize) -> Result<(), AnyError> {
    let mut head = format!("POST /webhooks/{} HTTP/1.1\r\nhost: localhost\r\n", PROVIDER.name());
    for (name, value) in request.headers() {
        let value = if Some(name.as_str()) == PROVIDER.id_header() {
            number.to_string()
        } else {
            value.to_str()?.to_owned()
        };
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("connection: close\r\ncontent-length: {}\r\n\r\n", request.body().len());
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(request.body()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(answer.into()) }
}

async fn webhooks(listener: impl WebhookEventListener) -> Result<Webhooks, AnyError> {
    let builder =
        Webhooks::builder().only([]).source(PROVIDER.name(), |it| it.secret(SECRET)).listener(listener);
    Ok(builder.store(InMemoryWebhookEventStore::new().with_max_keys(usize::MAX)).build().await?)
}

/// Looks at the body and is done.
struct Look;

impl WebhookEventListener for Look {
    fn source(&self) -> &str {
        "*"
    }

    async fn handle(&self, event: &WebhookEvent) -> webhooks::Result {
        black_box(event.payload().len());
        Ok(())
    }
}

/// Tells that it has the event, and keeps it.
struct Hold {
    held: Arc<Semaphore>,
    gate: Arc<Semaphore>,
}

impl WebhookEventListener for Hold {
    fn source(&self) -> &str {
        "*"
    }

    async fn handle(&self, event: &WebhookEvent) -> webhooks::Result {
        self.held.add_permits(1);
        self.gate.acquire().await?.forget();
        black_box(event.body().len());
        Ok(())
    }
}
