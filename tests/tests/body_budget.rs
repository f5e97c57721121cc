//! What strangers may cost: nothing is read without a signature, and what is read before verification is bounded.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::Full;
use support::http::Connection;
use support::inside::{Inside, Post, Recorder};
use support::sample;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tower_service::Service;
use webhooks::testing::SigningKey;
use webhooks::{Settings, WebhookService, Webhooks};

const LARGEST: usize = 25 << 20;

// ---- no_header_no_read -----------------------------------------------------------------------------

/// A body that must not be read.
struct Untouchable;

impl Body for Untouchable {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        panic!("the body was read");
    }
}

/// What a service answers to the head of a request alone.
async fn answer_to_head(inside: &Inside, post: Post) -> u16 {
    let mut service = inside.webhooks.service().expect("secrets");
    let request = post.into_request().map(|_| Untouchable);
    service.call(request).await.expect("infallible").status().as_u16()
}

/// Their signature stands in the body or the query, or they have challenges in there that nobody has signed.
const SIGNED_ELSEWHERE: [&str; 6] =
    ["adyen", "aws-sns", "azure-event-grid", "braintree", "mailgun", "microsoft-graph"];
const CHALLENGED_INSIDE: [&str; 3] = ["monday", "notion", "woocommerce"];

#[tokio::test]
async fn no_header_no_read() {
    let names: Vec<_> = webhooks::providers().map(|it| it.name().to_owned()).collect();
    assert!(SIGNED_ELSEWHERE.iter().chain(&CHALLENGED_INSIDE).all(|it| names.iter().any(|name| name == it)));
    for name in &names {
        if SIGNED_ELSEWHERE.iter().chain(&CHALLENGED_INSIDE).any(|it| it == name) {
            continue;
        }
        let key = SigningKey::generate(name).expect("a provider of the catalogue");
        let builder = Webhooks::builder().public_url(sample::PUBLIC_URL).key_fetcher(key.fetcher());
        let inside = Inside::with(builder.source(name, |source| key.configure(source))).await;
        let unsigned = Post::to(name).header("content-length", LARGEST.to_string());
        // Where the limit is lower than that, the length alone would do.
        let of_any_length = Post::to(name);
        let status = if name == "gocardless" {
            498
        } else if name == "klarna" {
            400
        } else {
            401
        };
        assert_eq!(answer_to_head(&inside, unsigned).await, status, "{name}");
        assert_eq!(answer_to_head(&inside, of_any_length).await, status, "{name}");
    }
}

