//! The JSON text of a body: the body itself, a field of a form, or the form as an object.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::delivery::Delivery;
use crate::rejection::Malformed;
use crate::scheme::request::is_form;

/// What a provider sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BodyKind {
    Json,
    Form {
        field: Option<String>,
    },
    /// A form if the request says so, else JSON.
    ByContentType {
        field: Option<String>,
    },
}

impl BodyKind {
    pub(super) fn json<'d>(&self, delivery: &'d Delivery) -> Result<Cow<'d, Bytes>, Malformed> {
        match self {
            Self::Form { field } => form(delivery, field.as_deref()).map(Cow::Owned),
            Self::ByContentType { field } if is_form(delivery.headers()) => {
                form(delivery, field.as_deref()).map(Cow::Owned)
            }
            Self::Json | Self::ByContentType { .. } => Ok(Cow::Borrowed(delivery.body())),
        }
    }
}

#[cfg(feature = "test-util")]
impl BodyKind {
    /// The inverse of [`BodyKind::json`]: a body like the delivery's that holds this JSON. `None` if it is no form's.
    pub(super) fn write(&self, delivery: &Delivery, json: String) -> Option<Bytes> {
        let field = match self {
            Self::Form { field } => field,
            Self::ByContentType { field } if is_form(delivery.headers()) => field,
            Self::Json | Self::ByContentType { .. } => return Some(json.into()),
        };
        let has =
            |field: &&String| form_urlencoded::parse(delivery.body()).any(|(name, _)| name == field.as_str());
        let mut form = form_urlencoded::Serializer::new(String::new());
        if let Some(field) = field.as_ref().filter(has) {
            return Some(form.append_pair(field, &json).finish().into());
        }
        for (name, value) in serde_json::from_str::<Map<String, Value>>(&json).ok()? {
            let values = if let Value::Array(values) = value { values } else { vec![value] };
            for value in values {
                form.append_pair(&name, &parameter(value)?);
            }
        }
        Some(form.finish().into())
    }
}

/// A form holds texts.
#[cfg(feature = "test-util")]
fn parameter(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Null => Some(String::new()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// The field that holds JSON, or all parameters as an object; those that come twice become lists.
///
/// Nobody signs what a body is said to be. So a body of JSON that is said to be a form is none, and the field that holds
/// JSON stands alone: else a text inside of a genuine event could be taken for the event.
fn form(delivery: &Delivery, field: Option<&str>) -> Result<Bytes, Malformed> {
    if matches!(delivery.body().trim_ascii_start().first(), Some(b'{' | b'[' | b'"')) {
        return Err(Malformed::Body);
    }
    let parameters = || form_urlencoded::parse(delivery.body());
    if let Some(field) = field {
        let mut values = parameters().filter(|(name, _)| name == field).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (Some(_), Some(_)) => return Err(Malformed::DuplicateKey),
            (Some(_), None) if parameters().count() > 1 => return Err(Malformed::Body),
            (Some(json), None) => return Ok(Bytes::from(json.into_owned())),
            (None, _) => {}
        }
    }
    let mut object = Map::new();
    for (name, value) in parameters() {
        let value = Value::String(value.into_owned());
        match object.get_mut(name.as_ref()) {
            None => drop(object.insert(name.into_owned(), value)),
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    serde_json::to_vec(&object).map(Bytes::from).map_err(|_| Malformed::Body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::SourceName;

    #[test]
    fn forms_become_objects() {
        let delivery = |body: &'static str| Delivery::new(SourceName::new("x").expect("legal"), body);
        let json =
            |body, field| form(&delivery(body), field).map(|it| String::from_utf8_lossy(&it).into_owned());
        assert_eq!(json("b=2&a=%2B1&b=3&b=4", None), Ok(r#"{"a":"+1","b":["2","3","4"]}"#.to_owned()));
        assert_eq!(json("payload=%7B%7D", Some("payload")), Ok("{}".to_owned()));
        assert_eq!(json("x=1", Some("payload")), Ok(r#"{"x":"1"}"#.to_owned()));
        assert_eq!(json("payload=1&payload=2", Some("payload")), Err(Malformed::DuplicateKey));
    }

    #[test]
    fn json_is_no_form() {
        let form = |body: &'static str, field| {
            form(&Delivery::new(SourceName::new("x").expect("legal"), body), field)
        };
        for body in [r#"{"title":"&payload={}&"}"#, r#" [{"a":"&payload={}"}]"#, r#""&payload={}&""#, "{}"] {
            assert_eq!(form(body, Some("payload")), Err(Malformed::Body), "{body}");
            assert_eq!(form(body, None), Err(Malformed::Body), "{body}");
        }
        for body in ["x=1&payload=%7B%7D", "payload=%7B%7D&x=1", "payload=%7B%7D&x"] {
            assert_eq!(form(body, Some("payload")), Err(Malformed::Body), "{body}");
        }
    }
}
