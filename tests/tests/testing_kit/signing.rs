//! Deliveries of every provider, signed as it does.

use std::error::Error;
use std::time::{Duration, SystemTime};

use http::StatusCode;
use support::inside::{Inside, Recorder, refusal};
use support::{described, sample, sign};
use webhooks::testing::{self, SigningKey};
use webhooks::{BodyCoverage, Outcome, Webhooks};

/// Every scheme of the catalogue: provider and variant.
fn schemes() -> Vec<(String, Option<String>)> {
    let of = |provider: webhooks::ProviderInfo| {
        let name = provider.name().to_owned();
        let variants: Vec<_> = provider.variants().map(|it| Some(it.to_owned())).collect();
        [None].into_iter().chain(variants).map(move |variant| (name.clone(), variant)).collect::<Vec<_>>()
    };
    webhooks::providers().flat_map(of).collect()
}

/// The variants that are tokens, and say nothing of the body; of the usual schemes the catalogue says it.
const TOKENS: [&str; 3] = ["azure-event-grid/header", "cloudevents/query", "gitlab/token"];

#[tokio::test]
async fn every_provider_is_signed_for() {
    let mut wrong = Vec::new();
    let schemes = schemes();
    assert!(schemes.len() > 80, "{} schemes", schemes.len());
    for (provider, variant) in schemes {
        let label = variant.as_ref().map_or(provider.clone(), |it| format!("{provider}/{it}"));
        if let Err(error) = signed_as_by(&provider, variant.as_deref(), &label).await {
            wrong.push(format!("{label}: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A genuine delivery is accepted; a changed one, a stranger's and one without a signature are not.
async fn signed_as_by(provider: &str, variant: Option<&str>, label: &str) -> Result<(), Box<dyn Error>> {
    let recorder = Recorder::new("*");
    let builder = Webhooks::builder().listener(recorder.clone()).source(provider, |source| match variant {
        Some(variant) => source.variant(variant),
        None => source,
    });
    let client = testing::client(builder).await?;
    let example = || testing::example(provider);
    let rejected = async |what: &str, delivery| match client.send(delivery).await?.outcome {
        Outcome::Rejected(_) => Ok(()),
        outcome => Err(format!("{what}: {outcome:?}").into()),
    };

    let genuine = client.send(example()).await?;
    if genuine.outcome != Outcome::Handled || recorder.heard().len() != 1 {
        return Err(format!("genuine: {:?}", genuine.outcome).into());
    }
    let tampered: Result<(), Box<dyn Error>> = rejected("tampered", example().tampered()).await;
    let known = webhooks::providers().find(|it| it.name() == provider).ok_or("no such provider")?;
    let covered = match variant {
        None => known.body_coverage() > BodyCoverage::None,
        Some(_) => !TOKENS.contains(&label),
    };
    if covered != tampered.is_ok() {
        return Err(format!("the body is {}covered", if covered { "not " } else { "" }).into());
    }
    let stranger = match variant {
        Some(variant) => SigningKey::generate_variant(provider, variant)?,
        None => SigningKey::generate(provider)?,
    };
    rejected("a stranger's", example().signed_with(stranger)).await?;
    rejected("unsigned", example().unsigned()).await
}

/// Signed without knowing the webhooks that they are for.
#[tokio::test]
async fn a_delivery_needs_no_client() {
    let inside = Inside::with(sample::sources(&sample::PROVIDERS)).await;
    for provider in sample::PROVIDERS {
        let delivery = || testing::example(provider).signed_with(sample::secret(provider));
        let request = delivery().into_request().expect("a request");
        assert_eq!(inside.webhooks.process(request).await.status, StatusCode::OK, "{provider}");
        let processor = inside.webhooks.handle();
        let processed = processor.processor().process(delivery().into_delivery().expect("a delivery")).await;
        assert_eq!(processed.status, StatusCode::OK, "{provider}");
        let wrong = testing::example(provider).signed_with(sign::random_whsec());
        let refused = inside.webhooks.process(wrong.into_request().expect("a request")).await;
        assert_eq!(refusal(&refused), "401 signature_mismatch", "{provider}");
    }
    assert_eq!(inside.heard().len(), 2 * sample::PROVIDERS.len());
}

/// The kit signs with the library's own code: somebody else has to say so, too.
#[test]
fn an_independent_signer_signs_the_same() {
    for scheme in described::schemes() {
        let label = scheme.label();
        // Its time is of a form that nobody reads, and each writes it in his own.
        if label == "zendesk" {
            continue;
        }
        let (secret, time) = (scheme.secret(&[7; 24]), 1_700_000_000);
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(time);
        let delivery = testing::delivery(&scheme.provider, "an.event").body("body").id("id-1").at(at);
        let delivery = match &scheme.variant {
            Some(variant) => delivery.variant(variant),
            None => delivery,
        };
        let Ok((headers, body)) = delivery.signed_with(secret.as_str()).into_parts() else {
            // What is signed stands in the body there.
            assert!(["linear", "mailgun"].contains(&label.as_str()), "{label}");
            continue;
        };
        let url = format!("{}/webhooks/{}", sample::PUBLIC_URL, scheme.provider);
        let parts = described::Parts { secret, time, id: "id-1".to_owned(), url, body: body.to_vec() };
        let (expected, _) = scheme.request(&parts, &scheme.tag(&parts));
        for (name, value) in expected {
            assert_eq!(
                headers.get(&name).and_then(|it| it.to_str().ok()),
                Some(value.as_str()),
                "{label}: {name}"
            );
        }
    }
}

#[tokio::test]
async fn a_key_of_ones_own_is_published() {
    for provider in ["aws-sns", "paypal", "plaid", "google-pubsub"] {
        let key = SigningKey::generate(provider).expect("a key");
        let builder = Webhooks::builder().key_fetcher(key.fetcher()).source(provider, |it| key.configure(it));
        let inside = Inside::with(builder).await;
        let send = async |key: &SigningKey| {
            let request = testing::example(provider).signed_with(key).into_request().expect("a request");
            inside.webhooks.process(request).await.status
        };
        assert_eq!(send(&key).await, StatusCode::OK, "{provider}");
        let stranger = SigningKey::generate(provider).expect("a key");
        let refused = send(&stranger).await;
        assert!([StatusCode::UNAUTHORIZED, StatusCode::SERVICE_UNAVAILABLE].contains(&refused), "{provider}");
        assert_eq!(inside.heard().len(), 1, "{provider}");
    }
}

#[test]
fn keys_say_nothing_of_themselves() {
    let key = SigningKey::generate("stripe").expect("a key");
    let secret = key.secret().expect("a secret").to_owned();
    let delivery = testing::stripe("charge.failed").signed_with(&key);
    let printed = format!("{key:?} {delivery:?}");
    assert!(!printed.contains(&secret[6..]), "{printed}");
}

#[test]
fn what_cannot_be_signed_says_why() {
    let error = |delivery: testing::TestDelivery| delivery.into_request().expect_err("a request").to_string();
    for (delivery, expected) in [
        (testing::stripe("charge.failed"), "nothing is said of what the delivery to `stripe` is signed with"),
        (testing::delivery("strpe", "x").signed_with("s"), "did you mean `stripe`?"),
        (testing::github("push").variant("sha2").signed_with("s"), "did you mean `sha1`?"),
        (testing::stripe("charge.failed").signed_with(""), "the secret is empty"),
        (testing::discord("x").signed_with("a secret"), "is not what Discord signs with"),
        (testing::paypal("x").signed_with("an id"), "is not what PayPal signs with"),
        (testing::stripe("x").header("no header", "x").unsigned(), "cannot be a header"),
        (testing::delivery("adyen", "x").body("{}").signed_with("00ff"), "it lacks something that is signed"),
    ] {
        let error = error(delivery);
        assert!(error.contains(expected), "{error}");
    }
}
