//! The configuration picks the scheme, never the request; and the challenges of schemes that have some.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use support::inside::{Inside, Post, Recorder, reason, refusal};
use support::{sample, sign};
use webhooks::{Clock, Webhooks};

// ---- downgrades ------------------------------------------------------------------------------------

/// Made with openssl:
/// `printf '{"ref":"refs/heads/main"}' | openssl dgst -sha1 -hmac "It's a Secret to Everybody"`.
const SHA1: &str = "sha1=77c555f0c5ba52aa992c9355bab82f0b149c138b";

#[tokio::test]
async fn github_sha1_downgrade() {
    let older = sample::of("github", "an-id").without("X-Hub-Signature-256").header("X-Hub-Signature", SHA1);

    let inside = Inside::with(sample::sources(&["github"])).await;
    let reply = inside.send(older.clone()).await;
    assert_eq!(refusal(&reply), "401 signature_missing");
    assert!(inside.heard().is_empty());

    let secret = sample::secret("github");
    let opted_in = Webhooks::builder().source("github", |source| source.secret(secret).variant("sha1"));
    assert_eq!(Inside::with(opted_in).await.send(older).await.status, 200);
}

#[tokio::test]
async fn the_newer_header_does_not_vouch_for_a_wrong_one() {
    let inside = Inside::with(sample::sources(&["github"])).await;
    let wrong = format!("sha256={}", "0".repeat(64));
    let both =
        sample::of("github", "an-id").with("X-Hub-Signature-256", wrong).header("X-Hub-Signature", SHA1);
    assert_eq!(inside.send(both).await.status, 401);
}

#[tokio::test]
async fn gitlab_token_downgrade() {
    let token = sample::secret("gitlab");
    let older = sample::of("gitlab", "an-id").without("webhook-signature").header("X-Gitlab-Token", token);

    let inside = Inside::with(sample::sources(&["gitlab"])).await;
    assert_eq!(inside.send(older.clone()).await.status, 401);
    assert!(inside.heard().is_empty());

    let opted_in = Webhooks::builder().source("gitlab", |source| source.secret(token).variant("token"));
    assert_eq!(Inside::with(opted_in).await.send(older).await.status, 200);
}

#[tokio::test]
async fn stripe_v0_is_no_v1() {
    let inside = Inside::with(sample::sources(&["stripe"])).await;
    let genuine = sample::of("stripe", "evt_1");
    let test_mode = genuine.value("stripe-signature").replace("v1=", "v0=");
    let reply = inside.send(genuine.with("stripe-signature", test_mode)).await;
    assert_eq!(refusal(&reply), "401 signature_malformed");
}

const PUBLIC_KEY: &str = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";

#[tokio::test]
async fn public_key_as_hmac() {
    for secret in [PUBLIC_KEY, "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----"] {
        let built = Webhooks::builder()
            .source("standard-webhooks", |source| source.secret(secret))
            .listener(Recorder::new("*"))
            .build()
            .await;
        let report = built.expect_err("it starts").to_string();
        assert!(report.contains("this is a public key"), "{report}");
    }
}

