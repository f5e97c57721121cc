//! Contentful signs method, path, body and a list of headers that is itself among them.
//! <https://www.contentful.com/developers/docs/webhooks/request-verification/>

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::Sha256;

use super::{CodedVerifier, signature_text};
use crate::rejection::Rejection;
use crate::scheme::request::{Request, single, unlisted};
use crate::scheme::signature::{
    BindOptions, SecretForm, SecretProblem, Signed, Timestamp, TimestampPlace, Unit,
};
use crate::scheme::validator::Verified;
use crate::secret::Secret;

pub(super) const SIGNATURE: HeaderName = HeaderName::from_static("x-contentful-signature");
const SIGNED_HEADERS: HeaderName = HeaderName::from_static("x-contentful-signed-headers");
const TIMESTAMP: HeaderName = HeaderName::from_static("x-contentful-timestamp");

/// How old a request may be, in whole seconds: version 3.16 of `@contentful/node-apps-toolkit` refuses it at 30.
pub(super) const TOLERANCE: Duration = Duration::from_secs(29);

/// The most headers that are looked up; Contentful names about ten.
const MAX_HEADERS: usize = 64;

/// Contentful's scheme with its keys.
pub(super) struct ContentfulVerifier {
    keys: Vec<Hmac<Sha256>>,
    timestamp: Timestamp,
    /// The path in front of the one that arrives here, where a proxy takes it off.
    path_prefix: String,
}

impl ContentfulVerifier {
    pub(super) fn bind(secrets: &[Secret], options: &BindOptions) -> Result<Self, Vec<SecretProblem>> {
        let keys = super::keys(secrets, |text| {
            let key = SecretForm::Utf8.decode(text)?;
            Hmac::new_from_slice(&key).map_err(|_| ("the secret cannot be a key", "copy it again"))
        })?;
        let tolerance = options.tolerance.unwrap_or(TOLERANCE);
        let timestamp = Timestamp {
            at: TimestampPlace::Header(TIMESTAMP),
            unit: Unit::Milliseconds,
            past: tolerance,
            future: tolerance,
        };
        let after_scheme =
            options.public_url.as_deref().and_then(|url| url.split_once("://")).map(|(_, it)| it);
        let prefix =
            after_scheme.and_then(|it| it.find('/').map(|at| it[at..].trim_end_matches('/').to_owned()));
        Ok(Self { keys, timestamp, path_prefix: prefix.unwrap_or_default() })
    }

    /// What is signed in front of the body.
    fn head(&self, request: &Request<'_>, signed: &str) -> Result<String, Rejection> {
        let mut names: Vec<_> = signed.split(',').map(str::trim).take(MAX_HEADERS + 1).collect();
        names.sort_unstable();
        names.dedup();
        let vouched = |name: &HeaderName| names.contains(&name.as_str());
        if names.len() > MAX_HEADERS || !vouched(&SIGNED_HEADERS) || !vouched(&TIMESTAMP) {
            return Err(Rejection::SignatureMalformed);
        }
        let mut headers = Vec::new();
        for name in names {
            let parsed: HeaderName = name.parse().map_err(|_| Rejection::SignatureMalformed)?;
            if let Some(value) = single(request.headers, &parsed)? {
                let value = value.to_str().map_err(|_| Rejection::SignatureMalformed)?;
                headers.push(format!("{name}:{}", value.trim()));
            }
        }
        let target = self.target(request.path_and_query);
        Ok(format!("{}\n{target}\n{}\n", request.method, headers.join(";")))
    }

    /// Contentful's own library escapes a query twice, and so do its signatures.
    fn target(&self, path_and_query: &str) -> String {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let mut target = String::new();
        escape(&mut target, &self.path_prefix, URI);
        escape(&mut target, path, URI);
        if !query.is_empty() {
            let mut once = String::new();
            escape(&mut once, query, COMPONENT);
            target.push('?');
            escape(&mut target, &once, URI);
        }
        target
    }
}

impl CodedVerifier for ContentfulVerifier {
    fn precheck(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        signature_text(headers, &SIGNATURE)?;
        single(headers, &SIGNED_HEADERS)?.ok_or(Rejection::HeaderRequired)?;
        unlisted(headers, &TIMESTAMP)?.map(drop).ok_or(Rejection::TimestampMalformed)
    }

    fn verify(&self, request: &Request<'_>) -> Result<Verified, Rejection> {
        self.precheck(request.headers)?;
        let signature = signature_text(request.headers, &SIGNATURE)?;
        let signature = hex::decode(signature).map_err(|_| Rejection::SignatureMalformed)?;
        let text = |name: &HeaderName, otherwise| {
            request.headers.get(name).and_then(|it| it.to_str().ok()).ok_or(otherwise)
        };
        let head = self.head(request, text(&SIGNED_HEADERS, Rejection::SignatureMalformed)?)?;
        let signed_at = self.timestamp.parse(text(&TIMESTAMP, Rejection::TimestampMalformed)?)?;
        let signed_at = signed_at.ok_or(Rejection::TimestampMalformed)?;
        let matches = |key: &Hmac<Sha256>| mac(key, &head, request.body).verify_slice(&signature).is_ok();
        let index = self.keys.iter().position(matches).ok_or(Rejection::SignatureMismatch)?;
        self.timestamp.check(signed_at, request.received_at)?;
        Ok(Verified::by_secret(index).with_signed_at(signed_at))
    }

    fn sign(&self, request: &Request<'_>, at: SystemTime) -> Option<Signed> {
        let signed = format!("{SIGNED_HEADERS},{TIMESTAMP}");
        let mut headers = request.headers.clone();
        headers.insert(SIGNED_HEADERS, HeaderValue::from_str(&signed).ok()?);
        headers.insert(TIMESTAMP, HeaderValue::from_str(&self.timestamp.write(at)).ok()?);
        let head = self.head(&Request { headers: &headers, ..*request }, &signed).ok()?;
        let tag = hex::encode(mac(self.keys.first()?, &head, request.body).finalize().into_bytes());
        let added = [SIGNED_HEADERS, TIMESTAMP]
            .into_iter()
            .filter_map(|name| Some((name.clone(), headers.remove(name)?)));
        let mut added: HeaderMap = added.collect();
        added.insert(SIGNATURE, HeaderValue::from_str(&tag).ok()?);
        Some(Signed::by_headers(added))
    }
}

fn mac(key: &Hmac<Sha256>, head: &str, body: &[u8]) -> Hmac<Sha256> {
    key.clone().chain_update(head).chain_update(body)
}

/// What JavaScript's `encodeURI` and Node's `querystring.escape` leave as it is, besides letters and digits:
/// ECMA-262, section 19.2.6, and <https://nodejs.org/api/querystring.html#querystringescapestr>.
const URI: &str = "-_.!~*'();/?:@&=+$,#";
const COMPONENT: &str = "-_.!~*'()";

fn escape(into: &mut String, text: &str, kept: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte) {
            into.push(char::from(byte));
        } else {
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_escaped_twice() {
        let options = BindOptions { public_url: Some("https://example.com/in/".to_owned()), tolerance: None };
        let verifier = ContentfulVerifier::bind(&[Secret::new("a".repeat(64))], &options);
        let verifier = verifier.unwrap_or_else(|problems| panic!("{problems:?}"));
        assert_eq!(verifier.target("/x?a=1&b=%20"), "/in/x?a%253D1%2526b%253D%252520");
        assert_eq!(verifier.target("/%41"), "/in/%2541");
    }
}
