//! Reads a body, within every limit there is.

use std::pin::pin;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
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
    let declared = body.size_hint().exact().and_then(|it| usize::try_from(it).ok());
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
        collected = collected.and(data, declared);
    }
    Ok(collected.into_bytes())
}

/// A declared length is believed once so large a part of it is there: a buffer that is outgrown again and again leaves as
/// much behind as it holds in the end, and a promise alone must not reserve anything. With a smaller part, what strangers
/// promise showed in the process's memory.
const EARNEST: usize = 8;

fn make_room(buffer: &mut BytesMut, more: usize, declared: Option<usize>) {
    let needed = buffer.len() + more;
    if needed > buffer.capacity() {
        let whole = declared.filter(|it| it / EARNEST <= needed).unwrap_or_default();
        buffer.reserve(needed.max(whole) - buffer.len());
    }
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

    fn and(self, mut data: impl Buf, declared: Option<usize>) -> Self {
        let length = data.remaining();
        let mut many = match self {
            Self::Nothing => return Self::One(data.copy_to_bytes(length)),
            Self::One(first) => first.try_into_mut().unwrap_or_else(|first| BytesMut::from(&*first)),
            Self::Many(many) => many,
        };
        make_room(&mut many, length, declared);
        many.put(data);
        Self::Many(many)
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Many(bytes) => bytes.freeze(),
        }
    }
}
