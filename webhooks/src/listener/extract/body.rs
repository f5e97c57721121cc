use bytes::Bytes;

use super::FromEvent;
use crate::error::Result;
use crate::event::WebhookEvent;

/// The delivery's raw body, byte for byte as it was signed.
impl FromEvent for Bytes {
    async fn from_event(event: &WebhookEvent) -> Result<Self> {
        Ok(event.body().clone())
    }
}
