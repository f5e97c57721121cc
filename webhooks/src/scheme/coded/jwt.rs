//! JSON Web Tokens: RFC 7519, in the compact form of RFC 7515.
//!
//! Which algorithm verifies is the configuration's to say: a token whose header names another one is refused before
//! any key is touched.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use serde::Deserialize;
use sha2::Sha256;

use crate::rejection::Rejection;

/// The longest token that is looked at. Vendors' tokens hold a few hundred bytes.
const MAX_LEN: usize = 8 * 1024;

/// How far two clocks may be apart: RFC 7519, section 4.1.4, speaks of "a few minutes".
const LEEWAY: Duration = Duration::from_secs(60);

/// A token taken apart, not yet verified: its claims cannot be read before its signature is.
pub(in crate::scheme) struct Jwt<'t> {
    #[cfg(feature = "fetch")]
    key_id: Option<String>,
    signed: &'t str,
    claims: &'t str,
    signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Head {
    alg: String,
    /// A shared key needs no name.
    #[cfg(feature = "fetch")]
    kid: Option<String>,
    /// Extensions that must be understood (RFC 7515, section 4.1.11); none is.
    crit: Option<serde::de::IgnoredAny>,
}

/// What a verified token claims. What is claimed twice makes the token unreadable.
#[derive(Debug, Default, Deserialize)]
pub(in crate::scheme) struct Claims {
    pub(in crate::scheme) iss: Option<String>,
    #[cfg(feature = "fetch")]
    aud: Option<Audience>,
    /// Seconds since 1970, maybe with a fraction: RFC 7519, section 2.
    exp: Option<f64>,
    nbf: Option<f64>,
    iat: Option<f64>,
    #[cfg(feature = "fetch")]
    pub(in crate::scheme) email: Option<String>,
    #[cfg(feature = "fetch")]
    pub(in crate::scheme) email_verified: Option<bool>,
    pub(in crate::scheme) sha256: Option<String>,
    #[cfg(all(feature = "fetch", feature = "p256"))]
    pub(in crate::scheme) request_body_sha256: Option<String>,
}

/// One audience or several.
#[cfg(feature = "fetch")]
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl<'t> Jwt<'t> {
    /// Takes a token apart that was signed with this algorithm and no other.
    pub(in crate::scheme) fn parse(token: &'t str, algorithm: &str) -> Result<Self, Rejection> {
        let flaw = Rejection::SignatureMalformed;
        let (signed, signature) = token.rsplit_once('.').filter(|_| token.len() <= MAX_LEN).ok_or(flaw)?;
        let (head, claims) = signed.split_once('.').filter(|(_, it)| !it.contains('.')).ok_or(flaw)?;
        let head: Head = read(head)?;
        if head.alg != algorithm || head.crit.is_some() {
            return Err(flaw);
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| flaw)?;
        Ok(Self {
            #[cfg(feature = "fetch")]
            key_id: head.kid,
            signed,
            claims,
            signature,
        })
    }

    /// The id of the key that is said to have signed it.
    #[cfg(feature = "fetch")]
    pub(in crate::scheme) fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// The claims, if one of the keys made the token, and which did. For `HS256`.
    pub(super) fn claims_by_secret(&self, keys: &[Hmac<Sha256>]) -> Result<(usize, Claims), Rejection> {
        let matches =
            |key: &Hmac<Sha256>| key.clone().chain_update(self.signed).verify_slice(&self.signature).is_ok();
        let index = keys.iter().position(matches).ok_or(Rejection::SignatureMismatch)?;
        Ok((index, read(self.claims)?))
    }

    /// The claims, if `verify` finds that the signature is right.
    #[cfg(feature = "fetch")]
    pub(in crate::scheme) fn claims_if(
        &self,
        verify: impl FnOnce(&[u8], &[u8]) -> Result<(), Rejection>,
    ) -> Result<Claims, Rejection> {
        verify(self.signed.as_bytes(), &self.signature)?;
        read(self.claims)
    }
}

impl Claims {
    /// Whether the token is good at this time; returned is when it was issued, if it says so.
    pub(in crate::scheme) fn check_time(&self, now: SystemTime) -> Result<Option<SystemTime>, Rejection> {
        let past = |from: SystemTime| now.duration_since(from).unwrap_or_default();
        let ahead = |to: SystemTime| to.duration_since(now).unwrap_or_default();
        if let Some(expiry) = self.exp {
            let age = past(time(expiry)?);
            if age > LEEWAY {
                return Err(Rejection::Expired { age });
            }
        }
        for start in [self.nbf, self.iat].into_iter().flatten() {
            let ahead = ahead(time(start)?);
            if ahead > LEEWAY {
                return Err(Rejection::FromTheFuture { ahead });
            }
        }
        self.iat.map(time).transpose()
    }

    pub(in crate::scheme) fn expires(&self) -> bool {
        self.exp.is_some()
    }

