//! When a service should shut down.

use std::future::pending;

/// Waits for SIGTERM or Ctrl-C: for services that own their server, and call [`Handle::drain`](crate::Handle::drain)
/// then. [`Webhooks::serve`](crate::Webhooks::serve) does both by itself.
///
/// On Unix the handlers are installed by the call, before anything is awaited: from then on these signals no longer end
/// the process, and one that comes early is not lost. Where no signal can be heard, it waits for ever.
///
/// ```no_run
/// # async fn f(webhooks: webhooks::Webhooks) {
/// let (handle, signal) = (webhooks.handle(), webhooks::shutdown_signal());
/// let shutdown = async move {
///     signal.await;
///     handle.drain().await;
/// };
/// // axum::serve(listener, webhooks.router()?).with_graceful_shutdown(shutdown).await?;
/// # shutdown.await;
/// # }
/// ```
///
/// # Panics
/// Outside of a tokio runtime, or in one whose I/O is not enabled.
pub fn shutdown_signal() -> impl Future<Output = ()> + Send + 'static {
    installed()
}

#[cfg(unix)]
fn installed() -> impl Future<Output = ()> + Send + 'static {
    use tokio::signal::unix::{SignalKind, signal};
    let handlers = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
    let [terminate, interrupt] = handlers.map(|handler| async {
        match handler {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => pending().await,
        }
    });
    async {
        tokio::select! {
            () = terminate => {}
            () = interrupt => {}
        }
    }
}

#[cfg(not(unix))]
async fn installed() {
    if tokio::signal::ctrl_c().await.is_err() {
        pending().await
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_signal_that_comes_before_it_is_awaited_is_not_lost() {
        let signal = shutdown_signal();
        let process = std::process::id().to_string();
        let sent = std::process::Command::new("kill").args(["-TERM", &process]).status();
        assert!(sent.is_ok_and(|it| it.success()));
        signal.await;
    }
}
