//! Schemes in the language.

use proptest::prelude::*;
use support::described::{Described, Parts, schemes};
use tokio::runtime::Builder;
use webhooks::WebhookProcessor;

use crate::sending::{BASE, PATH, flip_bit, receiver, run, send};

#[test]
fn what_is_signed_is_accepted_and_nothing_else() {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let schemes = schemes();
    assert!(schemes.len() > 60, "the catalogue was not found: {} schemes", schemes.len());
    for scheme in &schemes {
        let inputs = (
            prop::array::uniform24(any::<u8>()),
            prop::collection::vec(any::<u8>(), 0..200),
            1_000_000_000_u64..4_000_000_000,
            "[A-Za-z0-9_-]{1,40}",
            any::<(usize, u8)>(),
        );
        run(&scheme.label(), &inputs, |(random, body, time, id, flip)| {
            let parts =
                Parts { secret: scheme.secret(&random), time, id, url: format!("{BASE}{PATH}"), body };
            runtime.block_on(check(scheme, &parts, flip))
        });
    }
}

/// The genuine request, and one single change after the other.
async fn check(scheme: &Described, parts: &Parts, flip: (usize, u8)) -> Result<(), TestCaseError> {
    let receiver = receiver_of(scheme, &parts.secret).await;
    let tag = scheme.tag(parts);
    let genuine = scheme.request(parts, &tag);
    let verdict = send(&receiver, parts.time, PATH, &genuine).await;
    prop_assert_eq!(verdict, None, "the genuine one");

    let mut forged = tag.clone();
    flip_bit(&mut forged, flip);
    let forged = scheme.request(parts, &forged);
    prop_assert!(send(&receiver, parts.time, PATH, &forged).await.is_some(), "another signature");

    let (headers, mut body) = genuine.clone();
    if scheme.signs("body") {
        if body.is_empty() {
            body.push(flip.1)
        } else {
            flip_bit(&mut body, flip)
        }
        let verdict = send(&receiver, parts.time, PATH, &(headers.clone(), body.clone())).await;
        prop_assert!(verdict.is_some(), "another body");
        let longer = (headers, [genuine.1.as_slice(), b"\0"].concat());
        prop_assert!(send(&receiver, parts.time, PATH, &longer).await.is_some(), "a longer body");
    }
    if scheme.signs("timestamp") {
        let later = scheme.request(&Parts { time: parts.time + 1, ..parts.clone() }, &tag);
        prop_assert!(send(&receiver, parts.time, PATH, &later).await.is_some(), "another time");
    }
    if scheme.signs("id") {
        let other = scheme.request(&Parts { id: format!("{}0", parts.id), ..parts.clone() }, &tag);
        prop_assert!(send(&receiver, parts.time, PATH, &other).await.is_some(), "another id");
    }
    if scheme.signs("url") {
        let elsewhere = format!("{PATH}?a=1");
        prop_assert!(send(&receiver, parts.time, &elsewhere, &genuine).await.is_some(), "another URL");
    }
    let mut other: Vec<u8> = parts.secret.bytes().collect();
    let (at, _) = flip;
    let at = other.len() - 1 - at % 16;
    // Stays within the alphabets of all forms.
    other[at] = if other[at] == b'a' { b'b' } else { b'a' };
    let stranger = receiver_of(scheme, &String::from_utf8_lossy(&other)).await;
    prop_assert!(send(&stranger, parts.time, PATH, &genuine).await.is_some(), "another secret");
    Ok(())
}

async fn receiver_of(scheme: &Described, secret: &str) -> WebhookProcessor {
    let variant = scheme.variant.as_ref().map_or(String::new(), |it| format!("variant = \"{it}\"\n"));
    receiver(&scheme.provider, &variant, secret).await
}
