//! `$.data.object`: the way to one place in a JSON document.

use std::fmt;

/// A path of object keys. `$` is the whole document, `@` the element of a batch that is being read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JsonPath {
    pub(super) keys: Vec<Box<str>>,
    of_element: bool,
}

impl JsonPath {
    /// Parses `$`, `$.a.b` or `@.a`. Keys are everything between two dots, but brackets and quotes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let of_element = text.starts_with('@');
        let rest = text.strip_prefix(['$', '@'])?;
        if rest.is_empty() {
            return Some(Self { keys: Vec::new(), of_element });
        }
        let keys = rest.strip_prefix('.')?.split('.').map(Box::from).collect::<Vec<Box<str>>>();
        let legal = |key: &str| !key.is_empty() && !key.contains(['[', ']', '"', '\'', '$', '@', ' ']);
        keys.iter().all(|key| legal(key)).then_some(Self { keys, of_element })
    }

    /// The whole document.
    pub(crate) fn root() -> Self {
        Self { keys: Vec::new(), of_element: false }
    }

    pub(crate) fn is_root(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether it starts at a batch's element instead of the document.
    pub(crate) fn is_of_element(&self) -> bool {
        self.of_element
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.of_element { "@" } else { "$" })?;
        self.keys.iter().try_for_each(|key| write!(f, ".{key}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_print_as_they_were_written() {
        for text in ["$", "$.id", "$.event-data.event", "@", "@.id"] {
            assert_eq!(JsonPath::parse(text).map(|it| it.to_string()).as_deref(), Some(text));
        }
        for wrong in ["", "id", "$id", "$.", "$..a", "$.a[0]", "$.a.", "$['a']"] {
            assert_eq!(JsonPath::parse(wrong), None, "{wrong}");
        }
    }
}
