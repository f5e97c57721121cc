//! A request as the provider would send it, for trying things out.

use std::time::SystemTime;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::document::TableReader;

/// A request as the provider would send it. In headers and body, `{id}` and `{event}` stand for the event's id and
/// type, `{family}` and `{action}` for the parts of a type that is made of two, `{now}` and `{now_ms}` for the time, and
/// `{signature}` for a signature that stands in the body.
#[derive(Debug, Clone)]
pub(crate) struct Example {
    /// The event type that it is of, unless another is wanted.
    pub(crate) event: String,
    headers: Vec<(HeaderName, String)>,
    body: String,
}

impl Example {
    pub(super) fn read(reader: TableReader<'_>) -> Option<Self> {
        let event = reader.string("event");
        let body = reader.string("body");
        let mut headers = Vec::new();
        if let Some(table) = reader.table("headers") {
            for (name, value) in table.string_entries() {
                match name.parse() {
                    Ok(name) => headers.push((name, value)),
                    Err(_) => table.problem(name, "not a header's name", "write it as it is sent"),
                }
            }
            table.finish();
        }
        for (key, value) in [("event", &event), ("body", &body)] {
            if value.is_none() && !reader.has(key) {
                reader.problem(
                    key,
                    "is missing",
                    "an example has an `event`, a `body`, and maybe [example.headers]",
                );
            }
        }
        reader.finish();
        Some(Self { event: event?, headers, body: body? })
    }

    /// Headers and body for this id, event type and time; only the signature is missing.
    pub(super) fn filled(&self, id: &str, event: &str, at: SystemTime) -> (HeaderMap, Bytes) {
        // GitHub's header has the family, and its body the action: `issues.opened`.
        let (family, action) = event.split_once('.').unwrap_or((event, ""));
        let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (seconds, millis) = (since.as_secs().to_string(), since.as_millis().to_string());
        let fill = |text: &str| {
            let text = text.replace("{id}", id).replace("{event}", event);
            let text = text.replace("{now}", &seconds).replace("{now_ms}", &millis);
            text.replace("{family}", family).replace("{action}", action)
        };
        let header = |(name, value): &(HeaderName, String)| {
            Some((name.clone(), HeaderValue::from_str(&fill(value)).ok()?))
        };
        let mut headers: HeaderMap = self.headers.iter().filter_map(header).collect();
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        (headers, fill(&self.body).into())
    }
}
