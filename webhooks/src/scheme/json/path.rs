//! `$.data.object`: the way to one place in a JSON document.

use std::fmt;

/// A path of object keys and list indexes. `$` is the whole document, `@` the element of a batch that is being read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JsonPath {
    pub(super) keys: Vec<Box<str>>,
    of_element: bool,
}

impl JsonPath {
    /// Parses `$`, `$.a.b`, `$.list[0].a` or `@.a`. Keys are everything between two dots, but brackets and quotes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let of_element = text.starts_with('@');
        let mut rest = text.strip_prefix(['$', '@'])?;
        let mut keys = Vec::new();
        while !rest.is_empty() {
            let (key, tail) = match rest.strip_prefix('.') {
                Some(named) => named.split_at(named.find(['.', '[']).unwrap_or(named.len())),
                None => rest.split_at(rest.find(']')? + 1),
            };
            let legal = if rest.starts_with('.') { is_key(key) } else { is_index(key) };
            keys.push(legal.then(|| Box::from(key))?);
            rest = tail;
        }
        Some(Self { keys, of_element })
    }

    /// The whole document.
    pub(crate) fn root() -> Self {
        Self { keys: Vec::new(), of_element: false }
    }

    /// The same path of the document, for one of an element of a batch: that of this number.
    pub(crate) fn of_document(&self, batch: Option<&Self>, index: usize) -> Self {
        let batch = batch.filter(|_| self.of_element).map(|it| it.keys.as_slice()).unwrap_or_default();
        let index = if self.of_element { Some(format!("[{index}]").into()) } else { None };
        let keys = batch.iter().cloned().chain(index).chain(self.keys.iter().cloned()).collect();
        Self { keys, of_element: false }
    }

    /// The way to the object or list that holds the place, and the place's key in there.
    pub(super) fn split_last(&self) -> Option<(Self, &str)> {
        let (last, keys) = self.keys.split_last()?;
        Some((Self { keys: keys.to_vec(), of_element: self.of_element }, last))
    }

    /// The key that the path ends with.
    pub(crate) fn last_key(&self) -> Option<&str> {
        self.keys.last().map(|it| &**it)
    }

    pub(crate) fn is_root(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether it starts at a batch's element instead of the document.
    pub(crate) fn is_of_element(&self) -> bool {
        self.of_element
    }
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && !text.contains(['[', ']', '"', '\'', '$', '@', ' '])
}

/// `[0]`, `[12]`: an element of a list.
fn is_index(text: &str) -> bool {
    let digits = text.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or_default();
    (1..=4).contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'))
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.of_element { "@" } else { "$" })?;
        self.keys.iter().try_for_each(|key| match key.starts_with('[') {
            true => f.write_str(key),
            false => write!(f, ".{key}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_parts_of_the_document() {
        let path = |text| JsonPath::parse(text).expect("a path");
        let of_document = |of_element, batch| path(of_element).of_document(Some(&path(batch)), 2).to_string();
        assert_eq!(of_document("@.id", "$.events"), "$.events[2].id");
        assert_eq!(of_document("@", "$"), "$[2]");
        assert_eq!(of_document("$.id", "$.events"), "$.id");
    }

    #[test]
    fn paths_print_as_they_were_written() {
        for text in ["$", "$.id", "$.event-data.event", "@", "@.id", "$[0].a", "$.a[0][12].b"] {
            assert_eq!(JsonPath::parse(text).map(|it| it.to_string()).as_deref(), Some(text));
        }
        for wrong in [
            "", "id", "$id", "$.", "$..a", "$.a[]", "$.a[01]", "$.a[-1]", "$.a[0", "$.a]", "$.a.", "$['a']",
            "$a[0]",
        ] {
            assert_eq!(JsonPath::parse(wrong), None, "{wrong}");
        }
    }
}
