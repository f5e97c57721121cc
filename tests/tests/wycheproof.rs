//! Project Wycheproof's edge cases, against schemes of a user's own.
//!
//! What is signed is any bytes, hardly ever JSON: a delivery counts as verified if it gets past verification, whatever
//! is made of it then.

use http::StatusCode;
use support::inside::{Post, Recorder};
use webhooks::{Settings, Webhooks};
use wycheproof::TestResult;
use wycheproof::{ecdsa, eddsa, mac, rsa_pkcs1_verify};

/// A source that verifies the body with this key; `None` where the key is refused at startup.
async fn source(algorithm: &str, form: &str, key: &str) -> Option<Webhooks> {
    let settings = format!(
        r#"
        [sources.own]
        secret = """{key}"""
        [sources.own.scheme.signature]
        header = "x-signature"
        algorithm = "{algorithm}"
        encoding = "hex"
        secret = "{form}"
        [sources.own.scheme.identity]
        no_id = true
        type_constant = "x"
        "#
    );
    let settings: Settings = settings.parse().expect("TOML");
    Webhooks::builder().settings(settings).listener(Recorder::new("own")).build().await.ok()
}

async fn accepts(webhooks: &Webhooks, message: &[u8], signature: &[u8]) -> bool {
    let post = Post::to("own").header("x-signature", hex::encode(signature)).body(message);
    webhooks.process(post.into_request()).await.status != StatusCode::UNAUTHORIZED
}

/// How many cases were looked at, so that an empty file does not pass for a clean one.
#[derive(Default)]
struct Count(usize);

impl Count {
    /// What the authors call acceptable may go either way.
    fn check(&mut self, what: &str, expected: TestResult, accepted: bool) {
        self.0 += 1;
        match expected {
            TestResult::Valid => assert!(accepted, "{what}: valid, and refused"),
            TestResult::Invalid => assert!(!accepted, "{what}: invalid, and accepted"),
            TestResult::Acceptable => {}
        }
    }

    fn at_least(&self, cases: usize) {
        assert!(self.0 >= cases, "{} cases", self.0);
    }
}

#[tokio::test]
async fn hmac() {
    let mut count = Count::default();
    for (file, algorithm, bits) in [
        (mac::TestName::HmacSha1, "hmac-sha1", 160),
        (mac::TestName::HmacSha256, "hmac-sha256", 256),
        (mac::TestName::HmacSha512, "hmac-sha512", 512),
    ] {
        for group in mac::TestSet::load(file).expect("a file of the crate's").test_groups {
            for case in group.tests {
                let webhooks = source(algorithm, "hex", &hex::encode(&case.key[..])).await.expect("a key");
                let accepted = accepts(&webhooks, &case.msg, &case.tag).await;
                // No provider shortens its signatures: a part of the right one is a wrong one.
                let expected = if group.tag_size == bits { case.result } else { TestResult::Invalid };
                count.check(&format!("{algorithm} {}", case.tc_id), expected, accepted);
            }
        }
    }
    count.at_least(400);
}

#[tokio::test]
async fn ed25519() {
    let mut count = Count::default();
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).expect("a file of the crate's").test_groups {
        let raw = source("ed25519", "hex-public-key", &hex::encode(&group.key.pk[..])).await.expect("a key");
        let pem = source("ed25519", "pem", &group.pem).await.expect("a key");
        for case in group.tests {
            for webhooks in [&raw, &pem] {
                let accepted = accepts(webhooks, &case.msg, &case.sig).await;
                count.check(&format!("Ed25519 {}", case.tc_id), case.result, accepted);
            }
        }
    }
    count.at_least(200);
}

#[tokio::test]
async fn ecdsa_p256() {
    let mut count = Count::default();
    let file = ecdsa::TestName::EcdsaSecp256r1Sha256;
    for group in ecdsa::TestSet::load(file).expect("a file of the crate's").test_groups {
        let webhooks = source("ecdsa-p256-sha256", "pem", &group.pem).await.expect("a key");
        for case in group.tests {
            let accepted = accepts(&webhooks, &case.msg, &case.sig).await;
            count.check(&format!("P-256 {}", case.tc_id), case.result, accepted);
        }
    }
    count.at_least(400);
}

#[tokio::test]
async fn rsa_pkcs1() {
    let mut count = Count::default();
    for file in [rsa_pkcs1_verify::TestName::Rsa2048Sha256, rsa_pkcs1_verify::TestName::Rsa3072Sha256] {
        for group in rsa_pkcs1_verify::TestSet::load(file).expect("a file of the crate's").test_groups {
            let webhooks = source("rsa-sha256", "pem", &group.pem).await.expect("a key");
            for case in group.tests {
                let accepted = accepts(&webhooks, &case.msg, &case.sig).await;
                count.check(&format!("RSA {}", case.tc_id), case.result, accepted);
            }
        }
    }
    count.at_least(400);
}
