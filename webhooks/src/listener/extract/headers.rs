use http::HeaderMap;

use super::FromEvent;
use crate::error::Result;
use crate::event::WebhookEvent;

/// The delivery's headers. A copy: take [`WebhookEvent`] and borrow them where that matters.
impl FromEvent for HeaderMap {
    async fn from_event(event: &WebhookEvent) -> Result<Self> {
        Ok(event.headers().clone())
    }
}
