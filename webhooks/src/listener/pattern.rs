//! Which event types a listener hears.

use std::fmt;

/// `"a.b"` is exactly that type; `"a.*"` is `a` and everything under it; `"*"` is every type. The separator before
/// the `*` may be `.`, `/` or `:`, for providers write `orders/create` and `user:created` too.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum EventPattern {
    Any,
    /// Without the `*`, and without the separator before it.
    Under {
        parent: String,
        separator: char,
    },
    Exactly(String),
}

/// The characters that part an event type into levels.
pub(crate) const SEPARATORS: [char; 3] = ['.', '/', ':'];

impl EventPattern {
    /// The pattern, or what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if text.is_empty() || text.trim() != text {
            return Err("it is empty, or has spaces around it");
        }
        if text.chars().any(char::is_control) {
            return Err("it has control characters");
        }
        let (stem, star) = match text.strip_suffix('*') {
            Some(stem) => (stem, true),
            None => (text, false),
        };
        if stem.contains('*') {
            return Err("a `*` stands alone or ends the pattern");
        }
        if !star {
            return Ok(Self::Exactly(text.to_owned()));
        }
        match stem.char_indices().next_back() {
            Some((at, separator)) if SEPARATORS.contains(&separator) && at > 0 => {
                Ok(Self::Under { parent: stem[..at].to_owned(), separator })
            }
            _ => Err("the `*` at the end follows a `.`, `/` or `:`"),
        }
    }

    /// Whether events of this type are meant.
    pub(crate) fn hears(&self, event_type: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(exact) => exact == event_type,
            Self::Under { parent, separator } => event_type
                .strip_prefix(parent.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(*separator)),
        }
    }
}

impl fmt::Display for EventPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exactly(exact) => f.write_str(exact),
            Self::Under { parent, separator } => write!(f, "{parent}{separator}*"),
        }
    }
}

/// The stems that `event_type` lies under, nearest first, each with its separator: `a.b.` and `a.` for `a.b.c`.
pub(crate) fn ancestors(event_type: &str) -> impl Iterator<Item = &str> {
    // All separators are one byte long.
    event_type.char_indices().rev().filter(|(_, c)| SEPARATORS.contains(c)).map(|(at, _)| &event_type[..=at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        assert_eq!(EventPattern::parse("*"), Ok(EventPattern::Any));
        assert_eq!(EventPattern::parse("Push Hook"), Ok(EventPattern::Exactly("Push Hook".into())));
        assert_eq!(
            EventPattern::parse("orders/*"),
            Ok(EventPattern::Under { parent: "orders".into(), separator: '/' })
        );
        for wrong in ["", " a", "a*", "*.a", "a.*.b", ".*", "a\n"] {
            assert!(EventPattern::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn ancestors_come_nearest_first() {
        assert_eq!(ancestors("a.b/c").collect::<Vec<_>>(), ["a.b/", "a."]);
        assert_eq!(ancestors("push").count(), 0);
    }
}
