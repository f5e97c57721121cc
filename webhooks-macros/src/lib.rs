//! The procedural macros of the `webhooks` crate, which re-exports them.
//!
//! Each macro reads its attribute and its function into a model, reporting every mistake at its own
//! place, and expands the model into a few lines that call the library. The user's function is always
//! emitted as it was written, so that it can be called and tested directly, and so that one mistake in an
//! attribute does not become ten errors elsewhere.

mod attribute;
mod conditions;
mod errors;
mod function;
mod grammar;
mod listener;
mod suggest;
#[cfg(test)]
mod testing;
mod validator;
mod value;

use proc_macro::TokenStream;

/// Registers a free async function as a listener for the events of a source.
///
/// ```
/// use webhooks::{Event, State, webhook_listener};
///
/// #[derive(serde::Deserialize)]
/// struct PaymentIntent {
///     id: String,
///     amount: u64,
/// }
/// # struct Ledger;
/// # impl Ledger {
/// #     async fn credit(&self, _: &str, _: u64) -> Result<(), std::io::Error> { Ok(()) }
/// # }
///
/// #[webhook_listener(source = "stripe", event = "payment_intent.succeeded")]
/// async fn on_paid(Event(payment): Event<PaymentIntent>, ledger: State<Ledger>) -> webhooks::Result {
///     ledger.credit(&payment.id, payment.amount).await?;
///     Ok(())
/// }
/// ```
///
/// The function takes up to 16 extractors, in any order, by value; it returns `webhooks::Result`, `()` or
/// any `Result<(), E>`. It stays an ordinary function, and its path names the listener in
/// `webhooks::listeners![billing::on_paid]`. For that the macro adds a hidden type of the function's
/// name, so no type or module of that name can stand beside it.
///
/// | key | value | without it |
/// |---|---|---|
/// | `source` | the configured source, or `"*"` for every source | required |
/// | `event` | a pattern or a list of them: `"a.b"`, `"a.*"` (also `a` itself), `"*"` | every event |
/// | `id` | the listener's stable name, 1 to 200 printable characters without spaces | `module_path::name` |
/// | `timeout` | the longest a run may take: `"30s"`, `"5 min"`, `"1h 30m"`, with the units of the settings | the settings' |
/// | `retry(…)` | `max_attempts = 8`, `base = "5s"` (the longest first pause; each is up to three times the one before), `max = "1h"` | the settings' |
/// | `order_by` | a JSON pointer, `"/data/object/customer"`, into the body; into the event's payload where that is a part of a batch or a form. Events with the same text or number there are handled one at a time, in order of arrival; those with anything else there, or nothing, in any order | in any order |
/// | `on_dead` | `"skip"` or `"block"`: whether, in such an order, an event that was given up holds up those behind it | `"skip"` |
/// | `concurrency` | how many events it handles side by side at most | no limit of its own |
/// | `on_error` | the path of an `async fn(&WebhookEvent, &Failure)`, called after each failure | – |
/// | `crate` | the path of the `webhooks` crate, when it is renamed or re-exported | `::webhooks` |
///
/// `retry`, `order_by` and `concurrency` are for events out of the inbox: without one, the provider decides when an
/// event comes again.
#[proc_macro_attribute]
pub fn webhook_listener(attribute: TokenStream, item: TokenStream) -> TokenStream {
    listener::expand(attribute.into(), item.into()).into()
}

/// Registers a constructor of signature validators, for `validator = "…"` in the settings.
///
/// ```
/// use webhooks::{Secrets, SignatureValidator, webhook_validator};
/// # use webhooks::{Delivery, Rejection, Verified};
/// # struct AcmeValidator(Secrets);
/// # impl AcmeValidator {
/// #     fn new(secrets: Secrets) -> Self { Self(secrets) }
/// # }
/// # impl SignatureValidator for AcmeValidator {
/// #     async fn validate(&self, _: &Delivery) -> Result<Verified, Rejection> { Err(Rejection::SignatureMissing) }
/// # }
///
/// #[webhook_validator(name = "acme")]
/// fn acme(secrets: Secrets) -> impl SignatureValidator {
///     AcmeValidator::new(secrets)
/// }
/// ```
///
/// The function takes the source's `Secrets` and returns a `SignatureValidator`, or a `Result` of one
/// whose error says at startup why the secrets do not serve.
///
/// | key | value | without it |
/// |---|---|---|
/// | `name` | what the settings call it: 1 to 64 of `a-z`, `0-9`, `_` and `-` | the function's name |
/// | `crate` | the path of the `webhooks` crate, when it is renamed or re-exported | `::webhooks` |
#[proc_macro_attribute]
pub fn webhook_validator(attribute: TokenStream, item: TokenStream) -> TokenStream {
    validator::expand(attribute.into(), item.into()).into()
}
