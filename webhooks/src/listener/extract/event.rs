use std::fmt;

use serde::de::DeserializeOwned;

use super::{FromEvent, short_type_name};
use crate::error::Result;
use crate::event::WebhookEvent;

/// The event's payload, deserialised into `T`.
///
/// The catalogue says which part of the body that is: for Stripe the object in `data`, for GitHub all of it. A payload
/// that does not fit `T` is a failure to be tried again, so that a fixed build still receives it; the error names type
/// and JSON path, never a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<T>(pub T);

impl<T: DeserializeOwned + Send> FromEvent for Event<T> {
    async fn from_event(event: &WebhookEvent) -> Result<Self> {
        match serde_json::from_slice(event.payload()) {
            Ok(payload) => Ok(Self(payload)),
            Err(_) => Err(mismatch::<T>(event.payload()).into()),
        }
    }
}

/// Parses again, this time noting the path: only failures pay for it.
fn mismatch<T: DeserializeOwned>(payload: &[u8]) -> Mismatch {
    let mut json = serde_json::Deserializer::from_slice(payload);
    let (path, cause) = match serde_path_to_error::deserialize::<_, T>(&mut json) {
        // The value fits, so something follows it.
        Ok(_) => (".".to_owned(), "something follows the JSON value".to_owned()),
        Err(error) => (error.path().to_string(), without_values(error.inner())),
    };
    Mismatch { type_name: short_type_name(std::any::type_name::<T>()), path, cause }
}

/// serde's message without what it quotes from the payload.
fn without_values(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let place = format!("line {} column {}", error.line(), error.column());
    if message.starts_with("missing field `") {
        // The field's name comes from the listener's type.
        let field = message.split('`').nth(1).unwrap_or_default();
        return format!("missing field `{field}` ({place})");
    }
    // Only serde's own messages: what comes after the last "expected" is about the type. A custom one may say anything.
    let of_serde = ["invalid type", "invalid value", "invalid length", "unknown variant"];
    match message.rsplit_once(", expected ") {
        Some((_, expected)) if of_serde.iter().any(|start| message.starts_with(start)) => {
            let expected = expected.split(" at line ").next().unwrap_or(expected);
            format!("expected {expected} ({place})")
        }
        _ => format!("it does not fit ({place})"),
    }
}

#[derive(Debug)]
struct Mismatch {
    type_name: String,
    path: String,
    cause: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the payload is not a `{}`: at `{}`: {}", self.type_name, self.path, self.cause)
    }
}

impl std::error::Error for Mismatch {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[allow(dead_code)]
    struct Payment {
        id: String,
        card: Card,
    }

    #[derive(Debug, serde::Deserialize)]
    #[allow(dead_code)]
    struct Card {
        number: u64,
    }

    fn message(payload: &str) -> String {
        mismatch::<Payment>(payload.as_bytes()).to_string()
    }

    #[test]
    fn a_mismatch_names_type_and_path_and_never_a_value() {
        let text = message(r#"{"id": "pi_1", "card": {"number": "4242, expected 4242"}}"#);
        assert!(text.contains("not a `Payment`: at `card.number`: expected u64"), "{text}");
        assert!(!text.contains("4242"), "{text}");
        let text = message(r#"{"id": "pi_1", "card": {}}"#);
        assert!(text.contains("at `card`: missing field `number`"), "{text}");
        assert!(message("{} {}").contains("missing field `id`"));
    }
}
