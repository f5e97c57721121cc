use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use support::inbox::{InboxFolder, settled};
use support::inside::{Inside, Post, reason};
use webhooks::{Builder, Clock, Webhooks};

use crate::vendors::{Fixture, bound, rfc3339, rsa_signature};

const WEBHOOK_ID: &str = "4JH86294D6297924G";
const PAYPAL_URL: &str = "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-b0d12406";

fn paypal_source(certificate: &str) -> (Fixture, Builder) {
    paypal_source_in(Webhooks::builder(), certificate)
}

fn paypal_source_in(builder: Builder, certificate: &str) -> (Fixture, Builder) {
    let fixture = Fixture::new(certificate);
    let builder = builder.key_fetcher(fixture.clone());
    (fixture, builder.source("paypal", |source| source.secret(WEBHOOK_ID)))
}

fn paypal(body: &[u8], certificate_url: &str) -> Post {
    paypal_at(SystemTime::now(), body, certificate_url)
}

fn paypal_at(at: SystemTime, body: &[u8], certificate_url: &str) -> Post {
    let time = rfc3339(at);
    let content = format!("t-1|{time}|{WEBHOOK_ID}|{}", crc32fast::hash(body));
    Post::to("paypal")
        .header("paypal-transmission-id", "t-1")
        .header("paypal-transmission-time", time)
        .header("paypal-transmission-sig", STANDARD.encode(rsa_signature(content.as_bytes())))
        .header("paypal-cert-url", certificate_url)
        .header("paypal-auth-algo", "SHA256withRSA")
        .body(body)
}

/// Bytes of the same length as `filler`, in the range of `@` to `O`, with which the text has this checksum.
///
/// A checksum is linear: the bits to flip are the solution of 32 equations in four unknowns a byte.
fn of_checksum(text: &str, filler: &str, checksum: u32) -> Vec<u8> {
    let at = text.find(filler).expect("the filler is there");
    let mut bytes = text.as_bytes().to_vec();
    let base = crc32fast::hash(&bytes);
    let flips: Vec<(usize, u8)> =
        (at..at + filler.len()).flat_map(|at| (0..4).map(move |bit| (at, 1 << bit))).collect();
    // Each row: what a set of flips changes, and which set it is.
    let mut rows: Vec<(u32, u128)> = Vec::new();
    let reduce = |rows: &[(u32, u128)], mut row: (u32, u128)| {
        for known in rows {
            if row.0 & (1 << known.0.ilog2()) != 0 {
                row = (row.0 ^ known.0, row.1 ^ known.1);
            }
        }
        row
    };
    for (index, (at, bit)) in flips.iter().enumerate() {
        let mut flipped = bytes.clone();
        flipped[*at] ^= bit;
        let row = reduce(&rows, (crc32fast::hash(&flipped) ^ base, 1 << index));
        if row.0 != 0 {
            rows.push(row);
            rows.sort_by_key(|row| std::cmp::Reverse(row.0));
        }
    }
    let (rest, set) = reduce(&rows, (base ^ checksum, 0));
    assert_eq!(rest, 0, "the equations can be solved");
    for (index, (at, bit)) in flips.iter().enumerate() {
        bytes[*at] ^= if set >> index & 1 == 1 { *bit } else { 0 };
    }
    bytes
}

const GENUINE: &[u8] =
    br#"{"id":"WH-1","event_type":"PAYMENT.CAPTURE.COMPLETED","resource":{"amount":"1.00"}}"#;

/// Another body of the same checksum.
fn forged() -> Vec<u8> {
    let filler = "AAAAAAAAAAAAAAAA";
    let forged = format!(
        r#"{{"id":"WH-1","event_type":"PAYMENT.CAPTURE.COMPLETED","resource":{{"amount":"9999.00"}},"x":"{filler}"}}"#
    );
    let forged = of_checksum(&forged, filler, crc32fast::hash(GENUINE));
    assert_eq!(crc32fast::hash(&forged), crc32fast::hash(GENUINE));
    forged
}

#[tokio::test]
async fn paypal_crc_collision() {
    let folder = InboxFolder::new();
    let certificate = include_str!("../../keys/paypal.pem");
    for builder in [Webhooks::builder(), folder.sources(&[])] {
        let (_, builder) = paypal_source_in(builder, certificate);
        takes_no_other_body(&Inside::with(builder).await).await;
    }
}

async fn takes_no_other_body(inside: &Inside) {
    let handled = async || {
        if let Some(inbox) = inside.webhooks.inbox() {
            settled(&inbox).await;
        }
    };
    let forged = forged();
    let accepted = paypal(GENUINE, PAYPAL_URL);
    assert_eq!(inside.send(accepted.clone()).await.status, StatusCode::OK);
    let refused = inside.send(accepted.clone().body(&forged)).await;
    assert_eq!((refused.status, reason(&refused).as_str()), (StatusCode::UNAUTHORIZED, "token_reused"));
    handled().await;
    assert_eq!(inside.heard_ids(), ["t-1"]);
    assert_eq!(inside.report("paypal").token_reused, 1, "it is counted");
    assert_eq!(inside.send(accepted).await.status, StatusCode::OK, "the genuine one is a duplicate");
    handled().await;
    assert_eq!(inside.heard_ids(), ["t-1"]);
}

