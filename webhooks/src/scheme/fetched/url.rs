//! Which URLs may be fetched: those of an exact form.

/// An `https` URL in its plainest form: no user, port, query or fragment, nothing escaped, no dots for folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PlainUrl<'u> {
    pub(super) host: &'u str,
    /// Begins with a slash.
    pub(super) path: &'u str,
}

impl<'u> PlainUrl<'u> {
    pub(super) fn parse(url: &'u str) -> Option<Self> {
        let rest = url.strip_prefix("https://").filter(|_| url.len() <= 512)?;
        let (host, path) = rest.split_at(rest.find('/')?);
        let in_host = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-');
        let in_path = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'-' | b'_');
        let plain = host.bytes().all(in_host) && path.bytes().all(in_path) && !path.contains("..");
        plain.then_some(Self { host, path })
    }
}

/// What stands between two texts, if it is a word of lower-case letters, digits and hyphens.
pub(super) fn between<'t>(text: &'t str, head: &str, tail: &str) -> Option<&'t str> {
    let word = text.strip_prefix(head)?.strip_suffix(tail)?;
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    ((1..=64).contains(&word.len()) && word.bytes().all(legal)).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_urls_are_urls() {
        let url = PlainUrl::parse("https://a.example/b/C_1.pem");
        assert_eq!(url, Some(PlainUrl { host: "a.example", path: "/b/C_1.pem" }));
        for wrong in [
            "",
            "https://",
            "https://a.example",
            "http://a.example/b",
            "HTTPS://a.example/b",
            "https://A.example/b",
            "https://user@a.example/b",
            "https://a.example:443/b",
            "https://a.example/b?c",
            "https://a.example/b#c",
            "https://a.example\\/b",
            "https://a.example/%62",
            "https://a.example/../b",
            "https://[::1]/b",
            " https://a.example/b",
            "https://a.example/b\n",
            "https://ａ.example/b",
        ] {
            assert_eq!(PlainUrl::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn words_hold_no_dots() {
        assert_eq!(between("sns.us-east-1.amazonaws.com", "sns.", ".amazonaws.com"), Some("us-east-1"));
        for wrong in [
            "sns..amazonaws.com",
            "sns.amazonaws.com",
            "sns.a.b.amazonaws.com",
            "sns.a.amazonaws.com.evil.com",
        ] {
            assert_eq!(between(wrong, "sns.", ".amazonaws.com"), None, "{wrong}");
        }
    }
}
