//! The floor: what anyone must do to receive a webhook at all, written by hand and for one provider each.

use std::collections::HashSet;
use std::hint::black_box;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::HeaderMap;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;
use webhooks::Delivery;

use crate::AnyError;
use crate::sample::{Provider, SECRET};

/// Reads the signature header, compares the MAC in constant time, reads id and type without copying them, and
/// remembers the id.
pub(crate) struct Floor {
    provider: Provider,
    key: Hmac<Sha256>,
    seen: HashSet<String>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    id: Option<&'a str>,
    #[serde(rename = "type")]
    kind: &'a str,
}

impl Floor {
    pub(crate) fn new(provider: Provider) -> Result<Self, AnyError> {
        Ok(Self { provider, key: Hmac::new_from_slice(SECRET.as_bytes())?, seen: HashSet::new() })
    }

    pub(crate) fn receive(&mut self, request: &Delivery) -> Result<(), AnyError> {
        let (headers, body) = (request.headers(), request.body());
        self.verify(headers, body)?;
        let envelope: Envelope<'_> = serde_json::from_slice(body)?;
        black_box(envelope.kind);
        let id = match self.provider.id_header() {
            Some(name) => text(headers, name)?,
            None => envelope.id.ok_or("no id")?,
        };
        if self.seen.insert(id.to_owned()) { Ok(()) } else { Err("twice".into()) }
    }

    fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), AnyError> {
        let header = text(headers, self.provider.signature_header())?;
        let mut mac = self.key.clone();
        let signature = match self.provider {
            Provider::Stripe => {
                let (time, signature) = header.split_once(',').ok_or("no pairs")?;
                let time = time.strip_prefix("t=").ok_or("no time")?;
                let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
                if now.abs_diff(time.parse()?) > 300 {
                    return Err("untimely".into());
                }
                mac.update(time.as_bytes());
                mac.update(b".");
                signature.strip_prefix("v1=").ok_or("no signature")?
            }
            Provider::Hmac | Provider::GitHub => header.strip_prefix("sha256=").ok_or("no signature")?,
        };
        let mut tag = [0; 32];
        hex::decode_to_slice(signature, &mut tag)?;
        mac.update(body);
        Ok(mac.verify_slice(&tag)?)
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Result<&'h str, AnyError> {
    Ok(headers.get(name).ok_or("no header")?.to_str()?)
}
