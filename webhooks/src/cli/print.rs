//! Answers as text.

use std::fmt::Write;

use crate::inbox::handle::ListenerBacklog;
use crate::inbox::record::{self, EventRecord, EventSummary, Replayed, ago};

pub(super) fn list(events: &[EventSummary]) -> String {
    let mut text = String::new();
    for event in events {
        let EventSummary { number, source, pending, done, dead, .. } = event;
        let (kind, id) =
            (event.event_type.escape_debug(), event.event_id.as_deref().unwrap_or("-").escape_debug());
        let age = ago(event.received_at);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{number:>8}  {age:>12}  {source}  {kind}  {id}  pending {pending}, done {done}, dead {dead}"
        );
    }
    if events.is_empty() { "Nothing is selected.\n".to_owned() } else { text }
}

pub(super) fn show(record: &EventRecord) -> String {
    let id = record.summary.event_id.as_deref().unwrap_or("none");
    let body =
        record.body_bytes.map_or_else(|| "not kept any more".to_owned(), |bytes| format!("{bytes} bytes"));
    format!("{}  The provider's id: {}. Body: {body}.\n", record::tell(record), id.escape_debug())
}

pub(super) fn replayed(replayed: Replayed) -> String {
    match replayed {
        Replayed { runs, without_body: 0 } => format!("{runs} runs begin afresh.\n"),
        Replayed { runs, without_body } => {
            format!(
                "{runs} runs begin afresh; {without_body} cannot, since their body is not kept any more.\n"
            )
        }
    }
}

pub(super) fn backlog(listeners: &[ListenerBacklog]) -> String {
    let mut text = String::new();
    for ListenerBacklog { listener, pending, dead, oldest_pending } in listeners {
        let oldest = oldest_pending.map(|it| format!(", the oldest {}", ago(it))).unwrap_or_default();
        let _ = writeln!(text, "{listener}: pending {pending}{oldest}; dead {dead}");
    }
    if listeners.is_empty() { "Nothing is pending or dead.\n".to_owned() } else { text }
}

pub(super) fn ended(mut text: String) -> String {
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
