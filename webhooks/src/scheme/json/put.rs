//! Writing to one place of a JSON text: the rest of it stays as it is, byte for byte.

use std::ops::Range;

use super::{Extract, JsonPath};

/// The text with a value, which is JSON itself, at a place of the document. Objects and lists on the way there are made
/// where they are missing; `None` if something else stands in the way.
pub(in crate::scheme) fn put(text: &str, path: &JsonPath, value: &str) -> Option<String> {
    if let Some(place) = place(text, path)? {
        return Some(format!("{}{value}{}", &text[..place.start], &text[place.end..]));
    }
    let (object, key) = path.split_last()?;
    if key == "[0]" && self::place(text, &object)?.is_none() {
        return put(text, &object, &format!("[{value}]"));
    }
    if key.starts_with('[') {
        return None;
    }
    let member = format!("{}:{value}", quoted(key));
    let Some(place) = self::place(text, &object)? else {
        return put(text, &object, &format!("{{{member}}}"));
    };
    let members = text[place.clone()].strip_prefix('{')?;
    let comma = if members.trim_ascii_start().starts_with('}') { "" } else { "," };
    Some(format!("{}{{{member}{comma}{members}{}", &text[..place.start], &text[place.end..]))
}

/// A text as JSON.
pub(in crate::scheme) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Where the value at a path stands, if there is one; `None` if the text cannot be read.
fn place(text: &str, path: &JsonPath) -> Option<Option<Range<usize>>> {
    let found = Extract::new([path]).read(text.as_bytes()).ok()?;
    let raw = found.into_iter().flatten().next();
    // What is found is a part of the text, not a copy.
    Some(raw.map(|raw| {
        let start = raw.as_ptr().addr() - text.as_ptr().addr();
        start..start + raw.len()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, path: &str, value: &str) -> Option<String> {
        put(text, &JsonPath::parse(path).expect("a path"), value)
    }

    #[test]
    fn what_is_there_is_replaced() {
        assert_eq!(
            written(r#"{ "a": [1, {"b":2}] }"#, "$.a[1].b", "3").as_deref(),
            Some(r#"{ "a": [1, {"b":3}] }"#)
        );
        assert_eq!(written(" 1 ", "$", "{}").as_deref(), Some(" {} "));
    }

    #[test]
    fn what_is_not_there_is_made() {
        assert_eq!(written("{}", "$.a.b", "1").as_deref(), Some(r#"{"a":{"b":1}}"#));
        assert_eq!(written(r#"{ "a": {} }"#, "$.a.b", "1").as_deref(), Some(r#"{ "a": {"b":1} }"#));
        assert_eq!(written("{}", "$.a[0].b", "1").as_deref(), Some(r#"{"a":[{"b":1}]}"#));
        assert_eq!(written(r#"{"c":2}"#, "$.a", "1").as_deref(), Some(r#"{"a":1,"c":2}"#));
    }

    #[test]
    fn nothing_is_written_where_something_else_stands() {
        for (text, path) in
            [("[]", "$[0]"), ("{}", "$.a[1]"), (r#"{"a":1}"#, "$.a.b"), ("[]", "$.a"), ("nonsense", "$.a")]
        {
            assert_eq!(written(text, path, "1"), None, "{text}");
        }
    }
}
