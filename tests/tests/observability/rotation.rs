//! Secrets are rotated while deliveries come: nothing is lost, and a bad file changes nothing.

use std::path::PathBuf;

use serde_json::Value;
use support::inbox::until;
use support::inside::{Inside, Post, reason};
use support::log::Log;
use support::{described, sign};
use tempfile::TempDir;
use webhooks::Webhooks;

const OLD: &str = "the-old-canary";
const NEW: &str = "the-new-canary";

/// Truly signed, with this secret.
fn signed(secret: &str, id: &str) -> Post {
    Post::to("hmac").headers(sign::hmac(secret, id, b"{}")).body("{}")
}

struct File {
    folder: TempDir,
}

impl File {
    fn holding(secret: &str) -> Self {
        let file = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        file.write(secret);
        file
    }

    fn write(&self, secret: &str) {
        std::fs::write(self.path(), secret).expect("a file");
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("secret")
    }

    async fn source(&self) -> Inside {
        let path = self.path();
        let path = path.to_str().expect("text");
        Inside::with(Webhooks::builder().source("hmac", |source| source.secret_file(path))).await
    }
}

#[tokio::test]
async fn rotation_overlap() {
    let inside = Inside::with(Webhooks::builder().source("hmac", |it| it.secrets([NEW, OLD]))).await;
    for (index, secret) in [NEW, OLD].into_iter().enumerate() {
        assert_eq!(inside.send(signed(secret, secret)).await.status, 200, "{secret}");
        assert_eq!(inside.heard()[index].secret_index(), Some(index), "which one is in use can be told");
    }
    assert_eq!(reason(&inside.send(signed("another", "1")).await), "signature_mismatch");
}

#[tokio::test]
async fn rotation_overlap_in_files() {
    let (first, second) = (File::holding(OLD), File::holding(OLD));
    let files = [first.path(), second.path()].map(|it| format!("{it:?}")).join(", ");
    let settings = format!("sources.hmac.secret_file = [{files}]").parse().expect("settings");
    let inside = Inside::with(Webhooks::builder().settings(settings)).await;
    let accepted = async |secret: &str| inside.send(signed(secret, "1")).await.status == 200;
    assert!(accepted(OLD).await && !accepted(NEW).await);

    first.write(NEW);
    until(async || accepted(NEW).await).await;
    assert!(accepted(OLD).await, "both, until the provider uses the new one alone");

    second.write(NEW);
    until(async || !accepted(OLD).await).await;
    assert!(accepted(NEW).await);
}

#[tokio::test]
async fn a_secret_file_is_read_again_and_the_old_secret_is_worth_nothing_then() {
    let log = Log::capture();
    let file = File::holding(OLD);
    let inside = file.source().await;
    assert_eq!(inside.send(signed(OLD, "1")).await.status, 200);
    assert_eq!(reason(&inside.send(signed(NEW, "2")).await), "signature_mismatch");

    file.write(&format!("{NEW}\n"));
    until(async || inside.send(signed(NEW, "2")).await.status == 200).await;

    assert_eq!(reason(&inside.send(signed(OLD, "3")).await), "signature_mismatch");
    assert_eq!(inside.heard_ids(), ["1", "2"]);
    let told = log.lines_where("message", "the secrets have changed, and are used from now on");
    assert_eq!((told.len(), &told[0]["source"]), (1, &"hmac".into()));
}

#[tokio::test]
async fn bad_rotation_keeps_old() {
    let log = Log::capture();
    let file = File::holding(OLD);
    let inside = file.source().await;
    let complaints = || {
        log.lines_where("message", "the secrets have changed, but cannot be used: the old ones stay in use")
    };
    let bad =
        [("", "is empty"), ("changeme", "a placeholder"), (" \n", "is empty"), ("whsec_…", "a placeholder")];
    for (count, (content, complaint)) in bad.into_iter().enumerate() {
        file.write(content);
        until(async || complaints().len() > count).await;

        let line: &Value = &complaints()[count];
        assert_eq!((&line["level"], &line["source"]), (&"ERROR".into(), &"hmac".into()));
        let problem = line["problem"].as_str().expect("text");
        assert!(problem.ends_with(complaint) && problem.contains("/secret"), "{problem}");
        assert_eq!(inside.send(signed(OLD, &count.to_string())).await.status, 200, "after {content:?}");
    }
    std::fs::remove_file(file.path()).expect("it was there");
    until(async || complaints().len() > bad.len()).await;
    assert!(complaints()[bad.len()]["problem"].as_str().expect("text").contains("cannot be read"));
    assert_eq!(inside.send(signed(OLD, "without a file")).await.status, 200);

    file.write(NEW);
    until(async || inside.send(signed(NEW, "mended")).await.status == 200).await;
    assert_eq!(complaints().len(), bad.len() + 1, "each told once");
    assert!(log.lines().iter().all(|line| !line.to_string().contains("canary")), "no secret is told");
}

