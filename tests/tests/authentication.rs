//! Who may speak: nobody without a secret, nobody by another name, nobody with another's key.

use http::StatusCode;
use support::http::Request;
use support::inside::{Inside, Post, Recorder, refusal};
use support::process::{PATIENCE, Program};
use support::{sample, sign};
use tokio::net::TcpListener;
use tokio::time::timeout;
use webhooks::{Error, Settings, WebhookProcessor, Webhooks};

/// Everything that keeps webhooks from starting, as the user reads it.
async fn startup_report(settings: &str) -> String {
    let settings: Settings = settings.parse().expect("TOML");
    let built = Webhooks::builder().settings(settings).listener(Recorder::new("*")).build().await;
    built.expect_err("it starts").to_string()
}

// ---- no_secret_is_closed -----------------------------------------------------------------------

#[tokio::test]
async fn no_secret_is_closed() {
    let secretless = Webhooks::builder().source("stripe", |source| source).listener(Recorder::new("stripe"));
    let built = secretless.build().await;

    // A debug build might still be served on a loopback address; a release build refuses at once.
    #[cfg(debug_assertions)]
    let refused = built.expect("a secret is lent in development").router::<()>().map(drop);
    #[cfg(not(debug_assertions))]
    let refused = built.map(drop);

    assert_names_the_missing_secret(&refused.expect_err("a router without a secret"));
}

#[tokio::test]
async fn no_secret_is_closed_for_a_processor() {
    let built = WebhookProcessor::builder()
        .source("stripe", |source| source)
        .listener(Recorder::new("stripe"))
        .build()
        .await;

    assert_names_the_missing_secret(&built.expect_err("a processor without a secret"));
}

#[tokio::test]
async fn no_secret_is_closed_on_an_address_that_others_reach() {
    let built = Webhooks::builder()
        .bind("0.0.0.0:0")
        .source("stripe", |source| source)
        .listener(Recorder::new("stripe"))
        .build()
        .await;

    assert_names_the_missing_secret(&built.expect_err("a public server without a secret"));
}

/// The settings say a loopback address; the socket is another.
#[cfg(debug_assertions)]
#[tokio::test]
async fn no_secret_is_closed_on_a_socket_that_others_reach() {
    let secretless = Webhooks::builder().source("stripe", |source| source).listener(Recorder::new("stripe"));
    let webhooks = secretless.build().await.expect("a secret is lent in development");

    let refused = timeout(PATIENCE, webhooks.serve_on(public_socket())).await.expect("it does not serve");

    assert_names_the_missing_secret(&refused.expect_err("a public server without a secret"));
}

#[cfg(debug_assertions)]
#[tokio::test]
async fn a_secret_that_is_lent_is_good_for_one_process() {
    let secretless = async || Inside::with(Webhooks::builder().source("stripe", |source| source)).await;
    let (lender, other) = (secretless().await, secretless().await);
    let sample = lender.webhooks.sample_requests().next().expect("a request to try it with");
    let post =
        sample.headers.iter().fold(Post::at(&sample.path).body(&sample.body), |post, (name, value)| {
            post.header(name.as_str(), value)
        });

    assert_eq!(refusal(&other.send(post.clone()).await), "401 signature_mismatch");
    assert_eq!(lender.send(post).await.status, 200);
}

#[cfg(debug_assertions)]
#[tokio::test]
async fn no_secret_is_closed_to_the_unsigned_even_in_development() {
    let listener = Recorder::new("stripe");
    let webhooks = Webhooks::builder()
        .listener(listener.clone())
        .build()
        .await
        .expect("a secret is lent in development");
    let signed = webhooks.sample_requests().next().expect("a request to try it with").clone();
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = socket.local_addr().expect("a bound socket");
    let server = tokio::spawn(webhooks.serve_on(socket));

    let unsigned =
        Request::post("/webhooks/stripe").body(&signed.body).send(address).await.expect("an answer");
    assert_eq!(unsigned.status, 401);
    assert!(listener.heard().is_empty());

    let headers = signed.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let genuine = Request::post(&signed.path).headers(headers).body(&signed.body).send(address).await;
    assert_eq!(genuine.expect("an answer").status, 200);
    assert_eq!(listener.heard().len(), 1);
    server.abort();
}

/// A socket with a public address. It does not listen, so that nobody reaches it while this is tested.
#[cfg(debug_assertions)]
fn public_socket() -> TcpListener {
    use socket2::{Domain, Socket, Type};
    use std::net::{Ipv4Addr, SocketAddr};

    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into()).expect("a port is free");
    socket.set_nonblocking(true).expect("a socket of ours");
    TcpListener::from_std(socket.into()).expect("a runtime")
}

fn assert_names_the_missing_secret(error: &Error) {
    let report = error.to_string();
    assert!(report.contains("[webhooks.sources.stripe]") && report.contains("has no `secret`"), "{report}");
    assert!(report.contains("WEBHOOKS_SOURCES__STRIPE__SECRET"), "{report}");
}

#[tokio::test]
async fn a_secret_that_cannot_be_one_is_no_secret() {
    for secret in ["", "  ", "${STRIPE_SECRET}", "changeme", "whsec_…", "whsec_"] {
        let report = startup_report(&format!("sources.stripe.secret = \"{secret}\"")).await;
        assert!(report.contains("`webhooks.sources.stripe.secret`"), "{secret:?}:\n{report}");
    }
}

