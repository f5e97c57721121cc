//! Writing what is read: a body with a payload of one's own, and an event's id and type where they belong.

use bytes::Bytes;
use http::HeaderMap;

use super::{Identity, Plan};
use crate::delivery::Delivery;
use crate::scheme::expect::Expectations;
use crate::scheme::json::{Extract, JsonPath, put, quoted};

impl Identity {
    /// The delivery's body with another payload, which is JSON. What is around the payload is kept; so is whatever names the
    /// event or stands at one of the `others`, if the payload does not say it.
    pub(in crate::scheme) fn with_payload(
        &self,
        delivery: &Delivery,
        payload: &str,
        others: Vec<JsonPath>,
    ) -> Option<Bytes> {
        let text = self.plan.body.json(delivery).ok()?;
        let text = std::str::from_utf8(&text).ok()?;
        let place = self.plan.of_document(&self.plan.payload);
        let mut body = put(text, &place, payload)?;
        for group in self.plan.names().into_iter().chain(others.into_iter().map(|path| vec![path])) {
            let group: Vec<_> = group.iter().map(|path| self.plan.of_document(path)).collect();
            if group.iter().any(|path| find(&body, path).is_some()) {
                continue;
            }
            let found = group.iter().find_map(|path| Some((path, find(text, path)?)));
            if let Some((path, raw)) = found.filter(|(_, raw)| *raw != "\"\"") {
                // A payload that is no object has no room for names.
                body = put(&body, path, raw).unwrap_or(body);
            }
        }
        self.plan.body.write(delivery, body)
    }

    /// The delivery's body, which says what is expected of it.
    pub(in crate::scheme) fn expected(&self, delivery: &Delivery, expected: &Expectations) -> Option<Bytes> {
        let text = self.plan.body.json(delivery).ok()?;
        let text = std::str::from_utf8(&text).ok()?;
        self.plan.body.write(delivery, expected.fulfil(text.to_owned())?)
    }

    /// Whether a place of the document is a part of the payload.
    pub(in crate::scheme) fn is_in_payload(&self, path: &JsonPath) -> bool {
        path.to_string().starts_with(&self.plan.of_document(&self.plan.payload).to_string())
    }

    /// The delivery with this id and type where the identity looks for them, unless something is there already.
    pub(in crate::scheme) fn named(
        &self,
        delivery: &Delivery,
        id: &str,
        event: &str,
    ) -> Option<(HeaderMap, Bytes)> {
        let mut headers = delivery.headers().clone();
        let text = self.plan.body.json(delivery).ok()?;
        let mut body = std::str::from_utf8(&text).ok()?.to_owned();
        let kind = &self.plan.kind;
        let (family, action) = match &kind.action {
            Some(_) => event.split_once('.').unwrap_or((event, "")),
            None => (event, ""),
        };
        let mut fill = |paths: &[&JsonPath], text: &str| {
            let mut paths = paths.iter().map(|path| self.plan.of_document(path));
            let Some(first) = paths.next() else { return };
            if !text.is_empty()
                && !paths.any(|path| find(&body, &path).is_some())
                && find(&body, &first).is_none()
            {
                body = put(&body, &first, &quoted(text)).unwrap_or_else(|| body.clone());
            }
        };
        let in_header = self.plan.id.headers.iter().flatten().any(|name| headers.contains_key(name));
        if !in_header && let Some(first) = self.plan.id.paths.first() {
            let rest = self.plan.id.paths[1..].iter().flatten();
            fill(&first.iter().take(1).chain(rest).collect::<Vec<_>>(), id);
        }
        if kind.keys.is_empty() && kind.constant.as_deref() != Some(event) {
            fill(&kind.paths.iter().collect::<Vec<_>>(), family);
        }
        fill(&kind.action.iter().collect::<Vec<_>>(), action);
        let in_body = |path| find(&body, &self.plan.of_document(path)).is_some();
        if let Some(name) = kind.header.as_ref().filter(|_| !kind.paths.iter().any(in_body)) {
            headers.entry(name).or_insert(family.parse().ok()?);
        }
        Some((headers, self.plan.body.write(delivery, body)?))
    }
}

impl Plan {
    /// Where in the document a place is: of a batch, that of its first element.
    fn of_document(&self, path: &JsonPath) -> JsonPath {
        path.of_document(self.batch.as_ref(), 0)
    }

    /// The places that name an event: of each list the first counts that is there.
    fn names(&self) -> Vec<Vec<JsonPath>> {
        let kind = &self.kind;
        let parts_of_ids = match self.id.paths.as_slice() {
            [only] => only.iter().map(|path| vec![path.clone()]).collect(),
            paths => vec![paths.iter().flatten().cloned().collect()],
        };
        let types = [kind.paths.iter().chain(&kind.keys).cloned().collect()];
        let others = kind.check.iter().chain(&kind.action).map(|path| vec![path.clone()]);
        parts_of_ids.into_iter().chain(types).chain(others).collect()
    }
}

/// The JSON at a path.
fn find<'t>(text: &'t str, path: &JsonPath) -> Option<&'t str> {
    Extract::new([path]).read(text.as_bytes()).ok()?.into_iter().flatten().next()
}