#[tokio::test]
async fn half_a_key_keeps_the_whole_one() {
    let log = Log::capture();
    let whole = sign::random_whsec();
    let file = File::holding(&whole);
    let path = file.path();
    let source = |it: webhooks::SourceBuilder| it.secret_file(path.to_str().expect("text"));
    let inside = Inside::with(Webhooks::builder().source("standard-webhooks", source)).await;
    let delivery = |id: &str| {
        Post::to("standard-webhooks")
            .headers(sign::standard_webhooks(&whole, id, sign::now_unix(), b"{\"type\":\"a\"}"))
            .body("{\"type\":\"a\"}")
    };
    file.write("whsec_not base64");
    until(async || !log.lines_where("level", "ERROR").is_empty()).await;
    assert_eq!(inside.send(delivery("1")).await.status, 200);
    assert!(!log.lines_where("level", "ERROR")[0].to_string().contains("not base64"));
}

/// What a handshake is answered with is made of the secret too.
#[tokio::test]
async fn replies_to_handshakes_are_keyed_with_the_new_secret() {
    let file = File::holding(OLD);
    let path = file.path();
    let source = |it: webhooks::SourceBuilder| it.secret_file(path.to_str().expect("text"));
    let inside = Inside::with(Webhooks::builder().source("zoom", source)).await;
    let body = r#"{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}}"#;
    let ask = async |secret: &str| {
        let reply = inside.send(described::scheme("zoom").post("zoom", secret, "", body)).await;
        let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
        (reply.status == 200).then(|| body["encryptedToken"].as_str().expect("a token").to_owned())
    };
    let old = ask(OLD).await.expect("an answer");

    file.write(NEW);
    until(async || ask(NEW).await.is_some()).await;

    let new = ask(NEW).await.expect("an answer");
    assert_ne!(new, old);
    let mac = sign::hmac(NEW, "", b"qgg8vlvZRS6UYooatFL8Aw")[1].1.clone();
    assert_eq!(mac.strip_prefix("sha256="), Some(&*new));
}

/// A handshake brings the first secret; the next one is written by the operator.
#[tokio::test]
async fn a_secret_that_a_handshake_brought_is_rotated_like_any_other() {
    let log = Log::capture();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = File { folder };
    let path = file.path();
    let source = |it: webhooks::SourceBuilder| it.secret_file(path.to_str().expect("text"));
    let inside = Inside::with(Webhooks::builder().source("asana", source)).await;
    let body = r#"{"events":[{"action":"changed","resource":{"resource_type":"task"}}]}"#;
    let accepted = async |secret: &str| {
        inside.send(described::scheme("asana").post("asana", secret, "", body)).await.status == 200
    };
    let hello = Post::to("asana").header("X-Hook-Secret", OLD).body("{}");
    assert_eq!(inside.send(hello).await.status, 200);
    assert!(accepted(OLD).await && !accepted(NEW).await);

    file.write(NEW);
    until(async || accepted(NEW).await).await;
    assert!(!accepted(OLD).await, "the old one is worth nothing now");

    file.write("");
    let complaint = "the secrets have changed, but cannot be used: the old ones stay in use";
    until(async || !log.lines_where("message", complaint).is_empty()).await;
    assert!(accepted(NEW).await, "a bad file changes nothing");
    let told = log.lines_where("message", "the secrets have changed, and are used from now on");
    assert_eq!(told.len(), 1, "what the handshake brought is no change");
}
