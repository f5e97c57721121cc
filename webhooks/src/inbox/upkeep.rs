//! Forgets what is old, and says what waits in vain.

use std::sync::Arc;
use std::time::Duration;

use super::{Inbox, InboxError};
use crate::listener::bound::Listener;

/// How often is looked.
const EVERY: Duration = Duration::from_secs(60);
/// Between two parts of a long sweep: deliveries come first.
const BREATH: Duration = Duration::from_millis(20);

/// Looks after the inbox until the end of the process.
pub(crate) async fn look_after(inbox: Arc<dyn Inbox>, listeners: Vec<Arc<Listener>>) {
    let mut unknown = Vec::new();
    loop {
        if let Err(error) = sweep(&*inbox).await {
            tracing::warn!(%error, "the inbox could not be swept");
        }
        match waiting_in_vain(&*inbox, &listeners).await {
            Ok(found) if found == unknown => {}
            Ok(found) => {
                tell(&found);
                unknown = found;
            }
            Err(error) => tracing::warn!(%error, "the inbox could not be counted"),
        }
        tokio::time::sleep(EVERY).await;
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
async fn waiting_in_vain(
    inbox: &dyn Inbox,
    listeners: &[Arc<Listener>],
) -> Result<Vec<(String, u64)>, InboxError> {
    let counts = inbox.counts().await?.into_iter();
    let unknown =
        counts.filter(|it| it.pending > 0 && !listeners.iter().any(|known| *known.id == *it.listener));
    Ok(unknown.map(|it| (it.listener, it.pending)).collect())
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
