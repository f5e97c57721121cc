//! A borrowed partial parse: compiled paths in, raw texts of what stands there out.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::JsonPath;

/// Several paths compiled into one trie, read in one pass over the text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Extract {
    root: Branch,
    slots: usize,
}

/// What stands at each path. Those of a provider's identity fit in without an allocation.
pub(crate) type Findings<'t> = SmallVec<[Option<&'t str>; 8]>;

/// Why a text could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    NotJson,
    /// A key on the way to one of the paths occurs twice in one object: two readers may differ on which counts.
    DuplicateKey,
}

#[derive(Debug, Clone, Default)]
struct Branch {
    /// Where the raw text of this place goes.
    slots: Vec<usize>,
    children: Vec<(Box<str>, Branch)>,
}

impl Extract {
    /// Compiles paths; the answers come in the same order.
    pub(crate) fn new<'a>(paths: impl IntoIterator<Item = &'a JsonPath>) -> Self {
        let mut extract = Self::default();
        for path in paths {
            let branch = path.keys.iter().fold(&mut extract.root, |branch, key| branch.child(key));
            branch.slots.push(extract.slots);
            extract.slots += 1;
        }
        extract
    }

    /// The raw JSON text of each path; `None` where there is nothing. The whole text is checked for syntax.
    pub(crate) fn read<'t>(&self, text: &'t [u8]) -> Result<Findings<'t>, Flaw> {
        let mut found: Findings<'t> = filled(None, self.slots);
        let duplicate = Cell::new(false);
        self.root
            .read(text, true, &mut found, &duplicate)
            .map_err(|_| if duplicate.get() { Flaw::DuplicateKey } else { Flaw::NotJson })?;
        Ok(found)
    }
}

impl Extract {
    /// The keys of a text that is one object; `None` for any other text.
    pub(crate) fn keys(text: &[u8]) -> Option<Vec<String>> {
        let object: std::collections::BTreeMap<String, IgnoredAny> = serde_json::from_slice(text).ok()?;
        Some(object.into_keys().collect())
    }
}

impl Branch {
    fn child(&mut self, key: &str) -> &mut Self {
        let index = self.children.iter().position(|(name, _)| **name == *key).unwrap_or_else(|| {
            self.children.push((Box::from(key), Self::default()));
            self.children.len() - 1
        });
        &mut self.children[index].1
    }

    fn read<'t>(
        &self,
        text: &'t [u8],
        capture: bool,
        found: &mut [Option<&'t str>],
        duplicate: &Cell<bool>,
    ) -> serde_json::Result<()> {
        let mut json = serde_json::Deserializer::from_slice(text);
        Walk { branch: self, capture, found, duplicate }.deserialize(&mut json)?;
        json.end()
    }
}

struct Walk<'w, 't> {
    branch: &'w Branch,
    /// Whether this place is still to be captured; false on the second look into a captured one.
    capture: bool,
    found: &'w mut [Option<&'t str>],
    duplicate: &'w Cell<bool>,
}

impl<'t> DeserializeSeed<'t> for Walk<'_, 't> {
    type Value = ();

    fn deserialize<D: Deserializer<'t>>(self, json: D) -> Result<(), D::Error> {
        if !self.capture || self.branch.slots.is_empty() {
            return json.deserialize_any(self);
        }
        let raw = <&RawValue as serde::Deserialize>::deserialize(json)?;
        for slot in &self.branch.slots {
            self.found[*slot] = Some(raw.get());
        }
        if self.branch.children.is_empty() {
            return Ok(());
        }
        // A place that is wanted whole and also looked into is read twice, but only that place.
        self.branch
            .read(raw.get().as_bytes(), false, self.found, self.duplicate)
            .map_err(serde::de::Error::custom)
    }
}

impl<'t> Visitor<'t> for Walk<'_, 't> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<(), A::Error> {
        let children = &self.branch.children;
        let mut seen: SmallVec<[bool; 16]> = filled(false, children.len());
        while let Some(index) = map.next_key_seed(KeyOf(children))? {
            let Some(index) = index else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if std::mem::replace(&mut seen[index], true) {
                self.duplicate.set(true);
                return Err(serde::de::Error::custom("duplicate key"));
            }
            map.next_value_seed(Walk {
                branch: &children[index].1,
                capture: true,
                found: &mut *self.found,
                duplicate: self.duplicate,
            })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut seq: A) -> Result<(), A::Error> {
        for index in 0_usize.. {
            let child = self.branch.children.iter().find(|(name, _)| place_in_list(name) == Some(index));
            let more = match child {
                None => seq.next_element::<IgnoredAny>()?.is_some(),
                Some((_, branch)) => {
                    let (found, duplicate) = (&mut *self.found, self.duplicate);
                    seq.next_element_seed(Walk { branch, capture: true, found, duplicate })?.is_some()
                }
            };
            if !more {
                break;
            }
        }
        Ok(())
    }

