//! Plaid signs a token that holds the body's hash, with a key that it hands out by the key's id.
//! <https://plaid.com/docs/api/webhooks/webhook-verification/>

#[cfg(feature = "test-util")]
pub(super) mod sign;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::HeaderName;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::cache::Published;
use super::fetcher::DynKeyFetcher;
use crate::clock::Clock;
use crate::delivery::Delivery;
use crate::rejection::Rejection;
use crate::scheme::coded::jwt::Jwt;
use crate::scheme::request::single;
use crate::scheme::signature::{KeyBytes, KeyFlaw, P256Key};
use crate::scheme::validator::{SignatureValidator, Verified};
use crate::secret::Secret;

const VERIFICATION: HeaderName = HeaderName::from_static("plaid-verification");

/// The longest id of a key. Plaid's are UUIDs, of 36 characters.
const MAX_KEY_ID: usize = 64;

/// Which of Plaid's two worlds is asked for keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum World {
    Production,
    Sandbox,
}

/// Verifies deliveries of the client with these credentials.
pub(super) struct PlaidValidator {
    world: World,
    credentials: Vec<Secret>,
    past: Duration,
    keys: Published<VerificationKey>,
}

/// A key as Plaid keeps it.
struct VerificationKey {
    /// The id that it was handed out under.
    id: String,
    key: P256Key,
    expired: bool,
}

/// What `/webhook_verification_key/get` answers with.
#[derive(Deserialize)]
struct Answer {
    key: Jwk,
}

/// A JSON Web Key (RFC 7517), with Plaid's `expired_at`.
#[derive(Deserialize)]
struct Jwk {
    alg: String,
    crv: String,
    kid: String,
    kty: String,
    x: String,
    y: String,
    expired_at: Option<serde::de::IgnoredAny>,
}

impl PlaidValidator {
    pub(super) fn new(
        world: World,
        credentials: &[Secret],
        past: Duration,
        fetcher: Arc<dyn DynKeyFetcher>,
        clock: Clock,
    ) -> Self {
        let keys = Published::new(parse, fetcher, clock);
        Self { world, credentials: credentials.to_vec(), past, keys }
    }

    /// The key of this id, asked for with each of the credentials until Plaid knows one.
    async fn key(&self, id: &str) -> Result<Arc<VerificationKey>, Rejection> {
        let url = self.world.url();
        let questions: Vec<_> = self.credentials.iter().filter_map(|it| question(it.reveal(), id)).collect();
        let ask = |fetcher: Arc<dyn DynKeyFetcher>| {
            let ask = async move {
                let mut answer = Err(io::ErrorKind::NotFound.into());
                for question in questions {
                    answer = fetcher.post_json_boxed(url, question).await;
                    if answer.is_ok() {
                        break;
                    }
                }
                answer
            };
            ask.boxed()
        };
        self.keys.get_by(id, |_| true, ask).await
    }
}

impl SignatureValidator for PlaidValidator {
    async fn validate(&self, delivery: &Delivery) -> Result<Verified, Rejection> {
        let value = single(delivery.headers(), &VERIFICATION)?.ok_or(Rejection::SignatureMissing)?;
        let token = Jwt::parse(value.to_str().map_err(|_| Rejection::SignatureMalformed)?, "ES256")?;
        let id = token.key_id().filter(|it| is_key_id(it)).ok_or(Rejection::SignatureMalformed)?;
        let key = self.key(id).await?;
        let claims = token.claims_if(|signed, signature| key.verify(id, signed, signature))?;
        self.keys.prove(id);
        let hash = hex::encode(Sha256::digest(delivery.body()));
        let claimed = claims.request_body_sha256.as_deref().unwrap_or_default();
        let same_body: bool = hash.as_bytes().ct_eq(claimed.as_bytes()).into();
        if !same_body {
            return Err(Rejection::SignatureMismatch);
        }
        let issued_at = claims.check_time(delivery.received_at())?.ok_or(Rejection::TimestampMalformed)?;
        let age = delivery.received_at().duration_since(issued_at).unwrap_or_default();
        if age > self.past {
            return Err(Rejection::Expired { age });
        }
        Ok(Verified::new().with_signed_at(issued_at))
    }

