//! Netlify sends a token with the body's hash in it.
//! <https://docs.netlify.com/deploy/deploy-notifications/#payload-signature>

use std::time::SystemTime;

use hmac::{Hmac, KeyInit as _};
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::jwt::{self, Jwt};
use super::{CodedVerifier, signature_text};
use crate::rejection::Rejection;
use crate::scheme::request::Request;
use crate::scheme::signature::{SecretForm, SecretProblem, Signed};
use crate::scheme::validator::Verified;
use crate::secret::Secret;

pub(super) const SIGNATURE: HeaderName = HeaderName::from_static("x-webhook-signature");

/// Who issues the tokens.
const ISSUER: &str = "netlify";

/// Netlify's scheme with its keys.
pub(super) struct NetlifyVerifier {
    keys: Vec<Hmac<Sha256>>,
}

impl NetlifyVerifier {
    pub(super) fn bind(secrets: &[Secret]) -> Result<Self, Vec<SecretProblem>> {
        let keys = super::keys(secrets, |text| {
            let key = SecretForm::Utf8.decode(text)?;
            Hmac::new_from_slice(&key).map_err(|_| ("the secret cannot be a key", "copy it again"))
        });
        keys.map(|keys| Self { keys })
    }
}

impl CodedVerifier for NetlifyVerifier {
    fn precheck(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        signature_text(headers, &SIGNATURE).map(drop)
    }

    fn verify(&self, request: &Request<'_>) -> Result<Verified, Rejection> {
        let token = Jwt::parse(signature_text(request.headers, &SIGNATURE)?, "HS256")?;
        let (index, claims) = token.claims_by_secret(&self.keys)?;
        let hash = hex::encode(Sha256::digest(request.body));
        let claimed = claims.sha256.as_deref().unwrap_or_default();
        let same_body: bool = hash.as_bytes().ct_eq(claimed.as_bytes()).into();
        if claims.iss.as_deref() != Some(ISSUER) || !same_body {
            return Err(Rejection::SignatureMismatch);
        }
        claims.check_time(request.received_at)?;
        Ok(Verified::by_secret(index))
    }

    fn sign(&self, request: &Request<'_>, _: SystemTime) -> Option<Signed> {
        let hash = hex::encode(Sha256::digest(request.body));
        let token = jwt::sign(self.keys.first()?, &serde_json::json!({"iss": ISSUER, "sha256": hash}))?;
        Some(Signed::by_headers(HeaderMap::from_iter([(SIGNATURE, HeaderValue::from_str(&token).ok()?)])))
    }
}
