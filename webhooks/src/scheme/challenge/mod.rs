//! Challenges: requests by which a provider asks whether this is really its endpoint.
//!
//! No rule is an oracle. An unsigned rule matches an exact shape, so that no event is swallowed; what is echoed
//! is of a narrow alphabet and never interpreted by a browser; what is signed cannot be an event.

mod input;
mod keys;
mod read;
mod reply;

use http::Method;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::json::Extract;
use super::request::is_form;
use super::signature::{Key, SignatureScheme};
use crate::delivery::Delivery;
use crate::rejection::Malformed;
use crate::reply::Reply;
use crate::secret::Secret;
use input::{Charset, Place};
pub(super) use keys::CHALLENGE;
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
    /// Whether the input is the secret of all that follows.
    store: bool,
    reply: ReplyRule,
}

/// What must stand at a place.
#[derive(Debug, Clone)]
struct Condition {
    place: Place,
    expected: Expected,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Expected {
    Anything,
    Exactly(String),
    /// The source's `verify_token`: what the user has agreed on with the provider.
    VerifyToken,
}

/// The part of a challenge that the reply is made of.
#[derive(Debug, Clone)]
struct Input {
    place: Place,
    charset: Charset,
    min: usize,
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
    verify_token: Option<Secret>,
}

struct BoundRule {
    rule: ChallengeRule,
    /// A key for each secret, if the reply is signed, and the key's name.
    keys: Vec<(String, Key)>,
}

impl ChallengeRule {
    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    /// Whether its answer could be the signature of an event under this scheme: anyone may ask, and send the answer back.
    /// `json`: an event's body is, and so holds braces or brackets.
    pub(super) fn signs_events_of(&self, scheme: &SignatureScheme, json: bool) -> bool {
        let (Some(algorithm), Some(input)) = (self.reply.mac_algorithm(), &self.input) else { return false };
        !self.signed && scheme.could_sign(algorithm, |text| input.charset.admits(text), !json)
    }

    /// Whether its input is the secret of all that follows.
    pub(super) fn stores_secret(&self) -> bool {
        self.store
    }

    pub(super) fn wants_verify_token(&self) -> bool {
        self.conditions.iter().any(|it| it.expected == Expected::VerifyToken)
    }
}

impl Handshake {
    pub(super) fn new(
        rules: &[ChallengeRule],
        scheme: &SignatureScheme,
        secrets: &[Secret],
        verify_token: Option<Secret>,
    ) -> Self {
        let bound = |rule: &ChallengeRule| BoundRule {
            rule: rule.clone(),
            keys: match rule.reply.mac_algorithm() {
                Some(algorithm) => secrets.iter().filter_map(|it| scheme.reply_key(it, algorithm)).collect(),
                None => Vec::new(),
            },
        };
        Self { rules: rules.iter().map(bound).collect(), verify_token }
    }

    /// Whether a request of this method may be a challenge that comes without a signature.
    pub(crate) fn may_be_unsigned(&self, method: &Method) -> bool {
        self.unsigned(method).next().is_some()
    }

    fn unsigned(&self, method: &Method) -> impl Iterator<Item = &BoundRule> {
        self.rules.iter().filter(move |it| !it.rule.signed && !it.rule.store && it.rule.method == method)
    }

    /// The secret that the delivery brings, and its reply, for a source that has none yet.
    pub(crate) fn offer(&self, delivery: &Delivery) -> Option<Result<(Secret, Reply), Malformed>> {
        let bound = self.rules.iter().find(|it| it.rule.store && self.matches(&it.rule, delivery))?;
        let offer = || {
            let secret = bound.rule.input(delivery)?.ok_or(Malformed::Challenge)?;
            let mut reply = bound.rule.reply(delivery, None)?;
            // It may hold the secret, which must not be printed with it.
            reply.headers.values_mut().for_each(|value| value.set_sensitive(true));
            Ok((Secret::new(secret), reply))
        };
        Some(offer())
    }

    /// The reply, if the delivery is a challenge; an error if it is one that must not be answered.
    pub(crate) fn answer(&self, delivery: &Delivery, stage: Stage) -> Option<Result<Reply, Malformed>> {
        let signed = stage != Stage::BeforeVerification;
        let mut rules = self.rules.iter().filter(|it| it.rule.signed == signed && !it.rule.store);
        let bound = rules.find(|it| self.matches(&it.rule, delivery))?;
        let key = match stage {
            Stage::Verified { secret_index: Some(index) } => bound.keys.get(index),
            _ => bound.keys.first(),
        };
        Some(bound.rule.reply(delivery, key))
    }

    fn matches(&self, rule: &ChallengeRule, delivery: &Delivery) -> bool {
        rule.method == *delivery.method()
            && rule.conditions.iter().all(|it| it.is_met(delivery, self.verify_token.as_ref()))
            && rule.has_only(delivery)
    }
}

impl Condition {
    fn is_met(&self, delivery: &Delivery, verify_token: Option<&Secret>) -> bool {
        let Some(text) = self.place.text(delivery) else { return false };
        match (&self.expected, verify_token) {
            (Expected::Anything, _) => true,
            (Expected::Exactly(expected), _) => text == *expected,
            // By their hashes: how much of a guess is right must not show in the time.
            (Expected::VerifyToken, Some(token)) => {
                Sha256::digest(token.reveal()).ct_eq(&Sha256::digest(text)).into()
            }
            (Expected::VerifyToken, None) => false,
        }
    }
}

impl ChallengeRule {
    fn has_only(&self, delivery: &Delivery) -> bool {
        let Some(only) = &self.only else { return true };
        let allowed = |key: &str| only.iter().any(|it| it == key);
        if is_form(delivery.headers()) {
            return form_urlencoded::parse(delivery.body()).all(|(key, _)| allowed(&key));
        }
        Extract::keys(delivery.body()).is_some_and(|keys| keys.iter().all(|key| allowed(key)))
    }

    fn input(&self, delivery: &Delivery) -> Result<Option<String>, Malformed> {
        let Some(input) = &self.input else { return Ok(None) };
        let text = input.place.text(delivery).ok_or(Malformed::Challenge)?;
        let legal = (input.min..=input.max).contains(&text.len()) && input.charset.admits(&text);
        if legal { Ok(Some(text)) } else { Err(Malformed::Challenge) }
    }

    fn reply(&self, delivery: &Delivery, key: Option<&(String, Key)>) -> Result<Reply, Malformed> {
        let input = self.input(delivery)?;
        self.reply.make(input.as_deref(), key)
    }
}
