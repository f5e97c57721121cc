//! How often a request allocates. A count is the same on every machine and in every build, where a time is not: one that
//! grows was put there by somebody.

use allocation_counter::measure;
use support::inside::Post;
use support::sample;
use tokio::runtime::{Builder, Runtime};
use webhooks::{
    Delivery, Event, GitHubSignatureValidator, HmacSignatureValidator, InMemoryWebhookEventStore,
    ListenerRegistration, SignatureValidator, SourceName, StripeSignatureValidator, WebhookProcessor,
    Webhooks, webhook_listener,
};

const PROVIDERS: [&str; 3] = ["hmac", "github", "stripe"];

/// By itself, to the answer of the validator.
const VERIFIED: u64 = 0;
/// To the answer that nobody listens: the body that is shared from here on, the delivery, its one part with id and type;
/// of the reply the header that names the delivery, and the two halves of the map that it is in.
const IDENTIFIED: u64 = 7;
/// Besides: the job, the box that its future is in, what is asked of the store twice, the lease, the event, the
/// listener's future, and what has become of it, by name.
const HANDLED: u64 = 16;

#[derive(serde::Deserialize)]
struct Nothing {}

#[webhook_listener(source = "*")]
async fn listen(_: Event<Nothing>) {}

#[webhook_listener(source = "*", event = "elsewhere")]
async fn listen_elsewhere() {}

#[test]
fn verifying_allocates_no_more() {
    check(VERIFIED, |provider| {
        let secret = sample::secret(provider);
        match provider {
            "hmac" => verifying(provider, HmacSignatureValidator::new(secret)),
            "github" => verifying(provider, GitHubSignatureValidator::new(secret)),
            _ => verifying(provider, StripeSignatureValidator::new(secret)),
        }
    });
}

#[test]
fn identifying_allocates_no_more() {
    check(IDENTIFIED, |provider| processing(provider, webhooks::listeners![listen_elsewhere]));
}

#[test]
fn the_whole_path_allocates_no_more() {
    check(HANDLED, |provider| processing(provider, webhooks::listeners![listen]));
}

fn check(limit: u64, count: impl Fn(&'static str) -> u64) {
    let counts = PROVIDERS.map(|provider| (provider, count(provider)));
    assert!(counts.iter().all(|(_, count)| *count <= limit), "{counts:?}, and {limit} are allowed");
}

fn verifying(provider: &str, validator: impl SignatureValidator) -> u64 {
    let runtime = runtime();
    usual(provider, |delivery| {
        runtime.block_on(validator.validate(&delivery)).expect("it is genuine");
    })
}

fn processing(provider: &str, listeners: impl IntoIterator<Item = ListenerRegistration>) -> u64 {
    let (runtime, processor) = assembled(provider, listeners);
    usual(provider, |delivery| {
        let reply = runtime.block_on(processor.process(delivery));
        assert_eq!(reply.status, 200, "{reply:?}");
    })
}

/// The median of what requests of the provider allocate: now and then a table grows. Before that, each part of the
/// store has been used.
fn usual(provider: &str, mut take: impl FnMut(Delivery)) -> u64 {
    const WARM: usize = 2_000;
    const REQUESTS: usize = 101;
    let mut counts = Vec::new();
    for number in 0..WARM + REQUESTS {
        let delivery = delivery(provider, sample::of(provider, &format!("an-id-{number}")));
        counts.push(measure(|| take(delivery)).count_total);
    }
    let counts = &mut counts[WARM..];
    counts.sort_unstable();
    counts[REQUESTS / 2]
}

fn delivery(source: &str, post: Post) -> Delivery {
    let (head, body) = post.into_request().into_parts();
    let source = SourceName::new(source).expect("a legal name");
    Delivery::new(source, body).with_uri(head.uri).with_headers(head.headers)
}

fn assembled(
    provider: &str,
    listeners: impl IntoIterator<Item = ListenerRegistration>,
) -> (Runtime, WebhookProcessor) {
    let runtime = runtime();
    let builder = sample::sources(&[provider]).only(listeners).store(InMemoryWebhookEventStore::new());
    let webhooks: Webhooks = runtime.block_on(builder.build()).expect("it starts");
    (runtime, webhooks.handle().processor().clone())
}

/// On the one thread whose allocations are counted.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}
