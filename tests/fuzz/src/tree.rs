//! JSON read whole, keeping what `serde_json::Value` forgets: keys that come twice, and numbers as they are written.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

#[derive(Debug)]
pub(crate) enum Tree {
    Object(Vec<(String, Tree)>),
    List(Vec<Tree>),
    Text(String),
    /// With its text.
    Number(String),
    Other(Value),
}

/// What is at the end of a path.
pub(crate) enum Found<'t> {
    Nowhere,
    Once(&'t Tree),
    /// A key on the way comes twice.
    Twice,
}

impl Tree {
    /// Follows `$.a[0].b`, or `@.b`.
    pub(crate) fn at(&self, path: &str) -> Found<'_> {
        let mut tree = self;
        for step in path[1..].replace('[', ".[").split('.').skip(1) {
            let index = step.strip_prefix('[').and_then(|it| it.strip_suffix(']')).map(str::parse::<usize>);
            tree = match (tree, index) {
                (Self::List(items), Some(Ok(index))) if index < items.len() => &items[index],
                (Self::Object(entries), None) => {
                    let mut same = entries.iter().filter(|(key, _)| key == step);
                    match (same.next(), same.next()) {
                        (None, _) => return Found::Nowhere,
                        (Some((_, value)), None) => value,
                        (Some(_), Some(_)) => return Found::Twice,
                    }
                }
                _ => return Found::Nowhere,
            };
        }
        Found::Once(tree)
    }

    /// A text, or a number as it is written.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) | Self::Number(text) => Some(text.clone()),
            _ => None,
        }
    }

    /// As others read it: of keys that come twice, the last one counts.
    pub(crate) fn value(&self) -> Value {
        match self {
            Self::Object(entries) => Value::Object(
                entries.iter().map(|(key, tree)| (key.clone(), tree.value())).collect::<Map<_, _>>(),
            ),
            Self::List(items) => Value::Array(items.iter().map(Self::value).collect()),
            Self::Text(text) => Value::String(text.clone()),
            Self::Number(text) => serde_json::from_str(text).unwrap_or_default(),
            Self::Other(value) => value.clone(),
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        // First as it is written, for only so is a number's text known.
        let raw = <&RawValue>::deserialize(json)?;
        let text = raw.get();
        let tree = match text.as_bytes().first() {
            Some(b'{' | b'[') => Shape::read(text),
            Some(b'-' | b'0'..=b'9') => {
                serde_json::from_str::<Value>(text).map(|_| Self::Number(text.to_owned()))
            }
            Some(b'"') => serde_json::from_str(text).map(Self::Text),
            _ => serde_json::from_str(text).map(Self::Other),
        };
        tree.map_err(serde::de::Error::custom)
    }
}

/// An object's entries, or a list's items.
struct Shape(Tree);

impl Shape {
    fn read(text: &str) -> serde_json::Result<Tree> {
        serde_json::from_str::<Self>(text).map(|shape| shape.0)
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(ShapeVisitor).map(Self)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Tree::Object(entries))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }
}
