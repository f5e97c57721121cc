//! Amazon SNS signs some fields of a message with a key whose certificate the message points to.
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html>

#[cfg(feature = "test-util")]
pub(super) mod sign;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderName;

use super::cache::Published;
use super::certificate::Certificate;
use super::fetcher::DynKeyFetcher;
use super::url::{PlainUrl, between};
use crate::clock::Clock;
use crate::delivery::Delivery;
use crate::rejection::Rejection;
use crate::scheme::expect::Expectations;
use crate::scheme::json::{self, Extract, JsonPath};
use crate::scheme::signature::{Timestamp, TimestampPlace, Unit};
use crate::scheme::validator::{SignatureValidator, Verified};

/// Comes with every message, so that other requests are refused unread.
const TYPE: HeaderName = HeaderName::from_static("x-amz-sns-message-type");

/// The name in every certificate of SNS.
const SUBJECT: &str = "sns.amazonaws.com";

/// The fields that are signed or needed, in the order of their names, which is the order in which they are signed.
const FIELDS: [&str; 12] = [
    "Message",
    "MessageId",
    "Signature",
    "SignatureVersion",
    "SigningCertURL",
    "Subject",
    "SubscribeURL",
    "Timestamp",
    "Token",
    "TopicArn",
    "Type",
    "UnsubscribeURL",
];

/// Signed in a notification; the subject only where there is one.
const OF_NOTIFICATION: [&str; 6] = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"];

/// Signed where a subscription begins or ends.
const OF_SUBSCRIPTION: [&str; 7] =
    ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"];

/// Verifies messages of the topics that are expected.
pub(super) struct SnsValidator {
    expected: Expectations,
    timestamp: Timestamp,
    certificates: Published<Certificate>,
    /// Subscriptions that were confirmed, by the URL that does it: a message that comes again does not do it again.
    confirmations: Published<()>,
    fields: Extract,
    /// Whether signatures over SHA-1 will do, which topics make unless they are told otherwise.
    version_1: bool,
}

struct Message<'m>(Vec<Option<Cow<'m, str>>>);

impl SnsValidator {
    pub(super) fn new(
        version_1: bool,
        expected: Expectations,
        (past, future): (Duration, Duration),
        fetcher: Arc<dyn DynKeyFetcher>,
        clock: Clock,
    ) -> Self {
        let at = TimestampPlace::Json(JsonPath::parse("$.Timestamp").unwrap_or_else(JsonPath::root));
        let paths: Vec<_> = FIELDS.iter().filter_map(|name| JsonPath::parse(&format!("$.{name}"))).collect();
        Self {
            expected,
            timestamp: Timestamp { at, unit: Unit::Rfc3339, past, future },
            certificates: Published::new(Certificate::parse, Arc::clone(&fetcher), clock.clone()),
            confirmations: Published::new(|_| Some(()), fetcher, clock),
            fields: Extract::new(&paths),
            version_1,
        }
    }
}

impl SignatureValidator for SnsValidator {
    /// A subscription is confirmed as soon as it is verified; a topic that is not expected has nothing fetched.
    async fn validate(&self, delivery: &Delivery) -> Result<Verified, Rejection> {
        let found = self.fields.read(delivery.body()).map_err(|_| Rejection::SignatureMalformed)?;
        let message = Message(found.into_iter().map(|raw| raw.and_then(json::text)).collect());
        let content = message.content()?;
        let signature =
            STANDARD.decode(message.text("Signature")?).map_err(|_| Rejection::SignatureMalformed)?;
        let version = message.text("SignatureVersion")?;
        let url = message.text("SigningCertURL")?;
        if !is_certificate_url(url) {
            return Err(Rejection::SignatureMismatch);
        }
        self.expected.check(delivery, |it| Ok(Cow::Borrowed(it.body())))?;
        let certificate = self.certificates.get(url, |_| true).await?;
        certificate.check(SUBJECT, delivery.received_at())?;
        match version {
            "2" => certificate.verify_sha256(content.as_bytes(), &signature)?,
            "1" if self.version_1 => certificate.verify_sha1(content.as_bytes(), &signature)?,
            _ => return Err(Rejection::SignatureMismatch),
        }
        self.certificates.prove(url);
        let signed_at = self.timestamp.parse(message.text("Timestamp")?)?;
        let signed_at = signed_at.ok_or(Rejection::TimestampMalformed)?;
        self.timestamp.check(signed_at, delivery.received_at())?;
        if message.text("Type")? == "SubscriptionConfirmation" {
            let url = message.text("SubscribeURL").ok().filter(|url| is_subscribe_url(url));
            let url = url.ok_or(Rejection::SignatureMalformed)?;
            self.confirmations.get(url, |()| true).await?;
        }
        Ok(Verified::new().with_signed_at(signed_at))
    }

