//! Event patterns: `a.b`, `a.*`, `*`.

/// Between the segments of a type: `payment_intent.succeeded`, `orders/create`, `im:message`.
const SEPARATORS: [char; 3] = ['.', '/', ':'];

const MAX_BYTES: usize = 256;

/// Checks a pattern: an event's type as the provider writes it, in which `*` may stand for everything, or
/// for everything under what is before it.
pub(crate) fn pattern(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("the event is empty; leave `event` out to listen to every event".to_owned());
    }
    if text.len() > MAX_BYTES {
        return Err(format!(
            "an event pattern is at most {MAX_BYTES} bytes long, this one is {}",
            text.len()
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(format!("the event pattern {text:?} contains a control character"));
    }
    if text.trim() != text {
        return Err(format!(
            "the event pattern {text:?} starts or ends with a space; write {:?}",
            text.trim()
        ));
    }
    wildcard(text)
}

fn wildcard(text: &str) -> Result<(), String> {
    let Some((before, after)) = text.split_once('*') else {
        return Ok(());
    };
    if before.is_empty() && after.is_empty() {
        return Ok(());
    }
    let under = before.strip_suffix(SEPARATORS);
    if after.is_empty() && under.is_some_and(|under| !under.is_empty()) {
        return Ok(());
    }
    let what = "`*` stands alone or for the whole last segment";
    // Only where `*` is the end is it plain what was meant by it.
    Err(match under.unwrap_or(before) {
        stem if after.is_empty() && !stem.is_empty() => {
            format!("{what}: write `{stem}.*`, or list the events")
        }
        _ => format!("{what}, as in `payment_intent.*`; list the events instead"),
    })
}

#[cfg(test)]
mod tests {
    use super::{MAX_BYTES, pattern};

    #[test]
    fn types_as_providers_write_them_are_patterns() {
        for text in ["push", "payment_intent.succeeded", "orders/create", "im:message", "Push Hook", "café.é"]
        {
            assert_eq!(pattern(text), Ok(()), "{text}");
        }
        assert_eq!(pattern(&"x".repeat(MAX_BYTES)), Ok(()));
    }

    #[test]
    fn a_star_stands_alone_or_for_the_last_segment() {
        for text in ["*", "a.*", "a/*", "a:*", "a.b.*", "Push Hook.*"] {
            assert_eq!(pattern(text), Ok(()), "{text}");
        }
        for text in ["a*", "*.b", "a.*.c", "**", "a.**", ".*", "a.*b", "a *"] {
            assert!(pattern(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_no_type_can_be_is_refused() {
        for text in ["", " ", " a", "a ", "a\n", "a\0b", "a\u{85}b"] {
            assert!(pattern(text).is_err(), "{text:?}");
        }
        assert!(pattern(&"x".repeat(MAX_BYTES + 1)).is_err());
    }

    #[test]
    fn a_message_says_what_to_write() {
        let says = |text, advice| pattern(text).is_err_and(|message| message.contains(advice));
        assert!(says("payment*", "write `payment.*`"));
        assert!(says(" push", "write \"push\""));
        assert!(says("*.paid", "list the events"));
    }
}