#[tokio::test]
async fn empty_env_overrides_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("webhooks.toml");
    std::fs::write(&file, "[webhooks.sources.stripe]\nsecret = \"whsec_test_stripe\"\n").expect("a file");

    let receiver = Program::built("receiver")
        .current_dir(folder.path())
        .env("WEBHOOKS_CONFIG", &file)
        .env("WEBHOOKS_SOURCES__STRIPE__SECRET", "")
        .start();

    assert!(!receiver.wait(PATIENCE).success(), "it started");
    receiver.stderr().line(|line| line.contains("WEBHOOKS_SOURCES__STRIPE__SECRET")).await;
    receiver.stderr().line(|line| line.contains("webhooks cannot start: 1 problem")).await;
}

#[tokio::test]
async fn unsigned_only_by_name() {
    let settings: Settings = "sources.stripe.validator = \"none\"".parse().expect("TOML");
    let inside = Inside::with(Webhooks::builder().settings(settings)).await;

    let reply = inside.send(Post::to("stripe").body(sample::stripe_body("evt_1"))).await;

    assert_eq!(reply.status, StatusCode::OK);
    assert!(!inside.heard()[0].is_verified());
    assert_eq!(inside.report("stripe").unverified, 1);
}

// ---- secrets -------------------------------------------------------------------------------------

/// Both sign `v0:{timestamp}:{body}`, each in headers of its own.
const SLACK_AND_ZOOM: &str = r#"
    [sources.slack]
    secret = "8f742231b10e8888abcd99yyyzzz85a5"

    [sources.zoom]
    secret = "8f742231b10e8888abcd99yyyzzz85a5"
"#;

#[tokio::test]
async fn shared_secret() {
    let report = startup_report(SLACK_AND_ZOOM).await;

    assert!(report.contains("`slack` and `zoom` have the same secret"), "{report}");
    assert!(!report.contains("8f742231"), "the report holds the secret");
}

#[tokio::test]
async fn schemes_that_cannot_be_confused_may_share_a_secret() {
    let other_content = format!("{SLACK_AND_ZOOM}scheme.signature.content = \"v1/{{timestamp}}/{{body}}\"");
    let settings: Settings = other_content.parse().expect("TOML");

    let built = Webhooks::builder().settings(settings).listener(Recorder::new("*")).build().await;

    assert!(built.is_ok(), "{built:?}");
}

#[tokio::test]
async fn any_of_several_secrets_may_have_signed_and_the_event_says_which() {
    let old_and_new = ["an older secret", sample::secret("github")];
    let inside = Inside::with(Webhooks::builder().source("github", |it| it.secrets(old_and_new))).await;

    inside.send(sample::of("github", "delivery-1")).await;
    let headers = sign::github("an older secret", "delivery-2", "push", b"{}");
    inside.send(Post::to("github").headers(headers).body("{}")).await;

    let by: Vec<_> = inside.heard().iter().map(|event| event.secret_index()).collect();
    assert_eq!(by, [Some(1), Some(0)]);
}

// ---- whose URL ---------------------------------------------------------------------------------

#[tokio::test]
async fn host_header_ignored() {
    let inside = Inside::with(sample::sources(&["twilio"])).await;
    let parameters = [("Body", "Hello")];
    let signed_for = |url: &str| {
        let headers = sign::twilio(sample::secret("twilio"), url, "id-1", &parameters);
        Post::to("twilio").headers(headers).body(sign::form(&parameters)).form()
    };

    let foreign = signed_for("https://a.example/webhooks/twilio")
        .with("host", "a.example")
        .with("x-forwarded-host", "a.example")
        .with("x-forwarded-proto", "https")
        .with("forwarded", "host=a.example;proto=https");
    // As a proxy is sent it: whoever calls names the host before the path.
    let absolute = foreign.clone().target("https://a.example/webhooks/twilio");
    for forged in [foreign, absolute] {
        assert_eq!(refusal(&inside.send(forged).await), "401 signature_mismatch");
        assert!(inside.heard().is_empty());
    }

    let ours = signed_for("https://example.com/webhooks/twilio").with("host", "a.example");
    assert_eq!(inside.send(ours).await.status, 200);
}

#[tokio::test]
async fn path_aliases() {
    let inside = Inside::with(sample::sources(&["stripe"])).await;
    let signed = sample::of("stripe", "evt_1");

    for alias in [
        "/webhooks/%73tripe",
        "/webhooks/Stripe",
        "/webhooks/stripe/",
        "/webhooks//stripe",
        "//webhooks/stripe",
        "/webhooks/stripe%00",
        "/webhooks/stripe%20",
        "/webhooks/stripe.",
        "/webhooks/./stripe",
        "/webhooks/x/../stripe",
        "/webhooks/stripe;x=1",
        "/webhooks/",
        "/webhooks",
        "/",
    ] {
        let reply = inside.send(signed.clone().target(alias)).await;
        assert_eq!(refusal(&reply), "404 unknown_source", "{alias}");
    }

    let reports = inside.webhooks.handle().processor().report();
    let labels: Vec<_> = reports.iter().map(|(name, report)| (name.as_str(), &*report.outcomes)).collect();
    assert_eq!(labels, [("stripe", &[][..])], "no alias becomes a label, and none counts as stripe");
    assert_eq!(inside.send(signed).await.status, 200);
}
