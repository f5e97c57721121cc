//! Work that goes on when whoever waits for it goes away.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tracing::Instrument;

/// A future that is not cancelled by being dropped: what is left of it is done in a task of its own.
///
/// A task from the beginning would be the same to those who wait, and cost every delivery a way through the scheduler
/// and back.
pub(crate) struct Outlive<F>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    /// `None`: it has ended.
    rest: Option<Pin<Box<F>>>,
    /// The runtime that it began in: it may be dropped outside.
    runtime: Option<Handle>,
}

impl<F> Outlive<F>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    pub(crate) fn new(future: F) -> Self {
        Self { rest: Some(Box::pin(future)), runtime: Handle::try_current().ok() }
    }
}

impl<F> Future for Outlive<F>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // Taken out, so that one that panics is gone.
        let Some(mut rest) = self.rest.take() else { return Poll::Pending };
        let polled = rest.as_mut().poll(context);
        if polled.is_pending() {
            self.rest = Some(rest);
        }
        polled
    }
}

impl<F> Drop for Outlive<F>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn drop(&mut self) {
        if let (Some(rest), Some(runtime)) = (self.rest.take(), &self.runtime) {
            // The span that it is dropped in is the one that it was polled in.
            runtime.spawn(rest.in_current_span());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt;
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn what_is_waited_for_needs_no_task() {
        fn tasks() -> usize {
            Handle::current().metrics().num_alive_tasks()
        }
        let before = tasks();
        assert_eq!(Outlive::new(async { tasks() }).await, before);
        assert_eq!(tasks(), before);
    }

    #[tokio::test]
    async fn what_is_dropped_goes_on_from_where_it_was() {
        let (go_on, done) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let mut work = Outlive::new({
            let (go_on, done) = (Arc::clone(&go_on), Arc::clone(&done));
            async move {
                go_on.notified().await;
                done.notify_one();
            }
        });
        assert_eq!((&mut work).now_or_never(), None);
        drop(work);
        go_on.notify_one();
        done.notified().await;
    }

    #[test]
    fn what_is_dropped_outside_the_runtime_goes_on_in_it() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let done = Arc::new(Notify::new());
        let work = {
            let _inside = runtime.enter();
            let done = Arc::clone(&done);
            Outlive::new(async move { done.notify_one() })
        };
        drop(work);
        runtime.block_on(done.notified());
    }
}