#[tokio::test]
async fn public_key_as_hmac_verifies_nothing() {
    let verifying = Webhooks::builder()
        .source("standard-webhooks", |source| source.secret(PUBLIC_KEY).variant("ed25519"));
    let inside = Inside::with(verifying).await;
    let (body, now) = (r#"{"type":"user.created","data":{}}"#, sign::now_unix());
    let keys = [BASE64.decode(&PUBLIC_KEY["whpk_".len()..]).expect("base64"), PUBLIC_KEY.as_bytes().to_vec()];
    for (key, label) in keys.iter().flat_map(|key| [(key, "v1"), (key, "v1a")]) {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key");
        mac.update(format!("msg_1.{now}.{body}").as_bytes());
        let forged = Post::to("standard-webhooks")
            .header("webhook-id", "msg_1")
            .header("webhook-timestamp", now.to_string())
            .header("webhook-signature", format!("{label},{}", BASE64.encode(mac.finalize().into_bytes())))
            .body(body);
        assert_eq!(inside.send(forged).await.status, 401, "{label}");
    }
    assert!(inside.heard().is_empty());
}

// ---- time ------------------------------------------------------------------------------------------

#[tokio::test]
async fn our_own_wrong_clock_is_told_apart_from_a_wrong_secret() {
    for (jump, why) in [(600, "expired"), (-600, "from_the_future")] {
        let clock = Clock::turnable();
        let inside = Inside::with(sample::sources(&["stripe"]).clock(clock.clone())).await;
        clock.jump_wall(jump);

        let reply = inside.send(sample::of("stripe", "evt_1")).await;
        assert_eq!(refusal(&reply), format!("401 {why}"));
        let skew = inside.report("stripe").clock_skew.expect("a skew");
        assert!((skew - jump).abs() <= 60, "{skew} for {jump}");

        let forged = sample::of("stripe", "evt_1").body("{}");
        assert_eq!(reason(&inside.send(forged).await), "signature_mismatch");
        assert!(inside.heard().is_empty());
    }
}

// ---- Slack's challenge -----------------------------------------------------------------------------

#[tokio::test]
async fn slack_challenge_is_answered_as_documented() {
    let inside = Inside::with(sample::sources(&["slack"])).await;
    let challenge = r#"{"token":"x","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}"#;

    let reply = inside.send(sample::slack(challenge)).await;

    assert_eq!(reply.status, 200);
    assert_eq!(reply.body, r#"{"challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}"#);
    assert_eq!(reply.headers["content-type"], "application/json");
    assert_eq!(reply.headers["x-content-type-options"], "nosniff");
    assert!(reply.headers.contains_key("webhook-delivery-id"));
    assert!(inside.heard().is_empty(), "a challenge is no event");
    assert_eq!(inside.report("slack").count("challenge"), 1);
}

#[tokio::test]
async fn slack_challenge_of_a_stranger_is_refused() {
    let inside = Inside::with(sample::sources(&["slack"])).await;
    let challenge = r#"{"challenge":"abc","type":"url_verification"}"#;

    let unsigned = inside.send(Post::to("slack").body(challenge)).await;
    assert_eq!(refusal(&unsigned), "401 signature_missing");

    let headers = sign::slack("another secret", sign::now_unix(), challenge.as_bytes());
    assert_eq!(inside.send(Post::to("slack").headers(headers).body(challenge)).await.status, 401);
}

#[tokio::test]
async fn slack_challenge_of_another_grammar_is_not_echoed() {
    let inside = Inside::with(sample::sources(&["slack"])).await;
    let long = "a".repeat(129);
    for text in ["<script>", "a b", "\\u0022", "", &long] {
        let challenge = format!(r#"{{"challenge":"{text}","type":"url_verification"}}"#);
        let reply = inside.send(sample::slack(&challenge)).await;
        assert_eq!(refusal(&reply), "400 challenge_malformed", "{text}");
    }
}

#[tokio::test]
async fn challenge_does_not_shadow() {
    let inside = Inside::with(sample::sources(&["slack"])).await;
    let body = sample::slack_body("Ev1").replacen('{', r#"{"challenge":"abc","#, 1);

    assert_eq!(inside.send(sample::slack(&body)).await.body, "");
    assert_eq!(inside.send(sample::slack(&body)).await.body, "");

    assert_eq!(inside.heard_ids(), ["Ev1"]);
}

#[tokio::test]
async fn slack_certificate_check_is_no_event() {
    let inside = Inside::with(sample::sources(&["slack"])).await;

    assert_eq!(inside.send(sample::slack("ssl_check=1&token=x").form()).await.status, 200);
    assert!(inside.heard().is_empty());

    // With a command in it, it is one.
    inside.send(sample::slack("ssl_check=1&token=x&command=%2Fdeploy").form()).await;
    assert_eq!(inside.heard_types(), ["/deploy"]);
}