    // Anything else holds no keys, so the paths below it are absent.
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// So many of them, and nearly always in place: then they are written as one block.
fn filled<T: Copy, const N: usize>(value: T, count: usize) -> SmallVec<[T; N]>
where
    [T; N]: smallvec::Array<Item = T>,
{
    if count <= N { SmallVec::from_buf_and_len([value; N], count) } else { SmallVec::from_elem(value, count) }
}

/// The place that `[7]` names.
fn place_in_list(name: &str) -> Option<usize> {
    name.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

/// Which child a key is. Compares the decoded key: `"\u0069d"` is `id`.
struct KeyOf<'w>(&'w [(Box<str>, Branch)]);

impl<'t> DeserializeSeed<'t> for KeyOf<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'t>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyOf<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        // A child in brackets is a list's element, and no key is one.
        Ok(self.0.iter().position(|(name, _)| **name == *key && !key.starts_with('[')))
    }
}

/// The text that a raw JSON value, as it was found, stands for: a string's content, or a number as it is written.
pub(crate) fn text(raw: &str) -> Option<Cow<'_, str>> {
    match raw.as_bytes().first()? {
        b'"' => match raw[1..].strip_suffix('"') {
            Some(plain) if !plain.as_bytes().contains(&b'\\') => Some(Cow::Borrowed(plain)),
            _ => serde_json::from_str::<String>(raw).ok().map(Cow::Owned),
        },
        b'-' | b'0'..=b'9' => Some(Cow::Borrowed(raw)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'t>(paths: &[&str], body: &'t str) -> Result<Vec<Option<&'t str>>, Flaw> {
        let paths: Vec<JsonPath> = paths.iter().filter_map(|it| JsonPath::parse(it)).collect();
        Extract::new(&paths).read(body.as_bytes()).map(SmallVec::into_vec)
    }

    #[test]
    fn reads_only_what_is_asked_for() {
        let body = r#"{"id":"evt_1","data":{"object":{"a": [1, 2]},"n":7},"type":null}"#;
        assert_eq!(
            read(&["$.id", "$.data.object", "$.data", "$.type", "$.no"], body),
            Ok(vec![
                Some(r#""evt_1""#),
                Some(r#"{"a": [1, 2]}"#),
                Some(r#"{"object":{"a": [1, 2]},"n":7}"#),
                Some("null"),
                None
            ])
        );
        assert_eq!(read(&["$.id.deep"], body), Ok(vec![None]));
        assert_eq!(read(&["$"], " [1] "), Ok(vec![Some("[1]")]));
    }

    #[test]
    fn elements_of_lists() {
        let body = r#"{"a":[{"id":1},{"id":2}],"b":{"[0]":3}}"#;
        assert_eq!(
            read(&["$.a[1].id", "$.a[0]", "$.a[2]", "$.a.id", "$.b[0]"], body),
            Ok(vec![Some("2"), Some(r#"{"id":1}"#), None, None, None])
        );
        assert_eq!(read(&["$[0].id"], r#"[{"id":1}]"#), Ok(vec![Some("1")]));
        assert_eq!(read(&["$[0].id"], r#"{"id":1}"#), Ok(vec![None]));
    }

    #[test]
    fn a_key_that_is_read_twice_is_a_flaw() {
        assert_eq!(read(&["$.id"], r#"{"id":1,"id":2}"#), Err(Flaw::DuplicateKey));
        assert_eq!(read(&["$.id"], r#"{"id":1,"\u0069d":2}"#), Err(Flaw::DuplicateKey));
        assert_eq!(read(&["$.a", "$.a.id"], r#"{"a":{"id":1,"id":2}}"#), Err(Flaw::DuplicateKey));
        assert_eq!(read(&["$.id"], r#"{"id":1,"x":2,"x":3}"#), Ok(vec![Some("1")]));
    }

    #[test]
    fn the_whole_text_must_be_json() {
        for wrong in ["", "{", r#"{"id":1}x"#, r#"{"id":1,}"#, "\u{feff}{}"] {
            assert_eq!(read(&["$.id"], wrong), Err(Flaw::NotJson), "{wrong}");
        }
        assert_eq!(Extract::default().read(b"\xff"), Err(Flaw::NotJson));
        assert_eq!(Extract::default().read(b"12"), Ok(Findings::new()));
    }
}
