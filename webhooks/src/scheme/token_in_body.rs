//! Secrets that stand in bodies, and must not be stored with them.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::json::{Extract, JsonPath};

/// Where a body holds the secret itself. Most schemes sign with a secret; a few send it.
#[derive(Debug, Clone)]
pub(crate) struct TokenInBody {
    /// The list in each of whose elements it stands.
    list: Option<Extract>,
    tokens: Extract,
}

impl TokenInBody {
    /// At one of these places of the document.
    pub(super) fn at<'p>(paths: impl IntoIterator<Item = &'p JsonPath>) -> Self {
        Self { list: None, tokens: Extract::new(paths) }
    }

    /// At this place in each element of a list.
    pub(super) fn in_each(list: &JsonPath, path: &JsonPath) -> Self {
        Self { list: Some(Extract::new([list])), tokens: Extract::new([path]) }
    }

    /// The body without the secret: as long as it was, so that whatever is a part of it stays at its place, and JSON still.
    pub(crate) fn blanked(&self, body: &Bytes) -> Bytes {
        let mut blanked = body.to_vec();
        for token in self.find(body) {
            // A part of the body, whose place is the distance from its beginning.
            let start = (token.as_ptr() as usize).saturating_sub(body.as_ptr() as usize);
            if let Some(token) = blanked.get_mut(start..start + token.len()) {
                blank(token);
            }
        }
        blanked.into()
    }

    fn find<'b>(&self, body: &'b [u8]) -> Vec<&'b str> {
        let elements = match &self.list {
            None => vec![body],
            Some(list) => {
                let list = list.read(body).unwrap_or_default().into_iter().flatten();
                let elements =
                    list.filter_map(|raw| serde_json::from_str::<Vec<&RawValue>>(raw).ok()).flatten();
                elements.map(|element| element.get().as_bytes()).collect()
            }
        };
        let tokens = |element| self.tokens.read(element).unwrap_or_default().into_iter().flatten();
        elements.into_iter().flat_map(tokens).collect()
    }
}

/// A text of as many asterisks, or a number of as many ones.
fn blank(token: &mut [u8]) {
    match token {
        [b'"', text @ .., b'"'] => text.fill(b'*'),
        number => number.fill(b'1'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> JsonPath {
        JsonPath::parse(text).unwrap()
    }

    fn blanked(tokens: &TokenInBody, body: &'static str) -> String {
        String::from_utf8(tokens.blanked(&Bytes::from_static(body.as_bytes())).to_vec()).unwrap()
    }

    #[test]
    fn only_the_token_is_blanked() {
        let tokens = TokenInBody::at([&path("$.auth.token")]);
        let body = r#"{"id":"hush","auth":{"token":"hu\"sh"},"n":1}"#;
        assert_eq!(blanked(&tokens, body), r#"{"id":"hush","auth":{"token":"******"},"n":1}"#);
        assert_eq!(blanked(&tokens, r#"{"auth":{"token":-12}}"#), r#"{"auth":{"token":111}}"#);
        for other in [r#"{"auth":1}"#, "no JSON", ""] {
            assert_eq!(blanked(&tokens, other), other);
        }
    }

    #[test]
    fn each_element_has_its_own() {
        let tokens = TokenInBody::in_each(&path("$.value"), &path("@.state"));
        let body = r#"{"value":[{"state":"a","id":1}, {"id":2},{"id":3,"state":"bc"}]}"#;
        let expected = r#"{"value":[{"state":"*","id":1}, {"id":2},{"id":3,"state":"**"}]}"#;
        assert_eq!(blanked(&tokens, body), expected);
    }
}
