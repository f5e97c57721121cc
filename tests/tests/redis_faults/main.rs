//! Claims in Redis while processes, servers and connections break. Real servers, real processes.

mod common;
mod connections;
mod processes;
mod servers;

/// Runs the cases on each server that there is; those that are about the client alone, on one.
macro_rules! on_every_server {
    ($($of:ident: $($case:ident),* $(,)?;)* @client $client:ident: $($only:ident),* $(,)?;) => {
        mod redis {
            use support::redis_server::Options;

            $($(
                #[tokio::test]
                async fn $case() {
                    crate::$of::$case(Options::redis()).await;
                }
            )*)*
            $(
                #[tokio::test]
                async fn $only() {
                    crate::$client::$only(Options::redis()).await;
                }
            )*
        }

        on_every_server!(@optional redis_6_2: $($of: $($case),*;)*);
        on_every_server!(@optional valkey: $($of: $($case),*;)*);
    };
    (@optional $server:ident: $($of:ident: $($case:ident),*;)*) => {
        mod $server {
            use support::redis_server::Options;

            $($(
                #[tokio::test]
                async fn $case() {
                    if let Some(options) = Options::$server() {
                        crate::$of::$case(options).await;
                    }
                }
            )*)*
        }
    };
}

on_every_server!(
    processes:
        twenty_keys_ten_wide,
        another_process_takes_over_from_a_killed_one,
        blocking_listener_keeps_lease,
        sigstop_beyond_lease,
        crash_between_listeners,
        crash_loop_cap,
        mixed_versions,
        a_listener_given_up_before_a_crash_was_logged;
    servers:
        partitioned_worker_stops_first,
        complete_unreachable,
        store_restart_mid_load,
        a_stopped_server,
        a_full_server,
        a_refused_login_is_forgotten,
        an_address_that_leads_to_another_server;
    connections:
        a_claim_that_was_granted_unheard_does_not_count,
        a_settlement_that_was_not_heard_of_is_known_again;
    @client connections:
        a_connection_that_falls_silent_is_replaced,
        a_run_outlives_the_connection_that_renews_its_lease,
        two_instances_share_a_store,
        listeners_that_end_together_leave_the_connection_alone;
);
