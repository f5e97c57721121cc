//! How signatures are written: alone, behind a prefix, or in one of the lists that providers invented.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use smallvec::{SmallVec, smallvec};

use super::timestamp::TimestampPlace;
use super::verifier::MAX_SIGNATURES;
use crate::rejection::Rejection;

/// How a signature header is built.
#[derive(Debug, Clone)]
pub(super) enum Format {
    /// The signature alone.
    Raw,
    /// The signature behind a fixed text.
    Prefix {
        prefix: String,
        /// Whether it may be left out.
        optional: bool,
        /// Authentication schemes (`Basic`, `Bearer`) are written in any case: RFC 9110, section 11.1.
        any_case: bool,
    },
    /// `t=1700000000,v1=…,v1=…`, in groups where `group` separates them.
    Pairs { separator: String, assign: String, key: String, group: Option<String> },
    /// `v1,… v1a,…`.
    Labelled { separator: String, assign: String, label: String, optional: bool },
    /// `1700000000,…,…`: what is not the timestamp is a signature.
    Positional { separator: String },
}

/// How a signature's bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scheme) enum Encoding {
    /// Hexadecimal digits of either case.
    Hex,
    Base64,
    /// The bytes themselves, for tokens.
    Text,
}

/// Signatures that were made together, over the same timestamp.
#[derive(Debug, Default)]
pub(super) struct Group<'t> {
    /// The timestamp among them, where the format holds one.
    pub(super) timestamp: Option<&'t str>,
    /// Those that could be decoded.
    pub(super) signatures: SmallVec<[Signature; 1]>,
}

/// The groups of one delivery: nearly always one.
pub(super) type Groups<'t> = SmallVec<[Group<'t>; 1]>;

/// A signature's bytes. Those of every HMAC fit in without an allocation.
pub(super) type Signature = SmallVec<[u8; 64]>;

/// Takes signature headers apart, looking at [`MAX_SIGNATURES`] signatures in all.
pub(super) struct Parser<'s> {
    format: &'s Format,
    encoding: Encoding,
    timestamp: Option<&'s TimestampPlace>,
    budget: usize,
}

impl Encoding {
    pub(super) const NAMES: [(&'static str, Self); 3] =
        [("hex", Self::Hex), ("base64", Self::Base64), ("text", Self::Text)];

    fn decode(self, text: &str) -> Option<Signature> {
        let mut bytes: Signature = smallvec![0; self.decoded_len(text.len())];
        let length = match self {
            Self::Hex => base16ct::mixed::decode(text, &mut bytes).ok()?.len(),
            Self::Base64 => STANDARD.decode_slice(text, &mut bytes).ok()?,
            Self::Text => {
                bytes.copy_from_slice(text.as_bytes());
                text.len()
            }
        };
        bytes.truncate(length);
        (length > 0).then_some(bytes)
    }

    /// So many bytes at most.
    fn decoded_len(self, length: usize) -> usize {
        match self {
            Self::Hex => length / 2,
            Self::Base64 => base64::decoded_len_estimate(length),
            Self::Text => length,
        }
    }

    pub(in crate::scheme) fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Hex => hex::encode(bytes),
            Self::Base64 => STANDARD.encode(bytes),
            Self::Text => String::from_utf8_lossy(bytes).into_owned(),
        }
    }
}

impl<'s> Parser<'s> {
    pub(super) fn new(format: &'s Format, encoding: Encoding, timestamp: Option<&'s TimestampPlace>) -> Self {
        Self { format, encoding, timestamp, budget: MAX_SIGNATURES }
    }

