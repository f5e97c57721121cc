//! What readers ask for, noted in tests.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// For each table's path, for each key: what was expected to stand there.
pub(crate) type Asked = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

thread_local! {
    static ASKED: RefCell<Option<Asked>> = const { RefCell::new(None) };
}

/// What readers ask for in this thread while `read` runs.
pub(crate) fn while_reading(read: impl FnOnce()) -> Asked {
    ASKED.set(Some(Asked::default()));
    read();
    ASKED.take().expect("set above")
}

/// That `key` was asked for at all.
pub(super) fn note(path: &str, key: &str) {
    with(path, key, |_| ());
}

/// What was expected of it.
pub(super) fn note_expected(path: &str, key: &str, expected: &str) {
    with(path, key, |kinds| {
        kinds.insert(expected.to_owned());
    });
}

fn with(path: &str, key: &str, change: impl FnOnce(&mut BTreeSet<String>)) {
    ASKED.with_borrow_mut(|asked| {
        if let Some(asked) = asked {
            change(asked.entry(path.to_owned()).or_default().entry(key.to_owned()).or_default());
        }
    });
}
