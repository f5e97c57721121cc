//! Every scheme of the catalogue that signs with a shared secret: what was signed is accepted, and after a single
//! change it is refused.

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use support::described::{Described, Parts, Signed, schemes};

use crate::decisions::Decisions;
use crate::receiver::{NOW, Receiver, delivery};
use crate::target::{Kind, Target};

const BASE: &str = "https://example.com";
const PATH: &str = "/webhooks/signed";

/// The input decides on scheme, time, id, body and change.
pub(super) struct Schemes {
    schemes: Vec<Described>,
    receiver: Receiver,
}

/// Each scheme has two sources, which differ in their secrets.
const SOURCES: [&str; 2] = ["one", "other"];

impl Schemes {
    pub(super) fn new() -> Self {
        let schemes = schemes();
        let mut settings = format!("http.public_url = \"{BASE}\"\n");
        for (number, scheme) in schemes.iter().enumerate() {
            for source in SOURCES {
                let variant =
                    scheme.variant.as_ref().map_or(String::new(), |it| format!("variant = \"{it}\"\n"));
                settings += &format!(
                    "[sources.{source}-{number}]\nprovider = \"{}\"\n{variant}secret = \"{}\"\n",
                    scheme.provider,
                    secret(scheme, number, source)
                );
            }
        }
        Self { schemes, receiver: Receiver::new(&settings) }
    }

    /// Why it was not believed. What follows verification is not looked at: these bodies are hardly ever events.
    fn refusal(&self, source: &str, target: &str, signed: Signed) -> Option<String> {
        let (headers, body) = signed;
        let header = |(name, value): &(String, String)| {
            Some((name.parse::<HeaderName>().ok()?, value.parse::<HeaderValue>().ok()?))
        };
        let headers: Option<HeaderMap> = headers.iter().map(header).collect();
        let (Some(headers), Ok(uri)) = (headers, target.parse::<Uri>()) else {
            return Some("no request".to_owned());
        };
        self.receiver.disbelief(delivery(source, &body).with_uri(uri).with_headers(headers))
    }
}

impl Target for Schemes {
    fn seeds(&self) -> Vec<Vec<u8>> {
        let mut random = fastrand::Rng::with_seed(0);
        (0..=u8::MAX)
            .map(|first| {
                [first].into_iter().chain(std::iter::repeat_with(|| random.u8(..)).take(48)).collect()
            })
            .collect()
    }

    fn words(&self) -> &[&'static str] {
        &["{", "}", "\"id\":", "\"type\":", "[]"]
    }

    fn kinds(&self) -> &[Kind] {
        &[
            "another signature",
            "another body",
            "a longer body",
            "another time",
            "another id",
            "another URL",
            "another secret",
        ]
    }

    fn check(&mut self, input: &[u8]) -> Result<Kind, String> {
        let mut input = Decisions(input);
        let number = usize::from(input.byte()) % self.schemes.len();
        let scheme = &self.schemes[number];
        let (change, place, bit) = (input.byte(), usize::from(input.byte()), input.byte() % 8);
        // Seconds ago: Paddle gives five, and all others more.
        let time = NOW - u64::from(input.byte() % 5);
        let id: String = (0..=input.byte() % 32).map(|_| char::from(b'a' + input.byte() % 26)).collect();
        let sources = SOURCES.map(|source| format!("{source}-{number}"));
        let secret = secret(scheme, number, SOURCES[0]);
        let parts = Parts { secret, time, id, url: format!("{BASE}{PATH}"), body: input.0.to_vec() };
        let mut tag = scheme.tag(&parts);
        let (headers, mut body) = scheme.request(&parts, &tag);
        if let Some(reason) = self.refusal(&sources[0], PATH, (headers.clone(), body.clone())) {
            return Err(format!("{}: refused ({reason}), and is genuine", scheme.label()));
        }
        let (mut source, mut target) = (&sources[0], PATH.to_owned());
        let (kind, changed) = match change % 7 {
            0 if scheme.signs("body") && !body.is_empty() => {
                let place = place % body.len();
                body[place] ^= 1 << bit;
                ("another body", (headers, body))
            }
            1 if scheme.signs("body") => {
                body.push(bit);
                ("a longer body", (headers, body))
            }
            2 if scheme.signs("timestamp") => {
                ("another time", scheme.request(&Parts { time: time + 1, ..parts.clone() }, &tag))
            }
            3 if scheme.signs("id") => {
                ("another id", scheme.request(&Parts { id: format!("{}0", parts.id), ..parts.clone() }, &tag))
            }
            4 if scheme.signs("url") => {
                target += "?a=1";
                ("another URL", (headers, body))
            }
            5 => {
                source = &sources[1];
                ("another secret", (headers, body))
            }
            _ => {
                let place = place % tag.len();
                tag[place] ^= 1 << bit;
                ("another signature", scheme.request(&parts, &tag))
            }
        };
        match self.refusal(source, &target, changed) {
            Some(_) => Ok(kind),
            None => Err(format!("{}: believed with {kind}", scheme.label())),
        }
    }
}

/// A secret for each source.
fn secret(scheme: &Described, number: usize, source: &str) -> String {
    let mut random = fastrand::Rng::with_seed(number as u64 * 2 + u64::from(source == SOURCES[1]));
    scheme.secret(&std::iter::repeat_with(|| random.u8(..)).take(24).collect::<Vec<_>>())
}
