//! PayPal signs a transmission's id, its time, the webhook's id and a checksum of the body.
//! <https://developer.paypal.com/api/rest/webhooks/rest/#link-eventheadervalidation>

#[cfg(feature = "test-util")]
pub(super) mod sign;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName};

use super::cache::Published;
use super::certificate::Certificate;
use super::fetcher::DynKeyFetcher;
use super::url::{PlainUrl, between};
use crate::clock::Clock;
use crate::delivery::Delivery;
use crate::rejection::Rejection;
use crate::scheme::expect::Expectations;
use crate::scheme::request::single;
use crate::scheme::signature::{Timestamp, TimestampPlace, Unit};
use crate::scheme::validator::{SignatureValidator, Verified};
use crate::secret::Secret;

/// Names a transmission, and is the same when it is sent again.
pub(in crate::scheme) const TRANSMISSION_ID: HeaderName = HeaderName::from_static("paypal-transmission-id");
const TRANSMISSION_TIME: HeaderName = HeaderName::from_static("paypal-transmission-time");
const TRANSMISSION_SIG: HeaderName = HeaderName::from_static("paypal-transmission-sig");
const CERT_URL: HeaderName = HeaderName::from_static("paypal-cert-url");
const AUTH_ALGO: HeaderName = HeaderName::from_static("paypal-auth-algo");

/// The one algorithm that PayPal uses.
const ALGORITHM: &str = "SHA256withRSA";

/// Which of PayPal's two worlds is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scheme) enum World {
    Live,
    Sandbox,
}

/// Verifies deliveries to webhooks with these ids.
pub(super) struct PayPalValidator {
    world: World,
    webhook_ids: Vec<Secret>,
    expected: Expectations,
    timestamp: Timestamp,
    certificates: Published<Certificate>,
}

impl PayPalValidator {
    pub(super) fn new(
        world: World,
        webhook_ids: &[Secret],
        expected: Expectations,
        (past, future): (Duration, Duration),
        fetcher: Arc<dyn DynKeyFetcher>,
        clock: Clock,
    ) -> Self {
        let timestamp =
            Timestamp { at: TimestampPlace::Header(TRANSMISSION_TIME), unit: Unit::Rfc3339, past, future };
        let certificates = Published::new(Certificate::parse, fetcher, clock);
        Self { world, webhook_ids: webhook_ids.to_vec(), expected, timestamp, certificates }
    }
}

impl SignatureValidator for PayPalValidator {
    async fn validate(&self, delivery: &Delivery) -> Result<Verified, Rejection> {
        let headers = delivery.headers();
        let id = text(headers, &TRANSMISSION_ID)?;
        let time = text(headers, &TRANSMISSION_TIME)?;
        let signature = STANDARD.decode(text(headers, &TRANSMISSION_SIG)?);
        let signature = signature.map_err(|_| Rejection::SignatureMalformed)?;
        if text(headers, &AUTH_ALGO)? != ALGORITHM {
            return Err(Rejection::HeaderRequired);
        }
        let signed_at = self.timestamp.parse(time)?.ok_or(Rejection::TimestampMalformed)?;
        let url = text(headers, &CERT_URL)?;
        // Bars join the parts: none may hold one.
        if id.contains('|') || !self.world.is_certificate_url(url) {
            return Err(Rejection::SignatureMismatch);
        }
        // Whoever expects one certificate's URL has no other fetched.
        self.expected.check(delivery, |it| Ok(Cow::Borrowed(it.body())))?;
        let certificate = self.certificates.get(url, |_| true).await?;
        certificate.check(self.world.subject(), delivery.received_at())?;
        let checksum = crc32fast::hash(delivery.body());
        let is_for = |webhook_id: &Secret| {
            let content = format!("{id}|{time}|{}|{checksum}", webhook_id.reveal());
            certificate.verify_sha256(content.as_bytes(), &signature).is_ok()
        };
        let index = self.webhook_ids.iter().position(is_for).ok_or(Rejection::SignatureMismatch)?;
        self.certificates.prove(url);
        self.timestamp.check(signed_at, delivery.received_at())?;
        Ok(Verified::by_secret(index).with_signed_at(signed_at))
    }

    fn required_headers(&self) -> Vec<HeaderName> {
        vec![TRANSMISSION_SIG, TRANSMISSION_ID, TRANSMISSION_TIME, CERT_URL, AUTH_ALGO]
    }
}

impl World {
    /// `https://api.paypal.com/v1/notifications/certs/CERT-…`
    fn is_certificate_url(self, url: &str) -> bool {
        PlainUrl::parse(url).is_some_and(|url| {
            url.host == self.host() && between(url.path, "/v1/notifications/certs/CERT-", "").is_some()
        })
    }

    fn host(self) -> &'static str {
        match self {
            Self::Live => "api.paypal.com",
            Self::Sandbox => "api.sandbox.paypal.com",
        }
    }

    /// The name in the certificates.
    fn subject(self) -> &'static str {
        match self {
            Self::Live => "messageverificationcerts.paypal.com",
            Self::Sandbox => "messageverificationcerts.sandbox.paypal.com",
        }
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h str, Rejection> {
    let value = single(headers, name)?.ok_or(Rejection::SignatureMissing)?;
    value.to_str().map_err(|_| Rejection::SignatureMalformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paypal_sandbox_cert_on_live() {
        let live = "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-b0d12406";
        let sandbox = live.replace("api.", "api.sandbox.");
        assert!(World::Live.is_certificate_url(live) && World::Sandbox.is_certificate_url(&sandbox));
        assert!(!World::Live.is_certificate_url(&sandbox) && !World::Sandbox.is_certificate_url(live));
        for wrong in ["/CERT-a/../CERT-b", "/CERT-a?x", "/CERT-", "/x"] {
            assert!(
                !World::Live.is_certificate_url(&live.replace("/CERT-360caa42-fca2a594-b0d12406", wrong)),
                "{wrong}"
            );
        }
    }
}
