//! What is kept of an attempt that came to nothing.

/// Of an attempt that was never settled.
pub(crate) const NEVER_ENDED: &str = "it never ended: the process died, or its lease ran out";

/// As much of an error as is kept: enough to see what is wrong. One that quotes a whole page must not fill the inbox.
pub(crate) fn kept(error: &str) -> &str {
    const LONGEST: usize = 4 << 10;
    let end = (0..=error.len().min(LONGEST)).rev().find(|at| error.is_char_boundary(*at)).unwrap_or(0);
    &error[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_error_is_cut_between_characters() {
        let long = "é".repeat(4 << 10);
        assert_eq!(kept(&long).len(), 4 << 10);
        assert_eq!(kept(&format!("a{long}")).len(), (4 << 10) - 1);
        assert_eq!(kept("short"), "short");
    }
}
