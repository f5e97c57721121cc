//! Schemes whose keys the vendor publishes: what is needed is fetched once, and kept.
//!
//! A request can choose among a vendor's keys, never whose they are: every URL must be of the vendor's exact form.

#[cfg(feature = "fetch")]
mod cache;
#[cfg(feature = "fetch")]
mod certificate;
#[cfg(feature = "fetch")]
mod fetcher;
#[cfg(feature = "fetch")]
mod paypal;
#[cfg(all(feature = "fetch", feature = "p256"))]
mod plaid;
#[cfg(feature = "fetch")]
mod pubsub;
#[cfg(feature = "fetch")]
mod sns;
#[cfg(all(test, feature = "fetch"))]
mod tests;
#[cfg(feature = "fetch")]
mod url;
#[cfg(all(feature = "fetch", feature = "test-util"))]
mod vendor;

#[cfg(feature = "fetch")]
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

#[cfg(feature = "fetch")]
use super::expect::Expectations;
use super::signature::{BodyCoverage, Covers, SecretProblem};
#[cfg(feature = "fetch")]
use super::validator::DynSignatureValidator;
#[cfg(feature = "fetch")]
use crate::clock::Clock;
#[cfg(feature = "fetch")]
use crate::secret::Secret;

#[cfg(feature = "fetch")]
pub(crate) use fetcher::DynKeyFetcher;
#[cfg(feature = "fetch")]
pub use fetcher::KeyFetcher;
#[cfg(all(feature = "fetch", feature = "test-util"))]
pub(super) use vendor::Recipient;
#[cfg(all(feature = "fetch", feature = "test-util"))]
pub(super) use vendor::VendorKey;

/// A scheme whose keys are fetched, named by `validator = "…"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fetched {
    /// Amazon SNS, signing over SHA-256: signature version 2.
    Sns,
    /// The same with signatures of version 1 let through, which are over SHA-1.
    SnsVersion1,
    PayPal,
    /// PayPal's other world, for tests of its customers.
    PayPalSandbox,
    Plaid,
    /// Plaid's other world, for tests of its customers.
    PlaidSandbox,
    PubSub,
}

/// What a source brings.
#[cfg(feature = "fetch")]
pub(crate) struct FetchedOptions<'s> {
    pub(crate) secrets: &'s [Secret],
    pub(crate) expected: &'s Expectations,
    pub(crate) tolerance: Option<Duration>,
    pub(crate) clock: Clock,
    pub(crate) fetcher: Arc<dyn DynKeyFetcher>,
}

