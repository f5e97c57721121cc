//! Tables that people write (settings, catalogue files), read with every mistake collected.
//!
//! A [`TableReader`] hands out typed values by key. What is missing is `None`; what is wrong is noted as a
//! [`Problem`](crate::Problem) with its key and where it was set, and reads as `None` too, so that reading goes on
//! and all problems come out in one run. `finish` notes the keys that nobody asked for.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::problem::{Problems, suggestion};

#[cfg(test)]
pub(crate) mod asked;
pub(crate) mod key;
mod units;

pub(crate) use units::duration as parse_duration;

pub(crate) type Table = BTreeMap<String, Node>;

/// A value and where it was written.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

#[derive(Clone)]
pub(crate) enum Value {
    Boolean(bool),
    Integer(i64),
    Float,
    String(String),
    List(Vec<Node>),
    Table(Table),
}

/// Where a value was written. Decides how a problem names its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A file, as the user knows it.
    File(Arc<str>),
    /// An environment variable; its name follows from the key.
    Environment,
    /// Anything else, described: "the settings given in code".
    Other(Arc<str>),
}

impl std::fmt::Debug for Value {
    /// Prints the kind only: a value may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind())
    }
}

impl Value {
    fn kind(&self) -> &'static str {
        match self {
            Self::Boolean(_) => "a boolean",
            Self::Integer(_) => "an integer",
            Self::Float => "a float",
            Self::String(_) => "a string",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

impl Node {
    /// The table that a TOML document is, every value marked as coming from `origin`.
    pub(crate) fn from_toml(value: toml::Value, origin: &Origin) -> Self {
        let value = match value {
            toml::Value::Boolean(it) => Value::Boolean(it),
            toml::Value::Integer(it) => Value::Integer(it),
            toml::Value::Float(_) => Value::Float,
            toml::Value::String(it) => Value::String(it),
            toml::Value::Datetime(it) => Value::String(it.to_string()),
            toml::Value::Array(items) => {
                Value::List(items.into_iter().map(|it| Self::from_toml(it, origin)).collect())
            }
            toml::Value::Table(entries) => Value::Table(
                entries.into_iter().map(|(key, it)| (key, Self::from_toml(it, origin))).collect(),
            ),
        };
        Self { value, origin: origin.clone() }
    }
}

/// Reads one table; see the module's documentation.
pub(crate) struct TableReader<'a> {
    table: &'a Table,
    /// The dotted key of this table, `webhooks.sources.stripe`; empty at the root.
    path: String,
    origin: Origin,
    asked: RefCell<BTreeSet<String>>,
    problems: &'a Problems,
}

impl<'a> TableReader<'a> {
    pub(crate) fn new(
        table: &'a Table,
        path: impl Into<String>,
        origin: Origin,
        problems: &'a Problems,
    ) -> Self {
        Self { table, path: path.into(), origin, asked: RefCell::default(), problems }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn problems(&self) -> &'a Problems {
        self.problems
    }

    /// Whether the key is there at all, whatever its value.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.table.keys().map(String::as_str)
    }

    pub(crate) fn string(&self, key: &str) -> Option<String> {
        self.read(key, "a string", |node| match &node.value {
            Value::String(text) => Some(text.clone()),
            _ => None,
        })
    }

    pub(crate) fn boolean(&self, key: &str) -> Option<bool> {
        self.read(key, "true or false", |node| match &node.value {
            Value::Boolean(it) => Some(*it),
            // Environment variables are text.
            Value::String(text) if node.origin == Origin::Environment => text.parse().ok(),
            _ => None,
        })
    }

    pub(crate) fn unsigned(&self, key: &str) -> Option<u64> {
        self.read(key, "a whole number, 0 or more", unsigned)
    }

    /// A duration as people write it: `"30s"`, `"5 min"`, `"1h 30m"`; a bare number is seconds.
    pub(crate) fn duration(&self, key: &str) -> Option<Duration> {
        self.read(key, "a duration such as \"30s\", \"5m\" or \"12h\"", |node| match &node.value {
            Value::String(text) => units::duration(text),
            _ => unsigned(node).map(Duration::from_secs),
        })
    }

    /// A number of bytes as people write it: `"1 MiB"`, `"500 kB"`; a bare number is bytes.
    pub(crate) fn size(&self, key: &str) -> Option<u64> {
        self.read(key, "a size such as \"1 MiB\"", |node| match &node.value {
            Value::String(text) => units::size(text),
            _ => unsigned(node),
        })
    }

