//! Forgets what is old, and says what waits in vain.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::gauges::InboxGauges;
use super::{Inbox, InboxError, ListenerCount};
use crate::listener::bound::Listener;

/// How often what is old is forgotten.
const SWEPT: Duration = Duration::from_secs(60);
/// How often is counted, where somebody collects the numbers.
const COUNTED: Duration = Duration::from_secs(if cfg!(feature = "metrics") { 10 } else { 60 });
/// What share of the time counting may take: one part in so many. A long backlog takes long to count.
const SHARE: u32 = 20;
/// Between two parts of a long sweep: deliveries come first.
const BREATH: Duration = Duration::from_millis(20);

/// Looks after the inbox until the end of the process.
pub(crate) async fn look_after(inbox: Arc<dyn Inbox>, listeners: Vec<Listener>, gauges: Arc<InboxGauges>) {
    let mut unknown = Vec::new();
    let mut swept: Option<Instant> = None;
    loop {
        // First of all: a long sweep must not keep from anybody that runs wait in vain.
        let began = Instant::now();
        match inbox.counts().await {
            Ok(counts) => {
                gauges.set(&counts, SystemTime::now());
                let found = waiting_in_vain(counts, &listeners);
                if found != unknown {
                    tell(&found);
                    unknown = found;
                }
            }
            Err(error) => tracing::warn!(%error, "the inbox could not be counted"),
        }
        let counted_in = began.elapsed();
        if swept.is_none_or(|at| at.elapsed() >= SWEPT) {
            swept = Some(Instant::now());
            if let Err(error) = sweep(&*inbox).await {
                tracing::warn!(%error, "the inbox could not be swept");
            }
        }
        tokio::time::sleep(COUNTED.max(counted_in * SHARE)).await;
    }
}

/// Forgets all that is older than it has to be kept.
pub(crate) async fn sweep(inbox: &dyn Inbox) -> Result<(), InboxError> {
    while inbox.sweep().await? {
        tokio::time::sleep(BREATH).await;
    }
    Ok(())
}

/// Listeners that are not there, and how many runs wait for each: usual while a newer build is being rolled out, a
/// mistake after a listener was renamed.
fn waiting_in_vain(counts: Vec<ListenerCount>, listeners: &[Listener]) -> Vec<(String, u64)> {
    let unknown = counts
        .into_iter()
        .filter(|it| it.pending > 0 && !listeners.iter().any(|known| *known.id == *it.listener));
    unknown.map(|it| (it.listener, it.pending)).collect()
}

fn tell(unknown: &[(String, u64)]) {
    for (listener, pending) in unknown {
        tracing::warn!(
            listener,
            pending,
            help = format!("if it was renamed, give it its old name back: `id = \"{listener}\"`"),
            "runs wait for a listener that is not there"
        );
    }
}
