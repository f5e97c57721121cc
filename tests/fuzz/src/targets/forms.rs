//! Forms: their parameters are read as a plain reading of the standard has them, and print as they were read.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::receiver::{Receiver, Verdict, delivery};
use crate::target::{Kind, Target};

/// Two sources: one takes the parameters for the payload, the other a parameter that holds JSON.
pub(super) struct Forms(Receiver);

impl Forms {
    pub(super) fn new() -> Self {
        let source = |name: &str, lines: &str| {
            format!(
                "[sources.{name}]\nvalidator = \"none\"\n\
                 [sources.{name}.scheme.signature]\nalgorithm = \"none\"\n\
                 [sources.{name}.scheme.identity]\nbody = \"form\"\nno_id = true\ntype_constant = \"event\"\n{lines}\n"
            )
        };
        Self(Receiver::new(&(source("plain", "") + &source("field", "form_field = \"payload\""))))
    }

    fn payload(&self, source: &str, body: &[u8]) -> Option<Value> {
        match self.0.take(delivery(source, body)) {
            Verdict::Accepted(events) => serde_json::from_slice(events.first()?.payload()).ok(),
            Verdict::Refused(_) => None,
        }
    }
}

impl Target for Forms {
    fn seeds(&self) -> Vec<Vec<u8>> {
        let texts: [&[u8]; 9] = [
            b"",
            b"a=1&b=2&a=3",
            b"From=%2B15551234567&Body=Gr%C3%BC%C3%9Fe+%26+more",
            b"payload=%7B%22a%22%3A1%7D",
            b"payload=%7B%22a%22%3A1%7D&x=1",
            b" {\"a\":\"&payload=%7B%7D\"}",
            b"payload=%7B%7D&payload=1",
            b"&&=&=x&a&a=%&b=%zz%4",
            b"\xff=%FF%F0%9F",
        ];
        texts.map(<[u8]>::to_vec).to_vec()
    }

    fn words(&self) -> &[&'static str] {
        &[
            "&", "=", "+", "%", "%26", "%3D", "%C3%BC", "%FF", "payload", "payload=", "{", "}", "a=", "%22",
            "[1]",
        ]
    }

    fn kinds(&self) -> &[Kind] {
        &[
            "parameters",
            "JSON in a field",
            "a field that is no JSON",
            "a field that comes twice",
            "a field beside others",
            "JSON itself",
        ]
    }

    fn check(&mut self, input: &[u8]) -> Result<Kind, String> {
        if matches!(input.trim_ascii_start().first(), Some(b'{' | b'[' | b'"')) {
            // Nobody signs what a body is said to be: JSON is never read as a form.
            let came = ["plain", "field"].map(|source| self.payload(source, input));
            return if came == [None, None] { Ok("JSON itself") } else { Err(format!("a form: {came:?}")) };
        }
        let parameters: Vec<_> = parameters(input).collect();
        let expected = Value::Object(object(&parameters));
        let came = self.payload("plain", input);
        if came.as_ref() != Some(&expected) {
            return Err(format!("{came:?} instead of {expected}"));
        }
        let mut printed = form_urlencoded::Serializer::new(String::new());
        printed.extend_pairs(&parameters);
        let printed = printed.finish();
        if self.payload("plain", printed.as_bytes()).as_ref() != Some(&expected) {
            return Err(format!("printed, it reads otherwise: {printed}"));
        }
        let fields: Vec<_> = parameters.iter().filter(|(name, _)| name == "payload").collect();
        let (kind, expected) = match fields.as_slice() {
            [] => ("parameters", Some(expected)),
            [_] if parameters.len() > 1 => ("a field beside others", None),
            [(_, json)] => match serde_json::from_str(json) {
                Ok(json @ (Value::Object(_) | Value::Array(_))) => ("JSON in a field", Some(json)),
                // What serde_json skips, it does not read: whether it can be read does not matter here.
                _ if serde_json::from_str::<serde::de::IgnoredAny>(json).is_ok() => {
                    return Ok("JSON of another kind");
                }
                _ => ("a field that is no JSON", None),
            },
            _ => ("a field that comes twice", None),
        };
        let came = self.payload("field", input);
        if came == expected { Ok(kind) } else { Err(format!("{kind}: {came:?} instead of {expected:?}")) }
    }
}

/// `application/x-www-form-urlencoded`, as the URL standard reads it.
fn parameters(body: &[u8]) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    body.split(|byte| *byte == b'&').filter(|piece| !piece.is_empty()).map(|piece| {
        let at = piece.iter().position(|byte| *byte == b'=');
        let (name, value) = at.map_or((piece, &piece[piece.len()..]), |at| (&piece[..at], &piece[at + 1..]));
        (decoded(name), decoded(value))
    })
}

fn decoded(text: &[u8]) -> Cow<'static, str> {
    let mut bytes = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let digits = text.get(at + 1..at + 3).filter(|it| it.iter().all(u8::is_ascii_hexdigit));
        match (text[at], digits) {
            (b'%', Some(digits)) => {
                let digits = String::from_utf8_lossy(digits);
                bytes.push(u8::from_str_radix(&digits, 16).unwrap_or_default());
                at += 3;
                continue;
            }
            (b'+', _) => bytes.push(b' '),
            (byte, _) => bytes.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&bytes).into_owned().into()
}

/// One of a name is a text, several are a list.
fn object(parameters: &[(Cow<'_, str>, Cow<'_, str>)]) -> Map<String, Value> {
    let values = |name: &str| {
        let all = parameters.iter().filter(|it| it.0 == name).map(|it| Value::from(it.1.as_ref()));
        let mut all: Vec<_> = all.collect();
        if all.len() == 1 { all.remove(0) } else { Value::from(all) }
    };
    parameters.iter().map(|(name, _)| (name.to_string(), values(name))).collect()
}
