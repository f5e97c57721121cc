//! Reads a body, within every limit there is.

use std::pin::pin;
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body::Body;
use http_body_util::BodyExt;

use super::collected::Collected;
use crate::budget::{BodyBudget, Buffered};
use crate::outcome::Outcome;

/// Reads a whole body: at most `limit` bytes, in at most `patience`, within the budget of all unverified bodies.
pub(super) async fn read<B: Body>(
    body: B,
    limit: u64,
    patience: Duration,
    budget: &BodyBudget,
) -> Result<(Bytes, Buffered), Outcome> {
    let buffered = budget.share();
    let bytes = tokio::select! {
        biased;
        bytes = tokio::time::timeout(patience, collect(body, limit, &buffered)) => {
            bytes.unwrap_or(Err(Outcome::BodyIncomplete))?
        }
        () = buffered.evicted() => return Err(Outcome::Overloaded),
    };
    buffered.complete();
    Ok((bytes, buffered))
}

async fn collect<B: Body>(body: B, limit: u64, buffered: &Buffered) -> Result<Bytes, Outcome> {
    let mut body = pin!(body);
    let declared = body.size_hint().exact().and_then(|it| usize::try_from(it).ok());
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut collected = Collected::Nothing;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Outcome::BodyIncomplete)?;
        // Trailers say nothing about webhooks.
        let Ok(data) = frame.into_data() else { continue };
        let length = u64::try_from(collected.len() + data.remaining()).unwrap_or(u64::MAX);
        if length > limit {
            return Err(Outcome::BodyTooLarge);
        }
        buffered.add(data.remaining()).map_err(|_| Outcome::Overloaded)?;
        collected = collected.and(data, declared, most);
    }
    Ok(collected.into_bytes())
}
