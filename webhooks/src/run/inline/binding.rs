//! One-time tokens: where a signature covers a token and no body, a token is good for the body that it first came with.
//!
//! Beside the event's own key there is one that is released again as soon as it is claimed. What it keeps, where others
//! keep the listeners that are done, is the digest of the first body.

use std::time::Duration;

use super::{Inline, refused};
use crate::outcome::Outcome;
use crate::rejection::Rejection;
use crate::store::{Claim, ClaimTerms, EventKey, Fate, ListenerFate, Settled, Settlement};

/// A token and the body that it came with.
#[derive(Debug, Clone)]
pub(crate) struct Binding {
    /// Stands for the token.
    pub(crate) key: EventKey,
    /// The digest of the body.
    pub(crate) body: String,
    /// For how long it holds.
    pub(crate) retention: Duration,
}

impl Inline {
    /// Refuses a token that came with another body before.
    pub(super) async fn check_binding(&self, binding: &Binding) -> Result<(), Outcome> {
        /// Another claim of the key lasts for two steps of the store.
        const PAUSE: Duration = Duration::from_millis(20);
        const TRIES: u32 = 25;
        let retention = binding.retention;
        let terms = ClaimTerms::new(self.options.lease, retention);
        for _ in 0..TRIES {
            let grant = match self.store.claim(&binding.key, &terms).await {
                Ok(Claim::Granted(grant)) => grant,
                Ok(_) => {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                Err(error) => return Err(refused(&error)),
            };
            let first = grant.settled.first().map(|it| it.listener.clone());
            let same = first.as_ref().is_none_or(|it| *it == binding.body);
            let kept =
                ListenerFate { listener: first.unwrap_or_else(|| binding.body.clone()), fate: Fate::Done };
            let settlement = Settlement { state: Settled::Released, settled: vec![kept], retention };
            return match self.store.settle(&binding.key, grant.token, &settlement).await {
                Ok(true) if same => Ok(()),
                Ok(true) => Err(Outcome::Rejected(Rejection::TokenReused)),
                Ok(false) => Err(Outcome::LeaseLost),
                Err(error) => Err(refused(&error)),
            };
        }
        Err(Outcome::Busy(self.options.wait))
    }
}
