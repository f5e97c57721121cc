//! What the inbox and the listeners say in the end.

use webhooks::{EventRecord, RunRecord, RunState, Selection, WebhookInbox};

use crate::AnyError;
use crate::deeds::Tally;
use crate::place::Place;
use crate::service::LISTENERS;

/// Fails if an acknowledged event is not there, was not run to its end, or was run again once that was recorded.
pub(crate) async fn judge(place: &Place, acknowledged: &[u64]) -> Result<(), AnyError> {
    let tally = Tally::read(&place.deeds())?;
    let looking = place.look_in().await?;
    let inbox = looking.inbox().ok_or("there is no inbox")?;
    let (mut wrong, mut cut_off) = (Vec::new(), 0_u64);
    for number in acknowledged {
        let Some(record) = find(&inbox, *number).await? else {
            wrong.push(format!("{number}: the inbox does not have it, or has it twice"));
            continue;
        };
        for (at, listener) in (0..).zip(LISTENERS) {
            let Some(run) = record.runs.iter().find(|run| run.listener == listener) else {
                wrong.push(format!("{number}: there is no run of `{listener}`"));
                continue;
            };
            cut_off += u64::from(never_ended(run));
            wrong.extend(fault(run, tally.of(*number, at)).map(|why| format!("{number}: {why}: {run:?}")));
        }
    }
    println!("{} runs ended; {cut_off} attempts had been cut off", tally.ended());
    if wrong.is_empty() {
        println!("none was lost, none was completed twice");
        return Ok(());
    }
    for one in wrong.iter().take(20) {
        println!("{one}");
    }
    Err(format!("{} events or runs are not as they must be", wrong.len()).into())
}

async fn find(inbox: &WebhookInbox, number: u64) -> Result<Option<EventRecord>, AnyError> {
    match &inbox.list(Selection::new().event_id(number.to_string())).await?[..] {
        [one] => Ok(inbox.show(one.number).await?),
        _ => Ok(None),
    }
}

/// What is wrong with a run that was begun and ended so often.
fn fault(run: &RunRecord, (begun, ended): (u32, u32)) -> Option<String> {
    if run.state != RunState::Done {
        return Some(format!("it is {}", run.state));
    }
    // Every attempt is claimed, and with that counted, before it is begun: one too many was begun after the run was done.
    if begun > run.attempts {
        return Some(format!("it was begun {begun} times"));
    }
    // An end that could not be recorded, since the process was killed in between, is an attempt that "never ended".
    if !(1..=1 + never_ended(run)).contains(&ended) {
        return Some(format!("it was ended {ended} times"));
    }
    None
}

fn never_ended(run: &RunRecord) -> u32 {
    let cut_off = run.failures.iter().filter(|failure| failure.error.contains("never ended"));
    u32::try_from(cut_off.count()).unwrap_or(u32::MAX)
}
