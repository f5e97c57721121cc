//! Rivals written in Rust.

use std::hint::black_box;

use http::{HeaderMap, HeaderName};
use stripe_webhook::Webhook;
use webhook_verify::{Provider, Secret, VerifyOptions, verify};

use crate::ours::repeat;
use crate::request::Request;
use crate::{AnyError, Side};

pub(crate) fn webhook_verify(provider: Provider, request: &Request) -> Side<'_> {
    let headers: Vec<_> =
        request.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let secret = Secret::new(&request.secret);
    Box::new(move |count| {
        let verify =
            || verify(provider, &headers, request.body.as_bytes(), &secret, VerifyOptions::default());
        repeat(count, || verify().is_ok())
    })
}

pub(crate) fn standardwebhooks(request: &Request) -> Result<Side<'static>, AnyError> {
    let webhook = standardwebhooks::Webhook::new(&request.secret)?;
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        headers.insert(HeaderName::from_static(name), value.parse()?);
    }
    let body = request.body.clone();
    Ok(Box::new(move |count| repeat(count, || webhook.verify(body.as_bytes(), &headers).is_ok())))
}

pub(crate) fn async_stripe(request: &Request) -> Side<'_> {
    let construct = move || Webhook::construct_event(&request.body, &request.signature, &request.secret);
    Box::new(move |count| repeat(count, || black_box(construct()).is_ok()))
}
