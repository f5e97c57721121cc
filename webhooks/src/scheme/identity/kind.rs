//! Reading the event's type.

use std::collections::BTreeMap;

use http::HeaderName;

use super::{Facts, Identity};
use crate::delivery::Delivery;
use crate::rejection::Malformed;
use crate::scheme::json::{self, JsonPath};

/// The longest type, in bytes.
const MAX_LEN: usize = 512;

/// The type of a batch that is taken as one event, where only its elements have types.
const BATCH: &str = "batch";

/// Where the type stands.
#[derive(Debug, Clone, Default)]
pub(super) struct TypeSource {
    pub(super) header: Option<HeaderName>,
    /// What the header's values are called in the body: `Push Hook` is `push`, `Issue Hook` is one of several.
    pub(super) names: BTreeMap<String, Vec<String>>,
    /// The type in the body, which must agree with the header.
    pub(super) check: Option<JsonPath>,
    /// What is joined to the type with a dot: GitHub's `issues` and `opened`.
    pub(super) action: Option<JsonPath>,
    /// Where the body names it: the first of these that is there.
    pub(super) paths: Vec<JsonPath>,
    /// The type is the last key of the first of these that is there: Telegram's `$.message`.
    pub(super) keys: Vec<JsonPath>,
    /// The type of events that name none.
    pub(super) constant: Option<String>,
    pub(super) unless: Option<Unless>,
}

/// The type of events in which another text than the usual one stands at a path: a revocation bears the type of what is
/// revoked, and says so elsewhere.
#[derive(Debug, Clone)]
pub(super) struct Unless {
    pub(super) path: JsonPath,
    pub(super) usual: String,
    pub(super) kind: String,
}

impl TypeSource {
    /// Forgets what is read from a batch's elements.
    pub(super) fn leave_elements(&mut self) {
        let of_document = |path: &JsonPath| !path.is_of_element();
        self.paths.retain(of_document);
        self.keys.retain(of_document);
        self.check = self.check.take().filter(of_document);
        self.action = self.action.take().filter(of_document);
        self.unless = self.unless.take().filter(|it| of_document(&it.path));
        if self.header.is_none() && self.paths.is_empty() && self.keys.is_empty() {
            self.constant.get_or_insert_with(|| BATCH.to_owned());
        }
    }
}

impl Identity {
    /// The type that all events have, where none says its own.
    pub(crate) fn only_type(&self) -> Option<&str> {
        let kind = &self.plan.kind;
        let says_its_own = kind.header.is_some() || !kind.paths.is_empty() || !kind.keys.is_empty();
        kind.constant.as_deref().filter(|_| !says_its_own)
    }

    pub(super) fn event_type(&self, delivery: &Delivery, facts: &Facts<'_, '_>) -> Result<String, Malformed> {
        if let (Some(unless), Some(slot)) = (&self.plan.kind.unless, self.unless_slot)
            && facts.get(slot).is_some_and(|raw| json::text(raw).is_none_or(|it| it != unless.usual))
        {
            return Ok(unless.kind.clone());
        }
        let kind = match self.announced_type(delivery, facts)? {
            Some(kind) => Some(kind),
            None => self.body_type(facts)?,
        };
        let action = self.action_slot.and_then(|slot| facts.get(slot)).and_then(json::text);
        let action = action.filter(|it| !it.is_empty());
        let kind = match (kind, action) {
            (Some(kind), Some(action)) => Some(format!("{kind}.{action}")),
            (kind, _) => kind.or_else(|| self.present_key(facts)),
        };
        let kind = kind.or_else(|| self.plan.kind.constant.clone()).ok_or(Malformed::TypeMissing)?;
        if (1..=MAX_LEN).contains(&kind.len()) { Ok(kind) } else { Err(Malformed::TypeMissing) }
    }

    /// The type that the header announces. Where the body has a say too, they must agree: the header is hardly ever
    /// signed.
    fn announced_type(
        &self,
        delivery: &Delivery,
        facts: &Facts<'_, '_>,
    ) -> Result<Option<String>, Malformed> {
        let source = &self.plan.kind;
        let Some(name) = &source.header else { return Ok(None) };
        let header = match delivery.headers().get(name) {
            Some(value) => Some(value.to_str().map_err(|_| Malformed::TypeMissing)?),
            None => None,
        };
        let checked = self.check_slot.and_then(|slot| facts.get(slot)).and_then(json::text);
        let announced = match (header, checked) {
            (Some(header), Some(body)) => {
                let agreed = match source.names.get(header) {
                    _ if source.names.is_empty() => Some(header == body),
                    listed => listed.map(|names| names.iter().any(|it| *it == body)),
                };
                match agreed {
                    Some(false) => return Err(Malformed::TypeMismatch),
                    Some(true) => header.to_owned(),
                    // Newer than this list, or a stranger's: only the body's word is known to be the provider's.
                    None => body.into_owned(),
                }
            }
            (None, Some(body)) => body.into_owned(),
            (Some(header), None) => header.to_owned(),
            (None, None) => return Ok(None),
        };
        Ok(Some(announced))
    }

    fn present_key(&self, facts: &Facts<'_, '_>) -> Option<String> {
        let mut keys = self.key_slots.iter().zip(&self.plan.kind.keys);
        let (_, path) = keys.find(|(slot, _)| facts.get(**slot).is_some())?;
        path.last_key().map(str::to_owned)
    }

    fn body_type(&self, facts: &Facts<'_, '_>) -> Result<Option<String>, Malformed> {
        let Some(raw) = self.type_slots.iter().find_map(|slot| facts.get(*slot)) else { return Ok(None) };
        json::text(raw).map(|it| Some(it.into_owned())).ok_or(Malformed::TypeMissing)
    }
}
