//! Trials: for each there is a listener that fails it and no other, and one that passes them all.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::json;
use support::scripted::listener;
use webhooks::testing::{self, Findings, TestDelivery, Trial};
use webhooks::{
    Builder, Event, Failure, Settings, State, WebhookEvent, WebhookEventListener, Webhooks, listeners,
    webhook_listener,
};

/// What the listeners write to.
#[derive(Debug, Default)]
struct Shop {
    total: Mutex<u64>,
    log: Mutex<Vec<String>>,
    orders: Mutex<BTreeMap<String, String>>,
    mails: Mutex<BTreeMap<String, u64>>,
}

type Shared = Arc<Shop>;

fn deliveries() -> [TestDelivery; 3] {
    [1, 2, 3]
        .map(|number| testing::stripe("order.paid").id(format!("evt_{number}")).json(json!({"n": number})))
}

/// Whose listener is it that the trials find fault with?
async fn tried(builder: impl Fn(Builder) -> Builder) -> Findings {
    let findings = testing::trials(
        async || Shared::default(),
        |shop: &Shared| builder(Webhooks::builder().shared_state(Arc::clone(shop))),
    )
    .deliver(deliveries())
    .compare(async |shop| format!("{shop:?}"))
    .await;
    findings.unwrap_or_else(|error| panic!("{error}"))
}

/// The trials that a listener fails.
fn failed(findings: &Findings, listener: &str) -> Vec<Trial> {
    findings.of(listener).iter().map(|it| it.trial).collect()
}

#[derive(serde::Deserialize)]
struct Order {
    n: u64,
}

/// Safe: the same again is the same.
#[webhook_listener(source = "stripe")]
async fn upsert(Event(order): Event<Order>, event: WebhookEvent, shop: State<Shop>) {
    tokio::task::yield_now().await;
    let id = event.id().expect("an id").to_owned();
    shop.orders.lock().expect("whole").insert(id, format!("paid {}", order.n));
}

/// Unsafe: the same again is more.
#[webhook_listener(source = "stripe")]
async fn add(Event(order): Event<Order>, shop: State<Shop>) {
    *shop.total.lock().expect("whole") += order.n;
}

#[tokio::test]
async fn the_unsafe_one_is_named_and_the_safe_one_is_not() {
    let findings = tried(|builder| builder.listeners(listeners![upsert, add])).await;
    assert_eq!(findings.tried().len(), 2);
    assert_eq!(failed(&findings, "upsert"), []);
    assert_eq!(failed(&findings, "add"), [Trial::Crash, Trial::Redelivery]);
    let told = findings.to_string();
    let expected = "`testing_kit::trials::add` is not safe to repeat: a crash between run and settlement";
    assert!(told.contains(expected), "{told}");
    let crash = findings.of("add")[0];
    assert!(
        crash.expected.contains("total: Mutex { data: 6") && crash.found.contains("total: Mutex { data: 12")
    );
}

#[tokio::test]
async fn nothing_is_found_where_nothing_is_wrong() {
    let findings = tried(|builder| builder.listeners(listeners![upsert])).await;
    assert!(findings.is_empty(), "{findings}");
    assert_eq!(findings.to_string(), "nothing was found: 1 listeners were tried");
}

/// Reads, waits, and writes what it read and one more; remembers whom it has counted.
#[webhook_listener(source = "stripe")]
async fn read_then_write(event: WebhookEvent, shop: State<Shop>) {
    let before = *shop.total.lock().expect("whole");
    tokio::task::yield_now().await;
    let known = shop
        .orders
        .lock()
        .expect("whole")
        .insert(event.id().expect("an id").to_owned(), "counted".to_owned());
    if known.is_none() {
        *shop.total.lock().expect("whole") = before + 1;
    }
}

#[tokio::test]
async fn concurrency() {
    let findings = tried(|builder| builder.listeners(listeners![read_then_write])).await;
    assert_eq!(failed(&findings, "read_then_write"), [Trial::Concurrency], "{findings}");
}

/// Notes that it did all before it did the rest.
#[webhook_listener(source = "stripe")]
async fn notes_too_early(event: WebhookEvent, shop: State<Shop>) {
    let id = event.id().expect("an id").to_owned();
    if shop.orders.lock().expect("whole").insert(id.clone(), "mailed".to_owned()).is_some() {
        return;
    }
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    *shop.mails.lock().expect("whole").entry(id).or_default() += 1;
}

#[tokio::test]
async fn interruption() {
    let findings = tried(|builder| builder.listeners(listeners![notes_too_early])).await;
    assert_eq!(failed(&findings, "notes_too_early"), [Trial::Interruption], "{findings}");
    assert!(findings.to_string().contains("when it waited for the 1st time"), "{findings}");
}