    /// A list of strings; a single string is a list of one. From the environment: `["a", "b"]`, or one string.
    pub(crate) fn strings(&self, key: &str) -> Option<Vec<String>> {
        self.read(key, "a string or a list of strings", |node| match &node.value {
            Value::String(text) if node.origin == Origin::Environment && text.starts_with('[') => {
                serde_json::from_str(text).ok()
            }
            Value::String(text) => Some(vec![text.clone()]),
            Value::List(items) => items
                .iter()
                .map(|item| match &item.value {
                    Value::String(text) => Some(text.clone()),
                    _ => None,
                })
                .collect(),
            _ => None,
        })
    }

    /// One of the given words; a wrong one is a problem that lists them.
    pub(crate) fn one_of<T: Clone>(&self, key: &str, words: &[(&str, T)]) -> Option<T> {
        #[cfg(test)]
        asked::note_expected(&self.path, key, &quoted_list(words.iter().map(|(name, _)| *name)));
        let word = self.string(key)?;
        let found = words.iter().find(|(name, _)| *name == word).map(|(_, value)| value.clone());
        if found.is_none() {
            // Only what is nearly one of the words is repeated: anything else may be a secret in the wrong place.
            let (what, help) = match suggestion(&word, words.iter().map(|(name, _)| *name)) {
                Some(close) => (
                    format!("`{}` is not a known value", word.escape_debug()),
                    format!("did you mean `{close}`?"),
                ),
                None => (
                    "this is not a known value".to_owned(),
                    format!("one of {}", quoted_list(words.iter().map(|(name, _)| *name))),
                ),
            };
            self.problem(key, &what, help);
        }
        found
    }

