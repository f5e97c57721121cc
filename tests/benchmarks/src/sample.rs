//! Signed requests of three providers, each with an id of its own.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::{HeaderMap, HeaderName};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use webhooks::{Delivery, SourceName};

use crate::AnyError;

pub(crate) const SECRET: &str = "a secret for a benchmark";

#[derive(Clone, Copy)]
pub(crate) enum Provider {
    Hmac,
    GitHub,
    Stripe,
}

impl Provider {
    pub(crate) const ALL: [Self; 3] = [Self::Hmac, Self::GitHub, Self::Stripe];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hmac => "hmac",
            Self::GitHub => "github",
            Self::Stripe => "stripe",
        }
    }

    pub(crate) fn signature_header(self) -> &'static str {
        match self {
            Self::Hmac => "x-signature",
            Self::GitHub => "x-hub-signature-256",
            Self::Stripe => "stripe-signature",
        }
    }

    /// Where the id does not stand in the body.
    pub(crate) fn id_header(self) -> Option<&'static str> {
        match self {
            Self::Hmac => Some("x-idempotency-key"),
            Self::GitHub => Some("x-github-delivery"),
            Self::Stripe => None,
        }
    }

    /// A request with a body of about so many bytes.
    pub(crate) fn request(self, id: u64, bytes: usize) -> Result<Delivery, AnyError> {
        let payload = match self {
            Self::Stripe => r#""data":{"object":{"amount":4200}}"#,
            Self::Hmac | Self::GitHub => r#""amount":4200"#,
        };
        let start = format!(r#"{{"id":"evt_{id}","type":"payment",{payload},"padding":""#);
        let body = format!(r#"{start}{}"}}"#, "x".repeat(bytes.saturating_sub(start.len() + 2)));
        let mut headers = HeaderMap::new();
        for (name, value) in self.headers(id, &body)? {
            headers.insert(HeaderName::from_static(name), value.parse()?);
        }
        let source = SourceName::new(self.name()).ok_or("a name")?;
        Ok(Delivery::new(source, Bytes::from(body)).with_headers(headers))
    }

    fn headers(self, id: u64, body: &str) -> Result<Vec<(&'static str, String)>, AnyError> {
        let name = self.signature_header();
        let signature = match self {
            Self::Stripe => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
                format!("t={now},v1={}", sign(&[now.to_string().as_str(), ".", body])?)
            }
            Self::Hmac | Self::GitHub => format!("sha256={}", sign(&[body])?),
        };
        let id = self.id_header().map(|name| (name, id.to_string()));
        let event = matches!(self, Self::GitHub).then(|| ("x-github-event", "push".to_owned()));
        Ok([(name, signature)].into_iter().chain(id).chain(event).collect())
    }
}

fn sign(pieces: &[&str]) -> Result<String, AnyError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?;
    pieces.iter().for_each(|piece| mac.update(piece.as_bytes()));
    Ok(hex::encode(mac.finalize().into_bytes()))
}
