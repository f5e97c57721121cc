//! A fresh state with webhooks over it, whose process may die and be replaced.

use std::sync::Arc;

use super::mortal::{Memory, Mortal};
use super::script::{MARK, Script};
use super::{Result, TestDelivery};
use crate::outcome::Outcome;
use crate::rehearsal::{Keyring, Rehearsal};
use crate::startup::Builder;
use crate::testing::client::Client;

/// How often a delivery is sent until it has been handled.
const TRIES: usize = 6;

/// A fresh state with webhooks over it.
pub(super) struct Stage<'t, S, W> {
    pub(super) state: S,
    pub(super) script: Arc<Script>,
    /// Why something could not be handled, however often it came.
    pub(super) trouble: Option<String>,
    webhooks: &'t W,
    keyring: &'t Keyring,
    memory: Memory,
    process: Mortal,
    client: Client,
}

impl<'t, S, W: Fn(&S) -> Builder> Stage<'t, S, W> {
    pub(super) async fn new(
        state: S,
        webhooks: &'t W,
        keyring: &'t Keyring,
        script: Arc<Script>,
    ) -> Result<Self> {
        let memory = Memory::new();
        let process = Mortal::new(memory.clone());
        let client = start(webhooks(&state), keyring, &script, &process).await?;
        Ok(Self { state, script, trouble: None, webhooks, keyring, memory, process, client })
    }

    /// Sends a delivery once. What dies of it is replaced.
    pub(super) async fn send(&mut self, number: usize, delivery: &TestDelivery) -> Result<Outcome> {
        let outcome = self.send_here(number, delivery).await?;
        if self.process.is_dead() {
            self.memory.outwait_leases();
            self.process = Mortal::new(self.memory.clone());
            self.client =
                start((self.webhooks)(&self.state), self.keyring, &self.script, &self.process).await?;
            return Ok(Outcome::LeaseLost);
        }
        Ok(outcome)
    }

    /// Sends a delivery until it has been handled. Returned is the outcome that it ends with.
    pub(super) async fn deliver(&mut self, number: usize, delivery: &TestDelivery) -> Result<Outcome> {
        let mut outcome = Outcome::Ignored;
        for _ in 0..TRIES {
            outcome = self.send(number, delivery).await?;
            if outcome.is_success() {
                break;
            }
        }
        if !outcome.is_success() || outcome == Outcome::Dead {
            let failure = self.script.failure().unwrap_or_else(|| outcome.reason().to_owned());
            self.trouble.get_or_insert(failure);
        }
        Ok(outcome)
    }

    /// Sends all of them at once.
    pub(super) async fn send_together(&self, deliveries: &[(usize, &TestDelivery)]) -> Result {
        let sent = deliveries.iter().map(|(number, delivery)| self.send_here(*number, delivery));
        futures_util::future::join_all(sent).await.into_iter().try_for_each(|outcome| outcome.map(drop))
    }

    async fn send_here(&self, number: usize, delivery: &TestDelivery) -> Result<Outcome> {
        let marked = delivery.clone().header(MARK, number.to_string());
        Ok(self.client.send(marked).await?.outcome)
    }
}

async fn start(
    builder: Builder,
    keyring: &Keyring,
    script: &Arc<Script>,
    process: &Mortal,
) -> Result<Client> {
    let (cast, mortal) = (Arc::clone(script), process.clone());
    let wrap = Arc::new(move |id: &_, inner| cast.cast(id, inner, mortal.clone()));
    Client::with(builder.store(process.clone()), Rehearsal::of_trial(keyring.clone(), wrap)).await
}
