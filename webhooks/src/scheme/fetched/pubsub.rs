//! Google Pub/Sub sends a token of Google's that names the account which pushes, and for whom.
//! <https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions>

#[cfg(feature = "test-util")]
pub(super) mod sign;

use std::collections::HashMap;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};

use super::cache::Published;
use super::certificate::Certificate;
use super::fetcher::DynKeyFetcher;
use crate::clock::Clock;
use crate::delivery::Delivery;
use crate::rejection::Rejection;
use crate::scheme::coded::jwt::Jwt;
use crate::scheme::request::single;
use crate::scheme::validator::{SignatureValidator, Verified};

/// Google's certificates, by the id of the key.
/// <https://developers.google.com/identity/gsi/web/guides/verify-google-id-token>
const CERTIFICATES: &str = "https://www.googleapis.com/oauth2/v1/certs";

/// Both spellings are in use, says the same page.
const ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];

/// Verifies pushes of one account to one audience.
pub(super) struct PubSubValidator {
    audience: String,
    email: String,
    certificates: Published<Certificates>,
}

type Certificates = HashMap<String, Certificate>;

impl PubSubValidator {
    pub(super) fn new(
        audience: String,
        email: String,
        fetcher: Arc<dyn DynKeyFetcher>,
        clock: Clock,
    ) -> Self {
        Self { audience, email, certificates: Published::new(parse, fetcher, clock) }
    }
}

impl SignatureValidator for PubSubValidator {
    async fn validate(&self, delivery: &Delivery) -> Result<Verified, Rejection> {
        let token = Jwt::parse(bearer(delivery.headers())?, "RS256")?;
        let id = token.key_id().ok_or(Rejection::SignatureMalformed)?;
        let known = self.certificates.get(CERTIFICATES, |it| it.contains_key(id)).await?;
        let certificate = known.get(id).filter(|it| it.is_good_at(delivery.received_at()));
        let certificate = certificate.ok_or(Rejection::SignatureMismatch)?;
        let claims = token.claims_if(|signed, signature| certificate.verify_sha256(signed, signature))?;
        if !claims.iss.as_deref().is_some_and(|it| ISSUERS.contains(&it)) || !claims.expires() {
            return Err(Rejection::SignatureMismatch);
        }
        // Anyone with an account of Google's can have a token made, for any audience.
        let ours =
            claims.email.as_deref() == Some(self.email.as_str()) && claims.email_verified == Some(true);
        if !ours || !claims.is_for(&self.audience) {
            return Err(Rejection::NotForUs);
        }
        let issued_at = claims.check_time(delivery.received_at())?;
        Ok(issued_at.map_or(Verified::new(), |it| Verified::new().with_signed_at(it)))
    }

    fn required_headers(&self) -> Vec<HeaderName> {
        vec![AUTHORIZATION]
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, Rejection> {
    let value = single(headers, &AUTHORIZATION)?.ok_or(Rejection::SignatureMissing)?;
    let text = value.to_str().map_err(|_| Rejection::SignatureMalformed)?;
    text.strip_prefix("Bearer ").ok_or(Rejection::SignatureMalformed)
}

/// `{"key id": "PEM", …}`; certificates that cannot be read are left out.
fn parse(json: &[u8]) -> Option<Certificates> {
    let texts: HashMap<String, String> = serde_json::from_slice(json).ok()?;
    let certificate = |(id, text): (String, String)| Some((id, Certificate::parse(text.as_bytes())?));
    Some(texts.into_iter().filter_map(certificate).collect())
}
