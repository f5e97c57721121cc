//! Laying one tree of settings over another.

use crate::document::{Table, Value};

/// Lays `over` on `base`: tables are merged, anything else replaces what was there.
pub(crate) fn merge(base: &mut Table, over: Table) {
    for (key, node) in over {
        match (base.get_mut(&key), node.value) {
            (Some(existing), Value::Table(inner)) if matches!(existing.value, Value::Table(_)) => {
                if let Value::Table(table) = &mut existing.value {
                    merge(table, inner);
                }
            }
            (_, value) => {
                base.insert(key, crate::document::Node { value, origin: node.origin });
            }
        }
    }
}
