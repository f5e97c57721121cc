//! Notifications as Plaid sends them.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{VERIFICATION, World};
use crate::delivery::Delivery;
use crate::scheme::coded::jwt;
use crate::scheme::signature::{PrivateP256Key, Signed};
use crate::secret::Secret;

/// A key and the id that Plaid hands it out under.
pub(in crate::scheme::fetched) struct Plaid {
    key: PrivateP256Key,
    id: String,
    world: World,
}

impl Plaid {
    pub(in crate::scheme::fetched) fn generate(world: World) -> Self {
        Self { key: PrivateP256Key::generate(), id: format!("{:032x}", rand::random::<u128>()), world }
    }

    pub(in crate::scheme::fetched) fn sign(&self, request: &Delivery, at: SystemTime) -> Option<Signed> {
        let head = json!({"alg": "ES256", "kid": self.id, "typ": "JWT"});
        let claims = json!({
            "iat": at.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs(),
            "request_body_sha256": hex::encode(Sha256::digest(request.body())),
        });
        let token = jwt::encode(&head, &claims, |signed| self.key.sign_fixed(signed))?;
        Some(Signed::by_headers(HeaderMap::from_iter([(VERIFICATION, token.parse().ok()?)])))
    }

    /// The answer to the client with these credentials, and to no other.
    pub(in crate::scheme::fetched) fn post(
        &self,
        url: &str,
        question: &[u8],
        credentials: &Secret,
    ) -> Option<Bytes> {
        let asked: Value = serde_json::from_slice(question).ok()?;
        let ours: Value = serde_json::from_slice(&super::question(credentials.reveal(), &self.id)?).ok()?;
        if url != self.world.url() || asked != ours {
            return None;
        }
        let point = self.key.point();
        let (x, y) = point.get(1..)?.split_at_checked(32)?;
        let answer = json!({"request_id": "testing", "key": {
            "alg": "ES256", "crv": "P-256", "kid": self.id, "kty": "EC", "use": "sig",
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y), "expired_at": null,
        }});
        Some(answer.to_string().into())
    }
}
