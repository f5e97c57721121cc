//! Small changes to a scheme, for the validators that users configure in code.

use http::HeaderName;

use super::SignatureScheme;
use super::declared::Declared;
use super::format::Format;
use super::place::Place;

impl SignatureScheme {
    /// The header that carries the signature, if it is a single one.
    pub(crate) fn header(&self) -> Option<&HeaderName> {
        match self {
            Self::Declared(it) => match it.places.as_slice() {
                [Place::Header(name)] => Some(name),
                _ => None,
            },
            _ => None,
        }
    }

    /// The same scheme with its signature in another header.
    pub(crate) fn with_header(self, name: HeaderName) -> Self {
        self.change(|it| it.places = vec![Place::Header(name)])
    }

    /// The same scheme with another text in front of its signature.
    pub(crate) fn with_prefix(self, prefix: &str) -> Self {
        let prefix = prefix.to_owned();
        self.change(|it| it.format = Format::Prefix { prefix, optional: false, any_case: false })
    }

    fn change(mut self, change: impl FnOnce(&mut Declared)) -> Self {
        if let Self::Declared(declared) = &mut self {
            change(declared);
        }
        self
    }
}
