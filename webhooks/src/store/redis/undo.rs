//! Takes back the claims whose answers were lost.
//!
//! Nobody runs such an event, and nobody may until the lease has run out. The attempt would count as one that never
//! settled: after three, an event that no listener has ever seen would be dead.

use std::sync::Arc;
use std::time::Duration;

use redis::Cmd;
use tokio::sync::Semaphore;

use super::RedisWebhookEventStore;
use super::connections::{Connection, Connections};
use super::scripts::Script;
use crate::store::Token;

/// How many may be under way: while a server is away, claims fail faster than they can be taken back.
const AT_ONCE: usize = 1_024;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// The claim may reach the server after this does. Once it has answered so often that there is no such claim, there
/// will be none: a connection that was given up delivers nothing more.
const ANSWERS: u32 = 3;

pub(super) struct Undo {
    script: Arc<Script>,
    free: Arc<Semaphore>,
}

impl Undo {
    pub(super) fn new(script: Script) -> Self {
        Self { script: Arc::new(script), free: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Takes the claim back as soon as the server can be reached. With too many under way it is left to run out.
    pub(super) fn begin(&self, connections: &Arc<Connections>, key: String, token: Token) {
        let Ok(place) = Arc::clone(&self.free).try_acquire_owned() else { return };
        let (script, connections) = (Arc::clone(&self.script), Arc::clone(connections));
        tokio::spawn(async move {
            undo(&script, &connections, &key, token).await;
            drop(place);
        });
    }
}

async fn undo(script: &Script, connections: &Connections, key: &str, token: Token) {
    let token = &*token.to_string();
    let arguments = &|command: &mut Cmd| {
        command.arg(token);
    };
    let (mut pause, mut answers) = (FIRST_PAUSE, 0);
    loop {
        let ask = |mut connection: Connection| async move {
            script.call::<bool>(&mut connection.commands, key, arguments).await
        };
        match connections.ask(RedisWebhookEventStore::ANSWER_WITHIN, ask).await {
            Ok(true) => return,
            Ok(false) => {
                answers += 1;
                if answers == ANSWERS {
                    return;
                }
            }
            Err(_) => {}
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
