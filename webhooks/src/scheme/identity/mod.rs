//! What happened: id, type and payload, out of a verified delivery.

mod body;
#[cfg(feature = "test-util")]
mod compose;
mod id;
mod keys;
mod kind;
mod read;

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::json::{Extract, Flaw, JsonPath};
use super::request::legible;
use crate::delivery::Delivery;
use crate::rejection::{Malformed, Rejection};
use body::BodyKind;
use id::IdSource;
pub(super) use keys::{IDENTITY, VARIANT_IDENTITY};
use kind::TypeSource;

/// Where a provider puts id, type and payload. All paths are compiled, and a body is read in one pass.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    plan: Plan,
    /// The headers that are read.
    headers: Vec<HeaderName>,
    document: Extract,
    element: Extract,
    within: Extract,
    id_slots: Vec<Vec<Slot>>,
    type_slots: Vec<Slot>,
    key_slots: Vec<Slot>,
    check_slot: Option<Slot>,
    action_slot: Option<Slot>,
    unless_slot: Option<Slot>,
    payload_slot: Option<Slot>,
    batch_slot: Option<Slot>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) id: Option<String>,
    pub(crate) event_type: String,
    /// A range of the delivery's body, unless that is a form.
    pub(crate) payload: Bytes,
    /// The batch's element that it is, another such range; `None` where the whole delivery is the event.
    pub(crate) element: Option<Bytes>,
}

/// The parts of a delivery: nearly always one, which is in place.
pub(crate) type Parts = SmallVec<[Part; 1]>;

/// An [`Identity`] as it is written.
#[derive(Debug, Clone)]
struct Plan {
    body: BodyKind,
    id: IdSource,
    kind: TypeSource,
    payload: JsonPath,
    batch: Option<JsonPath>,
    /// Lists inside of a batch's elements, which hold the events then.
    within: Vec<JsonPath>,
}

/// Where a path's finding is: among those of the document, or of the batch's element.
#[derive(Debug, Clone, Copy)]
struct Slot {
    of_element: bool,
    index: usize,
}

/// What was found in one document and, in a batch, one of its elements.
struct Facts<'f, 't> {
    document: &'f [Option<&'t str>],
    element: &'f [Option<&'t str>],
}

impl<'t> Facts<'_, 't> {
    fn get(&self, slot: Slot) -> Option<&'t str> {
        if slot.of_element { self.element[slot.index] } else { self.document[slot.index] }
    }
}

impl Identity {
    /// The parts of a delivery: one, or as many as its batch holds.
    pub(crate) fn identify(&self, delivery: &Delivery) -> Result<Parts, Malformed> {
        let text = self.plan.body.json(delivery)?;
        let document = self.document.read(&text)?;
        // An event is an object or a list. The input of a challenge, signed with the same key, may be a number.
        if !matches!(text.trim_ascii_start().first(), Some(b'{' | b'[')) {
            return Err(Malformed::Body);
        }
        let Some(batch) = self.batch_slot else {
            let facts = Facts { document: &document, element: &[] };
            let id = self.id(delivery, &facts)?;
            return Ok(Parts::from_buf([self.part(delivery, &text, &facts, id, None)?]));
        };
        let elements = self.events_in(document[batch.index])?;
        let parts = elements.iter().enumerate().map(|(position, raw)| {
            let element = self.element.read(raw.get().as_bytes())?;
            let facts = Facts { document: &document, element: &element };
            let id = self.element_id(delivery, &facts, raw.get(), position)?;
            self.part(delivery, &text, &facts, id, Some(raw.get()))
        });
        parts.collect()
    }

