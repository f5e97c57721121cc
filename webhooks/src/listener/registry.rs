//! What `#[webhook_listener]` and `#[webhook_validator]` leave behind for `autoconfigure()` to find.

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::extract::Bind;
use super::function::BoundListener;
use super::options::{OrderBy, Retry};
use crate::error::{Failure, Result};
use crate::event::WebhookEvent;

/// An `on_error` function, boxed.
#[doc(hidden)]
pub type OnError = for<'a> fn(&'a WebhookEvent, &'a Failure) -> BoxFuture<'a, Result>;

/// What `#[webhook_listener]` registers: [`listeners!`](crate::listeners) yields these too.
///
/// The fields are for generated code.
#[derive(Clone, Copy)]
pub struct ListenerRegistration {
    #[doc(hidden)]
    pub name: &'static str,
    #[doc(hidden)]
    pub module_path: &'static str,
    #[doc(hidden)]
    pub id: Option<&'static str>,
    #[doc(hidden)]
    pub file: &'static str,
    #[doc(hidden)]
    pub line: u32,
    #[doc(hidden)]
    pub source: &'static str,
    #[doc(hidden)]
    pub events: &'static [&'static str],
    #[doc(hidden)]
    pub options: ListenerOptions,
    #[doc(hidden)]
    pub bind: fn(&mut Bind<'_>) -> Option<BoundListener>,
    #[doc(hidden)]
    pub on_error: Option<OnError>,
}

impl ListenerRegistration {
    /// The stable id: the one given, else `module_path::name`.
    pub fn id(&self) -> String {
        self.id.map_or_else(|| self.path(), str::to_owned)
    }

    /// `` `billing::on_paid` (src/billing.rs:14) ``, as messages name it.
    pub(crate) fn label(&self) -> String {
        format!("`{}` ({}:{})", self.path(), self.file, self.line)
    }

    /// The crate that the function stands in.
    pub(crate) fn crate_name(&self) -> &'static str {
        self.module_path.split("::").next().unwrap_or(self.module_path)
    }

    fn path(&self) -> String {
        format!("{}::{}", self.module_path, self.name)
    }
}

impl fmt::Debug for ListenerRegistration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "listener {}", self.label())
    }
}

/// The options of the attribute.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct ListenerOptions {
    pub timeout: Option<Duration>,
    pub retry: Retry,
    pub order_by: Option<OrderBy>,
    pub concurrency: Option<usize>,
}

impl ListenerOptions {
    pub const DEFAULT: Self = Self {
        timeout: None,
        retry: Retry { max_attempts: None, base: None, max: None },
        order_by: None,
        concurrency: None,
    };
}

/// Implemented by the hidden type that stands beside an annotated function.
#[doc(hidden)]
pub trait ListenerFn {
    const REGISTRATION: ListenerRegistration;
}

inventory::collect!(ListenerRegistration);

/// All listeners that the attribute registered anywhere in this binary, sorted: inventory's order is unspecified.
pub(crate) fn registered() -> Vec<ListenerRegistration> {
    let mut all: Vec<_> = inventory::iter::<ListenerRegistration>.into_iter().copied().collect();
    all.sort_by_key(|it| (it.file, it.line, it.module_path, it.name));
    all
}
