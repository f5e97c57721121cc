//! Claims as they live in the store, to be kept alive.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::run::lease::{self, Claims};
use crate::store::{DynStore, EventKey, Token};

/// A claim of an event, kept alive.
pub(super) type Lease = lease::Lease<StoredClaim>;

/// What names a claim in the store.
pub(crate) struct StoredClaim {
    pub(super) key: EventKey,
    pub(super) token: Token,
}

impl fmt::Display for StoredClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.key, f)
    }
}

impl Claims for Arc<dyn DynStore> {
    type Claim = StoredClaim;

    async fn renew(&self, claim: &StoredClaim, lease: Duration) -> Result<bool, String> {
        (**self).renew(&claim.key, claim.token, lease).await.map_err(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
        })
    }
}
