//! What attributes leave behind: found by `autoconfigure()`, left out by `.only(…)`, called for by name.

use std::sync::Mutex;

use support::inside::Post;
use support::log::Log;
use support::sign;
use webhooks::{
    Builder, HmacSignatureValidator, Secrets, Settings, SignatureValidator, State, Webhooks, autoconfigure,
    listeners, webhook_listener, webhook_validator,
};

/// Who was called, in order.
type Calls = Mutex<Vec<&'static str>>;

fn note(calls: &State<Calls>, name: &'static str) {
    calls.lock().expect("no listener panics").push(name);
}

#[webhook_listener(source = "*")]
async fn first(calls: State<Calls>) {
    note(&calls, "first");
}

#[webhook_listener(source = "*")]
async fn second(calls: State<Calls>) {
    note(&calls, "second");
}

/// What a user's own macro may come to: functions of one name, on one line.
macro_rules! listener_in_each {
    ($($module:ident),*) => {
        $(mod $module {
            use super::*;

            #[webhook_listener(source = "*")]
            pub(crate) async fn third(calls: State<Calls>) {
                note(&calls, stringify!($module));
            }
        })*
    };
}

listener_in_each!(one, other);

#[webhook_validator(name = "partner")]
fn partner(secrets: Secrets) -> Result<impl SignatureValidator, String> {
    let secret = secrets.first().ok_or("it is made from the partner's secret")?;
    Ok(HmacSignatureValidator::new(secret.reveal()).with_header_prefix("v1="))
}

/// The report names the line of the function.
const REFUSING: u32 = line!() + 2;
#[webhook_validator]
fn refusing(secrets: Secrets) -> Result<impl SignatureValidator, String> {
    match secrets.len() {
        2 => Ok(HmacSignatureValidator::new(secrets[1].reveal())),
        count => Err(format!("give it two secrets, not {count}")),
    }
}

const OPEN: &str = "sources.shop = { provider = \"hmac\", secret = \"hush\" }";
const PARTNER: &str = "sources.shop = { provider = \"hmac\", secret = \"hush\", validator = \"partner\" }";

fn configured(text: &str) -> Builder {
    autoconfigure().settings(text.parse::<Settings>().expect("TOML"))
}

/// Assembles it with somewhere to note the calls.
async fn build(builder: Builder) -> (Webhooks, std::sync::Arc<Calls>) {
    let calls = std::sync::Arc::<Calls>::default();
    let webhooks = builder.shared_state(std::sync::Arc::clone(&calls)).await;
    (webhooks.unwrap_or_else(|error| panic!("{error}")), calls)
}

/// One event, signed with this prefix.
async fn send(webhooks: &Webhooks, prefix: &str) -> u16 {
    let body = br#"{"type":"order.paid"}"#;
    let headers = sign::hmac("hush", "1", body);
    let signature = headers[1].1.replace("sha256=", prefix);
    let post = Post::to("shop").headers(headers).with("X-Signature", signature).body(body);
    webhooks.process(post.into_request()).await.status.as_u16()
}

fn sorted(calls: &Calls) -> Vec<&'static str> {
    let mut calls = calls.lock().expect("no listener panics").clone();
    calls.sort_unstable();
    calls
}

#[tokio::test]
async fn every_registered_listener_is_found() {
    let log = Log::capture();
    let (webhooks, calls) = build(configured(OPEN)).await;

    assert_eq!(send(&webhooks, "sha256=").await, 200);

    // The twins of the macro are two.
    assert_eq!(sorted(&calls), ["first", "one", "other", "second"]);
    let registered = &log.lines_where("message", "listeners registered")[0];
    assert_eq!((&registered["crate_name"], &registered["listeners"]), (&"registry".into(), &4.into()));
}

#[tokio::test]
async fn a_builder_that_begins_with_nothing_finds_none() {
    let settings: Settings = OPEN.parse().expect("TOML");
    let error = Webhooks::builder().settings(settings).build().await.expect_err("there is no listener");
    assert_eq!(error.problems()[0].what, "there is no listener");
}

#[tokio::test]
async fn only_leaves_the_others_out() {
    let (webhooks, calls) = build(configured(OPEN).only(listeners![second, one::third])).await;

    assert_eq!(send(&webhooks, "sha256=").await, 200);

    assert_eq!(sorted(&calls), ["one", "second"]);
}

#[tokio::test]
async fn a_listener_that_is_registered_and_named_runs_once() {
    let (webhooks, calls) = build(configured(OPEN).listeners(listeners![first])).await;

    assert_eq!(send(&webhooks, "sha256=").await, 200);

    assert_eq!(sorted(&calls), ["first", "one", "other", "second"]);
}

#[tokio::test]
async fn a_registered_validator_is_called_for_by_name_and_gets_the_secrets() {
    // `.only(…)` is about listeners.
    for builder in [configured(PARTNER), configured(PARTNER).only(listeners![first])] {
        let (webhooks, calls) = build(builder).await;

        assert_eq!(send(&webhooks, "sha256=").await, 401, "the provider's own scheme is not asked");
        assert_eq!(send(&webhooks, "v1=").await, 200);

        assert!(sorted(&calls).contains(&"first"));
    }
}

#[tokio::test]
async fn a_registered_validator_may_have_several_secrets() {
    let settings = PARTNER.replace("partner", "refusing").replace("\"hush\"", "[\"old\", \"hush\"]");
    let (webhooks, _) = build(configured(&settings)).await;
    assert_eq!(send(&webhooks, "sha256=").await, 200);
}

#[tokio::test]
async fn a_registered_validator_may_refuse() {
    let settings = PARTNER.replace("partner", "refusing");
    let error = configured(&settings).state(Calls::default()).await.expect_err("it refuses");
    let report = format!(
        "webhooks cannot start: 1 problem\n\n 1. [webhooks.sources.shop] in the settings given as text: its validator \
         `refusing` (tests/tests/registry.rs:{REFUSING}) refuses\n    help: give it two secrets, not 1"
    );
    assert_eq!(error.to_string(), report);
}
