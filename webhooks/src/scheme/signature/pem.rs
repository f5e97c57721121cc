//! Bytes between two lines: RFC 7468.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What stands between the first `BEGIN` and `END` lines with this label.
pub(in crate::scheme) fn decode(text: &str, label: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (inner, _) = rest.split_once(&format!("-----END {label}-----"))?;
    // Settings that hold one line only are written with `\n` for each line's end.
    let inner: String = inner.replace("\\n", "").split_ascii_whitespace().collect();
    STANDARD.decode(inner).ok().filter(|it| !it.is_empty())
}

/// The text that [`decode`] reads, 64 characters a line.
#[cfg(feature = "test-util")]
pub(in crate::scheme) fn encode(bytes: &[u8], label: &str) -> String {
    const LINE: usize = 64;
    let mut text = format!("-----BEGIN {label}-----\n");
    for (index, character) in STANDARD.encode(bytes).chars().enumerate() {
        if index > 0 && index % LINE == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text + &format!("\n-----END {label}-----\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_counts() {
        let text = "-----BEGIN PUBLIC KEY-----\nAA\r\nAA\n-----END PUBLIC KEY-----\n";
        assert_eq!(decode(text, "PUBLIC KEY"), Some(vec![0, 0, 0]));
        let one_line = text.replace('\r', "").replace('\n', "\\n");
        assert_eq!(decode(&one_line, "PUBLIC KEY"), Some(vec![0, 0, 0]));
        assert_eq!(decode(text, "CERTIFICATE"), None);
        assert_eq!(decode("-----BEGIN PUBLIC KEY-----\nAAAA", "PUBLIC KEY"), None);
        assert_eq!(decode(&text.replace('A', "?"), "PUBLIC KEY"), None);
    }
}