#[tokio::test]
async fn paypal_sandbox_cert_on_live() {
    let body = br#"{"id":"WH-1","event_type":"x","resource":{}}"#;
    let (fixture, builder) = paypal_source(include_str!("../../keys/paypal-sandbox.pem"));
    let inside = Inside::with(builder).await;
    let sandbox = paypal(body, &PAYPAL_URL.replace("api.", "api.sandbox."));
    assert_eq!(inside.send(sandbox).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(fixture.asked().len(), 0);
    let sandbox_name = paypal(body, PAYPAL_URL);
    assert_eq!(inside.send(sandbox_name).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(inside.heard().len(), 0);
}

/// As long as the signature is good, however short the memory for events is.
#[tokio::test]
async fn paypal_crc_collision_days_later() {
    const DAY: Duration = Duration::from_secs(24 * 3_600);
    for settings in ["", "idempotency.ttl_seconds = 60"] {
        let clock = Clock::turnable();
        let (_, builder) = paypal_source(include_str!("../../keys/paypal.pem"));
        let inside =
            Inside::with(builder.settings(settings.parse().expect("settings")).clock(clock.clone())).await;
        let accepted = paypal(GENUINE, PAYPAL_URL);
        assert_eq!(inside.send(accepted.clone()).await.status, StatusCode::OK);

        clock.advance(4 * DAY - DAY / 24);
        let refused = inside.send(accepted.clone().body(forged())).await;
        let refusal = (refused.status, reason(&refused));
        assert_eq!(refusal, (StatusCode::UNAUTHORIZED, "token_reused".to_owned()), "{settings}");
        clock.advance(DAY / 12);
        let refused = inside.send(accepted.body(forged())).await;
        let refusal = (refused.status, reason(&refused));
        assert_eq!(refusal, (StatusCode::UNAUTHORIZED, "expired".to_owned()), "{settings}");
        assert_eq!(inside.heard().len(), 1);
    }
}

/// Nothing is known yet, and strangers ask for certificates that do not exist.
#[tokio::test]
async fn paypal_cold_under_a_flood() {
    let clock = Clock::turnable();
    let (fixture, builder) = paypal_source(include_str!("../../keys/paypal.pem"));
    let inside = Inside::with(builder.clock(clock.clone())).await;
    let (began, stranger) = (Instant::now(), paypal(b"{}", PAYPAL_URL));
    let flood = async |from: usize| {
        for number in from..from + 100 {
            inside.send(stranger.clone().with("paypal-cert-url", format!("{PAYPAL_URL}-{number}"))).await;
        }
    };
    let genuine = paypal(GENUINE, PAYPAL_URL);
    flood(0).await;
    assert!(fixture.asked().len() <= bound(began), "PayPal is not pestered: {:?}", fixture.asked());
    clock.advance(Duration::from_secs(2));
    assert_eq!(inside.send(genuine.clone()).await.status, StatusCode::OK, "soon let through");
    flood(100).await;
    assert_eq!(inside.send(genuine).await.status, StatusCode::OK, "and then never kept waiting");
}

/// Certificates that exist crowd out none that is in use.
#[tokio::test]
async fn paypal_certificates_in_use_are_kept() {
    let clock = Clock::turnable();
    let (fixture, builder) = paypal_source(include_str!("../../keys/paypal.pem"));
    let inside = Inside::with(builder.clock(clock.clone())).await;
    let genuine = || paypal_at(clock.wall(), GENUINE, PAYPAL_URL);
    assert_eq!(inside.send(genuine()).await.status, StatusCode::OK);
    let forged = paypal(b"{}", PAYPAL_URL).with("paypal-transmission-id", "t-2");
    for number in 0..40 {
        clock.advance(Duration::from_secs(2));
        let stranger = forged.clone().with("paypal-cert-url", format!("{PAYPAL_URL}-{number}"));
        assert_eq!(inside.send(stranger).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(inside.send(genuine()).await.status, StatusCode::OK);
    let fetched = fixture.asked().iter().filter(|it| *it == PAYPAL_URL).count();
    assert_eq!(fetched, 1);
}

/// Whoever says which certificate is PayPal's has no other fetched.
#[tokio::test]
async fn paypal_certificate_that_is_expected() {
    let fixture = Fixture::new(include_str!("../../keys/paypal.pem"));
    let builder = Webhooks::builder().key_fetcher(fixture.clone());
    let builder = builder.source("paypal", |it| it.secret(WEBHOOK_ID).expect("paypal-cert-url", PAYPAL_URL));
    let inside = Inside::with(builder).await;
    let other = inside.send(paypal(GENUINE, &format!("{PAYPAL_URL}-2"))).await;
    assert_eq!((other.status, reason(&other).as_str()), (StatusCode::UNAUTHORIZED, "not_for_us"));
    assert_eq!(inside.send(paypal(GENUINE, PAYPAL_URL)).await.status, StatusCode::OK);
    assert_eq!(fixture.asked(), [PAYPAL_URL]);
}
