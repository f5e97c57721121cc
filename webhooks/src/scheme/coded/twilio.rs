//! Twilio signs the URL and the form's parameters, or the URL alone with a hash of the body in its query.
//! <https://www.twilio.com/docs/usage/webhooks/webhooks-security>

use std::borrow::Cow;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderName, HeaderValue};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::CodedVerifier;
use crate::rejection::Rejection;
use crate::scheme::request::{Request, is_form, single};
use crate::scheme::signature::{BindOptions, SecretForm, SecretProblem, Signed};
use crate::scheme::validator::Verified;
use crate::secret::Secret;

/// Carries the signature.
pub(crate) const SIGNATURE: HeaderName = HeaderName::from_static("x-twilio-signature");

/// The query parameter with the hash of a body that is no form.
const BODY_HASH: &str = "bodySHA256";

/// Twilio's scheme with its keys.
pub(crate) struct TwilioVerifier {
    keys: Vec<Hmac<Sha1>>,
    public_url: String,
}

type Parameters<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

impl TwilioVerifier {
    pub(crate) fn bind(secrets: &[Secret], options: &BindOptions) -> Result<Self, Vec<SecretProblem>> {
        let keys = super::keys(secrets, |text| {
            let key = SecretForm::Utf8.decode(text)?;
            Hmac::new_from_slice(&key).map_err(|_| ("the secret cannot be a key", "copy it again"))
        })?;
        let public_url = options.public_url.as_deref().unwrap_or_default().trim_end_matches('/').to_owned();
        Ok(Self { keys, public_url })
    }

    pub(crate) fn verify(&self, request: &Request<'_>) -> Result<Verified, Rejection> {
        let signature = single(request.headers, &SIGNATURE)?.ok_or(Rejection::SignatureMissing)?;
        let signature = signature.to_str().map_err(|_| Rejection::SignatureMalformed)?;
        let (url, parameters) = self.content(request).ok_or(Rejection::SignatureMismatch)?;
        self.verify_parts(&url, parameters, signature)
    }

    /// Verifies a URL and decoded parameters against a signature header's text.
    pub(crate) fn verify_parts(
        &self,
        url: &str,
        parameters: Parameters<'_>,
        signature: &str,
    ) -> Result<Verified, Rejection> {
        let signature = STANDARD.decode(signature).map_err(|_| Rejection::SignatureMalformed)?;
        let parameters = canonical(parameters);
        // Twilio signs with or without the port, depending on the product and the age of the account.
        let urls = [Some(url.to_owned()), other_port_spelling(url)];
        let matches = |key: &Hmac<Sha1>| {
            urls.iter().flatten().any(|url| tag(key, url, &parameters).ct_eq(&signature).into())
        };
        self.keys.iter().position(matches).map(Verified::by_secret).ok_or(Rejection::SignatureMismatch)
    }

    /// The signed URL and parameters; `None` if the body is neither a form nor the one that the URL vouches for.
    fn content<'r>(&self, request: &Request<'r>) -> Option<(String, Parameters<'r>)> {
        let url = format!("{}{}", self.public_url, request.path_and_query);
        let mut query = form_urlencoded::parse(request.query().as_bytes());
        if let Some((_, expected)) = query.find(|(name, _)| name == BODY_HASH) {
            let actual = hex::encode(Sha256::digest(request.body));
            let vouched: bool = actual.as_bytes().ct_eq(expected.to_ascii_lowercase().as_bytes()).into();
            return vouched.then(|| (url, Vec::new()));
        }
        let readable = request.body.is_empty() || is_form(request.headers);
        readable.then(|| (url, form_urlencoded::parse(request.body).collect()))
    }
}

impl CodedVerifier for TwilioVerifier {
    fn precheck(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        single(headers, &SIGNATURE)?.map(drop).ok_or(Rejection::SignatureMissing)
    }

    fn verify(&self, request: &Request<'_>) -> Result<Verified, Rejection> {
        Self::verify(self, request)
    }

    fn sign(&self, request: &Request<'_>, _: SystemTime) -> Option<Signed> {
        let key = self.keys.first()?;
        let by_header = |tag: [u8; 20]| {
            let value = HeaderValue::from_str(&STANDARD.encode(tag)).ok()?;
            Some(Signed::by_headers(HeaderMap::from_iter([(SIGNATURE, value)])))
        };
        if let Some((url, parameters)) = self.content(request) {
            return by_header(tag(key, &url, &canonical(parameters)));
        }
        // A body that is no form is vouched for by the URL.
        let hash = hex::encode(Sha256::digest(request.body));
        let joint = if request.query().is_empty() { '?' } else { '&' };
        let url = format!("{}{}{joint}{BODY_HASH}={hash}", self.public_url, request.path_and_query);
        let signed = by_header(tag(key, &url, &Vec::new()))?;
        Some(Signed { parameter: Some((BODY_HASH.into(), hash)), ..signed })
    }
}

/// Sorted by name and value, without repetitions: what Twilio's libraries sign.
fn canonical(mut parameters: Parameters<'_>) -> Parameters<'_> {
    parameters.sort_unstable();
    parameters.dedup();
    parameters
}

fn tag(key: &Hmac<Sha1>, url: &str, parameters: &Parameters<'_>) -> [u8; 20] {
    let mut mac = key.clone();
    mac.update(url.as_bytes());
    for (name, value) in parameters {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    mac.finalize().into_bytes().into()
}

/// The URL without its port or, if it names none, with its scheme's own.
fn other_port_spelling(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    // Colons in the user info or inside an IPv6 address are not before a port.
    let host_at = authority.rfind('@').map_or(0, |at| at + 1);
    let port_from = authority[host_at..].rfind(']').map_or(host_at, |at| host_at + at);
    if let Some(colon) = authority[port_from..].find(':') {
        return Some(format!("{scheme}://{}{tail}", &authority[..port_from + colon]));
    }
    let port = if scheme.eq_ignore_ascii_case("https") { 443 } else { 80 };
    Some(format!("{scheme}://{authority}:{port}{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_comes_and_goes() {
        for (url, other) in [
            ("https://a.com/x?y=1:2", "https://a.com:443/x?y=1:2"),
            ("http://a.com", "http://a.com:80"),
            ("https://a.com:1234/x", "https://a.com/x"),
            ("https://u:p@a.com/x", "https://u:p@a.com:443/x"),
            ("https://[::1]/x", "https://[::1]:443/x"),
            ("https://[::1]:8/x", "https://[::1]/x"),
        ] {
            assert_eq!(other_port_spelling(url).as_deref(), Some(other), "{url}");
        }
        assert_eq!(other_port_spelling("not a url"), None);
    }
}
