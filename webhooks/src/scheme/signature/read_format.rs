//! Reads how signatures are written, and where their time stands.

use std::time::Duration;

use super::format::Format;
use super::key::Algorithm;
use super::timestamp::{Timestamp, TimestampPlace, Unit};
use crate::document::TableReader;
use crate::scheme::read::{header, json_path, nonempty, or_default, required};

pub(super) fn read_format(reader: &TableReader<'_>, algorithm: Algorithm) -> Option<Format> {
    #[derive(Clone, Copy)]
    enum Kind {
        Raw,
        Prefix,
        Pairs,
        Labelled,
        Positional,
    }
    let kinds = [
        ("raw", Kind::Raw),
        ("prefix", Kind::Prefix),
        ("pairs", Kind::Pairs),
        ("labelled", Kind::Labelled),
        ("positional", Kind::Positional),
    ];
    let obvious = if reader.has("prefix") { Kind::Prefix } else { Kind::Raw };
    let Some(kind) = or_default(reader, "format", |key| reader.one_of(key, &kinds), obvious) else {
        // Which keys belong here is not known, so none of them is called unknown.
        for key in
            ["prefix", "prefix_optional", "separator", "assign", "key", "group", "label", "label_optional"]
        {
            reader.has(key);
        }
        return None;
    };
    let text =
        |key: &str, default: &str| or_default(reader, key, |key| nonempty(reader, key), default.to_owned());
    let flag = |key: &str| or_default(reader, key, |key| reader.boolean(key), false);
    Some(match kind {
        Kind::Raw => Format::Raw,
        Kind::Prefix => Format::Prefix {
            prefix: required(reader, "prefix", "the text in front of the signature, such as \"sha256=\"")?,
            optional: flag("prefix_optional")?,
            any_case: algorithm == Algorithm::Token,
        },
        Kind::Pairs => Format::Pairs {
            separator: text("separator", ",")?,
            assign: text("assign", "=")?,
            key: required(reader, "key", "the name of the signature's pair, such as \"v1\"")?,
            group: or_default(reader, "group", |key| nonempty(reader, key).map(Some), None)?,
        },
        Kind::Labelled => Format::Labelled {
            separator: text("separator", " ")?,
            assign: text("assign", ",")?,
            label: required(reader, "label", "the label of this kind of signature, such as \"v1\"")?,
            optional: flag("label_optional")?,
        },
        Kind::Positional => Format::Positional { separator: text("separator", ",")? },
    })
}

pub(super) fn read_timestamp(reader: &TableReader<'_>, key: &str) -> Option<Timestamp> {
    let table = reader.table(key)?;
    let at = if table.has("header") {
        header(&table, "header").map(TimestampPlace::Header)
    } else if table.has("pair") {
        nonempty(&table, "pair").map(TimestampPlace::Pair)
    } else if table.has("position") {
        table.unsigned("position").and_then(|it| usize::try_from(it).ok()).map(TimestampPlace::Position)
    } else if table.has("json") {
        json_path(&table, "json").map(TimestampPlace::Json)
    } else {
        reader.problem(key, "does not say where", "give one of `header`, `pair`, `position` and `json`");
        None
    };
    let units = [
        ("seconds", Unit::Seconds),
        ("milliseconds", Unit::Milliseconds),
        ("rfc3339", Unit::Rfc3339),
        ("text", Unit::Text),
    ];
    let unit = or_default(&table, "unit", |key| table.one_of(key, &units), Unit::Seconds);
    let past = window(&table, "past", Timestamp::TOLERANCE);
    let future = window(&table, "future", Timestamp::TOLERANCE);
    table.finish();
    Some(Timestamp { at: at?, unit: unit?, past: past?, future: future? })
}

fn window(table: &TableReader<'_>, key: &str, default: Duration) -> Option<Duration> {
    or_default(table, key, |key| table.duration(key), default)
}
