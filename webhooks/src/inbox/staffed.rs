//! The inbox of a service: what takes deliveries in, and the tasks that work them off.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::AbortHandle;

use super::handle::WebhookInbox;
use super::intake::Intake;

/// The inbox, and those who work it off for as long as this lives.
#[derive(Debug)]
pub(crate) struct StaffedInbox {
    pub(crate) intake: Intake,
    pub(crate) handle: WebhookInbox,
    pub(crate) staff: Vec<AbortHandle>,
}

impl Drop for StaffedInbox {
    fn drop(&mut self) {
        for task in &self.staff {
            task.abort();
        }
    }
}

/// Has a task go on until it is aborted or ends. It must not panic; should it, what was acknowledged would not be worked
/// off any more and nobody would know, so that it is said, and the task begun anew.
pub(crate) fn employ<F>(what: &'static str, mut task: impl FnMut() -> F + Send + 'static) -> AbortHandle
where
    F: Future<Output = ()> + Send + 'static,
{
    /// One that panics at once must not fill the log.
    const PAUSE: Duration = Duration::from_secs(1);
    let employed = async move {
        // Nothing of it is used again: the next one begins with what is in the inbox.
        while AssertUnwindSafe(task()).catch_unwind().await.is_err() {
            tracing::error!(
                "{what} of the inbox has panicked, and begins anew; this is a mistake in webhooks"
            );
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::spawn(employed).abort_handle()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_begins_anew() {
        let (begun, through) = (Arc::<AtomicU32>::default(), Arc::<Notify>::default());
        let told = Arc::clone(&through);
        let _task = employ("the test", move || {
            let (begun, told) = (Arc::clone(&begun), Arc::clone(&told));
            async move {
                assert!(begun.fetch_add(1, Ordering::Relaxed) == 2, "as it must never");
                told.notify_one();
            }
        });
        tokio::time::timeout(Duration::from_secs(60), through.notified()).await.unwrap();
    }
}
