//! Names: of sources and validators, which settings and URLs use, and of listeners, which stores keep.

const MAX_NAME: usize = 64;
const MAX_ID: usize = 200;

/// Checks the name of a source, or `*` for every source.
pub(crate) fn source(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("the source is empty; name a configured source, or `*` for every source".to_owned());
    }
    if text == "*" { Ok(()) } else { name("source", text) }
}

/// Checks the name of a validator.
pub(crate) fn validator_name(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("the name is empty; give the name that the settings use".to_owned());
    }
    name("validator", text)
}

fn name(what: &str, text: &str) -> Result<(), String> {
    if text.len() > MAX_NAME {
        return Err(format!(
            "the name of a {what} is at most {MAX_NAME} characters long, this one is {}",
            text.len()
        ));
    }
    match text.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '_' | '-')) {
        None => Ok(()),
        Some(foreign) => Err(format!(
            "the name of a {what} is made of `a-z`, `0-9`, `_` and `-`; {text:?} contains {foreign:?}"
        )),
    }
}

/// Checks the id of a listener.
pub(crate) fn listener_id(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("the id is empty; leave `id` out to use the function's path".to_owned());
    }
    if text.len() > MAX_ID {
        return Err(format!("an id is at most {MAX_ID} characters long, this one is {} bytes", text.len()));
    }
    match text.chars().find(|c| !c.is_ascii_graphic()) {
        None => Ok(()),
        Some(foreign) => Err(format!(
            "an id is made of printable ASCII characters without spaces; {text:?} contains {foreign:?}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::{listener_id, source, validator_name};

    #[test]
    fn a_source_is_a_name_or_every_source() {
        for text in ["stripe", "stripe-eu_2", "*", "a", &"x".repeat(64)] {
            assert_eq!(source(text), Ok(()), "{text}");
        }
        for text in ["", " ", "Stripe", "a.b", "a*", "**", "é", &"x".repeat(65)] {
            assert!(source(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_validator_is_a_name() {
        assert_eq!(validator_name("acme"), Ok(()));
        for text in ["", "*", "Acme", "a b"] {
            assert!(validator_name(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_id_is_printable_and_without_spaces() {
        for text in ["billing::on_paid", "~", &"x".repeat(200)] {
            assert_eq!(listener_id(text), Ok(()), "{text}");
        }
        for text in ["", "a b", "a\n", "é", &"x".repeat(201)] {
            assert!(listener_id(text).is_err(), "{text:?}");
        }
    }
}
