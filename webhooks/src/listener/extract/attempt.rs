use super::FromEvent;
use crate::error::Result;
use crate::event::WebhookEvent;

/// Which attempt at the event this is, from 1. Attempts that crashed count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attempt(pub u32);

impl FromEvent for Attempt {
    async fn from_event(event: &WebhookEvent) -> Result<Self> {
        Ok(Self(event.attempt()))
    }
}