    /// Adds the groups in one header's text. What cannot be decoded is skipped: during a rotation one entry may be
    /// of a kind that this scheme does not know.
    pub(super) fn parse<'t>(&mut self, text: &'t str, groups: &mut Groups<'t>) -> Result<(), Rejection> {
        let mut group = Group::default();
        match self.format {
            Format::Raw => self.push(&mut group, text),
            Format::Prefix { prefix, optional, any_case } => match strip(text, prefix, *any_case) {
                Some(signature) => self.push(&mut group, signature),
                None if *optional => self.push(&mut group, text),
                None => {}
            },
            Format::Pairs { separator, assign, key, group: None } => {
                self.pairs(&mut group, text, separator, assign, key)?;
            }
            Format::Pairs { separator, assign, key, group: Some(gap) } => {
                for text in split(text, gap).take(MAX_SIGNATURES) {
                    let mut group = Group::default();
                    self.pairs(&mut group, text, separator, assign, key)?;
                    groups.push(group);
                }
                return Ok(());
            }
            Format::Labelled { separator, assign, label, optional } => {
                for entry in split(text, separator) {
                    match split_once(entry, assign) {
                        Some((name, signature)) if name == label => self.push(&mut group, signature),
                        None if *optional => self.push(&mut group, entry),
                        _ => {}
                    }
                }
            }
            Format::Positional { separator } => {
                let timestamp_at = match self.timestamp {
                    Some(TimestampPlace::Position(at)) => Some(*at),
                    _ => None,
                };
                for (at, entry) in split(text, separator).enumerate() {
                    if Some(at) == timestamp_at {
                        group.timestamp = Some(entry);
                    } else {
                        self.push(&mut group, entry);
                    }
                }
            }
        }
        groups.push(group);
        Ok(())
    }

    fn pairs<'t>(
        &mut self,
        group: &mut Group<'t>,
        text: &'t str,
        separator: &str,
        assign: &str,
        key: &str,
    ) -> Result<(), Rejection> {
        let timestamp_key = match self.timestamp {
            Some(TimestampPlace::Pair(key)) => Some(key.as_str()),
            _ => None,
        };
        for entry in split(text, separator) {
            let Some((name, value)) = split_once(entry.trim_matches(' '), assign) else { continue };
            if name == key {
                self.push(group, value);
            } else if Some(name) == timestamp_key && group.timestamp.replace(value).is_some() {
                // With two timestamps, which one was signed is anyone's guess.
                return Err(Rejection::HeaderRepeated);
            }
        }
        Ok(())
    }

    fn push(&mut self, group: &mut Group<'_>, text: &str) {
        if self.budget > 0 {
            self.budget -= 1;
            group.signatures.extend(self.encoding.decode(text));
        }
    }
}

/// What stands between separators. Nearly all are one character, and looking for a text costs many times what looking
/// for a character does.
fn split<'t>(text: &'t str, separator: &str) -> impl Iterator<Item = &'t str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let piece = split_once(text, separator);
        rest = piece.map(|(_, after)| after);
        Some(piece.map_or(text, |(before, _)| before))
    })
}

fn split_once<'t>(text: &'t str, separator: &str) -> Option<(&'t str, &'t str)> {
    match *separator.as_bytes() {
        [byte] => text.split_once(char::from(byte)),
        _ => text.split_once(separator),
    }
}

fn strip<'t>(text: &'t str, prefix: &str, any_case: bool) -> Option<&'t str> {
    if !any_case {
        return text.strip_prefix(prefix);
    }
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(group: Option<&str>) -> Format {
        Format::Pairs {
            separator: ",".to_owned(),
            assign: "=".to_owned(),
            key: "v1".to_owned(),
            group: group.map(str::to_owned),
        }
    }

    fn parse<'t>(mut parser: Parser<'_>, text: &'t str) -> Result<Groups<'t>, Rejection> {
        let mut groups = Groups::new();
        parser.parse(text, &mut groups).map(|()| groups)
    }

    #[test]
    fn undecodable_entries_are_skipped() {
        let (format, stamp) = (pairs(None), TimestampPlace::Pair("t".to_owned()));
        let groups = parse(Parser::new(&format, Encoding::Hex, Some(&stamp)), "t=1,v1=zz,v0=00,v1=fF,junk");
        let groups = groups.expect("a list");
        assert_eq!(groups[0].timestamp, Some("1"));
        assert_eq!(groups[0].signatures[..], [Signature::from_slice(&[255])]);
    }

    #[test]
    fn signature_bomb() {
        let (format, text) = (pairs(None), format!("t=1{}", ",v1=00".repeat(10_000)));
        let groups = parse(Parser::new(&format, Encoding::Hex, None), &text).expect("a list");
        assert_eq!(groups[0].signatures.len(), MAX_SIGNATURES);
    }

    #[test]
    fn each_group_has_its_own_timestamp() {
        let (format, stamp) = (pairs(Some(" ")), TimestampPlace::Pair("t".to_owned()));
        let groups = parse(Parser::new(&format, Encoding::Hex, Some(&stamp)), "t=1,v1=01 t=2,v1=02");
        let stamps: Vec<_> = groups.expect("groups").iter().map(|it| it.timestamp).collect();
        assert_eq!(stamps, [Some("1"), Some("2")]);
    }

    #[test]
    fn two_timestamps_in_one_list_are_refused() {
        let (format, stamp) = (pairs(None), TimestampPlace::Pair("t".to_owned()));
        let parsed = parse(Parser::new(&format, Encoding::Hex, Some(&stamp)), "t=1,t=2,v1=00");
        assert_eq!(parsed.err(), Some(Rejection::HeaderRepeated));
    }
}
