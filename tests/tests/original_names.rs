//! The original's public names, and the values that its documentation and the providers' give.

use http::{HeaderName, Method};
use support::inside::{Recorder, refusal};
use support::log::Log;
use support::{sample, sign};
use webhooks::{
    Delivery, GitHubSignatureValidator, HmacSignatureValidator, InMemoryWebhookEventStore,
    NoOpSignatureValidator, Rejection, Reply, SignatureValidator, SourceName, StripeSignatureValidator,
    TwilioSignatureValidator, Verified, WebhookProcessor,
};

// ---- values ----------------------------------------------------------------------------------------

#[test]
fn hmac() {
    let validator = HmacSignatureValidator::new("topsecret");
    let body = br#"{"type": "payment.succeeded"}"#;
    let digits = "9134b696c4e69f5e681d6c7413a310bac5a5adc4093a370643d5c9b8d6a62baf";

    assert!(validator.is_valid(body, Some(&format!("sha256={digits}"))));
    assert!(!validator.is_valid(body, Some(digits)), "without its prefix");
    assert!(!validator.is_valid(body, Some(&format!("sha1={digits}"))));
    assert!(!validator.is_valid(br#"{"type":"payment.succeeded"}"#, Some(&format!("sha256={digits}"))));
    assert!(!validator.is_valid(body, None));

    let bare = HmacSignatureValidator::new("topsecret").with_header_prefix("");
    assert!(bare.is_valid(body, Some(digits)));
}

/// In 2023; so these are as old as the test is late.
const STRIPE_TIME: i64 = 1_700_000_000;

#[test]
fn stripe() {
    let signed = |mac: &str| format!("t={STRIPE_TIME},v1={mac}");
    let text = "3fb799a5923c6af887841c90288a88daa7f597784f4997d355cbc24b55374e3d";
    let bytes = "84f4c64356c036ee803dc8937088cb75b9c358379ec4bd21782f5e84722c27dd";
    let patient = |secret: &str| {
        StripeSignatureValidator::new(secret).with_tolerance(std::time::Duration::from_secs(10_000_000_000))
    };
    let body = br#"{"type":"payment_intent.succeeded"}"#;

    assert!(patient("whsec_test_stripe").is_valid(body, Some(&signed(text))));
    assert!(!patient("whsec_test_stripe").is_valid(b"{}", Some(&signed(text))));
    assert!(!patient("test_stripe").is_valid(body, Some(&signed(text))), "the prefix belongs to the secret");
    assert!(patient("secret").is_valid(b"\xff\x80\x00", Some(&signed(bytes))));
}

#[test]
fn stripe_is_valid_for_300_seconds() {
    let body = b"{}";
    let validator = StripeSignatureValidator::new("whsec_test_stripe");
    let signed_ago = |seconds| {
        let headers = sign::stripe("whsec_test_stripe", sign::now_unix() - seconds, body);
        headers[0].1.clone()
    };
    assert!(validator.is_valid(body, Some(&signed_ago(0))));
    assert!(validator.is_valid(body, Some(&signed_ago(240))));
    assert!(!validator.is_valid(body, Some(&signed_ago(301))));
    assert!(!validator.is_valid(body, Some(&signed_ago(-360))));
}

#[test]
fn github() {
    let validator = GitHubSignatureValidator::new("github_webhook_secret");
    let signature = "sha256=db93fd22c8c82e7f9b62bba53e12233f71789202419e30d9fda4ecb28bc0b9f7";
    assert!(validator.is_valid(br#"{"action":"opened"}"#, Some(signature)));
    assert!(!validator.is_valid(br#"{"action":"closed"}"#, Some(signature)));

    let published = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let validator = GitHubSignatureValidator::new("It's a Secret to Everybody");
    assert!(validator.is_valid(b"Hello, World!", Some(published)));
    assert!(!validator.is_valid(b"Hello, World!", None));
}

#[test]
fn twilio() {
    let validator = TwilioSignatureValidator::new("twilio_auth_token_test");
    let (url, signature) = ("https://example.com/webhooks/sms", Some("7F4TnJ04UIeMWxaoX4TSzYN/4ig="));
    let parameters = [("Body", "Hello"), ("From", "+15551234567"), ("To", "+15559876543")];
    let [body, from, to] = parameters;

    assert!(validator.is_valid(url, &parameters, signature));
    for order in [[body, to, from], [from, body, to], [from, to, body], [to, body, from], [to, from, body]] {
        assert!(validator.is_valid(url, &order, signature), "{order:?}");
    }
    assert!(!validator.is_valid(url, &[body, from], signature));
    assert!(!validator.is_valid("https://example.com/webhooks/call", &parameters, signature));
    assert!(!validator.is_valid(url, &parameters, None));
}

#[test]
fn twilio_as_published() {
    let parameters = [
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", "+14158675309"),
        ("Digits", "1234"),
        ("From", "+14158675309"),
        ("To", "+18005551212"),
    ];
    let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
    let signature = Some("RSOYDt4T1cUTdK1PDd93/VVr8B8=");
    assert!(TwilioSignatureValidator::new("12345").is_valid(url, &parameters, signature));
    assert!(!TwilioSignatureValidator::new("12346").is_valid(url, &parameters, signature));
}

#[test]
fn no_op() {
    assert!(NoOpSignatureValidator.is_valid(b"anything", None));
    assert!(NoOpSignatureValidator.is_valid(b"anything", Some("at all")));
}

#[test]
fn an_empty_secret_verifies_nothing() {
    // The MAC of `{}` under the empty key: right, and worth nothing.
    let headers = sign::hmac("", "an-id", b"{}");
    let signature = Some(&*headers[1].1);
    assert!(!HmacSignatureValidator::new("").is_valid(b"{}", signature));
    assert!(!GitHubSignatureValidator::new("").is_valid(b"{}", signature));
}

// ---- the processor with its validators --------------------------------------------------------------

/// As the original sets one up: listeners, validators by source, a store.
async fn processor(source: &str, validator: impl SignatureValidator) -> (WebhookProcessor, Recorder) {
    let listener = Recorder::new(source);
    let processor = WebhookProcessor::builder()
        .validator(source, validator)
        .listener(listener.clone())
        .store(InMemoryWebhookEventStore::new())
        .build()
        .await;
    (processor.expect("a processor"), listener)
}

/// Through the lowest entry: a delivery that no server has seen.
async fn process(processor: &WebhookProcessor, source: &str, headers: sign::Headers, body: &str) -> Reply {
    let headers = headers
        .into_iter()
        .map(|(name, value)| (name.parse::<HeaderName>().expect("a name"), value.parse().expect("a value")));
    let delivery = Delivery::new(SourceName::new(source).expect("a name"), body.to_owned());
    processor.process(delivery.with_headers(headers.collect())).await
}

#[tokio::test]
async fn a_processor_handles_once_what_its_validator_accepts() {
    let (processor, listener) = processor("partner", HmacSignatureValidator::new("topsecret")).await;
    let body = r#"{"type": "payment.succeeded"}"#;
    let signed = || sign::hmac("topsecret", "evt_123", body.as_bytes());

    assert_eq!(process(&processor, "partner", signed(), body).await.status, 200);
    assert_eq!(process(&processor, "partner", signed(), body).await.status, 200);
    assert_eq!(process(&processor, "partner", signed(), "{}").await.status, 401);
    assert_eq!(process(&processor, "partner", Vec::new(), body).await.status, 401);

    let heard = listener.heard();
    assert_eq!(heard.len(), 1);
    assert_eq!((heard[0].id(), heard[0].event_type()), (Some("evt_123"), "payment.succeeded"));
    assert!(heard[0].is_verified());
}

#[tokio::test]
async fn a_processor_takes_the_providers_validators() {
    let (stripe, _) = processor("stripe", StripeSignatureValidator::new("whsec_test_stripe")).await;
    let body = sample::stripe_body("evt_1");
    let headers = sign::stripe("whsec_test_stripe", sign::now_unix(), body.as_bytes());
    assert_eq!(process(&stripe, "stripe", headers, &body).await.status, 200);
    let old = sign::stripe("whsec_test_stripe", STRIPE_TIME, body.as_bytes());
    assert_eq!(process(&stripe, "stripe", old, &body).await.status, 401);

    let (github, _) = processor("github", GitHubSignatureValidator::new("github_webhook_secret")).await;
    let headers = sign::github("github_webhook_secret", "an-id", "issues", br#"{"action":"opened"}"#);
    assert_eq!(process(&github, "github", headers, r#"{"action":"opened"}"#).await.status, 200);
}

#[tokio::test]
async fn a_processor_without_a_listener_or_a_source_says_so() {
    let (processor, _) = processor("partner", HmacSignatureValidator::new("topsecret")).await;
    let reply = process(&processor, "stranger", Vec::new(), "{}").await;
    assert_eq!(refusal(&reply), "404 unknown_source");
}

#[tokio::test]
async fn no_op_marks_its_events_as_unverified() {
    let (processor, listener) = processor("partner", NoOpSignatureValidator).await;
    assert_eq!(process(&processor, "partner", Vec::new(), r#"{"type":"a"}"#).await.status, 200);
    assert!(!listener.heard()[0].is_verified());
}

#[tokio::test]
async fn a_validator_that_can_verify_nothing_does_not_start() {
    async fn told(validator: impl SignatureValidator) -> Vec<String> {
        let builder = WebhookProcessor::builder().validator("partner", validator);
        let error = builder.listener(Recorder::new("partner")).build().await.expect_err("it starts");
        error.problems().iter().map(ToString::to_string).collect()
    }
    let problem = |what: &str, help: &str| {
        let place = "[webhooks.sources.partner] in the code";
        format!("{place}: its validator can verify nothing: {what}\n    help: {help}")
    };
    let real = "copy the real one from the provider's dashboard";
    let empty = [problem("the secret is empty", real)];
    let placeholder = [problem("the secret is a placeholder", real)];
    assert_eq!(told(HmacSignatureValidator::new("")).await, empty);
    assert_eq!(told(HmacSignatureValidator::new(" ").with_header_prefix("v1=")).await, empty);
    assert_eq!(told(GitHubSignatureValidator::new("${SECRET}")).await, placeholder);
    assert_eq!(told(StripeSignatureValidator::new("changeme")).await, placeholder);
    let url = "add `.with_public_url(\"https://example.com\")`: what Twilio was given, up to the path";
    let without_url = problem("Twilio signs the URL", url);
    assert_eq!(told(TwilioSignatureValidator::new("12345")).await, std::slice::from_ref(&without_url));
    assert_eq!(told(TwilioSignatureValidator::new("")).await, [without_url, empty[0].clone()]);
    let with_url = TwilioSignatureValidator::new("").with_public_url("https://example.com");
    assert_eq!(told(with_url).await, empty);
}

#[tokio::test]
async fn no_op_is_warned_of() {
    let log = Log::capture();
    processor("partner", NoOpSignatureValidator).await;
    let warnings = log.lines_where("level", "WARN");
    let told: Vec<_> = warnings.iter().map(|it| (&it["message"], &it["help"])).collect();
    let what =
        "[webhooks.sources.partner] in the code accepts unsigned requests: anyone can send it anything";
    assert_eq!(told, [(&what.into(), &"give it a validator that knows a secret".into())]);
}

/// A validator of the user's own.
struct Password;

impl SignatureValidator for Password {
    async fn validate(&self, delivery: &Delivery) -> Result<Verified, Rejection> {
        let right = delivery.headers().get("x-password").is_some_and(|it| it == "open sesame");
        if right && *delivery.method() == Method::POST {
            Ok(Verified::new())
        } else {
            Err(Rejection::SignatureMismatch)
        }
    }

    fn required_headers(&self) -> Vec<HeaderName> {
        vec![HeaderName::from_static("x-password")]
    }
}

#[tokio::test]
async fn a_validator_of_the_users_own() {
    let (processor, listener) = processor("partner", Password).await;
    let with = |password: &str| vec![("x-password", password.to_owned())];

    let missing = process(&processor, "partner", Vec::new(), "{}").await;
    assert_eq!(refusal(&missing), "401 signature_missing");
    let wrong = process(&processor, "partner", with("open barley"), "{}").await;
    assert_eq!(refusal(&wrong), "401 signature_mismatch");
    assert!(listener.heard().is_empty());

    assert_eq!(process(&processor, "partner", with("open sesame"), "{}").await.status, 200);
    assert!(listener.heard()[0].is_verified());
}

/// One that its user has not thought through.
struct Careless;

impl SignatureValidator for Careless {
    async fn validate(&self, delivery: &Delivery) -> Result<Verified, Rejection> {
        assert!(delivery.headers().contains_key("x-password"), "canary");
        Ok(Verified::new())
    }
}

#[tokio::test]
async fn a_validator_that_panics_believes_nothing() {
    let (processor, listener) = processor("partner", Careless).await;

    let reply = process(&processor, "partner", Vec::new(), "{}").await;
    assert_eq!(refusal(&reply), "503 validator_panicked");
    assert!(!format!("{reply:?}").contains("canary"));
    assert!(listener.heard().is_empty());

    let with_password = vec![("x-password", "any".to_owned())];
    assert_eq!(process(&processor, "partner", with_password, r#"{"type": "a"}"#).await.status, 200);
}
