//! The same secret in two sources.

use crate::problem::Problems;
use crate::settings::source::SourceConfig;

/// Notes secrets that two sources share, where a request signed for the one could be taken for the other's.
pub(super) fn check_shared(sources: &[SourceConfig], problems: &Problems) {
    for (index, first) in sources.iter().enumerate() {
        for second in &sources[index + 1..] {
            let shared =
                first.secrets.iter().any(|a| second.secrets.iter().any(|b| a.reveal() == b.reveal()));
            if !shared || !first.provider.signature.compatible_with(&second.provider.signature) {
                continue;
            }
            let what = format!(
                "the sources `{}` and `{}` have the same secret and sign alike: what is signed for one is \
                 accepted by the other",
                first.name, second.name
            );
            if first.provider.name == second.provider.name {
                // Some vendors have one secret an account, whatever the endpoint.
                problems.warn(what, "give each endpoint a secret of its own, if the provider can");
            } else {
                problems.add(what, "give each a secret of its own");
            }
        }
    }
}
