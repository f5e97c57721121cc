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
#[cfg(feature = "fetch")]
mod pubsub;
#[cfg(feature = "fetch")]
mod sns;
#[cfg(all(test, feature = "fetch"))]
mod tests;
#[cfg(feature = "fetch")]
mod url;

#[cfg(feature = "fetch")]
use std::sync::Arc;
#[cfg(feature = "fetch")]
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
    pub(super) const NAMES: [(&'static str, Self); 5] = [
        ("aws-sns", Self::Sns),
        ("aws-sns-version-1", Self::SnsVersion1),
        ("google-pubsub", Self::PubSub),
        ("paypal", Self::PayPal),
        ("paypal-sandbox", Self::PayPalSandbox),
    ];

    pub(super) fn covers(self) -> Covers {
        let body = match self {
            // All but where to unsubscribe.
            Self::Sns | Self::SnsVersion1 => BodyCoverage::Partial,
            // A checksum: another body of the same one is easily made.
            Self::PayPal | Self::PayPalSandbox => BodyCoverage::Weak,
            // A token that says who pushes, and nothing of what.
            Self::PubSub => BodyCoverage::None,
        };
        Covers { body, time: true, url: false }
    }

    /// Whether there is something that only the source's owner can say: PayPal's webhook id.
    pub(super) fn needs_secret(self) -> bool {
        matches!(self, Self::PayPal | Self::PayPalSandbox)
    }

    pub(super) fn covers_header(self, name: &HeaderName) -> bool {
        // The `paypal` module's constant is not there in every build.
        self.needs_secret() && name == "paypal-transmission-id"
    }

    /// What a build has to say to such a source that cannot fetch.
    #[cfg(not(feature = "fetch"))]
    pub(crate) fn missing_feature() -> SecretProblem {
        SecretProblem::new(
            None,
            "this build cannot fetch the keys that this provider publishes",
            "enable the feature `fetch`: webhooks = { version = \"…\", features = [\"fetch\"] }",
        )
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
            problems.push(SecretProblem::new(
                None,
                "there is no webhook id",
                "set `secret` to the webhook's id",
            ));
        }
        if !self.needs_secret() && !secrets.is_empty() {
            problems.push(SecretProblem::new(0, "this provider has no secrets", "remove it"));
        }
        let claim = |name: &str| expected.claim(name).unwrap_or_default().to_owned();
        if self == Self::PubSub && (claim("aud").is_empty() || claim("email").is_empty()) {
            let help = "set `expect = { \"claim.aud\" = \"the audience\", \"claim.email\" = \"the pushing account\" }`";
            problems.push(SecretProblem::new(None, "anyone can have Google sign a token", help));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let paypal =
            |world, fetcher, clock| paypal::PayPalValidator::new(world, secrets, tolerance, fetcher, clock);
        let sns =
            |version_1, fetcher, clock| sns::SnsValidator::new(version_1, expected.clone(), fetcher, clock);
        Ok(match self {
            Self::Sns => Arc::new(sns(false, fetcher, clock)),
            Self::SnsVersion1 => Arc::new(sns(true, fetcher, clock)),
            Self::PayPal => Arc::new(paypal(paypal::World::Live, fetcher, clock)),
            Self::PayPalSandbox => Arc::new(paypal(paypal::World::Sandbox, fetcher, clock)),
            Self::PubSub => {
                Arc::new(pubsub::PubSubValidator::new(claim("aud"), claim("email"), fetcher, clock))
            }
        })
    }
}
