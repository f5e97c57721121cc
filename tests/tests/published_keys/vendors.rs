//! The keys of these tests: `keys/rsa.pk8`, and certificates of it that bear the names of the vendors'.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::{Pkcs1v15Sign, PrivateKey};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use support::inside::Recorder;
use webhooks::{Builder, KeyFetcher};

/// Serves one text at every URL, and remembers the URLs.
#[derive(Clone)]
pub(crate) struct Fixture {
    text: String,
    asked: Arc<Mutex<Vec<String>>>,
    down: Arc<AtomicBool>,
}

impl Fixture {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), asked: Arc::default(), down: Arc::default() }
    }

    /// Serves nothing any more.
    pub(crate) fn go_down(&self) {
        self.down.store(true, Ordering::Relaxed);
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no test panics in here").clone()
    }
}

impl KeyFetcher for Fixture {
    async fn fetch(&self, url: &str) -> io::Result<Bytes> {
        self.asked.lock().expect("no test panics in here").push(url.to_owned());
        if self.down.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        Ok(Bytes::copy_from_slice(self.text.as_bytes()))
    }
}

/// The most that strangers can have fetched since then.
pub(crate) fn bound(since: Instant) -> usize {
    8 + usize::try_from(since.elapsed().as_secs() / 2).expect("a short test") + 1
}

/// PKCS#1 v1.5 over SHA-256.
pub(crate) fn rsa_signature(content: &[u8]) -> Vec<u8> {
    let key = PrivateKey::from_pkcs8_der(include_bytes!("../../keys/rsa.pk8")).expect("a private key");
    key.sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(content)).expect("a signature")
}

/// The same over SHA-1.
pub(crate) fn rsa_sha1_signature(content: &[u8]) -> Vec<u8> {
    let key = PrivateKey::from_pkcs8_der(include_bytes!("../../keys/rsa.pk8")).expect("a private key");
    key.sign(Pkcs1v15Sign::new::<Sha1>(), &Sha1::digest(content)).expect("a signature")
}

pub(crate) fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// `2026-01-01T00:00:00Z`
pub(crate) fn rfc3339(at: SystemTime) -> String {
    let seconds = seconds(at);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut days) = (1970, seconds / 86_400);
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut month = 0;
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", month + 1, days + 1)
}

pub(crate) async fn startup_report(builder: Builder) -> String {
    let built = builder.listener(Recorder::new("*")).build().await;
    built.expect_err("it starts").to_string()
}
