//! From what is said of a delivery to a signed request.

use std::time::SystemTime;

use bytes::Bytes;

use super::delivery::{Content, TestDelivery};
use super::key::{Material, SigningKey};
use super::{Error, Result};
use crate::rehearsal::Stand;
use crate::scheme::{BindOptions, Expectations, Provider, ProviderKey, Sample, Signer};

/// Who signs.
pub(super) struct Sender(Signer);

impl Sender {
    /// A provider of the catalogue with this key.
    pub(super) fn of_catalogue(provider: &Provider, key: &SigningKey, public_url: &str) -> Result<Self> {
        let options = BindOptions { public_url: Some(public_url.to_owned()), tolerance: None };
        let mut expected = Expectations::default();
        key.expected.iter().for_each(|(place, value)| expected.and(place, value.clone()));
        let key = match &key.material {
            Material::Key(key) => key.clone(),
            Material::Text(text) if ProviderKey::is_shared(provider) => {
                ProviderKey::of_secret(provider, text.clone()).ok_or_else(|| no_secret(provider))?
            }
            Material::Text(_) => return Err(no_secret(provider)),
        };
        let signer = Signer::new(provider, &key, &options, &expected);
        signer.map(Self).map_err(|flaws| {
            let flaw = flaws.into_iter().next();
            flaw.map_or_else(|| no_secret(provider), |it| Error::new(it.what, it.help))
        })
    }

    /// The provider of a client's source, with this key or with the source's own.
    pub(super) fn of_source(name: &str, stand: &Stand, key: Option<&SigningKey>) -> Result<Self> {
        let elsewhere = || {
            let what = format!("what the deliveries to `{name}` are signed with is not here");
            let help = "leave the source's `secret` out, so that the kit chooses one; or add `.signed_with(…)`, with a \
                        `testing::SigningKey` if the provider signs with a private key";
            Error::new(what, help)
        };
        let key = match key.map(|it| &it.material) {
            None => stand.key().cloned().ok_or_else(elsewhere)?,
            Some(Material::Key(key)) => key.clone(),
            Some(Material::Text(text)) => {
                let own = stand.key().cloned().and_then(|key| key.with_secret(text.clone()));
                own.or_else(|| ProviderKey::of_secret(&stand.provider, text.clone()))
                    .ok_or_else(|| no_secret(&stand.provider))?
            }
        };
        stand.signer(&key).map(Self).map_err(|(what, help)| Error::new(what, help))
    }
}

/// The request. `at` is when it is signed, `written` the time that stands in its body.
pub(super) fn compose(
    delivery: &TestDelivery,
    provider: &Provider,
    path: &str,
    sender: Option<&Sender>,
    at: SystemTime,
    written: SystemTime,
) -> Result<Sample> {
    if let Some((what, help)) = &delivery.flaw {
        return Err(Error::new(what, help));
    }
    let event = delivery.event.as_deref().or(provider.example_event()).unwrap_or("event");
    let mut sample = unsigned(delivery, provider, path, event, written)?;
    apply_headers(delivery, &mut sample);
    if let Some(Sender(signer)) = sender {
        sample = signer.sign(sample, at, &delivery.id).ok_or_else(|| cannot_sign(provider))?;
        apply_headers(delivery, &mut sample);
    }
    if !matches!(delivery.content, Content::Body(_)) {
        check_event(provider, &sample, event)?;
    }
    if delivery.tampered {
        sample.body = tampered(&sample.body);
    }
    Ok(sample)
}

fn unsigned(
    delivery: &TestDelivery,
    provider: &Provider,
    path: &str,
    event: &str,
    written: SystemTime,
) -> Result<Sample> {
    let draft = provider.draft(path, &delivery.id, event, written);
    let named = |sample: Option<Sample>| sample.and_then(|it| it.named(provider, &delivery.id, event));
    let sample = match &delivery.content {
        Content::Example => named(Some(draft)),
        Content::Payload(payload) => named(draft.with_payload(provider, payload)),
        Content::Body(body) => Some(Sample { body: body.clone(), ..draft }),
    };
    sample.ok_or_else(|| {
        Error::new(
            format!("this payload has no place in a delivery of {}", provider.title),
            "forms take an object of texts; or give the whole of it with `.body(…)`",
        )
    })
}

fn apply_headers(delivery: &TestDelivery, sample: &mut Sample) {
    for (name, value) in &delivery.headers {
        match value {
            Some(value) => drop(sample.headers.insert(name, value.clone())),
            None => drop(sample.headers.remove(name)),
        }
    }
}

/// That the delivery is what it was asked to be: listeners to the event would not hear another.
fn check_event(provider: &Provider, sample: &Sample, event: &str) -> Result {
    let help = "say more in `.json(…)`, or give the whole of it with `.body(…)`";
    let request =
        sample.delivery().ok_or_else(|| Error::new("the source has no URL", "give it another name"))?;
    let parts = provider
        .identity
        .identify(&request)
        .map_err(|flaw| Error::new(format!("this is no delivery of {}: {flaw}", provider.title), help))?;
    match parts.first() {
        Some(part) if part.event_type != event => {
            let what = format!(
                "the delivery would be of an event `{}`, not `{}`",
                part.event_type.escape_debug(),
                event.escape_debug()
            );
            Err(Error::new(what, help))
        }
        _ => Ok(()),
    }
}

/// The body with its last letter or digit changed into another one.
fn tampered(body: &Bytes) -> Bytes {
    let mut bytes = body.to_vec();
    if let Some(byte) = bytes.iter_mut().rev().find(|byte| byte.is_ascii_alphanumeric()) {
        *byte = match *byte {
            b'0' | b'a' | b'A' => *byte + 1,
            other => other - 1,
        };
    } else {
        bytes.push(b' ');
    }
    bytes.into()
}

fn no_secret(provider: &Provider) -> Error {
    Error::new(
        format!("a secret is not what {} signs with", provider.title),
        "make a `testing::SigningKey::generate(…)`, configure the source with it, and sign with that",
    )
}

fn cannot_sign(provider: &Provider) -> Error {
    Error::new(
        format!(
            "this delivery cannot be signed as {} does: it lacks something that is signed",
            provider.title
        ),
        "begin with the provider's own form, which `testing::example(…)` shows",
    )
}
