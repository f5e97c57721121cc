//! What is contradictory in a `[signature]` table, though each key by itself is right.

use super::declared::Declared;
use super::format::Format;
use super::key::Algorithm;
use super::template::Part;
use super::timestamp::TimestampPlace;
use crate::document::TableReader;

impl Declared {
    /// Notes every contradiction; whether there is none.
    pub(super) fn check(&self, reader: &TableReader<'_>) -> bool {
        let mut sound = true;
        let mut complain = |key: &str, what: &str, help: &str| {
            reader.problem(key, what, help);
            sound = false;
        };
        if self.content.has(Part::Timestamp) && self.timestamp.is_none() {
            complain(
                "content",
                "`{timestamp}` is signed, but nothing says where it stands",
                "add `timestamp`",
            );
        }
        if self.content.has(Part::Id) && self.id.is_none() {
            complain("content", "`{id}` is signed, but nothing says where it stands", "add `id`");
        }
        if self.algorithm == Algorithm::Sha256 && !self.content.has(Part::Secret) {
            complain("content", "a plain hash without `{secret}` can be made by anyone", "add `{secret}`");
        }
        if self.algorithm != Algorithm::Sha256 && self.content.has(Part::Secret) {
            complain("content", "`{secret}` is the key already", "remove it: only \"sha256\" hashes it");
        }
        match (self.algorithm.is_asymmetric(), self.secret.is_public()) {
            (true, false) => complain(
                "secret",
                "this algorithm verifies with a public key",
                "write \"pem\", \"spki\", or for Ed25519 \"hex-public-key\" or \"whpk\"",
            ),
            (false, true) => complain(
                "secret",
                "everybody knows a public key, so that everybody could sign",
                "write the form of the shared secret, such as \"utf8\" or \"base64\"",
            ),
            _ => {}
        }
        if self.secret.is_raw() && self.algorithm.is_asymmetric() && self.algorithm != Algorithm::Ed25519 {
            complain("secret", "only Ed25519 keys are written like this", "write \"pem\" or \"spki\"");
        }
        if let Some(timestamp) = &self.timestamp {
            let fits = match timestamp.at {
                TimestampPlace::Pair(_) => matches!(self.format, Format::Pairs { .. }),
                TimestampPlace::Position(_) => matches!(self.format, Format::Positional { .. }),
                TimestampPlace::Header(_) | TimestampPlace::Json(_) => true,
            };
            if !fits {
                complain(
                    "timestamp",
                    "this `format` has no such place",
                    "use `header`, or the matching format",
                );
            }
        }
        sound
    }
}
