use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::{Bind, Extract, Run, Stop, short_type_name, variable_name};
use crate::error::Result;

/// What was given to `.state(…)`, shared. Derefs to `T`.
///
/// Whether it was given is checked at startup, for all listeners at once. `Option<State<T>>` does without.
pub struct State<T>(Arc<T>);

impl<T: Send + Sync + 'static> Extract for State<T> {
    type Bound = Arc<T>;

    fn bind(bind: &mut Bind<'_>) -> Option<Arc<T>> {
        let state = bind.state();
        if state.is_none() {
            let short = short_type_name(std::any::type_name::<T>());
            let help = format!("webhooks::autoconfigure().state({})", variable_name(&short));
            bind.missing(&format!("State<{short}>"), &short, &help);
        }
        state
    }

    async fn extract(bound: &Arc<T>, _: &mut Run<'_>) -> Result<Self, Stop> {
        Ok(Self(Arc::clone(bound)))
    }
}

impl<T: Send + Sync + 'static> Extract for Option<State<T>> {
    type Bound = Option<Arc<T>>;

    fn bind(bind: &mut Bind<'_>) -> Option<Self::Bound> {
        Some(bind.state())
    }

    async fn extract(bound: &Self::Bound, _: &mut Run<'_>) -> Result<Self, Stop> {
        Ok(bound.clone().map(State))
    }
}

impl<T> State<T> {
    /// What a test hands to a listener that it calls itself.
    ///
    /// ```
    /// use webhooks::{State, webhook_listener};
    ///
    /// struct Shop {
    ///     open: bool,
    /// }
    ///
    /// #[webhook_listener(source = "stripe")]
    /// async fn on_stripe(shop: State<Shop>) {
    ///     assert!(shop.open);
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(
    /// on_stripe(State::new(Shop { open: true }))
    /// # );
    /// ```
    pub fn new(value: impl Into<Arc<T>>) -> Self {
        Self(value.into())
    }

    /// The shared value, to keep beyond the run.
    pub fn into_inner(state: Self) -> Arc<T> {
        state.0
    }
}

impl<T> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Clone for State<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: fmt::Debug> fmt::Debug for State<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("State").field(&self.0).finish()
    }
}
