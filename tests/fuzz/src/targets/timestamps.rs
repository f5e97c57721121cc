//! Signed times: of whatever text, truly signed, the time is read as another library reads it, or refused.

use std::time::SystemTime;

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue};
use sha2::Sha256;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::chosen;
use crate::receiver::{NOW, Receiver, Verdict, at, delivery};
use crate::target::{Kind, Target};

const SECRET: &str = "a secret for fuzzing";
const UNITS: [&str; 3] = ["seconds", "milliseconds", "rfc3339"];
/// How far before and behind the time of receipt is still in time, in nanoseconds.
const PAST: i128 = 300_000_000_000;
const FUTURE: i128 = 60_000_000_000;
const SECOND: i128 = 1_000_000_000;

/// The first byte chooses the unit, the others are the time.
pub(super) struct Timestamps(Receiver);

impl Timestamps {
    pub(super) fn new() -> Self {
        let source = |unit: &str| {
            format!(
                "[sources.{unit}]\nsecret = \"{SECRET} {unit}\"\n\
                 [sources.{unit}.scheme.identity]\nno_id = true\ntype_constant = \"event\"\n\
                 [sources.{unit}.scheme.signature]\nheader = \"x-signature\"\nalgorithm = \"hmac-sha256\"\n\
                 content = \"{{timestamp}}.{{body}}\"\n\
                 timestamp = {{ header = \"x-time\", unit = \"{unit}\", past = \"300s\", future = \"60s\" }}\n"
            )
        };
        Self(Receiver::new(&UNITS.map(source).concat()))
    }
}

impl Target for Timestamps {
    fn seeds(&self) -> Vec<Vec<u8>> {
        let texts = [
            "01700000000",
            "01699999700",
            "01699999699",
            "01700000060",
            "01700000061",
            "00",
            "0999999999999",
            "11700000000000",
            "11699999699001",
            "1999999999999999",
            "22023-11-14T22:13:20Z",
            "22023-11-14T22:13:20.5+00:00",
            "22023-11-15T00:13:19.999999999+02:00",
            "22024-02-29T00:00:00Z",
            "21970-01-01T00:00:00-23:59",
        ];
        texts.iter().map(|text| text.as_bytes().to_vec()).collect()
    }

    fn words(&self) -> &[&'static str] {
        &[
            "0",
            "1",
            "9",
            "-",
            "+",
            ":",
            ".",
            "T",
            "Z",
            "23",
            "59",
            "60",
            "02-29",
            "+00:00",
            "-00:00",
            "1700000000",
        ]
    }

    fn kinds(&self) -> &[Kind] {
        &["in time", "too old", "too new", "malformed"]
    }

    fn check(&mut self, input: &[u8]) -> Result<Kind, String> {
        let Some((choice, text)) = input.split_first() else { return Ok("empty") };
        let unit = *chosen(&UNITS, *choice);
        let Ok(value) = HeaderValue::from_bytes(text) else { return Ok("no header") };
        // A comma would be two headers that a proxy joined.
        let legible = std::str::from_utf8(text).ok().filter(|it| value.to_str().is_ok() && !it.contains(','));
        let time = legible.and_then(|text| read(unit, text));
        let mut headers = HeaderMap::new();
        headers.insert("x-signature", sign(unit, text));
        headers.insert("x-time", value);
        let verdict = self.0.take(delivery(unit, b"{}").with_headers(headers));
        let expected = time.map_or("malformed", |time| expected(time));
        let came = match &verdict {
            Verdict::Accepted(_) => "in time",
            Verdict::Refused(reason) => match reason.as_str() {
                "expired" => "too old",
                "from_the_future" => "too new",
                "timestamp_malformed" | "header_repeated" => "malformed",
                other => return Err(format!("{unit}: {other}")),
            },
        };
        if came != expected {
            return Err(format!("{unit}: {came} instead of {expected} ({time:?})"));
        }
        if let (Verdict::Accepted(events), Some(time)) = (&verdict, time) {
            let told = events.first().and_then(webhooks::WebhookEvent::signed_at).map(nanoseconds);
            if told != Some(time) {
                return Err(format!("{unit}: signed at {told:?} instead of {time}"));
            }
        }
        Ok(expected)
    }
}

/// The age counts in whole seconds, as in the vendors' own libraries.
fn expected(time: i128) -> Kind {
    let now = i128::from(NOW) * SECOND;
    match now - time {
        age if age >= PAST + SECOND => "too old",
        age if -age > FUTURE => "too new",
        _ => "in time",
    }
}

/// Nanoseconds since 1970.
fn read(unit: &str, text: &str) -> Option<i128> {
    let number = |most: usize| {
        let digits = text.bytes().all(|it| it.is_ascii_digit()) && (1..=most).contains(&text.len());
        let canonical = text == "0" || !text.starts_with('0');
        if digits && canonical { text.parse::<i128>().ok() } else { None }
    };
    match unit {
        "seconds" => number(12).map(|it| it * SECOND),
        "milliseconds" => number(15).map(|it| it * 1_000_000),
        _ if !is_strict(text) => None,
        _ => {
            let nanoseconds = OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp_nanos();
            (nanoseconds >= 0).then_some(nanoseconds)
        }
    }
}

/// The RFC allows small letters, a space between, leap seconds and any number of digits; here they are refused.
fn is_strict(text: &str) -> bool {
    let bytes = text.as_bytes();
    let fraction =
        text.split_once('.').map_or(0, |(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count());
    let offset = bytes.last() == Some(&b'Z') || bytes.len() >= 6 && bytes[bytes.len() - 3] == b':';
    bytes.get(10) == Some(&b'T') && bytes.get(17..19) != Some(b"60") && fraction <= 9 && offset
}

fn nanoseconds(time: SystemTime) -> i128 {
    time.duration_since(at(0)).map_or(-1, |it| i128::try_from(it.as_nanos()).unwrap_or(i128::MAX))
}

fn sign(unit: &str, time: &[u8]) -> HeaderValue {
    let key = format!("{SECRET} {unit}");
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let tag = mac.chain_update(time).chain_update(b".{}").finalize().into_bytes();
    HeaderValue::from_str(&hex::encode(tag)).unwrap_or_else(|error| panic!("{error}"))
}
