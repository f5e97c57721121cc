//! Transmissions as PayPal sends them.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName};

use super::super::certificate::issue::issue;
use super::super::vendor::Recipient;
use super::{ALGORITHM, AUTH_ALGO, CERT_URL, TRANSMISSION_ID, TRANSMISSION_SIG, TRANSMISSION_TIME, World};
use crate::delivery::Delivery;
use crate::scheme::signature::{PrivateRsaKey, RsaKeys, Signed, rfc3339};

/// A world's key and its certificate.
pub(in crate::scheme::fetched) struct PayPal {
    key: PrivateRsaKey,
    certificate: String,
    url: String,
}

impl PayPal {
    pub(in crate::scheme::fetched) fn generate(world: World, rsa: RsaKeys) -> Option<Self> {
        let key = PrivateRsaKey::generate(rsa)?;
        let name = format!("CERT-{:032x}", rand::random::<u128>());
        let url = format!("https://{}/v1/notifications/certs/{name}", world.host());
        Some(Self { certificate: issue(&key, world.subject())?, key, url })
    }

    /// Signs for the webhook whose id is the recipient's secret.
    pub(in crate::scheme::fetched) fn sign(
        &self,
        request: &Delivery,
        at: SystemTime,
        id: &str,
        recipient: &Recipient<'_>,
    ) -> Option<Signed> {
        let (time, checksum) = (rfc3339(at), crc32fast::hash(request.body()));
        let content = format!("{id}|{time}|{}|{checksum}", recipient.secret?.reveal());
        let signature = STANDARD.encode(self.key.sign_sha256(content.as_bytes())?);
        let headers = [
            (TRANSMISSION_ID, id),
            (TRANSMISSION_TIME, &time),
            (TRANSMISSION_SIG, &signature),
            (CERT_URL, &self.url),
            (AUTH_ALGO, ALGORITHM),
        ];
        let header = |(name, value): (HeaderName, &str)| Some((name, value.parse().ok()?));
        headers.into_iter().map(header).collect::<Option<HeaderMap>>().map(Signed::by_headers)
    }

    pub(in crate::scheme::fetched) fn get(&self, url: &str) -> Option<Bytes> {
        (url == self.url).then(|| self.certificate.clone().into())
    }
}
