use super::FromEvent;
use crate::error::Result;
use crate::event::WebhookEvent;

/// The event itself: id, type, attempt, headers, raw bytes.
impl FromEvent for WebhookEvent {
    async fn from_event(event: &WebhookEvent) -> Result<Self> {
        Ok(event.clone())
    }
}