/// Some providers' challenges are unsigned posts, so that a body has to be looked at: no more of it than a challenge has.
#[tokio::test]
async fn no_header_hardly_a_read() {
    let builder = Webhooks::builder()
        .source("monday", |it| it.secret("a secret of monday's"))
        .source("woocommerce", |it| it.secret("a secret of the shop's"))
        .source("dropbox", |it| it.secret("a secret of dropbox'"));
    let inside = Inside::with(builder).await;
    let mut service = inside.webhooks.service().expect("secrets");
    for (provider, challenge, form) in
        [("monday", r#"{"challenge":"abc"}"#, false), ("woocommerce", "webhook_id=42", true)]
    {
        let post =
            |body: &str| Post::to(provider).body(body).header("content-length", body.len().to_string());
        let challenged = if form { post(challenge).form() } else { post(challenge) };
        assert_eq!(inside.send(challenged).await.status, 200, "{provider}");
        let announced = Post::to(provider).header("content-length", "4097");
        assert_eq!(answer_to_head(&inside, announced).await, 401, "{provider}");

        // Of a length that nobody announced.
        let (feeder, body) = fed();
        let (head, ()) = Post::to(provider).into_request().map(drop).into_parts();
        for _ in 0..100 {
            feeder.pieces.send(Bytes::from_static(&[b' '; 1024])).expect("somebody may read");
        }
        let reply = service.call(Request::from_parts(head, body)).await.expect("infallible");
        assert_eq!(reply.status(), 413, "{provider}");
        assert!(feeder.taken.load(Ordering::Relaxed) <= 5, "{provider}");
    }
    // What is no post is no event.
    let large = Post::at("/webhooks/dropbox?challenge=abc").method(http::Method::GET);
    assert_eq!(answer_to_head(&inside, large.header("content-length", "4097")).await, 413);
}

#[tokio::test]
async fn what_the_head_condemns_is_not_read() {
    let inside = Inside::with(sample::sources(&["github"])).await;
    let signed = sample::of("github", "an-id");
    let too_large = signed.clone().header("content-length", (LARGEST + 1).to_string());
    assert_eq!(answer_to_head(&inside, too_large).await, 413);
    assert_eq!(answer_to_head(&inside, signed.clone().header("content-encoding", "gzip")).await, 415);
    assert_eq!(answer_to_head(&inside, signed.clone().target("/webhooks/unknown")).await, 404);
    assert_eq!(answer_to_head(&inside, signed.method(http::Method::PUT)).await, 405);
}

#[tokio::test]
async fn no_header_no_read_from_a_socket() {
    let secret = sample::secret("github");
    let webhooks = Webhooks::builder()
        .source("github", |source| source.secret(secret))
        .listener(Recorder::new("*"))
        .build()
        .await
        .expect("it starts");
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = socket.local_addr().expect("a bound socket");
    let server = tokio::spawn(webhooks.serve_on(socket));

    let mut connection = Connection::open(address).await.expect("a connection");
    let head = format!("POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: {LARGEST}\r\n\r\n");
    connection.write(head.as_bytes()).await.expect("the head is taken");

    // Not one byte of the body was sent: whoever waits for one, waits in vain.
    assert_eq!(connection.response().await.expect("an answer").status, 401);
    server.abort();
}

// ---- limits while reading --------------------------------------------------------------------------

/// A body that is fed from outside, piece by piece.
struct Fed {
    pieces: mpsc::UnboundedReceiver<Bytes>,
    taken: Arc<AtomicUsize>,
}

struct Feeder {
    pieces: mpsc::UnboundedSender<Bytes>,
    taken: Arc<AtomicUsize>,
}

fn fed() -> (Feeder, Fed) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let taken = Arc::<AtomicUsize>::default();
    (Feeder { pieces: sender, taken: Arc::clone(&taken) }, Fed { pieces: receiver, taken })
}

impl Body for Fed {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.pieces.poll_recv(cx).map(|piece| {
            self.taken.fetch_add(1, Ordering::Relaxed);
            piece.map(|bytes| Ok(Frame::data(bytes)))
        })
    }
}

#[tokio::test]
async fn nothing_past_the_limit_is_read() {
    let secret = sample::secret("github");
    let small = Webhooks::builder().source("github", |source| source.secret(secret).max_body(100));
    let inside = Inside::with(small).await;
    let (feeder, body) = fed();
    for _ in 0..1_000 {
        feeder.pieces.send(Bytes::from_static(&[b' '; 40])).expect("a reader");
    }

    let request = sample::of("github", "an-id").into_request().map(|_| body);
    let response = inside.webhooks.service().expect("secrets").call(request).await.expect("infallible");

    assert_eq!(response.status(), 413);
    assert_eq!(feeder.taken.load(Ordering::Relaxed), 3, "the third piece is over the limit");
}

// ---- preauth_memory_bound ----------------------------------------------------------------------------

/// Bytes that say while they are held. They share one buffer, so that a test may hold many.
struct Held(Arc<AtomicUsize>);

impl Held {
    const PIECE: &[u8] = &[b'x'; 256 << 10];

    fn piece(held: &Arc<AtomicUsize>) -> Bytes {
        held.fetch_add(Self::PIECE.len(), Ordering::Relaxed);
        Bytes::from_owner(Self(Arc::clone(held)))
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        Self::PIECE
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(Self::PIECE.len(), Ordering::Relaxed);
    }
}

struct Forgery {
    feeder: Feeder,
    answer: JoinHandle<Response<Full<Bytes>>>,
}

impl Forgery {
    /// A head that promises the largest body, and no more.
    fn begin(mut service: WebhookService) -> Self {
        let (feeder, body) = fed();
        let forged = sample::of("github", "an-id")
            .with("X-Hub-Signature-256", format!("sha256={}", "0".repeat(64)))
            .header("content-length", LARGEST.to_string());
        let request: Request<Fed> = forged.into_request().map(|_| body);
        let answer = tokio::spawn(async move { service.call(request).await.expect("infallible") });
        Self { feeder, answer }
    }

    /// Sends one piece, and returns when it was taken or the forgery refused.
    async fn feed(&self, piece: Bytes) {
        let before = self.feeder.taken.load(Ordering::Relaxed);
        if self.feeder.pieces.send(piece).is_ok() {
            while self.feeder.taken.load(Ordering::Relaxed) == before && !self.answer.is_finished() {
                tokio::task::yield_now().await;
            }
        }
        settle().await;
    }
}

