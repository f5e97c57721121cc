//! Monday sends a token that is good for a few minutes, and says nothing of the body.
//! <https://developer.monday.com/apps/docs/integration-authorization>

use std::time::{Duration, SystemTime};

use hmac::{Hmac, KeyInit as _};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use sha2::Sha256;

use super::jwt::{self, Jwt};
use super::{CodedVerifier, signature_text};
use crate::rejection::Rejection;
use crate::scheme::request::Request;
use crate::scheme::signature::{SecretForm, SecretProblem, Signed};
use crate::scheme::validator::Verified;
use crate::secret::Secret;

/// How long a token that is made here is good.
const LIFETIME: Duration = Duration::from_secs(300);

/// Monday's scheme with its keys.
pub(super) struct MondayVerifier {
    keys: Vec<Hmac<Sha256>>,
}

impl MondayVerifier {
    pub(super) fn bind(secrets: &[Secret]) -> Result<Self, Vec<SecretProblem>> {
        let keys = super::keys(secrets, |text| {
            let key = SecretForm::Utf8.decode(text)?;
            Hmac::new_from_slice(&key).map_err(|_| ("the secret cannot be a key", "copy it again"))
        });
        keys.map(|keys| Self { keys })
    }
}

impl CodedVerifier for MondayVerifier {
    fn precheck(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        signature_text(headers, &AUTHORIZATION).map(drop)
    }

    fn verify(&self, request: &Request<'_>) -> Result<Verified, Rejection> {
        let token = signature_text(request.headers, &AUTHORIZATION)?;
        let token = Jwt::parse(token.strip_prefix("Bearer ").unwrap_or(token), "HS256")?;
        let (index, claims) = token.claims_by_secret(&self.keys)?;
        // A token that never ended would let whoever saw one speak for Monday for ever.
        if !claims.expires() {
            return Err(Rejection::TimestampMalformed);
        }
        let issued_at = claims.check_time(request.received_at)?;
        let verified = Verified::by_secret(index);
        Ok(issued_at.map_or(verified, |it| verified.with_signed_at(it)))
    }

    fn sign(&self, _: &Request<'_>, at: SystemTime) -> Option<Signed> {
        let now = at.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let claims = serde_json::json!({"iat": now.as_secs(), "exp": (now + LIFETIME).as_secs()});
        let token = jwt::sign(self.keys.first()?, &claims)?;
        Some(Signed::by_headers(HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&token).ok()?)])))
    }
}
