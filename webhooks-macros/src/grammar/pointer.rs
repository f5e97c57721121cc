//! JSON pointers: `/data/object/customer`.

/// Checks a JSON pointer (RFC 6901) to something inside a document.
pub(crate) fn pointer(text: &str) -> Result<(), String> {
    if !text.starts_with('/') {
        return Err(format!(
            "a JSON pointer starts with `/`, as in `/data/object/customer`; {text:?} does not"
        ));
    }
    let escaped = |after: &str| after.starts_with('0') || after.starts_with('1');
    if !text.split('~').skip(1).all(escaped) {
        return Err(format!(
            "in a JSON pointer, `~` is written `~0` and `/` in a key `~1`; {text:?} has a bare `~`"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::pointer;

    #[test]
    fn pointers_start_with_a_slash() {
        for text in ["/customer", "/data/object/customer", "/a~1b", "/items/0", "/"] {
            assert_eq!(pointer(text), Ok(()), "{text}");
        }
        for text in ["", "customer", "data.object.customer", "$.a", "/a~", "/a~2"] {
            assert!(pointer(text).is_err(), "{text}");
        }
    }
}
