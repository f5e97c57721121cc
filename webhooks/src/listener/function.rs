//! From an async function to a listener: what the code that `#[webhook_listener]` generates calls.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::bound::Handler;
use super::extract::{Bind, Extract, Run, Stop};
use super::registry::OnError;
use crate::error::{Failure, Result};
use crate::event::WebhookEvent;

/// A function whose arguments are bound to the state that they need.
#[doc(hidden)]
pub struct BoundListener(pub(crate) Arc<dyn Handler>);

impl fmt::Debug for BoundListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoundListener")
    }
}

/// Binds a function's arguments, given as a tuple. `None`: something is missing, and noted in `bind`.
#[doc(hidden)]
pub fn bind_fn<A, F, Fut, O>(bind: &mut Bind<'_>, function: F) -> Option<BoundListener>
where
    A: Args + 'static,
    F: Fn(A) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = O> + Send + 'static,
    O: IntoResult + 'static,
{
    let bound = A::bind(bind)?;
    let on_error = bind.on_error();
    Some(BoundListener(Arc::new(Function { bound, function, on_error, args: PhantomData::<fn(A)> })))
}

/// Boxes what an `on_error` function returns.
#[doc(hidden)]
pub fn on_error_future<'a, F>(future: F) -> BoxFuture<'a, Result>
where
    F: Future + Send + 'a,
    F::Output: IntoResult,
{
    Box::pin(async move { future.await.into_result() })
}

/// Names an argument's type once more, so that the compiler reports a type that is no extractor at that argument.
#[doc(hidden)]
pub trait Argument {
    type Of;
}

impl<T: Extract> Argument for T {
    type Of = T;
}

/// A tuple of extractors.
#[doc(hidden)]
pub trait Args: Sized + Send {
    type Bound: Send + Sync + 'static;

    fn bind(bind: &mut Bind<'_>) -> Option<Self::Bound>;

    fn extract(bound: &Self::Bound, run: &mut Run<'_>) -> impl Future<Output = Result<Self, Stop>> + Send;
}

/// What a listener may return: [`Result`], any `Result<(), E>` whose error converts, or nothing.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a webhook listener cannot return `{Self}`",
    note = "return `webhooks::Result`, `()`, or a `Result<(), E>` whose error is a `std::error::Error`"
)]
pub trait IntoResult {
    fn into_result(self) -> Result;
}

impl IntoResult for () {
    fn into_result(self) -> Result {
        Ok(())
    }
}

impl<E: Into<Failure>> IntoResult for Result<(), E> {
    fn into_result(self) -> Result {
        self.map_err(Into::into)
    }
}

struct Function<A: Args, F> {
    bound: A::Bound,
    function: F,
    on_error: Option<OnError>,
    args: PhantomData<fn(A)>,
}

impl<A, F, Fut, O> Handler for Function<A, F>
where
    A: Args + 'static,
    F: Fn(A) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = O> + Send + 'static,
    O: IntoResult + 'static,
{
    fn handle<'a>(&'a self, mut run: Run<'a>) -> BoxFuture<'a, Result> {
        Box::pin(async move {
            let mut pauses = PAUSES.iter();
            loop {
                match (self.once(&mut run).await, pauses.next()) {
                    (Ok(()) | Err(Stop::Done), _) => return Ok(()),
                    (Err(Stop::Transient(failure)), Some(pause)) => {
                        let (event, listener) = (run.event(), run.listener());
                        let (source, event_id) = (event.source(), event.id());
                        tracing::debug!(source, event_id, listener, error = %failure, "run again at once");
                        tokio::time::sleep(pause.mul_f64(rand::random())).await;
                    }
                    (Err(Stop::Failed(failure) | Stop::Transient(failure)), _) => return Err(failure),
                }
            }
        })
    }

    fn on_error<'a>(&'a self, event: &'a WebhookEvent, failure: &'a Failure) -> BoxFuture<'a, Result> {
        match self.on_error {
            Some(on_error) => on_error(event, failure),
            None => Box::pin(async { Ok(()) }),
        }
    }
}

/// How long a run that failed for no fault of its own waits at most before it is run again, within the same attempt.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(10),
    Duration::from_millis(30),
    Duration::from_millis(90),
    Duration::from_millis(270),
    Duration::from_millis(810),
];

impl<A, F, Fut, O> Function<A, F>
where
    A: Args,
    F: Fn(A) -> Fut,
    Fut: Future<Output = O>,
    O: IntoResult,
{
    /// Arguments, function, completion.
    async fn once(&self, run: &mut Run<'_>) -> Result<(), Stop> {
        let result = match A::extract(&self.bound, run).await {
            Ok(args) => (self.function)(args).await.into_result(),
            Err(Stop::Failed(failure)) => Err(failure),
            Err(stop) => return Err(stop),
        };
        run.complete(result).await
    }
}

macro_rules! args {
    ($($argument:ident)*) => {
        #[allow(non_snake_case, clippy::unused_unit)]
        impl<$($argument: Extract),*> Args for ($($argument,)*) {
            type Bound = ($($argument::Bound,)*);

            fn bind(_bind: &mut Bind<'_>) -> Option<Self::Bound> {
                // All first, so that everything missing is noted, not just the first.
                $(let $argument = $argument::bind(_bind);)*
                Some(($($argument?,)*))
            }

            async fn extract(_bound: &Self::Bound, _run: &mut Run<'_>) -> Result<Self, Stop> {
                let ($($argument,)*) = _bound;
                Ok(($($argument::extract($argument, _run).await?,)*))
            }
        }
    };
}

args!();
args!(A1);
args!(A1 A2);
args!(A1 A2 A3);
args!(A1 A2 A3 A4);
args!(A1 A2 A3 A4 A5);
args!(A1 A2 A3 A4 A5 A6);
args!(A1 A2 A3 A4 A5 A6 A7);
args!(A1 A2 A3 A4 A5 A6 A7 A8);
args!(A1 A2 A3 A4 A5 A6 A7 A8 A9);
args!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10);
args!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11);
args!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12);
args!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12 A13);
args!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12 A13 A14);
args!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12 A13 A14 A15);
args!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12 A13 A14 A15 A16);
