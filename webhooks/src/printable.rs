//! Text for a log line, whoever wrote it.

use std::fmt::{self, Write};

/// Prints what may contain a sender's bytes: a line end or an escape sequence in there must not reach the terminal or
/// the file that the log goes to.
pub(crate) struct Printable<T>(pub(crate) T);

impl<T: fmt::Display> fmt::Display for Printable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaped(f), "{}", self.0)
    }
}

struct Escaped<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.split_inclusive(char::is_control) {
            match piece.char_indices().next_back() {
                Some((at, control)) if control.is_control() => {
                    self.0.write_str(&piece[..at])?;
                    write!(self.0, "{}", control.escape_default())?;
                }
                _ => self.0.write_str(piece)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(Printable("a\r\nb\u{1b}[31m\u{9b}é\u{7f}").to_string(), r"a\r\nb\u{1b}[31m\u{9b}é\u{7f}");
        assert_eq!(Printable("plain").to_string(), "plain");
    }
}
