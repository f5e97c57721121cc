//! What every engine promises, written once and asked of each: the clauses of the contract, and a comparison of random
//! interleavings with a small model.

mod claiming;
mod compare;
mod keeping;
mod model;
mod operating;
mod ordering;
mod putting;
pub(in crate::inbox) mod world;

macro_rules! every_engine_keeps {
    ($($theme:ident: $($clause:ident),* $(,)?;)*) => {
        #[cfg(feature = "sqlite")]
        mod sqlite {
            $($(
                #[tokio::test]
                async fn $clause() {
                    super::$theme::$clause(&super::world::sqlite()).await;
                }
            )*)*

            #[test]
            fn agrees_with_the_model() {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                super::compare::compare(&runtime, &super::world::sqlite_in_memory(), 1_500);
            }
        }

        #[cfg(feature = "postgres")]
        mod postgres {
            $($(
                #[tokio::test(flavor = "multi_thread")]
                async fn $clause() {
                    super::$theme::$clause(&super::world::postgres().await).await;
                }
            )*)*

            #[test]
            fn agrees_with_the_model() {
                let runtime = tokio::runtime::Runtime::new().unwrap();
                let world = runtime.block_on(super::world::roomy_postgres());
                super::compare::compare(&runtime, &world, 300);
            }
        }
    };
}

every_engine_keeps! {
    putting:
        an_event_is_put_down_once,
        a_batch_is_put_down_in_one_piece,
        what_was_put_comes_back_byte_for_byte,
        a_redelivery_revives_the_dead,
        a_token_is_good_for_one_body,
        a_token_is_remembered_without_an_event,
        what_does_not_fit_spends_no_token,
        full_is_full;
    claiming:
        a_claimed_run_is_nobody_elses,
        a_claim_counts_the_attempt_and_fences_the_last,
        of_many_listeners_those_with_runs_are_found,
    a_retry_falls_due_when_it_was_asked_to,
        a_release_costs_nothing,
        a_renewed_lease_lasts,
        a_suspect_runs_alone_and_is_given_up_in_the_end,
        the_likeliest_culprit_comes_last,
        a_released_suspect_is_one_still,
        no_correction_of_the_time_postpones_what_waits_for_nothing,
        new_and_failed_runs_take_turns,
        an_attempt_that_never_ended_may_be_the_last,
        only_known_listeners_are_claimed,
        limits_are_kept,
        an_event_that_cannot_be_read_holds_up_nobody,
        a_large_body_is_read_once_and_few_are_read_at_once;
    ordering:
        ordered_runs_go_one_at_a_time,
        a_dead_head_is_skipped_or_blocks,
        a_replayed_head_waits_for_the_one_that_runs,
        a_suspect_keeps_its_place,
        the_events_of_a_batch_are_in_order,
        whoever_is_behind_what_is_gone_goes_on;
    keeping:
        bodies_go_first_then_names,
        the_dead_and_the_pending_keep_their_bodies,
        a_body_goes_with_the_last_that_needs_it,
        the_dead_are_known_for_as_long_as_they_may_come_again;
    operating:
        a_replay_begins_only_the_chosen_afresh,
        events_are_chosen_by_the_time_they_arrived,
        many_are_changed_at_once,
        what_is_replayed_is_kept_until_it_has_run,
        what_is_forgotten_is_gone,
        an_event_is_forgotten_once_it_is_through,
        everything_is_shown;
}