    /// The JSON text of a delivery's body, which may be a form.
    pub(crate) fn json<'d>(&self, delivery: &'d Delivery) -> Result<Cow<'d, Bytes>, Malformed> {
        self.plan.body.json(delivery)
    }

    /// The texts of a batch's elements; none if the body is no batch.
    pub(crate) fn elements<'b>(&self, body: &'b [u8]) -> Vec<&'b str> {
        let Some(batch) = self.batch_slot else { return Vec::new() };
        let document = self.document.read(body).unwrap_or_default();
        let found = document.get(batch.index).copied().flatten();
        self.events_in(found).unwrap_or_default().into_iter().map(RawValue::get).collect()
    }

    /// The elements of a batch; in the place of one that holds lists of events, these.
    fn events_in<'t>(&self, batch: Option<&'t str>) -> Result<Vec<&'t RawValue>, Malformed> {
        let elements = list(batch.ok_or(Malformed::BatchMissing)?)?;
        if self.plan.within.is_empty() {
            return Ok(elements);
        }
        let mut events = Vec::new();
        for element in elements {
            let mut lists = self.within.read(element.get().as_bytes())?.into_iter().flatten().peekable();
            if lists.peek().is_none() {
                events.push(element);
            }
            for raw in lists {
                events.extend(list(raw)?);
            }
        }
        Ok(events)
    }

    /// Whether events of this provider have ids at all.
    pub(crate) fn has_id(&self) -> bool {
        !self.plan.id.is_none()
    }

    /// Whether an event may come without an id.
    #[cfg(feature = "postgres")]
    pub(crate) fn may_lack_id(&self) -> bool {
        !self.has_id() || self.plan.id.optional
    }

    /// Whether the signature speaks for the id.
    pub(crate) fn id_is_signed(&self) -> bool {
        self.plan.id.signed
    }

    /// Whether the id is a token that must not come again with another body.
    pub(crate) fn binds_body(&self) -> bool {
        self.plan.id.bind_body
    }

    /// Whether every body is JSON, whatever it is said to be.
    pub(crate) fn is_json(&self) -> bool {
        self.plan.body == BodyKind::Json
    }

    /// Whether a delivery may hold several events.
    pub(crate) fn is_batch(&self) -> bool {
        self.plan.batch.is_some()
    }

    /// The same provider, each delivery taken as one event: its payload is the whole body.
    pub(crate) fn without_batch(&self) -> Self {
        let mut plan = self.plan.clone();
        if plan.batch.take().is_some() {
            plan.payload = JsonPath::root();
            plan.within.clear();
            plan.id.leave_elements();
            plan.kind.leave_elements();
        }
        Self::new(plan)
    }

    /// The headers that are read.
    pub(crate) fn headers(&self) -> Vec<HeaderName> {
        self.headers.clone()
    }

    /// Rejects a request in which one of them comes twice or is no text: which of the two counts must not be a
    /// stranger's to choose.
    pub(crate) fn check_headers(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        self.headers.iter().try_for_each(|name| legible(headers, name))
    }

    /// The header that carries the id; of several that make it up, the last.
    pub(crate) fn id_header(&self) -> Option<&HeaderName> {
        self.plan.id.headers.first()?.last()
    }

    fn new(plan: Plan) -> Self {
        let (mut document, mut element) = (Vec::new(), Vec::new());
        let mut slot = |path: &JsonPath| {
            let paths = if path.is_of_element() { &mut element } else { &mut document };
            paths.push(path.clone());
            Slot { of_element: path.is_of_element(), index: paths.len() - 1 }
        };
        let id_slots = plan.id.paths.iter().map(|it| it.iter().map(&mut slot).collect()).collect();
        let type_slots = plan.kind.paths.iter().map(&mut slot).collect();
        let key_slots = plan.kind.keys.iter().map(&mut slot).collect();
        let check_slot = plan.kind.check.as_ref().map(&mut slot);
        let action_slot = plan.kind.action.as_ref().map(&mut slot);
        let unless_slot = plan.kind.unless.as_ref().map(|it| slot(&it.path));
        let payload_slot = Some(&plan.payload).filter(|it| !it.is_root()).map(&mut slot);
        let batch_slot = plan.batch.as_ref().map(&mut slot);
        Self {
            headers: plan.id.headers.iter().flatten().chain(&plan.kind.header).cloned().collect(),
            document: Extract::new(&document),
            element: Extract::new(&element),
            within: Extract::new(&plan.within),
            id_slots,
            type_slots,
            key_slots,
            check_slot,
            action_slot,
            unless_slot,
            payload_slot,
            batch_slot,
            plan,
        }
    }

    fn part(
        &self,
        delivery: &Delivery,
        text: &Bytes,
        facts: &Facts<'_, '_>,
        id: Option<String>,
        element: Option<&str>,
    ) -> Result<Part, Malformed> {
        let raw = match (self.payload_slot, element) {
            // Thin events have no object to point at; they are their own payload.
            (Some(slot), element) => facts.get(slot).or(element),
            (None, Some(element)) if self.plan.payload.is_of_element() => Some(element),
            (None, _) => None,
        };
        // Every finding borrows from `text`, so that this is a range of it and no copy.
        let payload = raw.map_or_else(|| text.clone(), |raw| text.slice_ref(raw.as_bytes()));
        let element = element.map(|raw| text.slice_ref(raw.as_bytes()));
        Ok(Part { id, event_type: self.event_type(delivery, facts)?, payload, element })
    }
}

fn list(raw: &str) -> Result<Vec<&RawValue>, Malformed> {
    serde_json::from_str(raw).map_err(|_| Malformed::BatchMissing)
}

impl From<Flaw> for Malformed {
    fn from(flaw: Flaw) -> Self {
        match flaw {
            Flaw::NotJson => Self::Body,
            Flaw::DuplicateKey => Self::DuplicateKey,
        }
    }
}
