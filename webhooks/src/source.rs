//! One configured source, ready to receive: what it lets in, whom it believes, what it makes of it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, HeaderName, Method, StatusCode};
use sha2::{Digest as _, Sha256};
use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_128;

use crate::delivery::{Delivery, SourceName};
use crate::event::NewEvent;
use crate::listener::routes::Routes;
use crate::outcome::Outcome;
use crate::rejection::{Malformed, Rejection};
use crate::reply::Reply;
use crate::run::inline::{Binding, Job};
use crate::scheme::{
    Acknowledgement, DynSignatureValidator, Expectations, Handshake, Identity, Part, Stage, TokenInBody,
    Verified, Verifier,
};
use crate::seen::gate::Gate;
use crate::stats::SourceStats;
use crate::store::EventKey;

use awaited::AwaitedSecret;
use replay::ReplayDetector;
use rotation::FiledKeys;

pub(crate) mod awaited;
mod replay;
pub(crate) mod rotation;

/// One configured source, ready to receive.
pub(crate) struct Source {
    pub(crate) name: SourceName,
    pub(crate) verification: Verification,
    /// What a verified delivery must say so that it is for this source.
    pub(crate) expected: Expectations,
    pub(crate) handshake: Handshake,
    pub(crate) identity: Identity,
    /// Whether the signature speaks for what a delivery says. Where it does not, nobody but who knows the secret can
    /// have captured anything, and content tells no events apart.
    pub(crate) content_is_signed: bool,
    /// Headers whose values prove who sent a delivery, and are never stored.
    pub(crate) credential_headers: Vec<HeaderName>,
    /// The same in bodies, which are stored without it.
    pub(crate) token_in_body: Option<TokenInBody>,
    pub(crate) routes: Routes,
    pub(crate) methods: Vec<Method>,
    /// Statuses that the provider wants to see, where the usual ones will not do.
    pub(crate) acknowledgement: Acknowledgement,
    pub(crate) max_body: u64,
    /// How long an event is remembered.
    pub(crate) retention: Duration,
    /// How long a token is tied to the body that it came with: as long as its signature is good, at least.
    pub(crate) binding_retention: Duration,
    /// How long a listener may take.
    pub(crate) timeout: Duration,
    /// `replay_guard = "digest"`: the same signed content is the same event, whatever unsigned id it comes under.
    pub(crate) replay_guard: bool,
    pub(crate) replays: ReplayDetector,
    pub(crate) stats: Arc<SourceStats>,
    /// For lines about what strangers sent.
    pub(crate) gate: Gate,
}

/// On what terms a request is let in, by its head.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Entry {
    /// How long its body may be, in bytes.
    pub(crate) max_body: u64,
    /// Its head has what an event's must have. If not, it may be a challenge.
    may_be_event: bool,
}

/// The longest body, in bytes, of what comes without a signature: a challenge is a few words.
const MAX_UNSIGNED: u64 = 4 * 1024;

/// Whom a source believes.
pub(crate) enum Verification {
    /// The provider's scheme, with this source's keys.
    Scheme(Verifier),
    /// The same, with keys from files that may change.
    Filed(Box<FiledKeys>),
    /// The same, once the provider's handshake brought the secret.
    Awaited(Box<AwaitedSecret>),
    /// A validator written in code.
    Validator(Arc<dyn DynSignatureValidator>),
    /// `validator = "none"`.
    Unsigned,
}

impl Source {
    /// What can be refused before a byte of the body is read.
    pub(crate) fn admit(&self, method: &Method, headers: &HeaderMap) -> Result<Entry, Outcome> {
        if !self.methods.contains(method) {
            return Err(Outcome::MethodNotAllowed(self.methods.clone()));
        }
        if headers.get_all(CONTENT_ENCODING).iter().any(|it| !it.as_bytes().eq_ignore_ascii_case(b"identity"))
        {
            return Err(Outcome::ContentEncoding);
        }
        let declared = headers.get(CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse::<u64>().ok());
        let is_over = |limit| declared.is_some_and(|length| length > limit);
        let unsigned = Entry { max_body: self.max_body.min(MAX_UNSIGNED), may_be_event: false };
        let entry = if *method == Method::POST {
            match self.verification.precheck(headers).and_then(|()| self.identity.check_headers(headers)) {
                Ok(()) => Entry { max_body: self.max_body, may_be_event: true },
                Err(_) if self.handshake.may_be_unsigned(method) && !is_over(unsigned.max_body) => unsigned,
                Err(rejection) => return Err(rejection.into()),
            }
        } else {
            // Events come by `POST`; what comes otherwise is a challenge, or nothing.
            unsigned
        };
        if is_over(entry.max_body) { Err(Outcome::BodyTooLarge) } else { Ok(entry) }
    }