    /// The table under `key`.
    pub(crate) fn table(&self, key: &str) -> Option<TableReader<'a>> {
        let node = self.get(key)?;
        self.as_table(node, join(&self.path, key))
    }

    /// The list of tables under `key`; a single table is a list of one.
    pub(crate) fn tables(&self, key: &str) -> Vec<TableReader<'a>> {
        let Some(node) = self.get(key) else { return Vec::new() };
        let path = join(&self.path, key);
        match &node.value {
            Value::List(items) => items
                .iter()
                .enumerate()
                .filter_map(|(index, item)| self.as_table(item, format!("{path}[{index}]")))
                .collect(),
            _ => self.as_table(node, path).into_iter().collect(),
        }
    }

    /// Every entry as a table of its own, for tables whose keys are names of the user's.
    pub(crate) fn entries(&self) -> Vec<(&'a str, TableReader<'a>)> {
        self.table
            .iter()
            .filter_map(|(name, node)| {
                self.asked.borrow_mut().insert(name.clone());
                Some((name.as_str(), self.as_table(node, join(&self.path, name))?))
            })
            .collect()
    }

    /// Every entry as text, for tables whose keys are names of the user's.
    pub(crate) fn string_entries(&self) -> Vec<(&'a str, String)> {
        self.keys().filter_map(|name| Some((name, self.string(name)?))).collect()
    }

    /// Every entry as a list of texts, for tables whose keys are names of the user's.
    pub(crate) fn strings_entries(&self) -> Vec<(&'a str, Vec<String>)> {
        self.keys().filter_map(|name| Some((name, self.strings(name)?))).collect()
    }

    /// Notes a problem with the value of `key`: "`key` in webhooks.toml: what".
    pub(crate) fn problem(&self, key: &str, what: &str, help: impl Into<String>) {
        self.problems.add(format!("{}: {what}", self.place(key)), help);
    }

    /// How the value of `key`, there or missing, is named to the user.
    pub(crate) fn place(&self, name: &str) -> String {
        let origin = self.get(name).map_or(&self.origin, |node| &node.origin);
        let key = join(&self.path, name);
        let is_table = matches!(self.get(name), Some(Node { value: Value::Table(_), .. }));
        match origin {
            Origin::File(file) => format!("`{key}` in {file}"),
            Origin::Environment if is_table => {
                format!("the environment variables {}__…", environment_variable(&key))
            }
            Origin::Environment => format!("the environment variable {}", environment_variable(&key)),
            Origin::Other(place) => format!("`{key}` in {place}"),
        }
    }

    /// The table under `key` as it is, for laying it over another.
    pub(crate) fn raw_table(&self, key: &str) -> Option<&'a Table> {
        self.table(key).map(|reader| reader.table)
    }

    /// Where this table was written.
    pub(crate) fn own_origin(&self) -> &Origin {
        &self.origin
    }

    /// The origin of the value of `key`, or of this table.
    pub(crate) fn origin(&self, key: &str) -> &Origin {
        self.get(key).map_or(&self.origin, |node| &node.origin)
    }

    /// Notes every key that was not asked for, with the one it was probably meant to be.
    pub(crate) fn finish(self) {
        // Taken, not borrowed: naming a problem's place asks for the key again.
        let asked = self.asked.take();
        let known: BTreeSet<&str> = asked.iter().map(String::as_str).collect();
        self.report_two_spellings(&known);
        for key in self.table.keys().filter(|key| !known.contains(snake_case(key).as_str())) {
            if known.contains(key.as_str()) {
                continue;
            }
            let help = match suggestion(&snake_case(key), known.iter().copied()) {
                Some(close) => format!("did you mean `{close}`?"),
                None => format!("known keys here: {}", quoted_list(known.iter().copied())),
            };
            let what = format!("{}: unknown key", self.place(key));
            if self.may_be_foreign(key) {
                self.problems.warn(what, help);
            } else {
                self.problems.add(what, help);
            }
        }
    }

    /// Whether somebody else may have set it: others put variables of that prefix there too, Kubernetes for a service
    /// named `webhooks` among them, but none with two underscores between levels.
    fn may_be_foreign(&self, key: &str) -> bool {
        let at_the_top = !self.path.contains('.');
        let foreign =
            |node: &Node| node.origin == Origin::Environment && !matches!(node.value, Value::Table(_));
        at_the_top && self.get(key).is_some_and(foreign)
    }

    /// A key in both spellings, each in a file: which of the two files was meant to win cannot be told. A variable has
    /// only one spelling, and overrides both.
    fn report_two_spellings(&self, known: &BTreeSet<&str>) {
        for (kebab, node) in self.table.iter().filter(|(key, _)| key.contains('-')) {
            let snake = snake_case(kebab);
            let Some(other) = self.table.get(&snake).filter(|_| known.contains(snake.as_str())) else {
                continue;
            };
            if let (Origin::File(_), Origin::File(file)) = (&node.origin, &other.origin) {
                let (kebab, snake) = (join(&self.path, kebab), join(&self.path, &snake));
                let what = format!("`{snake}` in {file}: `{kebab}`, which is the same key, is written too");
                self.problems.add(what, "use one spelling, so that one can override the other");
            }
        }
    }

    fn read<T>(&self, key: &str, expected: &str, convert: impl FnOnce(&Node) -> Option<T>) -> Option<T> {
        #[cfg(test)]
        asked::note_expected(&self.path, key, expected);
        let node = self.get(key)?;
        let value = convert(node);
        if value.is_none() {
            // The value itself is not printed: it may be a secret in the wrong place.
            self.problem(
                key,
                &format!(
                    "this {} cannot be read",
                    node.value.kind().trim_start_matches("a ").trim_start_matches("an ")
                ),
                format!("write {expected}"),
            );
        }
        value
    }

    /// The node of `key`, spelled in snake_case or kebab-case.
    fn get(&self, key: &str) -> Option<&'a Node> {
        self.asked.borrow_mut().insert(key.to_owned());
        #[cfg(test)]
        asked::note(&self.path, key);
        self.table.get(key).or_else(|| self.table.get(&key.replace('_', "-")))
    }

    fn as_table(&self, node: &'a Node, path: String) -> Option<TableReader<'a>> {
        match &node.value {
            Value::Table(table) => Some(TableReader::new(table, path, node.origin.clone(), self.problems)),
            other => {
                let reader = TableReader::new(self.table, "", node.origin.clone(), self.problems);
                reader.problem(
                    &path,
                    &format!("{} stands where a table belongs", other.kind()),
                    format!("write it as [{path}]"),
                );
                None
            }
        }
    }
}

/// The variable that sets `key`: `webhooks.http.bind` is `WEBHOOKS_HTTP__BIND`.
pub(crate) fn environment_variable(key: &str) -> String {
    let key = key.strip_prefix("webhooks.").unwrap_or(key);
    format!("WEBHOOKS_{}", key.replace('.', "__").replace('-', "_").to_uppercase())
}

pub(crate) fn quoted_list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

fn unsigned(node: &Node) -> Option<u64> {
    match &node.value {
        Value::Integer(it) => u64::try_from(*it).ok(),
        Value::String(text) if node.origin == Origin::Environment => text.trim().parse().ok(),
        _ => None,
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn snake_case(key: &str) -> String {
    key.replace('-', "_")
}
