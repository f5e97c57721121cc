//! Signature headers: of whatever text, a delivery is accepted exactly if the documentation of its format says so.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderValue;
use sha2::Sha256;

use super::chosen;
use crate::receiver::{NOW, Receiver, Verdict, delivery};
use crate::target::{Kind, Target};

const SECRET: &str = "a secret for fuzzing";
const BODY: &str = "{\"a\":1}";
/// The most signatures of a delivery that are looked at, and the most groups of pairs.
const MOST: usize = 16;
/// How far from now a signed time may be, in seconds.
const WINDOW: u64 = 300;

/// How a header is read, and the lines of `[signature]` that say so.
const FORMATS: [(&str, Format, &str); 10] = [
    ("raw", Format::Raw, ""),
    ("raw-base64", Format::Raw, "encoding = \"base64\""),
    ("prefix", Format::Prefix { optional: false }, "prefix = \"sha256=\""),
    ("prefix-optional", Format::Prefix { optional: true }, "prefix = \"sha256=\"\nprefix_optional = true"),
    ("pairs", Format::Pairs { grouped: false }, "format = \"pairs\"\nkey = \"v1\"\ntimestamp.pair = \"t\""),
    (
        "pairs-grouped",
        Format::Pairs { grouped: true },
        "format = \"pairs\"\nkey = \"v1\"\ngroup = \" \"\ntimestamp.pair = \"t\"",
    ),
    ("labelled", Format::Labelled { optional: false }, "format = \"labelled\"\nlabel = \"v1\""),
    (
        "labelled-optional",
        Format::Labelled { optional: true },
        "format = \"labelled\"\nlabel = \"v1\"\nlabel_optional = true\nencoding = \"base64\"",
    ),
    ("positional", Format::Positional, "format = \"positional\"\ntimestamp.position = 0"),
    ("token", Format::Bearer, "algorithm = \"token\"\nprefix = \"Bearer \""),
];

#[derive(Clone, Copy)]
enum Format {
    Raw,
    Prefix { optional: bool },
    Pairs { grouped: bool },
    Labelled { optional: bool },
    Positional,
    Bearer,
}

/// The first byte chooses the format, the others are the header.
pub(super) struct Formats(Receiver);

impl Formats {
    pub(super) fn new() -> Self {
        let source = |(name, format, lines): &(&str, Format, &str)| {
            let algorithm = if lines.contains("algorithm") { "" } else { "algorithm = \"hmac-sha256\"\n" };
            let content = if format.is_timed() { "content = \"{timestamp}.{body}\"\n" } else { "" };
            format!(
                "[sources.{name}]\nsecret = \"{SECRET} {name}\"\n\
                 [sources.{name}.scheme.identity]\nno_id = true\ntype_constant = \"event\"\n\
                 [sources.{name}.scheme.signature]\nheader = \"x-signature\"\n{algorithm}{content}{lines}\n"
            )
        };
        Self(Receiver::new(&FORMATS.iter().map(source).collect::<String>()))
    }
}

impl Target for Formats {
    fn seeds(&self) -> Vec<Vec<u8>> {
        let mut seeds = Vec::new();
        for (at, (name, format, lines)) in FORMATS.iter().enumerate() {
            let tag = tag(name, if format.is_timed() { "1700000000" } else { "" });
            let tag = if lines.contains("base64") { BASE64.encode(tag) } else { hex::encode(tag) };
            let text = match format {
                Format::Raw => tag.clone(),
                Format::Prefix { .. } => format!("sha256={tag}"),
                Format::Pairs { .. } => format!("t=1700000000,v1={tag}"),
                Format::Labelled { .. } => format!("v1,{tag} v2,{tag}"),
                Format::Positional => format!("1700000000,{tag}"),
                Format::Bearer => format!("Bearer {SECRET} {name}"),
            };
            let long = format!("{}{text}", "v1=00,".repeat(MOST - 1));
            let second = format!("t=1,v1=00 {text}");
            seeds
                .extend([text, tag, long, second].map(|text| [&[b'0' + at as u8], text.as_bytes()].concat()));
        }
        seeds
    }

    fn words(&self) -> &[&'static str] {
        &["t=", "v1=", "v1,", ",", "=", " ", "sha256=", "Bearer ", "00", "==", "1700000000", "1699999699"]
    }

    fn kinds(&self) -> &[Kind] {
        &["accepted", "refused"]
    }

