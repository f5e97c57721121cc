//! Challenges: requests by which a provider asks whether this is really its endpoint.
//!
//! No rule is an oracle. An unsigned rule matches an exact shape, so that no event is swallowed; what is echoed
//! is of a narrow alphabet and never interpreted by a browser; what is signed cannot be an event.

mod input;
mod read;
mod reply;

use http::Method;

use super::json::Extract;
use super::request::is_form;
use super::signature::{Key, SignatureScheme};
use crate::delivery::Delivery;
use crate::rejection::Malformed;
use crate::reply::Reply;
use crate::secret::Secret;
use input::{Charset, Place};
use reply::ReplyRule;

/// One kind of challenge and its reply.
#[derive(Debug, Clone)]
pub(crate) struct ChallengeRule {
    method: Method,
    /// Whether the signature is checked first.
    signed: bool,
    conditions: Vec<Condition>,
    /// The only keys that the body may hold, of its JSON object or of its form.
    only: Option<Vec<String>>,
    input: Option<Input>,
    reply: ReplyRule,
}

/// What must stand at a place.
#[derive(Debug, Clone)]
struct Condition {
    place: Place,
    /// The exact text; `None` for any.
    equals: Option<String>,
}

/// The part of a challenge that the reply is made of.
#[derive(Debug, Clone)]
struct Input {
    place: Place,
    charset: Charset,
    max: usize,
}

/// When a challenge is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    BeforeVerification,
    /// With the index of the secret that matched, if the scheme knows secrets.
    Verified {
        secret_index: Option<usize>,
    },
}

/// A source's challenge rules with its keys.
pub(crate) struct Handshake {
    rules: Vec<BoundRule>,
}

struct BoundRule {
    rule: ChallengeRule,
    /// A key for each secret, if the reply is signed.
    keys: Vec<Key>,
}

impl ChallengeRule {
    pub(super) fn method(&self) -> &Method {
        &self.method
    }
}

impl Handshake {
    pub(super) fn new(rules: &[ChallengeRule], scheme: &SignatureScheme, secrets: &[Secret]) -> Self {
        let bound = |rule: &ChallengeRule| BoundRule {
            rule: rule.clone(),
            keys: match rule.reply.mac_algorithm() {
                Some(algorithm) => secrets.iter().filter_map(|it| scheme.key(it, algorithm)).collect(),
                None => Vec::new(),
            },
        };
        Self { rules: rules.iter().map(bound).collect() }
    }

    /// Whether a request of this method may be a challenge that comes without a signature.
    pub(crate) fn may_be_unsigned(&self, method: &Method) -> bool {
        self.rules.iter().any(|it| !it.rule.signed && it.rule.method == method)
    }

    /// Whether such a challenge can only be recognised by its body.
    pub(crate) fn reads_unsigned_body(&self, method: &Method) -> bool {
        self.rules.iter().any(|it| !it.rule.signed && it.rule.method == method && it.rule.reads_body())
    }

    /// The reply, if the delivery is a challenge; an error if it is one that must not be answered.
    pub(crate) fn answer(&self, delivery: &Delivery, stage: Stage) -> Option<Result<Reply, Malformed>> {
        let signed = stage != Stage::BeforeVerification;
        let bound = self.rules.iter().find(|it| it.rule.signed == signed && it.rule.matches(delivery))?;
        let key = match stage {
            Stage::Verified { secret_index: Some(index) } => bound.keys.get(index),
            _ => bound.keys.first(),
        };
        Some(bound.rule.reply(delivery, key))
    }
}

impl ChallengeRule {
    fn reads_body(&self) -> bool {
        self.only.is_some() || self.conditions.iter().any(|it| it.place.is_in_body())
    }

    fn matches(&self, delivery: &Delivery) -> bool {
        let met = |condition: &Condition| match (condition.place.text(delivery), &condition.equals) {
            (Some(text), Some(expected)) => text == *expected,
            (text, None) => text.is_some(),
            (None, Some(_)) => false,
        };
        self.method == *delivery.method() && self.conditions.iter().all(met) && self.has_only(delivery)
    }

    fn has_only(&self, delivery: &Delivery) -> bool {
        let Some(only) = &self.only else { return true };
        let allowed = |key: &str| only.iter().any(|it| it == key);
        if is_form(delivery.headers()) {
            return form_urlencoded::parse(delivery.body()).all(|(key, _)| allowed(&key));
        }
        Extract::keys(delivery.body()).is_some_and(|keys| keys.iter().all(|key| allowed(key)))
    }

    fn reply(&self, delivery: &Delivery, key: Option<&Key>) -> Result<Reply, Malformed> {
        let input = match &self.input {
            None => None,
            Some(input) => {
                let text = input.place.text(delivery).ok_or(Malformed::Challenge)?;
                let legal = (1..=input.max).contains(&text.len()) && input.charset.admits(&text);
                Some(if legal { text } else { return Err(Malformed::Challenge) })
            }
        };
        self.reply.make(input.as_deref(), key)
    }
}
