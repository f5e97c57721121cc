//! Which headers are stored, and how.
//!
//! What is at rest outlives the request by weeks and ends up in backups: of the headers, only those are kept that are
//! known to be harmless. Whatever proves an identity (signatures, tokens, cookies) is not, and neither is the URL,
//! whose query some providers put a token into.

use std::collections::BTreeSet;

use http::{HeaderMap, HeaderName, HeaderValue};

/// Said by every client, of use to a listener, and no secret.
const HARMLESS: [&str; 8] = [
    "content-type",
    "content-language",
    "user-agent",
    "date",
    "webhook-id",
    "webhook-timestamp",
    "x-request-id",
    "x-correlation-id",
];

/// Parts of names of headers that prove an identity: none of these is kept, whoever asks for it. A source's own signatures
/// are known from its scheme; these are what proxies and gateways add, and what schemes in code look at.
const TELLTALE: [&str; 11] = [
    "auth",
    "cookie",
    "token",
    "secret",
    "signature",
    "hmac",
    "password",
    "credential",
    "api-key",
    "apikey",
    "session",
];

/// The headers of one source that are stored.
#[derive(Debug, Clone)]
pub(crate) struct KeptHeaders(BTreeSet<String>);

impl KeptHeaders {
    /// The harmless ones, and `more`: those that the provider puts an event's id and type into, and those asked for.
    /// None of the `credentials`.
    pub(crate) fn new<'a>(more: impl IntoIterator<Item = &'a str>, credentials: &[HeaderName]) -> Self {
        let is_credential = |name: &str| is_telltale(name) || credentials.iter().any(|it| it == name);
        let names = HARMLESS.into_iter().chain(more).map(str::to_ascii_lowercase);
        Self(names.filter(|name| !is_credential(name)).collect())
    }

    /// What is kept of these headers, as JSON: `[["user-agent","GitHub-Hookshot/1"]]`. Values that are no text are not.
    pub(crate) fn write(&self, headers: &HeaderMap) -> Vec<u8> {
        let kept: Vec<(&str, &str)> = headers
            .iter()
            .filter(|(name, _)| self.0.contains(name.as_str()))
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
            .collect();
        serde_json::to_vec(&kept).unwrap_or_default()
    }
}

/// Headers as [`KeptHeaders::write`] has written them.
pub(crate) fn read(stored: &[u8]) -> HeaderMap {
    let pairs: Vec<(String, String)> = serde_json::from_slice(stored).unwrap_or_default();
    let pairs = pairs.into_iter().filter_map(|(name, value)| {
        Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_str(&value).ok()?))
    });
    pairs.collect()
}

/// Whether a header of this name proves an identity.
pub(crate) fn is_telltale(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    TELLTALE.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(names: &[&str]) -> HeaderMap {
        names.iter().map(|name| (name.parse().unwrap(), HeaderValue::from_static("value"))).collect()
    }

    #[test]
    fn only_what_is_on_the_list_is_kept() {
        let received = headers(&["content-type", "x-github-event", "authorization", "x-anything"]);
        let kept = KeptHeaders::new(["X-GitHub-Event"], &[]).write(&received);
        assert_eq!(read(&kept), headers(&["content-type", "x-github-event"]));
    }

    #[test]
    fn what_proves_an_identity_is_never_kept() {
        let telltale = [
            "authorization",
            "proxy-authorization",
            "cookie",
            "x-gitlab-token",
            "x-hub-signature-256",
            "stripe-signature",
            "x-shopify-hmac-sha256",
            "x-api-key",
            "x-hook-secret",
        ];
        let kept = KeptHeaders::new(telltale, &[]).write(&headers(&telltale));
        assert_eq!(kept, b"[]");
    }

    #[test]
    fn what_the_scheme_calls_a_signature_is_never_kept() {
        let received = headers(&["x-trello-webhook", "x-kind"]);
        let signature = HeaderName::from_static("x-trello-webhook");
        let kept = KeptHeaders::new(["X-Trello-Webhook", "X-Kind"], &[signature]).write(&received);
        assert_eq!(read(&kept), headers(&["x-kind"]));
    }

    #[test]
    fn what_was_stored_by_nobody_reads_as_nothing() {
        for broken in [&b""[..], b"{", b"[[1,2]]", b"[[\"a b\",\"c\"],[\"ok\",\"a\\nb\"]]"] {
            assert!(read(broken).is_empty());
        }
    }
}
