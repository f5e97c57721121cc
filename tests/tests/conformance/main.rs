//! What every store promises, written once and asked of each: the clauses of the contract, and a comparison of random
//! interleavings with a small model.

mod clauses;
mod model;
mod worlds;

/// How many random interleavings are compared with the model, in each store.
const CASES: u32 = 2_000;

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
                model::compare(crate::CASES, worlds::in_memory);
            }
        }

        mod redis {
            use crate::{clauses, model, worlds};
            use support::redis_server::Options;

            $(
                #[tokio::test]
                async fn $clause() {
                    clauses::$clause(&worlds::redis(&Options::redis().start()).await).await;
                }
            )*

            #[test]
            fn agrees_with_the_model() {
                model::compare_connected(crate::CASES, &Options::redis().start());
            }
        }

        every_store_keeps!(@optional redis_6_2: $($clause),*);
        every_store_keeps!(@optional valkey: $($clause),*);
    };
    // Where there is one.
    (@optional $server:ident: $($clause:ident),*) => {
        mod $server {
            use crate::{clauses, model, worlds};
            use support::redis_server::Options;

            $(
                #[tokio::test]
                async fn $clause() {
                    let Some(options) = Options::$server() else { return };
                    clauses::$clause(&worlds::redis(&options.start()).await).await;
                }
            )*

            #[test]
            fn agrees_with_the_model() {
                let Some(options) = Options::$server() else { return };
                model::compare_connected(crate::CASES, &options.start());
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
    a_renewal_for_longer_than_the_retention_keeps_the_record,
    the_longest_times_are_no_mistake,
    recorded_listeners_outlive_their_attempt,
    three_attempts_that_never_settle_make_a_key_dead,
    a_settled_attempt_starts_the_count_again,
    forgetting_spares_a_live_claim,
    keys_of_two_sources_are_strangers,
    a_listeners_name_may_hold_anything_printable,
    a_strangers_token_changes_nothing,
);
