//! What events must be handled in order of arrival: those with the same value at one place.

use std::cell::OnceCell;

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_128;

/// Stands for the value that events are ordered by. Never the value itself: it may name a person.
pub(crate) type OrderKey = [u8; 16];

/// What an event may be ordered by. It is parsed once, however many listeners ask, and not at all if none does.
#[derive(Debug)]
pub(crate) struct Ordered<'e> {
    body: Option<&'e [u8]>,
    payload: &'e [u8],
    document: OnceCell<Option<Value>>,
}

impl<'e> Ordered<'e> {
    /// An event that is a delivery's only one: pointers go into the whole body; into the payload if that is a form.
    pub(crate) fn by_body(body: &'e [u8], payload: &'e [u8]) -> Self {
        Self { body: Some(body), payload, document: OnceCell::new() }
    }

    /// An event of a batch, whose body is many events: pointers go into its own payload.
    pub(crate) fn by_payload(payload: &'e [u8]) -> Self {
        Self { body: None, payload, document: OnceCell::new() }
    }

    /// The value at a JSON pointer ([RFC 6901](https://www.rfc-editor.org/rfc/rfc6901)), as a key. Where there is no such
    /// value, or none that could be a name, the event is ordered by nothing.
    pub(crate) fn key(&self, pointer: &str) -> Option<OrderKey> {
        let text = match self.document()?.pointer(pointer)? {
            Value::String(text) if !text.is_empty() => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        // Everything hashed here was signed. Two values of one hash would be ordered among each other, nothing worse.
        Some(xxh3_128(text.as_bytes()).to_be_bytes())
    }

    fn document(&self) -> Option<&Value> {
        let parse = |json: &[u8]| serde_json::from_slice(json).ok();
        let document =
            self.document.get_or_init(|| self.body.and_then(parse).or_else(|| parse(self.payload)));
        document.as_ref()
    }
}

/// Whether the text is a JSON pointer to something inside.
pub(crate) fn is_pointer(text: &str) -> bool {
    text.starts_with('/')
        && text.split('~').skip(1).all(|after| after.starts_with('0') || after.starts_with('1'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(pointer: &str, body: &str) -> Option<OrderKey> {
        Ordered::by_body(body.as_bytes(), b"").key(pointer)
    }

    #[test]
    fn the_same_value_is_the_same_key() {
        let pointer = "/data/object/customer";
        let one = r#"{"data":{"object":{"customer":"cus_1"}}}"#;
        let two = r#"{"n":2,"data":{"object":{"customer":"cus_1"}}}"#;
        let other = r#"{"data":{"object":{"customer":"cus_2"}}}"#;
        assert!(key(pointer, one).is_some());
        assert_eq!(key(pointer, one), key(pointer, two));
        assert_ne!(key(pointer, one), key(pointer, other));
    }

    #[test]
    fn in_a_batch_it_is_the_events_own() {
        let seven = Ordered::by_payload(br#"{"user":7}"#);
        assert_eq!(seven.key("/user"), key("/user", r#"{"user":"7"}"#));
        assert_ne!(seven.key("/user"), Ordered::by_payload(br#"{"user":8}"#).key("/user"));
    }

    #[test]
    fn of_a_form_it_is_what_was_made_of_it() {
        let form = Ordered::by_body(b"From=7&To=8", br#"{"From":"7","To":"8"}"#);
        assert_eq!(form.key("/From"), key("/user", r#"{"user":7}"#));
    }

    #[test]
    fn what_is_not_there_orders_nothing() {
        for body in ["", "{}", r#"{"user":null}"#, r#"{"user":{}}"#, r#"{"user":""}"#, "a=b"] {
            assert_eq!(key("/user", body), None, "{body}");
        }
    }

    #[test]
    fn pointers() {
        for good in ["/a", "/data/object/customer", "/a~1b/0", "/~0"] {
            assert!(is_pointer(good), "{good}");
        }
        for bad in ["", "a", "a/b", "/~", "/a~2"] {
            assert!(!is_pointer(bad), "{bad}");
        }
    }
}