    fn check(&mut self, input: &[u8]) -> Result<Kind, String> {
        let Some((choice, text)) = input.split_first() else { return Ok("empty") };
        let (name, format, lines) = *chosen(&FORMATS, *choice);
        let Ok(value) = HeaderValue::from_bytes(text) else { return Ok("no header") };
        let legible = std::str::from_utf8(text).ok().filter(|_| value.to_str().is_ok());
        let base64 = lines.contains("base64");
        let expected = legible.is_some_and(|text| is_genuine(name, format, base64, text));
        let mut signed = delivery(name, BODY.as_bytes());
        signed = signed
            .with_headers([(http::HeaderName::from_static("x-signature"), value)].into_iter().collect());
        match (self.0.take(signed), expected) {
            (Verdict::Accepted(_), true) => Ok("accepted"),
            (Verdict::Refused(_), false) => Ok("refused"),
            (Verdict::Accepted(_), false) => Err(format!("{name}: accepted, and should not have been")),
            (Verdict::Refused(reason), true) => Err(format!("{name}: refused ({reason}), and is genuine")),
        }
    }
}

impl Format {
    fn is_timed(self) -> bool {
        matches!(self, Self::Pairs { .. } | Self::Positional)
    }
}

/// What stands in a header, taken apart: signatures, and the time that they were made at.
struct Group<'t> {
    time: Option<&'t str>,
    signatures: Vec<&'t str>,
}

fn is_genuine(source: &str, format: Format, base64: bool, text: &str) -> bool {
    let Some(mut groups) = groups(format, text) else { return false };
    let mut looked_at = 0;
    for group in &mut groups {
        group.signatures.retain(|_| {
            looked_at += 1;
            looked_at <= MOST
        });
        if !matches!(format, Format::Bearer) {
            group.signatures.retain(|text| decodes(text, base64));
        }
    }
    groups.retain(|group| !group.signatures.is_empty());
    for group in groups {
        let time = group.time.unwrap_or_default();
        if format.is_timed() && !is_time(time) {
            return false;
        }
        let genuine = group.signatures.iter().any(|text| match format {
            Format::Bearer => *text == format!("{SECRET} {source}"),
            _ if base64 => *text == BASE64.encode(tag(source, time)),
            _ => text.eq_ignore_ascii_case(&hex::encode(tag(source, time))),
        });
        let timely = || time.parse().is_ok_and(|time: u64| time.abs_diff(NOW) <= WINDOW);
        if genuine && (!format.is_timed() || timely()) {
            return true;
        }
    }
    false
}

/// `None`: the whole header is refused.
fn groups(format: Format, text: &str) -> Option<Vec<Group<'_>>> {
    let untimed = |signatures| Some(vec![Group { time: None, signatures }]);
    match format {
        Format::Raw => untimed(vec![text]),
        Format::Prefix { optional } => {
            untimed(text.strip_prefix("sha256=").or(optional.then_some(text)).into_iter().collect())
        }
        Format::Bearer => {
            let (word, token) = text.split_once(' ')?;
            untimed(if word.eq_ignore_ascii_case("bearer") { vec![token] } else { Vec::new() })
        }
        Format::Pairs { grouped: false } => Some(vec![pairs(text)?]),
        Format::Pairs { grouped: true } => text.split(' ').take(MOST).map(pairs).collect(),
        Format::Labelled { optional } => {
            let signature = |entry: &'_ str| match entry.split_once(',') {
                Some((label, _)) => (label == "v1").then(|| label.len() + 1),
                None => optional.then_some(0),
            };
            untimed(text.split(' ').filter_map(|entry| Some(&entry[signature(entry)?..])).collect())
        }
        Format::Positional => {
            let mut entries = text.split(',');
            Some(vec![Group { time: entries.next(), signatures: entries.collect() }])
        }
    }
}

/// `None`: with two times, nobody knows which one was signed.
fn pairs(text: &str) -> Option<Group<'_>> {
    let pairs = text.split(',').filter_map(|pair| pair.trim_matches(' ').split_once('='));
    let of = |name: &str| pairs.clone().filter(|pair| pair.0 == name).map(|pair| pair.1).collect::<Vec<_>>();
    let times = of("t");
    (times.len() <= 1).then(|| Group { time: times.first().copied(), signatures: of("v1") })
}

fn decodes(text: &str, base64: bool) -> bool {
    match base64 {
        true => BASE64.decode(text).is_ok_and(|bytes| !bytes.is_empty()),
        false => {
            !text.is_empty() && text.len().is_multiple_of(2) && text.bytes().all(|it| it.is_ascii_hexdigit())
        }
    }
}

/// Digits alone, without a zero in front, twelve at most.
fn is_time(text: &str) -> bool {
    let digits = (1..=12).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_digit());
    digits && (text == "0" || !text.starts_with('0'))
}

fn tag(source: &str, time: &str) -> Vec<u8> {
    let key = format!("{SECRET} {source}");
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let dot = if time.is_empty() { "" } else { "." };
    mac.chain_update(format!("{time}{dot}{BODY}")).finalize().into_bytes().to_vec()
}
