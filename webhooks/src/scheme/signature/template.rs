//! `{timestamp}.{body}`: what goes into the signature, in which order.

/// The signed content: literal text and the parts of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    Part(Part),
}

/// A part of a request that can be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Body,
    Timestamp,
    Id,
    Url,
    Method,
    /// The key itself, for schemes that hash it in front of the content.
    Secret,
}

/// The parts of one request.
pub(super) struct Parts<'a> {
    pub(super) body: &'a [u8],
    pub(super) timestamp: &'a [u8],
    pub(super) id: &'a [u8],
    pub(super) url: &'a [u8],
    pub(super) method: &'a [u8],
}

impl Template {
    /// The names that may stand in braces.
    pub(super) const NAMES: [(&'static str, Part); 6] = [
        ("body", Part::Body),
        ("timestamp", Part::Timestamp),
        ("id", Part::Id),
        ("url", Part::Url),
        ("method", Part::Method),
        ("secret", Part::Secret),
    ];

    /// `{body}`: the most common one.
    pub(crate) fn body() -> Self {
        Self(vec![Piece::Part(Part::Body)])
    }

    /// Parses a template; the error is the name that is not known, or what is left unclosed.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, tail) = after.split_once('}').ok_or_else(|| after.to_owned())?;
            let part = Self::NAMES.iter().find(|(it, _)| *it == name).ok_or_else(|| name.to_owned())?.1;
            if !before.is_empty() {
                pieces.push(Piece::Text(before.into()));
            }
            pieces.push(Piece::Part(part));
            rest = tail;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.into()));
        }
        Ok(Self(pieces))
    }

    pub(crate) fn has(&self, part: Part) -> bool {
        self.0.contains(&Piece::Part(part))
    }

    /// Whether the content could be a text of these characters alone. `body` says whether the body could.
    pub(super) fn could_be_of(&self, admits: impl Fn(&str) -> bool, body: bool) -> bool {
        self.0.iter().all(|piece| match piece {
            Piece::Text(text) => admits(text),
            Piece::Part(Part::Body) => body,
            // `https://…`
            Piece::Part(Part::Url) => admits("://"),
            Piece::Part(_) => true,
        })
    }

    /// Hands the content to `sink` piece by piece, so that a large body is never copied.
    pub(super) fn feed(&self, parts: &Parts<'_>, secret: &[u8], mut sink: impl FnMut(&[u8])) {
        for piece in &self.0 {
            sink(match piece {
                Piece::Text(text) => text.as_bytes(),
                Piece::Part(Part::Body) => parts.body,
                Piece::Part(Part::Timestamp) => parts.timestamp,
                Piece::Part(Part::Id) => parts.id,
                Piece::Part(Part::Url) => parts.url,
                Piece::Part(Part::Method) => parts.method,
                Piece::Part(Part::Secret) => secret,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_literal_text_and_named_parts() {
        let template = Template::parse("v0:{timestamp}:{body}").expect("a template");
        assert!(template.has(Part::Timestamp) && !template.has(Part::Id));
        let parts = Parts { body: b"B", timestamp: b"T", id: b"", url: b"", method: b"" };
        let mut content = Vec::new();
        template.feed(&parts, b"", |piece| content.extend_from_slice(piece));
        assert_eq!(content, b"v0:T:B");
        assert_eq!(Template::parse("{ts}"), Err("ts".to_owned()));
        assert_eq!(Template::parse("{body"), Err("body".to_owned()));
    }
}
