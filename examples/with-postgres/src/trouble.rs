//! What goes wrong in the demonstration: after the money was written, and before it is committed.

use std::collections::HashSet;
use std::sync::Mutex;

use sqlx::PgConnection;
use webhooks::WebhookEvent;

/// What goes wrong, and how often it has: with each event once.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    is_on: bool,
    had: Mutex<HashSet<String>>,
}

impl Trouble {
    /// All goes well.
    pub(crate) fn none() -> Self {
        Self::default()
    }

    /// Three events in four go wrong, the first time.
    pub(crate) fn plenty() -> Self {
        Self { is_on: true, ..Self::default() }
    }

    /// How many events had trouble.
    pub(crate) fn count(&self) -> usize {
        self.had.lock().map(|had| had.len()).unwrap_or_default()
    }

    pub(crate) async fn strike(
        &self,
        event: &WebhookEvent,
        connection: &mut PgConnection,
    ) -> webhooks::Result {
        let id = event.id().unwrap_or_default();
        let number: u32 = id.rsplit('_').next().and_then(|it| it.parse().ok()).unwrap_or_default();
        let kind = number % 4;
        if !self.is_on || kind == 0 || !self.is_first(id) {
            return Ok(());
        }
        match kind {
            1 => Err("the mail server is away".into()),
            #[allow(clippy::panic, reason = "listeners of other people do")]
            2 => panic!("an index out of bounds"),
            _ => {
                // So that the connection is gone when it is time to commit.
                let ended =
                    sqlx::query("SELECT pg_terminate_backend(pg_backend_pid())").execute(connection).await;
                drop(ended);
                Ok(())
            }
        }
    }

    fn is_first(&self, id: &str) -> bool {
        self.had.lock().is_ok_and(|mut had| had.insert(id.to_owned()))
    }
}