    fn required_headers(&self) -> Vec<HeaderName> {
        vec![VERIFICATION]
    }
}

impl VerificationKey {
    fn verify(&self, id: &str, signed: &[u8], signature: &[u8]) -> Result<(), Rejection> {
        let good = self.id == id
            && !self.expired
            && self.key.verify_fixed(&Sha256::digest(signed).into(), signature);
        if good { Ok(()) } else { Err(Rejection::SignatureMismatch) }
    }
}

impl World {
    fn url(self) -> &'static str {
        match self {
            Self::Production => "https://production.plaid.com/webhook_verification_key/get",
            Self::Sandbox => "https://sandbox.plaid.com/webhook_verification_key/get",
        }
    }
}

/// What is wrong with a text that is not `client_id:secret`.
pub(super) fn flaw(credentials: &str) -> Option<KeyFlaw> {
    let sound = credentials.split_once(':').is_some_and(|(id, secret)| !id.is_empty() && !secret.is_empty());
    (!sound).then_some((
        "this is not a client id and a secret",
        "write both of Plaid's dashboard, with a colon between: \"client_id:secret\"",
    ))
}

/// The JSON that asks for a key.
fn question(credentials: &str, key_id: &str) -> Option<Bytes> {
    let (client_id, secret) = credentials.split_once(':')?;
    let question = serde_json::json!({"client_id": client_id, "secret": secret, "key_id": key_id});
    Some(question.to_string().into())
}

/// Whether it can be the id of a key: it comes out of a token that nobody has verified.
fn is_key_id(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    (1..=MAX_KEY_ID).contains(&text.len()) && text.bytes().all(legal)
}

fn parse(json: &[u8]) -> Option<VerificationKey> {
    let Answer { key } = serde_json::from_slice(json).ok()?;
    if (key.kty.as_str(), key.crv.as_str(), key.alg.as_str()) != ("EC", "P-256", "ES256") {
        return None;
    }
    // A point as SEC 1 writes it, uncompressed (section 2.3.3).
    let mut point = vec![4];
    for coordinate in [&key.x, &key.y] {
        let bytes = URL_SAFE_NO_PAD.decode(coordinate).ok().filter(|it| it.len() == 32)?;
        point.extend(bytes);
    }
    let point = P256Key::new(&KeyBytes::Raw(point)).ok()?;
    Some(VerificationKey { id: key.kid, key: point, expired: key.expired_at.is_some() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7517, appendix A.1.
    const X: &str = "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4";
    const Y: &str = "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM";

    #[test]
    fn keys_are_points_of_the_curve() {
        let answer = |change: fn(&mut serde_json::Value)| {
            let mut key = serde_json::json!({
                "alg": "ES256", "crv": "P-256", "kid": "k", "kty": "EC", "use": "sig", "x": X, "y": Y,
                "created_at": 1_560_466_143, "expired_at": null,
            });
            change(&mut key);
            parse(serde_json::json!({"key": key, "request_id": "r"}).to_string().as_bytes())
        };
        assert!(answer(|_| {}).is_some_and(|it| !it.expired));
        assert!(answer(|it| it["expired_at"] = 1_560_466_150.into()).is_some_and(|it| it.expired));
        let wrong: [fn(&mut serde_json::Value); 6] = [
            |it| it["alg"] = "HS256".into(),
            |it| it["crv"] = "P-384".into(),
            |it| it["kty"] = "oct".into(),
            |it| it["x"] = Y.into(),
            |it| it["x"] = "".into(),
            |it| it["y"] = format!("{Y}=").into(),
        ];
        for change in wrong {
            assert!(answer(change).is_none());
        }
    }

    #[test]
    fn credentials_are_two_words() {
        assert_eq!(flaw("id:secret"), None);
        for wrong in ["", ":", "id", "id:", ":secret"] {
            assert!(flaw(wrong).is_some(), "{wrong}");
        }
    }

    #[test]
    fn ids_of_keys_are_plain() {
        assert!(is_key_id("bfbd5111-8e33-4643-8ced-b2e642a72f3c"));
        for wrong in ["", "a b", "a\"", "../x", "\n", &"a".repeat(65)] {
            assert!(!is_key_id(wrong), "{wrong}");
        }
    }
}
