//! Reads a body, within every limit there is.

use std::pin::pin;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;

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
        collected = collected.and(data);
    }
    Ok(collected.into_bytes())
}

/// Most bodies come in one piece, and are then never copied.
enum Collected {
    Nothing,
    One(Bytes),
    Many(BytesMut),
}

impl Collected {
    fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One(bytes) => bytes.len(),
            Self::Many(bytes) => bytes.len(),
        }
    }

    fn and(self, mut data: impl Buf) -> Self {
        let length = data.remaining();
        match self {
            Self::Nothing => Self::One(data.copy_to_bytes(length)),
            Self::One(first) => {
                let mut many = first.try_into_mut().unwrap_or_else(|first| BytesMut::from(&*first));
                many.extend_from_slice(&data.copy_to_bytes(length));
                Self::Many(many)
            }
            Self::Many(mut many) => {
                many.extend_from_slice(&data.copy_to_bytes(length));
                Self::Many(many)
            }
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Many(bytes) => bytes.freeze(),
        }
    }
}
