//! Where deliveries begin: any provider, and the most used ones by name.

use super::TestDelivery;

/// A delivery to the source of this name, which may be any that the client has, or a provider of the catalogue.
///
/// ```
/// use webhooks::testing;
///
/// let delivery = testing::delivery("linear", "Issue.create").signed_with("lin_wh_…secret");
/// assert!(delivery.into_request()?.headers().contains_key("linear-signature"));
/// # Ok::<_, webhooks::testing::Error>(())
/// ```
pub fn delivery(source: &str, event: &str) -> TestDelivery {
    TestDelivery::new(source, Some(event))
}

/// The example that the catalogue has of a provider's deliveries.
pub fn example(source: &str) -> TestDelivery {
    TestDelivery::new(source, None)
}

/// A delivery of Stripe's: [`json`](TestDelivery::json) is the object in `data`.
pub fn stripe(event: &str) -> TestDelivery {
    delivery("stripe", event)
}

/// A delivery of GitHub's. The event is header and action, `"issues.opened"`; [`json`](TestDelivery::json) is the body.
pub fn github(event: &str) -> TestDelivery {
    delivery("github", event)
}

/// A delivery of GitLab's. The event is the header, `"Push Hook"`; [`json`](TestDelivery::json) is the body, and its
/// `object_kind` has to agree.
pub fn gitlab(event: &str) -> TestDelivery {
    delivery("gitlab", event)
}

/// A delivery of Shopify's. The event is the topic, `"orders/create"`; [`json`](TestDelivery::json) is the body.
pub fn shopify(event: &str) -> TestDelivery {
    delivery("shopify", event)
}

/// A delivery of Slack's Events API: [`json`](TestDelivery::json) is the body.
pub fn slack(event: &str) -> TestDelivery {
    delivery("slack", event)
}

/// A request of Twilio's: [`json`](TestDelivery::json) are the parameters of its form.
pub fn twilio(event: &str) -> TestDelivery {
    delivery("twilio", event)
}

/// A delivery of PayPal's: [`json`](TestDelivery::json) is the `resource`. Needs the feature `fetch`.
pub fn paypal(event: &str) -> TestDelivery {
    delivery("paypal", event)
}

/// A webhook event of Discord's: [`json`](TestDelivery::json) is the body. Needs the feature `ed25519`.
pub fn discord(event: &str) -> TestDelivery {
    delivery("discord", event)
}

/// A delivery in the form of Standard Webhooks: [`json`](TestDelivery::json) is `data`.
pub fn standard_webhooks(event: &str) -> TestDelivery {
    delivery("standard-webhooks", event)
}

/// A delivery to a source of the generic provider: [`json`](TestDelivery::json) is the body.
pub fn hmac(event: &str) -> TestDelivery {
    delivery("hmac", event)
}
