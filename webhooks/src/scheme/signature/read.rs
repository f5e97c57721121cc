//! Reads a `[signature]` table.

use std::time::Duration;

use http::HeaderName;

use super::declared::Declared;
use super::format::{Encoding, Format};
use super::key::Algorithm;
use super::place::Place;
use super::secret_form::SecretForm;
use super::template::{Part, Template};
use super::timestamp::{Timestamp, TimestampPlace, Unit};
use super::{BodyCoverage, SignatureScheme};
use crate::document::TableReader;
use crate::scheme::coded::Coded;
use crate::scheme::json::JsonPath;

impl SignatureScheme {
    /// Reads the keys of a `[signature]` table; the caller finishes the reader.
    pub(in crate::scheme) fn read(reader: &TableReader<'_>) -> Option<Self> {
        if reader.has("validator") {
            return reader.one_of("validator", &Coded::NAMES).map(Self::Coded);
        }
        let mut words: Vec<(&str, Option<Sign>)> =
            Algorithm::NAMES.iter().map(|(name, it)| (*name, Some(Sign::With(*it)))).collect();
        words.extend([("basic", Some(Sign::Basic)), ("none", None)]);
        let algorithm = if reader.has("algorithm") {
            reader.one_of("algorithm", &words)
        } else {
            reader.problem(
                "algorithm",
                "is missing",
                "name the algorithm, such as \"hmac-sha256\", or \"none\"",
            );
            None
        };
        // Without an algorithm the other keys are still looked at, so that one run reports all mistakes.
        let sign = algorithm.unwrap_or(Some(Sign::With(Algorithm::HmacSha256)));
        let scheme = match sign {
            Some(sign) => Declared::read(reader, sign).map(|it| Self::Declared(Box::new(it))),
            None => Some(Self::Unsigned),
        };
        algorithm.and(scheme)
    }
}

#[derive(Clone, Copy)]
enum Sign {
    With(Algorithm),
    /// HTTP Basic: a token in base64 behind `Basic `.
    Basic,
}

impl Declared {
    /// Reads everything before it gives up, so that one run reports every mistake.
    fn read(reader: &TableReader<'_>, sign: Sign) -> Option<Self> {
        let (algorithm, basic) = match sign {
            Sign::With(algorithm) => (algorithm, false),
            Sign::Basic => (Algorithm::Token, true),
        };
        let places = places(reader, basic);
        let format = if basic {
            Some(Format::Prefix { prefix: "Basic ".to_owned(), optional: false, any_case: true })
        } else {
            read_format(reader, algorithm)
        };
        let default_encoding = match algorithm {
            _ if basic => Encoding::Base64,
            Algorithm::Token => Encoding::Text,
            _ => Encoding::Hex,
        };
        let encoding =
            or_default(reader, "encoding", |key| reader.one_of(key, &Encoding::NAMES), default_encoding);
        let secret =
            or_default(reader, "secret", |key| reader.one_of(key, &SecretForm::NAMES), SecretForm::Utf8);
        let content = or_default(reader, "content", |key| template(reader, key), Template::body());
        let timestamp = or_default(reader, "timestamp", |key| read_timestamp(reader, key).map(Some), None);
        let id = or_default(reader, "id", |key| read_id(reader, key).map(Some), None);
        let required = required_headers(reader);
        let key_id = or_default(reader, "key_id_header", |key| header(reader, key).map(Some), None);
        let repeatable = or_default(reader, "repeatable", |key| reader.boolean(key), false);
        let coverage = [
            ("full", Some(BodyCoverage::Full)),
            ("weak", Some(BodyCoverage::Weak)),
            ("partial", Some(BodyCoverage::Partial)),
            ("none", Some(BodyCoverage::None)),
        ];
        let covers_body = or_default(reader, "covers_body", |key| reader.one_of(key, &coverage), None);
        let scheme = Self {
            places: places?,
            repeatable: repeatable?,
            format: format?,
            algorithm,
            encoding: encoding?,
            secret: secret?,
            content: content?,
            timestamp: timestamp?,
            id: id?,
            required: required?,
            key_id: key_id?,
            covers_body: covers_body?,
        };
        scheme.check(reader).then_some(scheme)
    }

    /// Finds what is contradictory, though each key by itself is right.
    fn check(&self, reader: &TableReader<'_>) -> bool {
        let mut sound = true;
        let mut complain = |key: &str, what: &str, help: &str| {
            reader.problem(key, what, help);
            sound = false;
        };
        if self.content.has(Part::Timestamp) && self.timestamp.is_none() {
            complain(
                "content",
                "`{timestamp}` is signed, but nothing says where it stands",
                "add `timestamp`",
            );
        }
        if self.content.has(Part::Id) && self.id.is_none() {
            complain("content", "`{id}` is signed, but nothing says where it stands", "add `id`");
        }
        if self.algorithm == Algorithm::Sha256 && !self.content.has(Part::Secret) {
            complain("content", "a plain hash without `{secret}` can be made by anyone", "add `{secret}`");
        }
        if self.algorithm != Algorithm::Sha256 && self.content.has(Part::Secret) {
            complain("content", "`{secret}` is the key already", "remove it: only \"sha256\" hashes it");
        }
        if let Some(timestamp) = &self.timestamp {
            let fits = match timestamp.at {
                TimestampPlace::Pair(_) => matches!(self.format, Format::Pairs { .. }),
                TimestampPlace::Position(_) => matches!(self.format, Format::Positional { .. }),
                TimestampPlace::Header(_) | TimestampPlace::Json(_) => true,
            };
            if !fits {
                complain(
                    "timestamp",
                    "this `format` has no such place",
                    "use `header`, or the matching format",
                );
            }
        }
        sound
    }
}

