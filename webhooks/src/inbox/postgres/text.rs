//! Text as PostgreSQL takes it.

/// PostgreSQL's text cannot hold U+0000. JSON can, and a delivery must not be refused for it: what is told apart is the
/// key, which is a digest.
pub(super) fn storable(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}
