//! Sources whose provider publishes its keys.

use std::sync::Arc;

use super::Parts;
use crate::problem::Problems;
use crate::scheme::{DynSignatureValidator, Fetched, SecretProblem};
use crate::settings::source::SourceConfig;

type Bound = Result<Arc<dyn DynSignatureValidator>, Vec<SecretProblem>>;

/// The validator of such a source, or what is wrong with its secrets; `None` if there is no way to the keys, which is
/// noted.
#[cfg(feature = "fetch")]
pub(super) fn bind(
    scheme: Fetched,
    source: &SourceConfig,
    parts: &Parts,
    problems: &Problems,
) -> Option<Bound> {
    let fetcher = match &parts.key_fetcher {
        Some(fetcher) => Arc::clone(fetcher),
        None => match crate::fetch::HttpsFetcher::new() {
            Ok(fetcher) => Arc::new(fetcher),
            Err(error) => {
                problems.add(
                    format!("{}: its provider's keys cannot be fetched: {error}", source.place),
                    "install the system's root certificates, or give a `.key_fetcher(…)`",
                );
                return None;
            }
        },
    };
    Some(scheme.bind(crate::scheme::FetchedOptions {
        secrets: &source.secrets,
        expected: &source.expected,
        tolerance: source.tolerance,
        clock: parts.clock.clone(),
        fetcher,
    }))
}

/// That this build has no way to the keys.
#[cfg(not(feature = "fetch"))]
pub(super) fn bind(scheme: Fetched, _: &SourceConfig, _: &Parts, _: &Problems) -> Option<Bound> {
    Some(Err(scheme.missing_feature().into_iter().collect()))
}