impl Fetched {
    pub(super) const NAMES: [(&'static str, Self); 7] = [
        ("aws-sns", Self::Sns),
        ("aws-sns-version-1", Self::SnsVersion1),
        ("google-pubsub", Self::PubSub),
        ("paypal", Self::PayPal),
        ("paypal-sandbox", Self::PayPalSandbox),
        ("plaid", Self::Plaid),
        ("plaid-sandbox", Self::PlaidSandbox),
    ];

    pub(super) fn covers(self) -> Covers {
        let body = match self {
            // All but where to unsubscribe.
            Self::Sns | Self::SnsVersion1 => BodyCoverage::Partial,
            // A checksum: another body of the same one is easily made.
            Self::PayPal | Self::PayPalSandbox => BodyCoverage::Weak,
            Self::Plaid | Self::PlaidSandbox => BodyCoverage::Full,
            // A token that says who pushes, and nothing of what.
            Self::PubSub => BodyCoverage::None,
        };
        Covers { body, time: true, url: false }
    }

    /// How old a signed time may be, and how far ahead; `None` where a token says itself how long it is good.
    fn window(self, tolerance: Option<Duration>) -> Option<(Duration, Duration)> {
        const MINUTE: Duration = Duration::from_secs(60);
        let (past, future) = match self {
            // SNS tries for an hour at most, with the time of the first attempt:
            // https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
            Self::Sns | Self::SnsVersion1 => (120 * MINUTE, 5 * MINUTE),
            // PayPal goes on for three days, and whether it signs anew is not documented.
            Self::PayPal | Self::PayPalSandbox => (4 * 24 * 60 * MINUTE, 5 * MINUTE),
            // https://plaid.com/docs/api/webhooks/webhook-verification/
            Self::Plaid | Self::PlaidSandbox => (5 * MINUTE, MINUTE),
            Self::PubSub => return None,
        };
        Some((tolerance.unwrap_or(past), tolerance.unwrap_or(future)))
    }

    /// How long a signature is good in all.
    pub(super) fn validity(self, tolerance: Option<Duration>) -> Option<Duration> {
        self.window(tolerance).map(|(past, future)| past.saturating_add(future))
    }

    /// Whether there is something that only the source's owner can say: PayPal's webhook id, Plaid's credentials.
    pub(super) fn needs_secret(self) -> bool {
        self.is_paypal() || self.is_plaid()
    }

    fn is_paypal(self) -> bool {
        matches!(self, Self::PayPal | Self::PayPalSandbox)
    }

    fn is_plaid(self) -> bool {
        matches!(self, Self::Plaid | Self::PlaidSandbox)
    }

    /// The header that carries the signature or token; `None`: it stands in the body.
    // The modules' constants are not there in every build.
    pub(super) fn credential_header(self) -> Option<HeaderName> {
        match self {
            Self::Sns | Self::SnsVersion1 => None,
            Self::PayPal | Self::PayPalSandbox => Some(HeaderName::from_static("paypal-transmission-sig")),
            Self::Plaid | Self::PlaidSandbox => Some(HeaderName::from_static("plaid-verification")),
            Self::PubSub => Some(http::header::AUTHORIZATION),
        }
    }

    pub(super) fn covers_header(self, name: &HeaderName) -> bool {
        // The `paypal` module's constant is not there in every build.
        self.is_paypal() && name == "paypal-transmission-id"
    }

    /// What a build has to say to such a source if it cannot fetch its keys, or do nothing with them.
    #[cfg(not(all(feature = "fetch", feature = "p256")))]
    pub(crate) fn missing_feature(self) -> Option<SecretProblem> {
        let (lacks, features) = if self.is_plaid() {
            (
                true,
                r#"the features `fetch` and `p256`: webhooks = { version = "…", features = ["fetch", "p256"] }"#,
            )
        } else {
            (
                !cfg!(feature = "fetch"),
                r#"the feature `fetch`: webhooks = { version = "…", features = ["fetch"] }"#,
            )
        };
        let what = "this build cannot fetch the keys that this provider publishes";
        lacks.then(|| SecretProblem::new(None, what, format!("enable {features}")))
    }

    /// The validator, or what is wrong with the secrets.
    #[cfg(feature = "fetch")]
    pub(crate) fn bind(
        self,
        options: FetchedOptions<'_>,
    ) -> Result<Arc<dyn DynSignatureValidator>, Vec<SecretProblem>> {
        let FetchedOptions { secrets, expected, tolerance, clock, fetcher } = options;
        let blank = |(index, secret): (usize, &Secret)| SecretProblem::of_blank(index, secret.reveal());
        let mut problems: Vec<_> = secrets.iter().enumerate().filter_map(blank).collect();
        if self.needs_secret() && secrets.is_empty() {
            let (what, help) = match self.is_plaid() {
                true => ("there are no credentials", "set `secret` to \"client_id:secret\""),
                false => ("there is no webhook id", "set `secret` to the webhook's id"),
            };
            problems.push(SecretProblem::new(None, what, help));
        }
        #[cfg(feature = "p256")]
        if problems.is_empty() && self.is_plaid() {
            let flaws = secrets.iter().map(|it| plaid::flaw(it.reveal())).enumerate();
            problems.extend(
                flaws.filter_map(|(index, it)| it.map(|(what, help)| SecretProblem::new(index, what, help))),
            );
        }
        #[cfg(not(feature = "p256"))]
        problems.extend(self.missing_feature());
        if !self.needs_secret() && !secrets.is_empty() {
            problems.push(SecretProblem::new(0, "this provider has no secrets", "remove it"));
        }
        let claim = |name: &str| expected.claim(name).unwrap_or_default().to_owned();
        // One alone says nothing: anyone can have a token made for any audience.
        if self == Self::PubSub && (claim("aud").is_empty() || claim("email").is_empty()) {
            let help = "set `expect = { \"claim.aud\" = \"the audience\", \"claim.email\" = \"the pushing account\" }`";
            problems.push(SecretProblem::new(None, "anyone can have Google sign a token", help));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let window = self.window(tolerance).unwrap_or_default();
        let paypal = |world, fetcher, clock| {
            paypal::PayPalValidator::new(world, secrets, expected.clone(), window, fetcher, clock)
        };
        let sns = |version_1, fetcher, clock| {
            sns::SnsValidator::new(version_1, expected.clone(), window, fetcher, clock)
        };
        #[cfg(feature = "p256")]
        let plaid =
            |world, fetcher, clock| plaid::PlaidValidator::new(world, secrets, window.0, fetcher, clock);
        Ok(match self {
            Self::Sns => Arc::new(sns(false, fetcher, clock)),
            Self::SnsVersion1 => Arc::new(sns(true, fetcher, clock)),
            Self::PayPal => Arc::new(paypal(paypal::World::Live, fetcher, clock)),
            Self::PayPalSandbox => Arc::new(paypal(paypal::World::Sandbox, fetcher, clock)),
            #[cfg(feature = "p256")]
            Self::Plaid => Arc::new(plaid(plaid::World::Production, fetcher, clock)),
            #[cfg(feature = "p256")]
            Self::PlaidSandbox => Arc::new(plaid(plaid::World::Sandbox, fetcher, clock)),
            #[cfg(not(feature = "p256"))]
            Self::Plaid | Self::PlaidSandbox => return Err(self.missing_feature().into_iter().collect()),
            Self::PubSub => {
                Arc::new(pubsub::PubSubValidator::new(claim("aud"), claim("email"), fetcher, clock))
            }
        })
    }
}
