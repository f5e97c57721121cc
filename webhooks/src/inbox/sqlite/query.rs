//! Reads for operators.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use super::time;
use crate::inbox::ListenerCount;
use crate::inbox::record::{EventRecord, EventSummary, FailedAttempt, RunRecord, RunState, Selection};
use crate::store::EventKey;

/// So many are listed, unless the selection says how many.
const USUAL_LIMIT: u32 = 100;

/// A selection as SQL, over the tables `r` (runs), `e` (events) and `d` (deliveries). What is asked for is bound, never
/// written into the text.
pub(super) struct Conditions {
    text: Vec<&'static str>,
    values: Vec<Value>,
}

impl Conditions {
    pub(super) fn of(selection: &Selection) -> Self {
        let mut all = Self { text: vec!["1"], values: Vec::new() };
        all.add("e.id = ?", selection.event.map(Value::from));
        all.add("d.source = ?", selection.source.clone().map(Value::from));
        all.add("e.event_id = ?", selection.event_id.clone().map(Value::from));
        all.add("r.listener = ?", selection.listener.clone().map(Value::from));
        all.add("r.state = ?", selection.state.map(|state| Value::from(state_number(state))));
        all.add("r.reason = ?", selection.reason.map(|it| Value::from(it.code().to_owned())));
        all.add("d.received_at >= ?", selection.after.map(|it| Value::from(time::millis(it))));
        all.add("d.received_at < ?", selection.before.map(|it| Value::from(time::millis(it))));
        all
    }

    pub(super) fn and(mut self, condition: &'static str, value: i64) -> Self {
        self.add(condition, Some(Value::from(value)));
        self
    }

    pub(super) fn text(&self) -> String {
        self.text.join(" AND ")
    }

    pub(super) fn values(self) -> impl Iterator<Item = Value> {
        self.values.into_iter()
    }

    fn add(&mut self, condition: &'static str, value: Option<Value>) {
        if let Some(value) = value {
            self.text.push(condition);
            self.values.push(value);
        }
    }
}

/// Events with a run that is selected, the latest first.
pub(super) fn list(connection: &Connection, selection: &Selection) -> rusqlite::Result<Vec<EventSummary>> {
    let conditions = Conditions::of(selection);
    let sql = format!(
        "SELECT {SUMMARY} FROM events e JOIN deliveries d ON d.id = e.delivery
         WHERE e.id IN (SELECT e.id FROM runs r JOIN events e ON e.id = r.event JOIN deliveries d ON d.id = e.delivery
                        WHERE {}) ORDER BY e.id DESC LIMIT {}",
        conditions.text(),
        selection.limit.unwrap_or(USUAL_LIMIT)
    );
    let mut select = connection.prepare_cached(&sql)?;
    select.query_map(params_from_iter(conditions.values()), summary)?.collect()
}

/// One event with all that happened to it.
pub(super) fn show(connection: &Connection, event: i64) -> rusqlite::Result<Option<EventRecord>> {
    let sql = format!(
        "SELECT {SUMMARY}, d.delivery, length(d.body), e.key FROM events e JOIN deliveries d ON d.id = e.delivery
         WHERE e.id = ?1"
    );
    let found = connection.prepare_cached(&sql)?.query_row([event], |row| {
        let delivery = u128::from_be_bytes(row.get(8)?);
        let body_bytes: Option<i64> = row.get(9)?;
        Ok(EventRecord {
            summary: summary(row)?,
            delivery: format!("{delivery:032x}"),
            key: row.get::<_, Option<String>>(10)?.as_deref().and_then(EventKey::parse),
            body_bytes: body_bytes.and_then(|it| u64::try_from(it).ok()),
            runs: Vec::new(),
        })
    });
    let Some(mut record) = found.optional()? else { return Ok(None) };
    let sql =
        "SELECT id, listener, state, held, replay, due_at, settled_at, reason FROM runs WHERE event = ?1
               ORDER BY id";
    let mut select = connection.prepare_cached(sql)?;
    let runs = select.query_map([event], |row| Ok((row.get::<_, i64>(0)?, run(row)?)))?;
    for found in runs {
        let (id, mut run) = found?;
        run.failures = failures(connection, id)?;
        record.runs.push(run.counted());
    }
    Ok(Some(record))
}

