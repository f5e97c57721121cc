//! Which listeners have something to do.

use std::collections::BTreeSet;

use rusqlite::Connection;

/// Steps from one listener to the next in an index that begins with them, however many runs each of them has.
macro_rules! each_listener {
    ($index:literal, $of:literal) => {
        concat!(
            "WITH RECURSIVE each (listener) AS (
                SELECT min(listener) FROM runs INDEXED BY ",
            $index,
            " WHERE ",
            $of,
            " UNION ALL
                SELECT (SELECT min(listener) FROM runs INDEXED BY ",
            $index,
            " WHERE ",
            $of,
            " AND listener > each.listener) FROM each WHERE each.listener IS NOT NULL
            ) SELECT listener FROM each WHERE listener IS NOT NULL"
        )
    };
}

/// The listeners whose runs are due, now or later, and those of runs that were claimed and have not been settled.
const LISTENERS: [&str; 2] = [
    each_listener!("runs_due", "state = 0 AND unsettled = 0 AND blocked = 0"),
    each_listener!("runs_suspect", "state = 0 AND unsettled > 0"),
];

/// The listeners of which a claim may find something.
pub(super) fn listeners(connection: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for sql in LISTENERS {
        let mut select = connection.prepare_cached(sql)?;
        let found = select.query_map([], |row| row.get(0))?;
        for listener in found {
            all.insert(listener?);
        }
    }
    Ok(all)
}
