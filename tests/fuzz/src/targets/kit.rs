//! Every provider that the testing kit signs for: what it signs is believed, and with another body or another key it is
//! not.

use http::Request;
use serde_json::Value;
use webhooks::testing::{self, SigningKey};
use webhooks::{BodyCoverage, ProviderInfo, Webhooks, providers};

use crate::decisions::Decisions;
use crate::receiver::{NOW, Receiver, at, delivery};
use crate::target::{Kind, Target};

const BASE: &str = "https://example.com";

/// Vendors that are asked for their keys, which nothing answers here.
const KEYS_ARE_FETCHED: [&str; 4] = ["aws-sns", "google-pubsub", "paypal", "plaid"];

/// The input decides on provider, id, payload and change.
pub(super) struct Kit {
    known: Vec<Known>,
    receiver: Receiver,
}

struct Known {
    info: ProviderInfo,
    key: SigningKey,
    other: SigningKey,
}

impl Kit {
    pub(super) fn new() -> Self {
        // Those with private keys need more features than this program is built with.
        let known = providers().filter(|info| !KEYS_ARE_FETCHED.contains(&info.name()));
        let known = known.filter_map(|info| {
            let [key, other] = [(); 2].map(|()| SigningKey::generate(info.name()).ok());
            Some(Known { key: key?, other: other?, info })
        });
        let known: Vec<_> = known.filter(|it| it.key.secret().is_some()).collect();
        let builder = Webhooks::builder().public_url(BASE);
        let builder = known.iter().fold(builder, |builder, Known { info, key, .. }| {
            builder.source(info.name(), |source| key.configure(source))
        });
        Self { receiver: Receiver::of(builder), known }
    }
}

impl Target for Kit {
    fn seeds(&self) -> Vec<Vec<u8>> {
        let mut random = fastrand::Rng::with_seed(0);
        let mut seed = |first: u8| {
            [first].into_iter().chain(std::iter::repeat_with(|| random.u8(..)).take(40)).collect()
        };
        (0..=u8::MAX).map(&mut seed).collect()
    }

    fn words(&self) -> &[&'static str] {
        &[]
    }

    fn kinds(&self) -> &[Kind] {
        &["signed", "another body", "another key"]
    }

    fn check(&mut self, input: &[u8]) -> Result<Kind, String> {
        let mut input = Decisions(input);
        let Known { info, key, other } = &self.known[usize::from(input.byte()) % self.known.len()];
        let (change, place, bit) = (input.byte() % 3, usize::from(input.byte()), input.byte() % 8);
        let id: String = (0..=input.byte() % 32).map(|_| char::from(b'a' + input.byte() % 26)).collect();
        let payload = Value::Object(serde_json::from_str(&input.json(3)).unwrap_or_default());
        let signed = |key: &SigningKey| {
            let example = || testing::example(info.name()).id(&*id).at(at(NOW)).signed_with(key.clone());
            // Where the payload is no JSON, as Braintree's is not, the provider's own example is signed.
            let request = example().json(&payload).into_request().or_else(|_| example().into_request());
            request.map_err(|error| format!("{}: {error}", info.name()))
        };
        let request = signed(key)?;
        let body = request.body().to_vec();
        if let Some(reason) = self.disbelief(info.name(), &request, &body) {
            return Err(format!("{}: refused ({reason}), and is genuine", info.name()));
        }
        let (kind, doubt) = match change {
            0 if info.body_coverage() == BodyCoverage::Full && !body.is_empty() => {
                let mut changed = body.clone();
                let place = place % body.len();
                changed[place] ^= 1 << bit;
                (
                    "another body",
                    same_form(info.name(), &body, &changed)
                        || self.disbelief(info.name(), &request, &changed).is_some(),
                )
            }
            1 => {
                let request = signed(other)?;
                let body = request.body().to_vec();
                ("another key", self.disbelief(info.name(), &request, &body).is_some())
            }
            _ => ("signed", true),
        };
        if doubt { Ok(kind) } else { Err(format!("{}: believed with {kind}", info.name())) }
    }
}

impl Kit {
    /// Why a request was not believed. What follows verification is not looked at.
    fn disbelief<T>(&self, source: &str, request: &Request<T>, body: &[u8]) -> Option<String> {
        let delivery = delivery(source, body).with_uri(request.uri().clone());
        self.receiver.disbelief(delivery.with_headers(request.headers().clone()))
    }
}

/// The parameters of a form can be written in more than one way; and Braintree's signature, which stands in one, in
/// hexadecimal digits of either case.
fn same_form(provider: &str, one: &[u8], other: &[u8]) -> bool {
    form_urlencoded::parse(one).eq(form_urlencoded::parse(other))
        || provider == "braintree" && one.eq_ignore_ascii_case(other)
}