    /// The answer to a handshake that needs no signature. Whatever else is not a `POST` ends here too.
    pub(crate) fn greet(&self, delivery: &Delivery) -> Result<(), Outcome> {
        self.accept_secret(delivery)?;
        match self.handshake_answer(delivery, Stage::BeforeVerification) {
            Some(Ok(reply)) => Err(Outcome::Challenge(Box::new(reply))),
            Some(Err(malformed)) => Err(malformed.into()),
            None if delivery.method() == Method::POST => Ok(()),
            None => Err(Outcome::Malformed(Malformed::Challenge)),
        }
    }

    /// The answer to a handshake that brings the secret, if there is none yet. Without one every later offer is just
    /// another request without a signature.
    fn accept_secret(&self, delivery: &Delivery) -> Result<(), Outcome> {
        let Verification::Awaited(awaited) = &self.verification else { return Ok(()) };
        let (secret, reply) = match self.handshake.offer(delivery) {
            None => return Ok(()),
            Some(Err(malformed)) => return Err(malformed.into()),
            Some(Ok(offer)) => offer,
        };
        match awaited.keep(&secret) {
            Ok(true) => {
                tracing::info!(source = %self.name, "the provider's handshake brought the secret, which is kept");
                Err(Outcome::Challenge(Box::new(reply)))
            }
            Ok(false) => Ok(()),
            Err(error) => {
                tracing::error!(source = %self.name, %error, "the handshake's secret cannot be kept");
                Err(Rejection::KeysUnavailable.into())
            }
        }
    }

    /// Whether the delivery is truly the provider's, and for this source.
    pub(crate) async fn verify(&self, delivery: &Delivery, entry: Entry) -> Result<Verified, Outcome> {
        if !entry.may_be_event {
            self.identity.check_headers(delivery.headers())?;
        }
        let verified = match &self.verification {
            Verification::Scheme(verifier) => verifier.verify(delivery)?,
            Verification::Filed(keys) => keys.current().verifier.verify(delivery)?,
            Verification::Awaited(awaited) => awaited.keys()?.current().verifier.verify(delivery)?,
            Verification::Validator(validator) => ask(&**validator, delivery).await?,
            Verification::Unsigned => Verified::unsigned(),
        };
        self.expected.check(delivery, |it| self.identity.json(it))?;
        if verified.is_signed() {
            self.stats.verified(delivery.received_at());
        } else {
            self.stats.unverified.increment();
        }
        Ok(verified)
    }

    /// The answer to a handshake that its provider signs.
    pub(crate) fn acknowledge(&self, delivery: &Delivery, verified: &Verified) -> Result<(), Outcome> {
        let stage = Stage::Verified { secret_index: verified.secret_index() };
        match self.handshake_answer(delivery, stage) {
            Some(Ok(reply)) => Err(Outcome::Challenge(Box::new(reply))),
            Some(Err(malformed)) => Err(malformed.into()),
            None => Ok(()),
        }
    }

    /// With the keys of now, if they may change.
    fn handshake_answer(&self, delivery: &Delivery, stage: Stage) -> Option<Result<Reply, Malformed>> {
        match self.verification.filed_keys() {
            Some(keys) => keys.current().handshake.answer(delivery, stage),
            None => self.handshake.answer(delivery, stage),
        }
    }

    /// The events in the delivery that somebody listens to, each under the name it is remembered by. Those that nobody
    /// listens to leave no trace, so that a listener added later can have their redelivery.
    pub(crate) fn events(&self, delivery: Delivery, verified: Verified) -> Result<Vec<Job>, Outcome> {
        let parts = self.identity.identify(&delivery)?;
        let content = (verified.is_signed() && self.needs_content()).then(|| digest(delivery.body()));
        if let Some(content) = content {
            self.look_for_replay(&parts, content);
        }
        let wanted = |(position, part): (usize, Part)| {
            let audience = self.routes.audience(&part.event_type);
            (!audience.is_empty() || self.identity.binds_body()).then_some((position, part, audience))
        };
        let wanted: SmallVec<[_; 1]> = parts.into_iter().enumerate().filter_map(wanted).collect();
        // Nearly always there is one; by itself, a vector would make room for four.
        let mut jobs = Vec::new();
        if wanted.is_empty() {
            return Ok(jobs);
        }
        jobs.reserve_exact(wanted.len());
        let delivery = Arc::new(delivery);
        for (position, part, audience) in wanted {
            let key = self.remembered_as(&part, content);
            jobs.push(Job {
                binding: if verified.is_signed() { self.binding(&part, delivery.body()) } else { None },
                event: NewEvent {
                    delivery: Arc::clone(&delivery),
                    verified,
                    is_deduplicated: key.is_some(),
                    key: key.unwrap_or_else(|| EventKey::of_delivery(&self.name, delivery.id(), position)),
                    id: part.id,
                    event_type: part.event_type,
                    payload: part.payload,
                },
                audience,
                retention: self.retention,
                timeout: self.timeout,
                stats: Arc::clone(&self.stats),
            });
        }
        Ok(jobs)
    }

