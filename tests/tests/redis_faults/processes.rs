//! Processes that are killed, stopped and blocked, with their claims in one server.

use futures_util::future::join_all;
use support::fleet::{Deeds, ProbeOptions};
use support::process::PATIENCE;
use support::redis_server::Options;
use tokio::time::timeout;

use crate::common::{recorded, status};

/// Long enough for a machine that has other things to do to renew it in time.
const LEASE: &str = "2s";

/// Of the ten deliveries of a key that reach a process at once, one runs or asks who does, eight wait for it, and the
/// tenth is turned away: so the process that runs the event answers one of them 503 too.
pub(crate) async fn twenty_keys_ten_wide(server: Options) {
    const KEYS: usize = 20;
    const TURNED_AWAY: usize = 1;
    let server = server.start();
    let options = ProbeOptions::redis(&server.url()).line("wait = \"20s\"");
    let probes = [options.start(), options.start()];
    let key = |n: usize| format!("evt_{}", n % KEYS);
    let reached = |n: usize| n / KEYS % 2;
    let answers = join_all((0..400).map(|n| {
        let probe = &probes[reached(n)];
        async move { probe.deliver(&key(n), r#"{"a":{"sleep_ms":300}}"#).await }
    }))
    .await;
    for (n, answer) in answers.iter().enumerate() {
        match status(answer) {
            200 => {}
            503 => {
                assert!(answer.as_ref().is_ok_and(|it| it.header("retry-after").is_some()));
                let again = probes[n % 2].deliver(&key(n), "{}").await;
                assert_eq!(status(&again), 200, "{}", key(n));
            }
            other => panic!("{} was answered {other}", key(n)),
        }
    }
    let deeds = [probes[0].finish(), probes[1].finish()];
    for n in 0..KEYS {
        let starts = [deeds[0].starts("a", &key(n)), deeds[1].starts("a", &key(n))];
        assert!(matches!(starts, [1, 0] | [0, 1]), "{} ran {starts:?} times", key(n));
        let refused = |it: &usize| reached(*it) == starts[1] && status(&answers[*it]) == 503;
        let refused = (n..400).step_by(KEYS).filter(refused).count();
        assert!(refused <= TURNED_AWAY, "{refused} of {} were refused where it runs", key(n));
    }
    let [one, other] = deeds;
    let deeds = one.and(other);
    assert_eq!((deeds.total("a"), deeds.total("b")), (KEYS, KEYS));
}

pub(crate) async fn another_process_takes_over_from_a_killed_one(server: Options) {
    let server = server.start();
    let options = ProbeOptions::redis(&server.url()).lease(LEASE);
    let (first, second) = (options.start(), options.start());
    let abandoned = async {
        let answer = first.deliver("evt_1", r#"{"a":{"sleep_ms":25000}}"#).await;
        assert!(answer.is_err(), "the process was killed");
    };
    let takeover = async {
        first.saw("start", "a", "evt_1", 1).await;
        assert_eq!(status(&second.deliver("evt_1", "{}").await), 503, "it runs in the other process");
        first.process.kill9();
        assert_eq!(status(&second.deliver_until_taken("evt_1", "{}").await), 200);
        second.saw("end", "a", "evt_1", 2).await;
    };
    tokio::join!(abandoned, takeover);
}

pub(crate) async fn blocking_listener_keeps_lease(server: Options) {
    let server = server.start();
    let options = ProbeOptions::redis(&server.url()).lease(LEASE);
    let (blocked, other) = (options.clone().one_thread().start(), options.start());
    let run = blocked.deliver("evt_1", r#"{"a":{"block_ms":6000}}"#);
    let duplicates = async {
        blocked.saw("start", "a", "evt_1", 1).await;
        other.deliver_until_taken("evt_1", "{}").await
    };
    let (first, second) = tokio::join!(run, duplicates);
    assert_eq!((status(&first), status(&second)), (200, 200));
    assert_eq!((blocked.finish().total("a"), other.finish().total("a")), (1, 0));
}

pub(crate) async fn sigstop_beyond_lease(server: Options) {
    let server = server.start();
    let options = ProbeOptions::redis(&server.url()).lease(LEASE);
    let (paused, other) = (options.start(), options.start());
    // One listener is left for the second attempt, so that nothing but the settlement asks whose the event is.
    assert_eq!(status(&paused.deliver("evt_1", r#"{"b":{"fail":1}}"#).await), 500);
    let run = paused.deliver("evt_1", r#"{"b":{"block_ms":4000}}"#);
    let pause = async {
        paused.saw("start", "b", "evt_1", 2).await;
        paused.process.stop();
        let taken_over = other.deliver_until_taken("evt_1", "{}").await;
        paused.process.resume();
        taken_over
    };
    let (refused, taken_over) = tokio::join!(run, pause);
    assert_eq!((status(&refused), status(&taken_over)), (503, 200));
    paused.process.stderr().line(|line| line.contains("outcome=\"lease_lost\"")).await;
    assert_eq!(other.finish().starts("b", "evt_1"), 1);
}

pub(crate) async fn crash_between_listeners(server: Options) {
    let server = server.start();
    let options = ProbeOptions::redis(&server.url()).lease(LEASE);
    let (crashing, other) = (options.start(), options.start());
    let crash = async {
        crashing.saw("end", "a", "evt_1", 1).await;
        let noted = async {
            while !recorded(&server).contains("+a") {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, noted).await.expect("that a is done is recorded");
        crashing.process.kill9();
    };
    let (answer, ()) = tokio::join!(crashing.deliver("evt_1", r#"{"b":{"sleep_ms":25000}}"#), crash);
    assert!(answer.is_err(), "the process was killed");
    assert_eq!(status(&other.deliver_until_taken("evt_1", "{}").await), 200);
    let deeds = other.finish();
    assert_eq!((deeds.total("a"), deeds.total("b")), (0, 1));
}

pub(crate) async fn crash_loop_cap(server: Options) {
    let server = server.start();
    let options = ProbeOptions::redis(&server.url()).lease("300ms");
    let poison = r#"{"a":{"abort":true}}"#;
    let mut deeds = Deeds::default();
    for _ in 0..3 {
        let probe = options.start();
        let answer = probe.deliver_until_taken("evt_1", poison).await;
        assert!(answer.is_err(), "the process aborted");
        deeds = deeds.and(probe.finish());
    }
    let probe = options.start();
    assert_eq!(status(&probe.deliver_until_taken("evt_1", poison).await), 200);
    probe.process.stderr().line(|line| line.contains("ERROR") && line.contains("crash_loop")).await;
    assert_eq!(status(&probe.deliver("evt_2", "{}").await), 200, "the process lives");
    let survivor = probe.finish();
    assert_eq!((deeds.starts("a", "evt_1"), survivor.starts("a", "evt_1")), (3, 0));
}

pub(crate) async fn mixed_versions(server: Options) {
    let server = server.start();
    let probe = ProbeOptions::redis(&server.url()).start();
    assert_eq!(status(&probe.deliver("evt_1", "{}").await), 200);
    let newer = "return redis.call('SET', redis.call('KEYS', '*')[1], '2 what will be', 'KEEPTTL')";
    assert_eq!(server.command(&["EVAL", newer, "0"]), "+OK");
    let answer = probe.deliver("evt_1", "{}").await.expect("an answer");
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").is_some());
    assert!(recorded(&server).ends_with("2 what will be"));
    assert_eq!(probe.finish().total("a"), 1);
}

pub(crate) async fn a_listener_given_up_before_a_crash_was_logged(server: Options) {
    let server = server.start();
    let probe = ProbeOptions::redis(&server.url()).start();
    let answered = probe.deliver("evt_1", r#"{"a":{"permanent":true},"b":{"sleep_ms":25000}}"#);
    let given_up = |line: &str| line.contains("ERROR") && line.contains("event is dead");
    tokio::select! {
        answer = answered => panic!("answered {} before it was killed", status(&answer)),
        line = probe.process.stderr().line(given_up) => assert!(line.contains("listener=\"a\""), "{line}"),
    }
    probe.process.kill9();
}