    fn required_headers(&self) -> Vec<HeaderName> {
        vec![TYPE]
    }
}

impl Message<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let index = FIELDS.iter().position(|it| *it == name)?;
        self.0.get(index)?.as_deref()
    }

    fn text(&self, name: &str) -> Result<&str, Rejection> {
        self.get(name).ok_or(Rejection::SignatureMissing)
    }

    /// Names and values, a line each.
    fn content(&self) -> Result<String, Rejection> {
        let names: &[&str] = match self.text("Type")? {
            "Notification" => &OF_NOTIFICATION,
            "SubscriptionConfirmation" | "UnsubscribeConfirmation" => &OF_SUBSCRIPTION,
            _ => return Err(Rejection::SignatureMalformed),
        };
        let mut content = String::new();
        for name in names {
            match self.get(name) {
                Some(value) => content.extend([name, "\n", value, "\n"]),
                None if *name == "Subject" => {}
                None => return Err(Rejection::SignatureMalformed),
            }
        }
        Ok(content)
    }
}

/// `https://sns.us-east-1.amazonaws.com/SimpleNotificationService-….pem`
fn is_certificate_url(url: &str) -> bool {
    PlainUrl::parse(url).is_some_and(|url| {
        is_host(url.host) && between(url.path, "/SimpleNotificationService-", ".pem").is_some()
    })
}

/// `https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&…`
fn is_subscribe_url(url: &str) -> bool {
    let Some((plain, query)) = url.split_once('?') else { return false };
    let legal =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'&' | b'=' | b':' | b'-' | b'_' | b'.' | b'%');
    PlainUrl::parse(plain).is_some_and(|url| is_host(url.host) && url.path == "/")
        && query.starts_with("Action=ConfirmSubscription&")
        && query.len() <= 2_048
        && query.bytes().all(legal)
}

/// A region of AWS, or of AWS in China.
fn is_host(host: &str) -> bool {
    [".amazonaws.com", ".amazonaws.com.cn"].iter().any(|tail| between(host, "sns.", tail).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sns_cert_url_tricks() {
        let good = "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-7506a1e35b36ef5a444dd1a8e7cc3ed8.pem";
        assert!(is_certificate_url(good));
        assert!(is_certificate_url(&good.replace(".com/", ".com.cn/")));
        for wrong in [
            good.replace("https", "http"),
            good.replace("sns.us", "user@sns.us"),
            good.replace(".com/", ".com:443/"),
            good.replace(".com/", ".com.evil.com/"),
            good.replace(".com/", ".com@evil.com/"),
            good.replace("sns.", "evil.com/sns."),
            good.replace("sns.us-west-2.amazonaws.com", "169.254.169.254"),
            good.replace("/Simple", "/x/Simple"),
            good.replace("/Simple", "//Simple"),
            good.replace(".pem", ".pem?x"),
            good.replace(".pem", ".txt"),
            good.replace("Service-", "Service-../../"),
        ] {
            assert!(!is_certificate_url(&wrong), "{wrong}");
        }
    }

    #[test]
    fn subscriptions_are_confirmed_with_aws_alone() {
        let good = "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:a:1:t&Token=2f";
        assert!(is_subscribe_url(good));
        for wrong in [
            good.replace("sns.us-west-2", "sqs.us-west-2"),
            good.replace("ConfirmSubscription", "DeleteTopic"),
            good.replace("/?", "/x?"),
            good.replace("https", "http"),
            format!("{good}#"),
            format!("{good}\n"),
        ] {
            assert!(!is_subscribe_url(&wrong), "{wrong}");
        }
    }
}
