//! Braintree signs a form's payload inside the same form, with a key that is a hash of the private key.
//! <https://developer.paypal.com/braintree/docs/guides/webhooks/parse>

use std::borrow::Cow;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use sha1::{Digest as _, Sha1};

use super::CodedVerifier;
use crate::rejection::Rejection;
use crate::scheme::request::Request;
use crate::scheme::signature::{Algorithm, Key, KeyFlaw, MAX_SIGNATURES, SecretForm, SecretProblem, Signed};
use crate::scheme::validator::Verified;
use crate::secret::Secret;

/// The fields of the form.
const SIGNATURE: &str = "bt_signature";
const PAYLOAD: &str = "bt_payload";

/// Braintree's scheme with its keys.
pub(super) struct BraintreeVerifier {
    keys: Vec<BraintreeKey>,
}

struct BraintreeKey {
    /// Braintree signs with several keys and names each by its public one.
    public: String,
    private: Hmac<Sha1>,
}

impl BraintreeVerifier {
    pub(super) fn bind(secrets: &[Secret]) -> Result<Self, Vec<SecretProblem>> {
        let key = |text: &str| {
            let (public, hashed) = take_apart(text)?;
            let private =
                Hmac::new_from_slice(&hashed).map_err(|_| ("the secret cannot be a key", "copy it again"))?;
            Ok(BraintreeKey { public, private })
        };
        super::keys(secrets, key).map(|keys| Self { keys })
    }
}

impl CodedVerifier for BraintreeVerifier {
    fn precheck(&self, _: &HeaderMap) -> Result<(), Rejection> {
        Ok(())
    }

    fn verify(&self, request: &Request<'_>) -> Result<Verified, Rejection> {
        let signatures = field(request.body, SIGNATURE)?;
        let payload = field(request.body, PAYLOAD)?;
        // Anyone can have hexadecimal digits signed by asking for a challenge's reply: those are no notification.
        if !is_xml(&payload) {
            return Err(Rejection::SignatureMalformed);
        }
        let mut pairs = signatures.split('&').take(MAX_SIGNATURES).filter_map(|pair| pair.split_once('|'));
        let matching = pairs.find_map(|(public, signature)| {
            let signature = hex::decode(signature).ok()?;
            self.keys.iter().position(|key| key.public == public && key.matches(&payload, &signature))
        });
        matching.map(Verified::by_secret).ok_or(Rejection::SignatureMismatch)
    }

    fn sign(&self, request: &Request<'_>, _: SystemTime) -> Option<Signed> {
        let key = self.keys.first()?;
        let payload = field(request.body, PAYLOAD).ok().filter(|it| is_xml(it))?;
        let mac = key.private.clone().chain_update(payload.as_bytes()).finalize().into_bytes();
        let signature = format!("{}|{}", key.public, hex::encode(mac));
        let others = form_urlencoded::parse(request.body).filter(|(name, _)| name != SIGNATURE);
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair(SIGNATURE, &signature).extend_pairs(others);
        Some(Signed::by_body(form.finish()))
    }
}

impl BraintreeKey {
    /// A form's last line end may have been lost on the way: Braintree's libraries try with one, too.
    fn matches(&self, payload: &str, signature: &[u8]) -> bool {
        let matches = |end| {
            self.private.clone().chain_update(payload).chain_update(end).verify_slice(signature).is_ok()
        };
        ["", "\n"].into_iter().any(matches)
    }
}

/// The key that challenges are answered with, and the public key that stands in front of the answer.
pub(super) fn reply_key(secret: &Secret, algorithm: Algorithm) -> Option<(String, Key)> {
    let (public, hashed) = take_apart(secret.reveal()).ok()?;
    Some((public, Key::new(algorithm, &hashed)?))
}

/// The public key, and the hash of the private one.
fn take_apart(secret: &str) -> Result<(String, [u8; 20]), KeyFlaw> {
    let flaw = ("the secret does not hold both keys", "write it as `publickey:privatekey`");
    let (public, private) = secret.split_once(':').filter(|(public, _)| !public.is_empty()).ok_or(flaw)?;
    Ok((public.to_owned(), Sha1::digest(SecretForm::Utf8.decode(private)?).into()))
}

/// The value of a form's field, which must not come twice.
fn field<'b>(form: &'b [u8], name: &str) -> Result<Cow<'b, str>, Rejection> {
    let mut values = form_urlencoded::parse(form).filter(|(key, _)| key == name).map(|(_, value)| value);
    let first = values.next().ok_or(Rejection::SignatureMissing)?;
    if values.next().is_some() { Err(Rejection::SignatureMalformed) } else { Ok(first) }
}

/// Whether it is base64 of XML, before which XML's own white space may stand: no other, with which hexadecimal digits
/// could decode to such a beginning.
fn is_xml(payload: &str) -> bool {
    let text: String = payload.split_ascii_whitespace().collect();
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    STANDARD.decode(text).is_ok_and(|xml| xml.iter().find(|byte| !is_space(byte)) == Some(&b'<'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenges_reply_is_no_signature() {
        let secret = Secret::new("public:private");
        let challenge = "20f9f8ed05f77439fe955c977e4c8a53";
        let (_, key) = reply_key(&secret, Algorithm::HmacSha1).expect("a key");
        let mac = hex::encode(key.mac_of(challenge.as_bytes()));
        let body = format!("bt_signature=public%7C{mac}&bt_payload={challenge}");
        let (method, headers) = (http::Method::POST, HeaderMap::new());
        let request = Request {
            method: &method,
            path_and_query: "/",
            headers: &headers,
            body: body.as_bytes(),
            received_at: SystemTime::UNIX_EPOCH,
        };
        let verifier = BraintreeVerifier::bind(&[secret]).unwrap_or_else(|problems| panic!("{problems:?}"));
        assert_eq!(verifier.verify(&request), Err(Rejection::SignatureMalformed));
    }

    #[test]
    fn xml_may_follow_white_space() {
        for xml in ["<notification/>", "\n   <notification/>", "\r\n\t<notification/>"] {
            assert!(is_xml(&STANDARD.encode(xml)), "{xml:?}");
        }
        assert!(!is_xml(&STANDARD.encode("\x0c<notification/>")));
        assert!(!is_xml(&STANDARD.encode("   ")));
    }

    /// Four digits are three bytes, so that these are the beginnings of all challenges.
    #[test]
    fn no_hexadecimal_digits_are_xml() {
        let digits = b"0123456789abcdefABCDEF".map(char::from);
        for a in digits {
            for b in digits {
                for c in digits {
                    for d in digits {
                        let beginning = String::from_iter([a, b, c, d]);
                        let xml = format!("{beginning}{}", STANDARD.encode("<notification/>"));
                        assert!(!is_xml(&xml), "{beginning}");
                    }
                }
            }
        }
    }

    #[test]
    fn both_keys_are_needed() {
        for wrong in ["private", ":private", "public:"] {
            assert!(BraintreeVerifier::bind(&[Secret::new(wrong)]).is_err(), "{wrong}");
        }
    }
}