    /// The status that the provider wants to see for this outcome.
    pub(crate) fn status(&self, outcome: &Outcome) -> StatusCode {
        let usual = outcome.status();
        match outcome {
            Outcome::Challenge(_) => usual,
            Outcome::Rejected(_) if usual == StatusCode::UNAUTHORIZED => {
                self.acknowledgement.rejected.unwrap_or(usual)
            }
            _ if usual == StatusCode::OK => self.acknowledgement.success.unwrap_or(usual),
            _ => usual,
        }
    }

    /// The names that a past event may have been remembered by, from its id and the body that it came in.
    pub(crate) fn keys_of(&self, id: &str, body: &[u8]) -> Vec<EventKey> {
        let parts = self.identity.elements(body).into_iter().map(str::as_bytes);
        let contents = std::iter::once(body).chain(parts).filter(|_| self.needs_content());
        // Without content too: a validator in code may let deliveries through unsigned.
        let contents = contents.map(|it| Some(digest(it))).chain([None]);
        contents.map(|content| self.key(id.as_bytes(), content)).collect()
    }

    /// Whether genuinely signed contents have to tell events apart, since their ids are anybody's to change.
    fn needs_content(&self) -> bool {
        self.content_is_signed && self.identity.has_id() && !self.identity.id_is_signed()
    }

    /// Ties a token to the body that it came with, where the signature covers nothing else.
    fn binding(&self, part: &Part, body: &[u8]) -> Option<Binding> {
        let id = part.id.as_deref().filter(|_| self.identity.binds_body())?;
        let key = EventKey::new(&self.name, &[b"the body of", id.as_bytes()]);
        let body = hex::encode(Sha256::digest(body));
        Some(Binding { key, body, retention: self.binding_retention })
    }

    /// Counts the same signed content under another id, or under none.
    fn look_for_replay(&self, parts: &[Part], content: u128) {
        let ids = parts.iter().map(|it| it.id.as_deref().unwrap_or_default());
        if self.replays.is_suspicious(content, ids) {
            self.stats.replay_suspected.increment();
            tracing::warn!(source = %self.name, "replay suspected: the same signed content under another id");
        }
    }

    /// `content` is the whole delivery's, of which a batch's part is only the element: what comes along with it may
    /// differ from one delivery to the next.
    fn remembered_as(&self, part: &Part, content: Option<u128>) -> Option<EventKey> {
        let content = content.map(|whole| part.element.as_deref().map_or(whole, digest));
        match &part.id {
            Some(id) => Some(self.key(id.as_bytes(), content)),
            // An optional id is a stranger's to leave out, which the guard must outlast.
            None => content.filter(|_| self.is_guarded()).map(|content| self.key(b"", Some(content))),
        }
    }

    /// The name that the event with this id is remembered by; with the digest of its content where the id alone could
    /// be anyone's, so that a captured body under a fresh id cannot take the place of a genuine one.
    fn key(&self, id: &[u8], content: Option<u128>) -> EventKey {
        match content.map(u128::to_be_bytes) {
            None => EventKey::new(&self.name, &[id]),
            Some(content) if self.is_guarded() => EventKey::new(&self.name, &[b"content", &content]),
            Some(content) => EventKey::new(&self.name, &[id, &content]),
        }
    }

    fn is_guarded(&self) -> bool {
        self.replay_guard && !self.identity.is_batch()
    }
}

impl Verification {
    /// The keys that stand in files, where they are there.
    fn filed_keys(&self) -> Option<&FiledKeys> {
        match self {
            Self::Filed(keys) => Some(keys),
            Self::Awaited(awaited) => awaited.known_keys(),
            _ => None,
        }
    }

    fn precheck(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        match self {
            Self::Scheme(verifier) => verifier.precheck(headers),
            Self::Filed(keys) => keys.current().verifier.precheck(headers),
            // Until the secret is there, the handshake is let through.
            Self::Awaited(awaited) => {
                awaited.keys().map_or(Ok(()), |it| it.current().verifier.precheck(headers))
            }
            Self::Validator(validator) => {
                match validator.required_headers().iter().all(|it| headers.contains_key(it)) {
                    true => Ok(()),
                    false => Err(Rejection::SignatureMissing),
                }
            }
            Self::Unsigned => Ok(()),
        }
    }
}

/// Everything hashed here was signed, so that it need not be a cryptographic hash; it is stored, so that it must not
/// change.
fn digest(content: &[u8]) -> u128 {
    xxh3_128(content)
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("name", &self.name).finish_non_exhaustive()
    }
}
/// Asks a validator in code. What it sees is a stranger's, and what it does the user's: should it panic, nothing is believed.
async fn ask(validator: &dyn DynSignatureValidator, delivery: &Delivery) -> Result<Verified, Rejection> {
    let asked = AssertUnwindSafe(async { validator.validate_boxed(delivery).await }).catch_unwind();
    asked.await.unwrap_or(Err(Rejection::ValidatorPanicked))
}
