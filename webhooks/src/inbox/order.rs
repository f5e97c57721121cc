//! What events must be handled in order of arrival: those with the same value at one place.

use xxhash_rust::xxh3::xxh3_128;

/// Stands for the value that events are ordered by. Never the value itself: it may name a person.
pub(crate) type OrderKey = [u8; 16];

/// The value at a JSON pointer ([RFC 6901](https://www.rfc-editor.org/rfc/rfc6901)), as a key.
///
/// The pointer goes into the whole body; in a batch, whose body is many events, into the event's own payload. Where
/// there is no such value, or none that could be a name, the event is ordered by nothing.
pub(crate) fn key(pointer: &str, body: &[u8], payload: &[u8]) -> Option<OrderKey> {
    [body, payload].into_iter().find_map(|json| {
        let document: serde_json::Value = serde_json::from_slice(json).ok()?;
        let text = match document.pointer(pointer)? {
            serde_json::Value::String(text) if !text.is_empty() => text.clone(),
            serde_json::Value::Number(number) => number.to_string(),
            _ => return None,
        };
        // Everything hashed here was signed. Two values of one hash would be ordered among each other, nothing worse.
        Some(xxh3_128(text.as_bytes()).to_be_bytes())
    })
}

/// Whether the text is a JSON pointer to something inside.
pub(crate) fn is_pointer(text: &str) -> bool {
    text.starts_with('/')
        && text.split('~').skip(1).all(|after| after.starts_with('0') || after.starts_with('1'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_value_is_the_same_key() {
        let pointer = "/data/object/customer";
        let one = br#"{"data":{"object":{"customer":"cus_1"}}}"#;
        let two = br#"{"n":2,"data":{"object":{"customer":"cus_1"}}}"#;
        let other = br#"{"data":{"object":{"customer":"cus_2"}}}"#;
        assert!(key(pointer, one, b"").is_some());
        assert_eq!(key(pointer, one, b""), key(pointer, two, b""));
        assert_ne!(key(pointer, one, b""), key(pointer, other, b""));
    }

    #[test]
    fn in_a_batch_it_is_the_events_own() {
        let batch = br#"[{"user":7},{"user":8}]"#;
        assert_eq!(key("/user", batch, br#"{"user":7}"#), key("/user", br#"{"user":"7"}"#, b""));
    }

    #[test]
    fn what_is_not_there_orders_nothing() {
        for body in ["", "{}", r#"{"user":null}"#, r#"{"user":{}}"#, r#"{"user":""}"#, "a=b"] {
            assert_eq!(key("/user", body.as_bytes(), body.as_bytes()), None, "{body}");
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
