//! Pushes as Google Pub/Sub sends them.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::HeaderMap;
use serde_json::json;

use super::super::certificate::issue::issue;
use super::super::vendor::Recipient;
use super::{AUTHORIZATION, CERTIFICATES, ISSUERS};
use crate::scheme::coded::jwt;
use crate::scheme::signature::{PrivateRsaKey, RsaKeys, Signed};

/// How long a token is good, as Google's are.
const LIFETIME: Duration = Duration::from_secs(3_600);

/// A key, its id and its certificate.
pub(in crate::scheme::fetched) struct PubSub {
    key: PrivateRsaKey,
    id: String,
    certificate: String,
}

impl PubSub {
    pub(in crate::scheme::fetched) fn generate(rsa: RsaKeys) -> Option<Self> {
        let key = PrivateRsaKey::generate(rsa)?;
        let id = format!("{:032x}", rand::random::<u128>());
        Some(Self { certificate: issue(&key, "federated-signon.system.gserviceaccount.com")?, key, id })
    }

    /// Claims what the recipient expects: its audience, and the account that pushes to it.
    pub(in crate::scheme::fetched) fn sign(
        &self,
        at: SystemTime,
        recipient: &Recipient<'_>,
    ) -> Option<Signed> {
        let now = at.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let head = json!({"alg": "RS256", "kid": self.id, "typ": "JWT"});
        let claims = json!({
            "iss": ISSUERS[0],
            "aud": recipient.expected.claim("aud")?,
            "email": recipient.expected.claim("email")?,
            "email_verified": true,
            "iat": now.as_secs(),
            "exp": (now + LIFETIME).as_secs(),
        });
        let token = jwt::encode(&head, &claims, |signed| self.key.sign_sha256(signed))?;
        let value = format!("Bearer {token}").parse().ok()?;
        Some(Signed::by_headers(HeaderMap::from_iter([(AUTHORIZATION, value)])))
    }

    pub(in crate::scheme::fetched) fn get(&self, url: &str) -> Option<Bytes> {
        (url == CERTIFICATES).then(|| json!({&self.id: self.certificate}).to_string().into())
    }
}