/// What is pending and dead, by listener.
pub(super) fn counts(connection: &Connection) -> rusqlite::Result<Vec<ListenerCount>> {
    // Runs are numbered in order of arrival, so that the oldest is found without looking at the others' deliveries.
    let sql = "WITH parts (listener, pending, dead, oldest) AS (
                   SELECT listener, count(*), 0, min(id) FROM runs INDEXED BY runs_due
                   WHERE state = 0 AND unsettled = 0 AND blocked = 0 GROUP BY listener
                   UNION ALL SELECT listener, count(*), 0, min(id) FROM runs INDEXED BY runs_suspect
                   WHERE state = 0 AND unsettled > 0 GROUP BY listener
                   UNION ALL SELECT listener, count(*), 0, min(id) FROM runs INDEXED BY runs_blocked
                   WHERE state = 0 AND blocked = 1 GROUP BY listener
                   UNION ALL SELECT listener, 0, count(*), NULL FROM runs INDEXED BY runs_dead
                   WHERE state = 2 GROUP BY listener
               ), whole (listener, pending, dead, oldest) AS (
                   SELECT listener, sum(pending), sum(dead), min(oldest) FROM parts GROUP BY listener)
               SELECT whole.listener, pending, whole.dead, d.received_at FROM whole
               LEFT JOIN runs r ON r.id = oldest LEFT JOIN events e ON e.id = r.event
               LEFT JOIN deliveries d ON d.id = e.delivery ORDER BY whole.listener";
    let mut select = connection.prepare_cached(sql)?;
    let counts = select.query_map([], |row| {
        Ok(ListenerCount {
            listener: row.get(0)?,
            pending: row.get::<_, u32>(1)?.into(),
            dead: row.get::<_, u32>(2)?.into(),
            oldest_pending: row.get::<_, Option<i64>>(3)?.map(time::time),
        })
    })?;
    counts.collect()
}

/// The columns of [`EventSummary`].
const SUMMARY: &str = "e.id, d.source, e.event_id, e.type, d.received_at,
    (SELECT count(*) FROM runs WHERE event = e.id AND state = 0),
    (SELECT count(*) FROM runs WHERE event = e.id AND state = 1),
    (SELECT count(*) FROM runs WHERE event = e.id AND state = 2)";

fn summary(row: &Row<'_>) -> rusqlite::Result<EventSummary> {
    Ok(EventSummary {
        number: row.get(0)?,
        source: row.get(1)?,
        event_id: row.get(2)?,
        event_type: row.get(3)?,
        received_at: time::time(row.get(4)?),
        pending: row.get(5)?,
        done: row.get(6)?,
        dead: row.get(7)?,
    })
}

fn run(row: &Row<'_>) -> rusqlite::Result<RunRecord> {
    let state = match row.get::<_, i64>(2)? {
        0 => RunState::Pending,
        1 => RunState::Done,
        _ => RunState::Dead,
    };
    let due_at: i64 = row.get(5)?;
    Ok(RunRecord {
        listener: row.get(1)?,
        state,
        attempts: 0,
        is_under_way: row.get(3)?,
        is_replay: row.get(4)?,
        due_at: (state == RunState::Pending && due_at > 0).then(|| time::time(due_at)),
        settled_at: row.get::<_, Option<i64>>(6)?.map(time::time),
        reason: row.get(7)?,
        failures: Vec::new(),
    })
}

fn failures(connection: &Connection, run: i64) -> rusqlite::Result<Vec<FailedAttempt>> {
    let sql = "SELECT attempt, at, error FROM failures WHERE run = ?1 ORDER BY attempt";
    let mut select = connection.prepare_cached(sql)?;
    let failures = select.query_map([run], |row| {
        Ok(FailedAttempt { attempt: row.get(0)?, at: time::time(row.get(1)?), error: row.get(2)? })
    })?;
    failures.collect()
}

fn state_number(state: RunState) -> i64 {
    match state {
        RunState::Pending => 0,
        RunState::Done => 1,
        RunState::Dead => 2,
    }
}