/// Reads an optional key: the default where it is missing, `None` where it is wrong.
fn or_default<T>(
    reader: &TableReader<'_>,
    key: &str,
    read: impl FnOnce(&str) -> Option<T>,
    default: T,
) -> Option<T> {
    if reader.has(key) { read(key) } else { Some(default) }
}

fn places(reader: &TableReader<'_>, basic: bool) -> Option<Vec<Place>> {
    if reader.has("json") {
        return json_path(reader, "json").map(|it| vec![Place::Json(it)]);
    }
    if reader.has("query") {
        return reader.string("query").map(|it| vec![Place::Query(it.into())]);
    }
    if !reader.has("header") {
        if basic {
            return Some(vec![Place::Header(http::header::AUTHORIZATION)]);
        }
        reader.problem("header", "is missing", "name the header that carries the signature");
        return None;
    }
    let names = reader.strings("header")?;
    let places = names.iter().map(|name| match name.strip_suffix('*') {
        Some(prefix) => parse_header(reader, "header", prefix).map(|it| Place::Numbered(it.as_str().into())),
        None => parse_header(reader, "header", name).map(Place::Header),
    });
    places.collect()
}

fn read_format(reader: &TableReader<'_>, algorithm: Algorithm) -> Option<Format> {
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

fn read_timestamp(reader: &TableReader<'_>, key: &str) -> Option<Timestamp> {
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

fn read_id(reader: &TableReader<'_>, key: &str) -> Option<Place> {
    let table = reader.table(key)?;
    let place = if table.has("json") {
        json_path(&table, "json").map(Place::Json)
    } else if table.has("header") {
        header(&table, "header").map(Place::Header)
    } else {
        reader.problem(key, "does not say where", "give `header` or `json`");
        None
    };
    table.finish();
    place
}

fn required_headers(reader: &TableReader<'_>) -> Option<Vec<(HeaderName, String)>> {
    if !reader.has("require") {
        return Some(Vec::new());
    }
    let table = reader.table("require")?;
    let entries = table.string_entries();
    entries.into_iter().map(|(name, value)| Some((parse_header(&table, name, name)?, value))).collect()
}

fn required(reader: &TableReader<'_>, key: &str, help: &str) -> Option<String> {
    if !reader.has(key) {
        reader.problem(key, "is missing", format!("give {help}"));
        return None;
    }
    nonempty(reader, key)
}

fn nonempty(reader: &TableReader<'_>, key: &str) -> Option<String> {
    let text = reader.string(key)?;
    if text.is_empty() {
        reader.problem(key, "is empty", "write at least one character");
        return None;
    }
    Some(text)
}

fn template(reader: &TableReader<'_>, key: &str) -> Option<Template> {
    let text = reader.string(key)?;
    Template::parse(&text)
        .map_err(|name| {
            let names = Template::NAMES.map(|(name, _)| format!("`{{{name}}}`")).join(", ");
            let what = format!("`{{{}}}` is not a part of a request", name.escape_debug());
            reader.problem(key, &what, format!("the parts are {names}"));
        })
        .ok()
}

/// A header's name under `key`.
pub(in crate::scheme) fn header(reader: &TableReader<'_>, key: &str) -> Option<HeaderName> {
    parse_header(reader, key, &reader.string(key)?)
}

pub(in crate::scheme) fn parse_header(reader: &TableReader<'_>, key: &str, name: &str) -> Option<HeaderName> {
    let parsed = name.parse().ok();
    if parsed.is_none() {
        reader.problem(key, "this is not a header's name", "write it as the provider does: \"X-Signature\"");
    }
    parsed
}

/// A path such as `$.data.id` under `key`.
pub(in crate::scheme) fn json_path(reader: &TableReader<'_>, key: &str) -> Option<JsonPath> {
    parse_path(reader, key, &reader.string(key)?)
}

pub(in crate::scheme) fn parse_path(reader: &TableReader<'_>, key: &str, text: &str) -> Option<JsonPath> {
    let path = JsonPath::parse(text);
    if path.is_none() {
        let what = format!("`{}` is not a path", text.escape_debug());
        reader.problem(key, &what, "write `$.key.key` from the document, or `@.key` from a batch's element");
    }
    path
}
