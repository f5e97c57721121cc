//! A secret as the user wrote it, kept out of every output.

use std::path::Path;
use std::{fmt, fs, io};

/// A secret as the user wrote it. It prints as `[secret]` and never as itself.
///
/// ```
/// use webhooks::Secret;
///
/// let secret = Secret::new("whsec_abc");
/// assert_eq!(format!("{secret:?}"), "[secret]");
/// assert_eq!(secret.reveal(), "whsec_abc");
/// ```
#[derive(Clone)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps a secret's text, exactly as given: nothing is trimmed or decoded.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into().into_boxed_str())
    }

    /// A secret out of a file of its own, as container platforms hand them out: all of it but the last line's end.
    pub(crate) fn from_file(file: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(file)?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        Ok(Self::new(text.strip_suffix('\r').unwrap_or(text)))
    }

    /// The text itself. Keep it out of logs.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl<T: Into<String>> From<T> for Secret {
    fn from(text: T) -> Self {
        Self::new(text)
    }
}