/// Lets every task that can go on do so. The runtime has one thread: each runs at least once a turn.
async fn settle() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn preauth_memory_bound() {
    const BUDGET: usize = 8 << 20;
    let settings: Settings = format!("max_buffered = {BUDGET}\nread_timeout = \"1h\"").parse().expect("TOML");
    let secret = sample::secret("github");
    let builder = Webhooks::builder().settings(settings).source("github", |source| source.secret(secret));
    let inside = Inside::with(builder).await;
    let service = inside.webhooks.service().expect("secrets");
    let held = Arc::<AtomicUsize>::default();

    let forgeries: Vec<_> = (0..1_000).map(|_| Forgery::begin(service.clone())).collect();
    settle().await;
    for (index, forgery) in forgeries.iter().enumerate() {
        forgery.feed(Held::piece(&held)).await;

        let now = held.load(Ordering::Relaxed);
        assert!(now <= BUDGET, "{now} bytes are held after {index} forgeries");
        if index % 100 == 99 {
            let body = "{}".to_owned() + &" ".repeat(1 << 20);
            let genuine = sample::github(&format!("delivery-{index}"), "push", &body).into_request();
            let answer = service.clone().call(genuine.map(Full::new)).await.expect("infallible");
            assert_eq!(answer.status(), 200, "a genuine delivery among {index} forgeries");
        }
    }

    assert_eq!(inside.heard().len(), 10);
    let waiting = forgeries.iter().filter(|forgery| !forgery.answer.is_finished()).count();
    assert!((1..=BUDGET / Held::PIECE.len()).contains(&waiting), "{waiting} still wait");
    for forgery in forgeries.into_iter().filter(|forgery| forgery.answer.is_finished()) {
        let answer = forgery.answer.await.expect("no panic");
        assert_eq!(answer.status(), 503, "room had to be made");
        assert!(answer.headers().contains_key("retry-after"));
    }
}

#[tokio::test]
async fn a_large_genuine_body_outlives_many_stalled_forgeries() {
    const BUDGET: usize = 2 * LARGEST;
    let settings: Settings = format!("max_buffered = {BUDGET}\nread_timeout = \"1h\"").parse().expect("TOML");
    let secret = sample::secret("github");
    let builder = Webhooks::builder().settings(settings).source("github", |source| source.secret(secret));
    let inside = Inside::with(builder).await;
    let service = inside.webhooks.service().expect("secrets");
    let held = Arc::<AtomicUsize>::default();
    let forgeries: Vec<_> =
        (0..BUDGET / Held::PIECE.len()).map(|_| Forgery::begin(service.clone())).collect();
    for forgery in &forgeries {
        forgery.feed(Held::piece(&held)).await;
    }
    assert_eq!(held.load(Ordering::Relaxed), BUDGET, "no room is left");

    let body = "{}".to_owned() + &" ".repeat(LARGEST - 2);
    let (feeder, fed) = fed();
    let genuine = sample::github("an-id", "push", &body).into_request().map(|_| fed);
    let answer = tokio::spawn(service.clone().call(genuine));
    for piece in body.as_bytes().chunks(Held::PIECE.len()) {
        feeder.pieces.send(Bytes::copy_from_slice(piece)).expect("a reader");
        settle().await;
    }
    drop(feeder);

    assert_eq!(answer.await.expect("no panic").expect("infallible").status(), 200);
    let refused = forgeries.iter().filter(|forgery| forgery.answer.is_finished()).count();
    assert_eq!(refused, LARGEST / Held::PIECE.len(), "as many as it takes, and no more");
}

#[tokio::test]
async fn the_budget_is_free_again_after_verification() {
    let settings: Settings = "max_buffered = 1000".parse().expect("TOML");
    let secret = sample::secret("github");
    let builder = Webhooks::builder().settings(settings).source("github", |source| source.secret(secret));
    let inside = Inside::with(builder).await;
    let mut service = inside.webhooks.service().expect("secrets");
    for index in 0..10 {
        let genuine = sample::github(&format!("delivery-{index}"), "push", &format!("{:900}", "{}"));
        let answer = service.call(genuine.into_request().map(Full::new)).await.expect("infallible");
        assert_eq!(answer.status(), 200);
    }
}
