//! The whole path in process, on one thread, against the floor: bodies of a kibibyte, one typed listener, claims in
//! memory, every id new.

use std::hint::black_box;
use std::time::Duration;

use serde::Deserialize;
use webhooks::{
    Delivery, Event, GitHubSignatureValidator, HmacSignatureValidator, InMemoryWebhookEventStore,
    SignatureValidator, StripeSignatureValidator, WebhookProcessor, Webhooks, webhook_listener,
};

use crate::AnyError;
use crate::cpu::Worked;
use crate::floor::Floor;
use crate::goal::at_most;
use crate::rounds::median;
use crate::sample::{Provider, SECRET};

#[derive(Deserialize)]
struct Payment {
    amount: u64,
}

#[webhook_listener(source = "*")]
async fn listen(Event(payment): Event<Payment>) {
    black_box(payment.amount);
}

#[webhook_listener(source = "*", event = "elsewhere")]
async fn listen_elsewhere() {}

/// So many requests are made, then handled, then made again: few enough to be still in the cache when they are
/// handled, as is what has just come in by a socket.
const BATCH: u64 = 128;
const BATCHES: u64 = 400;
const ROUNDS: usize = 7;
const BODY: usize = 1_024;

/// The floor comes first: the others are measured against it.
const SIDES: [&str; 5] =
    ["the floor", "the floor, in a task", "verified", "and identified", "the whole path"];

pub(crate) fn run() -> Result<(), AnyError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("| in process, 1 KiB, ns | {} | against the floor in a task |", SIDES.join(" | "));
    println!("|---|---|---|---|---|---|---|");
    for provider in Provider::ALL {
        let spent = runtime.block_on(measure(provider))?;
        let cell = |side: usize| {
            let time = median(spent[side].clone());
            let to = |floor: usize| {
                median(spent[side].iter().zip(&spent[floor]).map(|(it, floor)| it / floor).collect())
            };
            match side {
                0 => format!("{time:.0}"),
                3 => format!("{time:.0}, {}", at_most(1.15, to(0))),
                // A listener that a client's hanging up must not cancel needs a task, by hand too.
                4 => format!("{time:.0}, {:.2} | {}", to(0), at_most(1.5, to(1))),
                _ => format!("{time:.0}, {:.2}", to(0)),
            }
        };
        let cells: Vec<_> = (0..SIDES.len()).map(cell).collect();
        println!("| {} | {} |", provider.name(), cells.join(" | "));
    }
    Ok(())
}

/// Nanoseconds a request, of each side in each round.
async fn measure(provider: Provider) -> Result<[Vec<f64>; SIDES.len()], AnyError> {
    let unheard = processor(provider, webhooks::listeners![listen_elsewhere]).await?;
    let heard = processor(provider, webhooks::listeners![listen]).await?;
    let validator = Validator::new(provider);
    let (mut plain, mut tasks) = (Floor::new(provider)?, Floor::new(provider)?);
    let mut rounds = [(); SIDES.len()].map(|()| Vec::new());
    let mut id = 0;
    for round in 0..=ROUNDS {
        let mut spent = [Duration::ZERO; SIDES.len()];
        for _ in 0..BATCHES {
            for (side, spent) in spent.iter_mut().enumerate() {
                id += BATCH;
                // Signing is not what is measured.
                let requests = (id..id + BATCH).map(|id| provider.request(id, BODY));
                let requests = requests.collect::<Result<Vec<_>, _>>()?;
                let began = Worked::so_far()?;
                match side {
                    0 => requests.into_iter().try_for_each(|request| plain.receive(&request))?,
                    1 => in_tasks(&mut tasks, requests).await?,
                    2 => validator.validate(requests).await?,
                    3 => process(&unheard, requests).await?,
                    _ => process(&heard, requests).await?,
                }
                *spent += began.since()?;
            }
        }
        // The first round warms up and does not count.
        if round > 0 {
            for (times, spent) in rounds.iter_mut().zip(spent) {
                times.push(spent.as_nanos() as f64 / (BATCH * BATCHES) as f64);
            }
        }
    }
    Ok(rounds)
}

async fn processor(
    provider: Provider,
    listeners: impl IntoIterator<Item = webhooks::ListenerRegistration>,
) -> Result<WebhookProcessor, AnyError> {
    let webhooks = Webhooks::builder()
        .only(listeners)
        .source(provider.name(), |it| it.secret(SECRET))
        .store(InMemoryWebhookEventStore::new().with_max_keys(usize::MAX))
        .build()
        .await?;
    Ok(webhooks.handle().processor().clone())
}

async fn process(processor: &WebhookProcessor, requests: Vec<Delivery>) -> Result<(), AnyError> {
    for request in requests {
        let reply = processor.process(request).await;
        if reply.status != 200 {
            return Err(format!("{reply:?}").into());
        }
    }
    Ok(())
}

/// The same, and a listener that is safe from clients that hang up.
async fn in_tasks(floor: &mut Floor, requests: Vec<Delivery>) -> Result<(), AnyError> {
    for request in requests {
        floor.receive(&request)?;
        tokio::spawn(async move { black_box(serde_json::from_slice::<Payment>(request.body()).is_ok()) })
            .await?;
    }
    Ok(())
}

/// A provider's validator by itself.
enum Validator {
    Hmac(HmacSignatureValidator),
    GitHub(GitHubSignatureValidator),
    Stripe(StripeSignatureValidator),
}

impl Validator {
    fn new(provider: Provider) -> Self {
        match provider {
            Provider::Hmac => Self::Hmac(HmacSignatureValidator::new(SECRET)),
            Provider::GitHub => Self::GitHub(GitHubSignatureValidator::new(SECRET)),
            Provider::Stripe => Self::Stripe(StripeSignatureValidator::new(SECRET)),
        }
    }

    async fn validate(&self, requests: Vec<Delivery>) -> Result<(), AnyError> {
        for request in requests {
            black_box(match self {
                Self::Hmac(validator) => validator.validate(&request).await?,
                Self::GitHub(validator) => validator.validate(&request).await?,
                Self::Stripe(validator) => validator.validate(&request).await?,
            });
        }
        Ok(())
    }
}
