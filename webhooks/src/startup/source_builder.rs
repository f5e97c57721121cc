//! A source configured in code: the same keys as in the settings.

use std::time::Duration;

use super::in_code;
use crate::document::{Table, Value};

/// A source configured in code; see [`Builder::source`](crate::Builder::source). The methods are the settings' keys.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct SourceBuilder(Table);

impl SourceBuilder {
    /// The provider, where the source's name is not already one's.
    pub fn provider(self, name: &str) -> Self {
        self.set("provider", Value::String(name.to_owned()))
    }

    /// One of the provider's older or alternative schemes.
    pub fn variant(self, name: &str) -> Self {
        self.set("variant", Value::String(name.to_owned()))
    }

    /// The secret, exactly as the provider shows it.
    pub fn secret(self, secret: impl Into<String>) -> Self {
        self.set("secret", Value::String(secret.into()))
    }

    /// Several secrets, any of which may have signed: for rotating them.
    pub fn secrets<S: Into<String>>(self, secrets: impl IntoIterator<Item = S>) -> Self {
        let secrets = secrets.into_iter().map(|secret| in_code(Value::String(secret.into()))).collect();
        self.set("secrets", Value::List(secrets))
    }

    /// A file with the secret and nothing else. Where the provider's handshake brings the secret, the file need not be
    /// there yet: the first handshake makes it.
    pub fn secret_file(self, path: &str) -> Self {
        self.set("secret_file", Value::String(path.to_owned()))
    }

    /// The text agreed on with a provider that sends it in its handshake.
    pub fn verify_token(self, token: impl Into<String>) -> Self {
        self.set("verify_token", Value::String(token.into()))
    }

    /// What a delivery must say so that it is for this source: at a path (`$.account`) or in a header. May be called
    /// several times.
    pub fn expect(mut self, place: &str, value: &str) -> Self {
        let table = self.0.entry("expect".to_owned()).or_insert_with(|| in_code(Value::Table(Table::new())));
        if let Value::Table(expected) = &mut table.value {
            expected.insert(place.to_owned(), in_code(Value::String(value.to_owned())));
        }
        self
    }

    /// `"none"` to accept unsigned requests, or the name of a validator that was registered in code.
    pub fn validator(self, name: &str) -> Self {
        self.set("validator", Value::String(name.to_owned()))
    }

    /// How old, or how far ahead, a signed timestamp may be. Whole seconds.
    pub fn tolerance(self, tolerance: Duration) -> Self {
        self.set("tolerance_seconds", integer(tolerance.as_secs()))
    }

    /// The largest body, in bytes.
    pub fn max_body(self, bytes: u64) -> Self {
        self.set("max_body", integer(bytes))
    }

    /// The URL that the provider was given, up to the path: for those that sign the URL.
    pub fn public_url(self, url: &str) -> Self {
        self.set("public_url", Value::String(url.to_owned()))
    }

    /// `false` handles a delivery of several events as one.
    pub fn batch(self, split: bool) -> Self {
        self.set("batch", Value::Boolean(split))
    }

    /// `true` stores deliveries in the inbox before they are handled; `false` handles them inline.
    pub fn inbox(self, stored: bool) -> Self {
        self.set("mode", Value::String(if stored { "inbox" } else { "inline" }.to_owned()))
    }

    /// Takes the same signed content for a duplicate, answered 200, if it comes under another id that is not signed.
    pub fn replay_guard(self) -> Self {
        self.set("replay_guard", Value::String("digest".to_owned()))
    }

    /// The provider of that name, or the generic one.
    pub(super) fn with_provider_of(self, source: &str) -> Self {
        let known = crate::catalogue::names().any(|name| name == source);
        self.provider(if known { source } else { "hmac" })
    }

    pub(super) fn into_table(self) -> Table {
        self.0
    }

    fn set(mut self, key: &str, value: Value) -> Self {
        self.0.insert(key.to_owned(), in_code(value));
        self
    }
}

fn integer(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}
