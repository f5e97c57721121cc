//! A provider in the test's own process.

use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;
use http::Request;

use super::compose::{self, Sender};
use super::delivery::{self, Signature, TestDelivery};
use super::report::Report;
use super::rest::Rest;
use super::{Error, Result};
use crate::clock::Clock;
use crate::delivery::DeliveryId;
use crate::outcome::Outcome;
use crate::problem::unknown_word;
use crate::rehearsal::{Rehearsal, RunReport, Stand};
use crate::startup::Builder;
use crate::startup::webhooks::Webhooks;

/// Assembles webhooks and a client that sends to them, without a socket between. All of the rest is the real thing.
///
/// Sources that have no secret get one, and a source of the catalogue that a listener names need not be configured at all:
/// three lines are a test.
///
/// ```
/// use serde_json::json;
/// use webhooks::{Event, Outcome, Webhooks, listeners, testing, webhook_listener};
///
/// #[derive(serde::Deserialize)]
/// struct PaymentIntent {
///     amount: u64,
/// }
///
/// #[webhook_listener(source = "stripe", event = "payment_intent.succeeded")]
/// async fn on_paid(Event(payment): Event<PaymentIntent>) -> webhooks::Result {
///     if payment.amount == 0 { Err("nothing was paid".into()) } else { Ok(()) }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> testing::Result {
/// let client = testing::client(Webhooks::builder().listeners(listeners![on_paid])).await?;
/// let report = client.send(testing::stripe("payment_intent.succeeded").json(json!({"amount": 4200}))).await?;
/// assert_eq!(report.outcome, Outcome::Handled);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// With everything that keeps the webhooks from starting.
pub async fn client(builder: Builder) -> Result<Client> {
    let rehearsal = Rehearsal::default();
    Client::with(builder, rehearsal).await
}

/// Sends deliveries as their providers do, and tells what became of each.
///
/// If you set a key fetcher, it is still asked for keys that the kit does not serve; nothing else is fetched. The clock can
/// be turned, and deliveries are signed at its time.
pub struct Client {
    webhooks: Webhooks,
    rehearsal: Rehearsal,
    clock: Clock,
}

impl Client {
    /// Sends a delivery, signed by its source's own key unless it says otherwise, and waits for what becomes of it: inline
    /// for the answer, with an inbox until every listener has run once. An event that was dead and is sent again is begun
    /// afresh: what ran since then is reported with the delivery that has revived it.
    ///
    /// # Errors
    /// If the delivery cannot be made; or if an inbox's runs do not end within half a minute.
    pub async fn send(&self, delivery: TestDelivery) -> Result<Report> {
        self.send_request(self.sign(&delivery)?).await
    }

    /// Sends a request as it is: a handshake, or one that no provider would make.
    ///
    /// # Errors
    /// If an inbox's runs do not end within half a minute.
    pub async fn send_request(&self, request: Request<Bytes>) -> Result<Report> {
        let reply = self.webhooks.process(request).await;
        let witness = &self.rehearsal.witness;
        let delivery = reply.headers.get("webhook-delivery-id").and_then(|it| id(it.to_str().ok()?));
        let seen = delivery.and_then(|id| Some((id, witness.outcome_of(id)?)));
        let Some((id, outcome)) = seen else {
            return Err(Error::new("the answer has no `webhook-delivery-id`", "report this"));
        };
        if let (Outcome::Stored, Some(rest)) = (&outcome, self.rest()) {
            rest.until_tried(id).await?;
        }
        Ok(Report::new(reply, outcome, witness.runs_of(id)))
    }

    /// The request that [`send`](Self::send) would send.
    ///
    /// # Errors
    /// If the delivery cannot be made.
    pub fn sign(&self, delivery: &TestDelivery) -> Result<Request<Bytes>> {
        let name = &delivery.source;
        let stand = self.rehearsal.stand(name).ok_or_else(|| self.no_source(delivery))?;
        let sender = match &delivery.signature {
            Signature::Missing => None,
            Signature::Own if stand.is_unsigned() => None,
            Signature::Own => Some(Sender::of_source(name, &stand, None)?),
            Signature::By(key) => Some(Sender::of_source(name, &stand, Some(key))?),
        };
        let (now, machine) = (self.clock.wall(), SystemTime::now());
        let at = delivery.at.unwrap_or(now);
        // Made when the clock had been turned as far as it is now.
        let turned = |made: SystemTime| match now.duration_since(machine) {
            Ok(ahead) => made + ahead,
            Err(behind) => made - behind.duration(),
        };
        let written = delivery.at.unwrap_or_else(|| turned(delivery.made));
        delivery::request(compose::compose(
            delivery,
            &stand.provider,
            &stand.path,
            sender.as_ref(),
            at,
            written,
        )?)
    }

    /// With an inbox: has everything tried that waits for its next attempt, turning the clock to when each is due, until
    /// nothing is pending. Returned are the runs of that delivery, and of what it has revived. Without an inbox there is
    /// nothing to do.
    ///
    /// # Errors
    /// If something does not end within half a minute.
    pub async fn settle(&self, report: &Report) -> Result<Vec<RunReport>> {
        if let Some(rest) = self.rest() {
            rest.until_settled().await?;
        }
        let delivery = report.headers.get("webhook-delivery-id").and_then(|it| id(it.to_str().ok()?));
        Ok(delivery.map(|id| self.rehearsal.witness.runs_of(id)).unwrap_or_default())
    }

    /// The clock that the webhooks read, to be turned: [`Clock::advance`].
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The webhooks themselves.
    pub fn webhooks(&self) -> &Webhooks {
        &self.webhooks
    }

    pub(super) async fn with(builder: Builder, rehearsal: Rehearsal) -> Result<Self> {
        let (builder, clock) = builder.rehearsed(rehearsal.clone());
        Ok(Self { webhooks: builder.build().await?, rehearsal, clock })
    }

    fn rest(&self) -> Option<Rest<'_>> {
        Some(Rest { inbox: self.webhooks.inbox()?, clock: &self.clock, rehearsal: &self.rehearsal })
    }

    fn no_source(&self, delivery: &TestDelivery) -> Error {
        let names = self.rehearsal.source_names();
        let of_provider = |name: &&String| {
            self.rehearsal
                .stand(name)
                .is_some_and(|stand: std::sync::Arc<Stand>| stand.provider.name == delivery.source)
        };
        if let Some(name) = names.iter().find(of_provider) {
            let what = format!("no source is called `{}`, but `{name}` is of that provider", delivery.source);
            return Error::new(what, format!("add `.to(\"{name}\")`"));
        }
        let help = "configure it, or have a listener name it";
        unknown_word("no source is called", &delivery.source, names.iter().map(String::as_str), help).into()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("webhooks", &self.webhooks).finish_non_exhaustive()
    }
}

/// The id that an answer carries.
fn id(text: &str) -> Option<DeliveryId> {
    u128::from_str_radix(text, 16).ok().map(DeliveryId::from_bits)
}