    /// Whether the token is meant for this audience.
    #[cfg(feature = "fetch")]
    pub(in crate::scheme) fn is_for(&self, audience: &str) -> bool {
        match &self.aud {
            Some(Audience::One(it)) => it == audience,
            Some(Audience::Several(them)) => them.iter().any(|it| it == audience),
            None => false,
        }
    }
}

fn read<T: for<'a> Deserialize<'a>>(part: &str) -> Result<T, Rejection> {
    let json = URL_SAFE_NO_PAD.decode(part).map_err(|_| Rejection::SignatureMalformed)?;
    serde_json::from_slice(&json).map_err(|_| Rejection::SignatureMalformed)
}

fn time(seconds: f64) -> Result<SystemTime, Rejection> {
    let since = Duration::try_from_secs_f64(seconds).ok();
    since.and_then(|it| SystemTime::UNIX_EPOCH.checked_add(it)).ok_or(Rejection::TimestampMalformed)
}

/// A token as `HS256` makes it.
pub(super) fn sign(key: &Hmac<Sha256>, claims: &serde_json::Value) -> Option<String> {
    let mac = |signed: &[u8]| Some(key.clone().chain_update(signed).finalize().into_bytes().to_vec());
    encode(&serde_json::json!({"alg": "HS256", "typ": "JWT"}), claims, mac)
}

/// A token with this head, which has to name the algorithm that `sign` signs with.
pub(in crate::scheme) fn encode(
    head: &serde_json::Value,
    claims: &serde_json::Value,
    sign: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
) -> Option<String> {
    let part = |json: &serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", part(head), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(signed.as_bytes())?);
    Some(format!("{signed}.{signature}"))
}

#[cfg(test)]
mod tests {
    use hmac::KeyInit as _;
    use serde_json::json;

    use super::*;

    fn key(secret: &str) -> Hmac<Sha256> {
        Hmac::new_from_slice(secret.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
    }

    fn token(claims: serde_json::Value) -> String {
        sign(&key("topsecret"), &claims).expect("a token")
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// RFC 7515, appendix A.1.
    #[test]
    fn the_example_of_the_rfc() {
        let secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0d\
                     HA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let secret = URL_SAFE_NO_PAD.decode(secret).expect("base64url");
        let key = Hmac::new_from_slice(&secret).unwrap_or_else(|error| panic!("{error}"));
        let jwt = Jwt::parse(token, "HS256").unwrap_or_else(|rejection| panic!("{rejection}"));
        let (index, claims) = jwt.claims_by_secret(&[key]).expect("genuine");
        assert_eq!((index, claims.iss.as_deref()), (0, Some("joe")));
        assert_eq!(claims.check_time(at(1_300_819_380)), Ok(None));
        assert!(matches!(claims.check_time(at(1_300_819_500)), Err(Rejection::Expired { .. })));
    }

    #[test]
    fn jwt_alg_confusion() {
        let token = token(json!({}));
        let with_head = |head: &str| token.replacen(token.split('.').next().unwrap_or_default(), head, 1);
        assert!(Jwt::parse(&token, "HS256").is_ok());
        assert!(Jwt::parse(&token, "RS256").is_err());
        for head in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"hs256"}"#,
            r#"{"alg":"RS256"}"#,
            r#"{"alg":"HS256","alg":"HS256"}"#,
            r#"{"alg":"HS256","crit":["exp"]}"#,
            "{}",
        ] {
            let forged = with_head(&URL_SAFE_NO_PAD.encode(head));
            assert!(Jwt::parse(&forged, "HS256").is_err(), "{head}");
        }
    }

    #[test]
    fn tokens_are_three_parts_of_base64url() {
        let token = token(json!({}));
        for wrong in
            ["", ".", "..", "a.b", &format!("{token}."), &format!("{token}="), &"a".repeat(MAX_LEN + 1)]
        {
            assert!(Jwt::parse(wrong, "HS256").is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_judged_after_the_signature() {
        let claims = |claims| {
            let token = token(claims);
            let jwt = Jwt::parse(&token, "HS256").unwrap_or_else(|rejection| panic!("{rejection}"));
            assert!(jwt.claims_by_secret(&[key("other")]).is_err());
            jwt.claims_by_secret(&[key("other"), key("topsecret")]).map(|it| it.1)
        };
        let early = claims(json!({"iat": 1_000_061.5})).expect("genuine");
        assert!(matches!(early.check_time(at(1_000_000)), Err(Rejection::FromTheFuture { .. })));
        let endless = claims(json!({"exp": 1e300})).expect("genuine");
        assert_eq!(endless.check_time(at(0)), Err(Rejection::TimestampMalformed));
        assert!(claims(json!([1])).is_err());
    }

    #[cfg(feature = "fetch")]
    #[test]
    fn a_token_may_have_several_audiences() {
        let is_for = |claims: serde_json::Value, audience: &str| {
            let claims: Claims = serde_json::from_value(claims).expect("claims");
            claims.is_for(audience)
        };
        assert!(is_for(json!({"aud": ["a", "b"]}), "b") && is_for(json!({"aud": "b"}), "b"));
        assert!(!is_for(json!({"aud": "b"}), "a") && !is_for(json!({}), ""));
    }
}
