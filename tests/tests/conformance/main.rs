//! What every store promises, written once and asked of each: the clauses of the contract, and a comparison of random
//! interleavings with a small model.

mod clauses;
mod model;
mod worlds;

macro_rules! every_store_keeps {
    ($($clause:ident),* $(,)?) => {
        mod in_memory {
            use crate::{clauses, model, worlds};

            $(
                #[tokio::test]
                async fn $clause() {
                    clauses::$clause(&worlds::in_memory()).await;
                }
            )*

            #[test]
            fn agrees_with_the_model() {
                model::compare(3_000, worlds::in_memory);
            }
        }

        mod redis {
            use crate::{clauses, model, worlds};
            use support::redis_server::Options;

            $(
                #[tokio::test]
                async fn $clause() {
                    let server = Options::redis().start();
                    clauses::$clause(&worlds::redis(&server).await).await;
                }
            )*

            #[test]
            fn agrees_with_the_model() {
                let server = Options::redis().start();
                model::compare_connected(1_000, &server);
            }
        }

        /// Where there is a Valkey.
        mod valkey {
            use crate::{clauses, model, worlds};
            use support::redis_server::Options;

            $(
                #[tokio::test]
                async fn $clause() {
                    let Some(options) = Options::valkey() else { return };
                    let server = options.start();
                    clauses::$clause(&worlds::redis(&server).await).await;
                }
            )*

            #[test]
            fn agrees_with_the_model() {
                let Some(options) = Options::valkey() else { return };
                let server = options.start();
                model::compare_connected(1_000, &server);
            }
        }
    };
}

every_store_keeps!(
    a_key_is_granted_once,
    of_many_claims_at_once_one_is_granted,
    a_completed_key_stays_completed_for_its_retention,
    a_released_key_is_granted_again_with_what_is_done,
    a_dead_key_is_granted_again_without_its_failures,
    a_lapsed_claim_passes_to_the_next,
    token_not_reused,
    a_renewed_lease_lasts,
    a_renewed_claim_is_not_forgotten,
    the_longer_of_lease_and_retention_counts,
    recorded_listeners_outlive_their_attempt,
    three_attempts_that_never_settle_make_a_key_dead,
    a_settled_attempt_starts_the_count_again,
    forgetting_spares_a_live_claim,
    keys_of_two_sources_are_strangers,
    a_listeners_name_may_hold_anything_printable,
    a_strangers_token_changes_nothing,
);
