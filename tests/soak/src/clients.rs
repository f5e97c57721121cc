//! Clients that post events, each again until it is acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use support::sign;
use tokio::task::JoinSet;

use crate::place::{Place, SECRET};

pub(crate) struct Clients {
    shared: Arc<Shared>,
    tasks: JoinSet<Vec<u64>>,
}

struct Shared {
    url: String,
    http: reqwest::Client,
    next: AtomicU64,
    acknowledged: AtomicU64,
    is_over: AtomicBool,
}

impl Clients {
    pub(crate) fn start(count: usize, place: &Place) -> Self {
        let shared = Arc::new(Shared {
            url: format!("http://{}/webhooks/hmac", place.address),
            http: reqwest::Client::new(),
            next: AtomicU64::new(1),
            acknowledged: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        });
        let mut tasks = JoinSet::new();
        for _ in 0..count {
            let shared = Arc::clone(&shared);
            tasks.spawn(async move { shared.post_on().await });
        }
        Self { shared, tasks }
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.shared.acknowledged.load(Ordering::Relaxed)
    }

    /// All that was acknowledged.
    pub(crate) async fn stop(self) -> Vec<u64> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        self.tasks.join_all().await.concat()
    }
}

impl Shared {
    async fn post_on(&self) -> Vec<u64> {
        /// Between two attempts at one event: a provider waits longer, but the service is soon back.
        const PAUSE: Duration = Duration::from_millis(50);
        let mut acknowledged = Vec::new();
        while !self.is_over.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            while !self.post(number).await {
                if self.is_over.load(Ordering::Relaxed) {
                    return acknowledged;
                }
                tokio::time::sleep(PAUSE).await;
            }
            acknowledged.push(number);
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        acknowledged
    }

    /// Whether the event was acknowledged.
    async fn post(&self, number: u64) -> bool {
        let body = format!(r#"{{"type":"soaked","order":{},"padding":"{}"}}"#, number % 100, "x".repeat(900));
        let mut request = self.http.post(&self.url);
        for (name, value) in sign::hmac(SECRET, &number.to_string(), body.as_bytes()) {
            request = request.header(name, value);
        }
        request.body(body).send().await.is_ok_and(|response| response.status().is_success())
    }
}
