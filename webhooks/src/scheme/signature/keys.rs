//! The keys of a `[signature]` table.

use super::BodyCoverage;
use super::format::Encoding;
use super::key::Algorithm;
use super::secret_form::SecretForm;
use crate::document::key::Kind::{Count, Duration, Flag, Table, Text, Texts, TextsByName, Word};
use crate::document::key::{Key, Keys, words};
use crate::scheme::coded::Coded;
use crate::scheme::fetched::Fetched;

pub(in crate::scheme) const SIGNATURE: Keys = &[&[
    Key::new("algorithm", Word(algorithms), "What signs. `token`: the secret itself is sent along; `basic`: as user and password; `none`: nothing is signed."),
    Key::new("header", Texts, "The header that carries the signature, or several that do; `X-Signature-*` is `X-Signature-1`, `-2`, …"),
    Key::new("query", Text, "The parameter of the URL that carries the signature, instead of a header."),
    Key::new("json", Text, "The path in the body at which the signature stands, instead of a header."),
    Key::new("repeatable", Flag, "Whether the header may come several times, each with a signature of its own.").or("false"),
    Key::new("format", Word(formats), "How the header is built: the signature alone; behind a prefix; `t=1,v1=…`; `v1,… v1,…`; `1,…,…`.").or("raw, or prefix where there is one"),
    Key::new("prefix", Text, "The text in front of the signature: `sha256=`."),
    Key::new("prefix_optional", Flag, "Whether the prefix may be left out.").or("false"),
    Key::new("separator", Text, "What stands between the entries of a list.").or("`,`; a space for `labelled`"),
    Key::new("assign", Text, "What stands between a name and its value in a list.").or("`=`; `,` for `labelled`"),
    Key::new("key", Text, "`pairs`: the name of the signature's pair, such as `v1`."),
    Key::new("group", Text, "`pairs`: what stands between groups of pairs, each with a time and signatures of its own."),
    Key::new("label", Text, "`labelled`: the label of this kind of signature, such as `v1`."),
    Key::new("label_optional", Flag, "`labelled`: whether the label may be left out.").or("false"),
    Key::new("encoding", Word(|| words(&Encoding::NAMES)), "How the signature's bytes are written.").or("hex; text for tokens, base64 for `basic`"),
    Key::new("secret", Word(|| words(&SecretForm::NAMES)), "How the secret's text becomes a key.").or("utf8; pem for public keys"),
    Key::new("content", Text, "What is signed, of `{body}`, `{timestamp}`, `{id}`, `{url}`, `{method}` and, for `sha256`, `{secret}`.").or("{body}"),
    Key::new("timestamp", Table(TIMESTAMP), "Where the signed time stands. Without it nothing is timed."),
    Key::new("id", Table(ID), "Where the signed id stands, if `content` has one."),
    Key::new("require", TextsByName, "Headers that must have exactly this value."),
    Key::new("key_id_header", Text, "The header that names which secret signed; secrets are then written `keyid:secret`."),
    Key::new("url_decode", Text, "Characters of the URL that are signed as themselves though they come percent-encoded."),
    Key::new("covers_body", Word(|| words(&BodyCoverage::NAMES)), "How much of the body the signature speaks for, where `content` does not tell."),
    Key::new("validator", Word(validators), "A scheme in code, which this language cannot express, in the place of all other keys but the next and `covers_body`."),
    Key::new("summary", Text, "What such a scheme signs, how, and where the signature stands, for people to read."),
]];

const TIMESTAMP: Keys = &[&[
    Key::new("header", Text, "The header that has the time."),
    Key::new("pair", Text, "`pairs`: the name of the time's pair in the signature's header."),
    Key::new("position", Count, "`positional`: the time's place in the signature's header, from 0."),
    Key::new("json", Text, "The path of the time in the body."),
    Key::new(
        "unit",
        Word(|| vec!["seconds", "milliseconds", "rfc3339", "text"]),
        "How the time is written; `text` is signed as it stands and not read.",
    )
    .or("seconds"),
    Key::new("past", Duration, "How old the signed time may be.").or("5m"),
    Key::new("future", Duration, "How far ahead the signed time may be.").or("5m"),
]];

const ID: Keys = &[&[
    Key::new("header", Text, "The header that has the signed id."),
    Key::new("json", Text, "The path of the signed id in the body."),
]];

fn algorithms() -> Vec<&'static str> {
    [words(&Algorithm::NAMES), vec!["basic", "none"]].concat()
}

fn formats() -> Vec<&'static str> {
    vec!["raw", "prefix", "pairs", "labelled", "positional"]
}

fn validators() -> Vec<&'static str> {
    [words(&Coded::NAMES), words(&Fetched::NAMES)].concat()
}
