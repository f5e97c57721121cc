//! Messages as Amazon SNS sends them.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::super::certificate::issue::issue;
use super::{FIELDS, Message, SUBJECT, is_subscribe_url};
use crate::delivery::Delivery;
use crate::scheme::json::{self, Extract, JsonPath};
use crate::scheme::signature::{PrivateRsaKey, RsaKeys, Signed, rfc3339};

/// Where a subscription is confirmed that says nothing else.
const SUBSCRIBE_URL: &str = "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&Token=2f";

/// A region's key and its certificate.
pub(in crate::scheme::fetched) struct Sns {
    key: PrivateRsaKey,
    certificate: String,
    url: String,
    version_1: bool,
}

impl Sns {
    pub(in crate::scheme::fetched) fn generate(version_1: bool, rsa: RsaKeys) -> Option<Self> {
        let key = PrivateRsaKey::generate(rsa)?;
        let url = format!(
            "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-{:032x}.pem",
            rand::random::<u128>()
        );
        Some(Self { certificate: issue(&key, SUBJECT)?, key, url, version_1 })
    }

    /// Adds what AWS adds to a message, and what it cannot do without.
    pub(in crate::scheme::fetched) fn sign(&self, request: &Delivery, at: SystemTime) -> Option<Signed> {
        let mut body = std::str::from_utf8(request.body()).ok()?.to_owned();
        let mut missing = vec![
            ("Timestamp", rfc3339(at)),
            ("Message", String::new()),
            ("TopicArn", "arn:aws:sns:us-east-1:42:topic".to_owned()),
        ];
        if field(&body, "Type")?.as_deref() != Some("Notification") {
            missing.extend([("Token", "2f".to_owned()), ("SubscribeURL", SUBSCRIBE_URL.to_owned())]);
        }
        for (name, value) in missing {
            if field(&body, name)?.is_none() {
                body = set(&body, name, &value)?;
            }
        }
        let content = {
            let paths: Vec<_> = FIELDS.iter().filter_map(|name| path(name)).collect();
            let found = Extract::new(&paths).read(body.as_bytes()).ok()?;
            Message(found.into_iter().map(|raw| raw.and_then(json::text)).collect()).content().ok()?
        };
        let (version, signature) = match self.version_1 {
            true => ("1", self.key.sign_sha1(content.as_bytes())?),
            false => ("2", self.key.sign_sha256(content.as_bytes())?),
        };
        let signature = STANDARD.encode(signature);
        let added = [("SignatureVersion", version), ("SigningCertURL", &self.url), ("Signature", &signature)];
        added.iter().try_fold(body, |body, (name, value)| set(&body, name, value)).map(Signed::by_body)
    }

    /// The certificate; and a confirmation of a subscription, which is answered whatever it says.
    pub(in crate::scheme::fetched) fn get(&self, url: &str) -> Option<Bytes> {
        if url == self.url {
            return Some(self.certificate.clone().into());
        }
        is_subscribe_url(url).then(Bytes::new)
    }
}

fn path(name: &str) -> Option<JsonPath> {
    JsonPath::parse(&format!("$.{name}"))
}

/// `None` if the body cannot be read.
fn field(body: &str, name: &str) -> Option<Option<String>> {
    let found = Extract::new([&path(name)?]).read(body.as_bytes()).ok()?;
    Some(found.into_iter().flatten().next().and_then(json::text).map(|it| it.into_owned()))
}

fn set(body: &str, name: &str, value: &str) -> Option<String> {
    json::put(body, &path(name)?, &json::quoted(value))
}