/// The same, after a long way.
#[webhook_listener(source = "stripe")]
async fn notes_too_early_at_last(event: WebhookEvent, shop: State<Shop>) {
    for _ in 0..40 {
        tokio::task::yield_now().await;
    }
    let id = event.id().expect("an id").to_owned();
    if shop.orders.lock().expect("whole").insert(id.clone(), "mailed".to_owned()).is_some() {
        return;
    }
    tokio::task::yield_now().await;
    *shop.mails.lock().expect("whole").entry(id).or_default() += 1;
}

#[tokio::test]
async fn interruption_at_every_wait() {
    let findings = tried(|builder| builder.listeners(listeners![notes_too_early_at_last])).await;
    assert_eq!(failed(&findings, "notes_too_early_at_last"), [Trial::Interruption], "{findings}");
    assert!(findings.to_string().contains("when it waited for the 41st time"), "{findings}");
}

/// Harmless, as far as anybody looks.
#[webhook_listener(source = "stripe")]
async fn waits_and_waits(event: WebhookEvent) {
    let waits = if event.attempt() == 1 { 600 } else { 0 };
    for _ in 0..waits {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_is_not_tried_to_its_end_is_no_success() {
    let mut trials = testing::trials(
        async || Shared::default(),
        |_: &Shared| Webhooks::builder().listeners(listeners![waits_and_waits]),
    );
    for trial in Trial::ALL.into_iter().filter(|it| *it != Trial::Interruption) {
        trials = trials.without(trial);
    }
    let [delivery, ..] = deliveries();
    let error =
        trials.deliver([delivery]).compare(async |_| 0).await.expect_err("it was not tried to its end");
    let told = error.to_string();
    assert!(told.contains("trials::waits_and_waits` waits more than 500 times"), "{told}");
    assert!(told.contains("`.without(Trial::Interruption)`"), "{told}");
}

/// Takes a second attempt for a repetition of what was done.
#[webhook_listener(source = "stripe")]
async fn believes_in_attempts(Event(order): Event<Order>, event: WebhookEvent, shop: State<Shop>) {
    if event.attempt() == 1 {
        *shop.total.lock().expect("whole") += order.n;
    }
}

#[tokio::test]
async fn redelivery() {
    let findings = tried(|builder| builder.listeners(listeners![believes_in_attempts])).await;
    let trials = failed(&findings, "believes_in_attempts");
    assert!(trials.contains(&Trial::Redelivery) && !trials.contains(&Trial::Crash), "{findings}");
}

/// The last one wins, whichever it is.
#[webhook_listener(source = "stripe")]
async fn last_one_wins(Event(order): Event<Order>, shop: State<Shop>) {
    shop.orders.lock().expect("whole").insert("latest".to_owned(), order.n.to_string());
}

#[tokio::test]
async fn reordering() {
    let findings = tried(|builder| builder.listeners(listeners![last_one_wins])).await;
    assert_eq!(failed(&findings, "last_one_wins"), [Trial::Reordering], "{findings}");
    let without = testing::trials(
        async || Shared::default(),
        |shop: &Shared| {
            Webhooks::builder().shared_state(Arc::clone(shop)).listeners(listeners![last_one_wins])
        },
    );
    let without = without.without(Trial::Reordering).without(Trial::Concurrency).deliver(deliveries());
    let findings = without.compare(async |shop| format!("{shop:?}")).await.expect("findings");
    assert!(findings.is_empty(), "{findings}");
}

/// Two listeners, one of which counts on the other having been there first.
#[tokio::test]
async fn listeners_that_depend_on_each_other() {
    let first = |shop: &Shared| {
        let shop = Arc::clone(shop);
        listener("first", move |event: WebhookEvent| {
            shop.orders
                .lock()
                .expect("whole")
                .insert(event.id().expect("an id").to_owned(), "open".to_owned());
            async { Ok(()) }
        })
        .hearing("created")
    };
    let second = |shop: &Shared| {
        let shop = Arc::clone(shop);
        listener("second", move |_| {
            for order in shop.orders.lock().expect("whole").values_mut() {
                *order = "paid".to_owned();
            }
            async { Ok(()) }
        })
        .hearing("paid")
    };
    let findings = testing::trials(
        async || Shared::default(),
        |shop: &Shared| {
            Webhooks::builder().source("stripe", |it| it).listener(first(shop)).listener(second(shop))
        },
    )
    .deliver([testing::stripe("created"), testing::stripe("paid")])
    .compare(async |shop| shop.orders.lock().expect("whole").values().cloned().collect::<Vec<_>>())
    .await
    .expect("findings");
    assert_eq!(failed(&findings, "first"), [Trial::Reordering], "{findings}");
    assert!(findings.to_string().contains("it depends on the order, or they do"), "{findings}");
}

/// A provider without ids: every delivery is an event of its own.
#[tokio::test]
async fn duplicates() {
    let settings = "[sources.partner]\nprovider = \"hmac\"\n[sources.partner.scheme.identity]\nid_header = []\nno_id = true\ntype_constant = \"x\"";
    let findings = testing::trials(
        async || Shared::default(),
        |shop: &Shared| {
            let settings: Settings = settings.parse().expect("good settings");
            let log = Arc::clone(shop);
            let append = listener("append", move |_| {
                log.log.lock().expect("whole").push("x".to_owned());
                async { Ok(()) }
            });
            Webhooks::builder().settings(settings).listener(append)
        },
    )
    .deliver([testing::delivery("partner", "x")])
    .compare(async |shop| shop.log.lock().expect("whole").len())
    .await
    .expect("findings");
    let trials = failed(&findings, "append");
    assert_eq!(trials.first(), Some(&Trial::Duplicates), "{findings}");
}

/// Refuses what it has seen before, for ever.
#[tokio::test]
async fn a_listener_that_never_succeeds_again() {
    let findings = testing::trials(
        async || Shared::default(),
        |shop: &Shared| {
            let shop = Arc::clone(shop);
            let insert = listener("insert", move |event: WebhookEvent| {
                let known = shop
                    .orders
                    .lock()
                    .expect("whole")
                    .insert(event.id().expect("an id").to_owned(), "x".to_owned());
                async move { if known.is_some() { Err("duplicate key".into()) } else { Ok(()) } }
            });
            Webhooks::builder().source("stripe", |it| it).listener(insert)
        },
    )
    .deliver(deliveries())
    .compare(async |shop| shop.orders.lock().expect("whole").clone())
    .await
    .expect("findings");
    assert_eq!(failed(&findings, "insert"), [Trial::Crash, Trial::Redelivery]);
    assert!(findings.to_string().contains("it never succeeded again: insert: duplicate key"), "{findings}");
}

/// Its `on_error` is not told of what the trials do, and is told of what it does.
struct Touchy(Shared);

impl WebhookEventListener for Touchy {
    fn source(&self) -> &str {
        "stripe"
    }

    async fn handle(&self, _: &WebhookEvent) -> webhooks::Result {
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn on_error(&self, _: &WebhookEvent, failure: &Failure) {
        self.0.log.lock().expect("whole").push(failure.to_string());
    }
}

#[tokio::test]
async fn on_error_is_the_listeners_own() {
    let findings = testing::trials(
        async || Shared::default(),
        |shop: &Shared| Webhooks::builder().source("stripe", |it| it).listener(Touchy(Arc::clone(shop))),
    )
    .deliver(deliveries())
    .compare(async |shop| shop.log.lock().expect("whole").clone())
    .await
    .expect("findings");
    assert!(findings.is_empty(), "{findings}");
}

/// Deliveries of vendors' keys, of batches, and to webhooks that have an inbox otherwise.
#[tokio::test]
async fn any_provider_can_be_tried() {
    let folder = support::inbox::InboxFolder::new();
    let sources = ["sendgrid", "adyen", "paypal", "twilio"];
    let findings = testing::trials(
        async || Shared::default(),
        |shop: &Shared| {
            let shop = Arc::clone(shop);
            let note = listener("note", move |event: WebhookEvent| {
                shop.orders
                    .lock()
                    .expect("whole")
                    .insert(event.source().to_owned(), event.event_type().to_owned());
                async { Ok(()) }
            });
            let builder = folder.sources(&[]).listener(note);
            sources.iter().fold(builder, |builder, name| builder.source(name, |source| source))
        },
    )
    .deliver(sources.map(testing::example))
    .compare(async |shop| shop.orders.lock().expect("whole").clone())
    .await
    .expect("findings");
    assert!(findings.is_empty(), "{findings}");
    assert!(!folder.file().exists(), "trials leave the inbox alone");
}

#[tokio::test]
async fn what_cannot_be_tried_says_why() {
    let trials = || {
        testing::trials(
            async || Shared::default(),
            |_: &Shared| {
                let act = async |event: WebhookEvent| match event.event_type() {
                    "fails" => Err(webhooks::Failure::permanent("never")),
                    _ => Ok(()),
                };
                let listener = listener("picky", act);
                Webhooks::builder()
                    .source("stripe", |it| it)
                    .listener(listener.hearing("fails"))
                    .listener(support::scripted::listener("random", async |_| Ok(())).hearing("fine"))
            },
        )
    };
    let error = async |delivery| {
        trials().deliver([delivery]).compare(async |_| 0).await.expect_err("it was tried").to_string()
    };
    assert!(error(testing::stripe("fails")).await.contains("ends as dead (picky: never)"));
    assert!(error(testing::stripe("unheard")).await.contains("ends as ignored"));
    assert!(error(testing::stripe("fine").unsigned()).await.contains("ends as signature_missing"));
    let nothing = trials().compare(async |_| 0).await.expect_err("it was tried");
    assert!(nothing.to_string().contains("there is nothing to deliver"));
    let never_the_same = trials().deliver([testing::stripe("fine")]);
    let error = never_the_same.compare(async |_| std::time::Instant::now()).await.expect_err("it was tried");
    assert!(error.to_string().contains("leave out of `.compare(…)`"), "{error}");
}
