//! The keys of a `[[challenges]]` table.

use super::input::Charset;
use crate::document::key::Kind::{Count, Flag, Table, Text, Texts, TextsByName, Word};
use crate::document::key::{Key, Keys, words};

pub(in crate::scheme) const CHALLENGE: Keys = &[&[
    Key::new("method", Word(|| vec!["POST", "GET", "HEAD", "OPTIONS"]), "The method that it comes with.")
        .or("POST"),
    Key::new("signed", Flag, "Whether the signature is checked first. Must be said."),
    Key::new("header", TextsByName, "Headers that it has; `*` is any value, `{verify_token}` the source's."),
    Key::new("query", TextsByName, "The same for the URL's parameters."),
    Key::new("form", TextsByName, "The same for a form's fields."),
    Key::new("json", TextsByName, "The same for paths in the body."),
    Key::new(
        "only",
        Texts,
        "The only keys that the body has. Must be said of an unsigned one in the body, lest it swallow an event.",
    ),
    Key::new("input", Table(INPUT), "The part of it that the reply is made of."),
    Key::new("store", Flag, "Whether the input is the secret of all that follows.").or("false"),
    Key::new("reply", Table(REPLY), "What is answered. Must be said."),
]];

const INPUT: Keys = &[&[
    Key::new("header", Text, "The header it stands in."),
    Key::new("query", Text, "Or the parameter of the URL."),
    Key::new("form", Text, "Or the field of a form."),
    Key::new("json", Text, "Or the path in the body."),
    Key::new(
        "charset",
        Word(|| words(&Charset::NAMES)),
        "What it is made of; anything else is not answered.",
    )
    .or("word"),
    Key::new("min", Count, "Its least length, in bytes.").or("1"),
    Key::new("max", Count, "Its greatest length, in bytes.").or("128"),
]];

const REPLY: Keys = &[&[
    Key::new("status", Count, "A status from 200 to 299.").or("200"),
    Key::new("text", Text, "The body as text, of `{input}`, `{mac}` and `{key_id}`."),
    Key::new("json", Text, "Or the body as JSON, of the same."),
    Key::new("header", TextsByName, "Headers, of the same."),
    Key::new("mac", Table(MAC), "A MAC of the input with the source's secret."),
]];

const MAC: Keys = &[&[
    Key::new(
        "algorithm",
        Word(|| vec!["hmac-sha1", "hmac-sha256", "hmac-sha512"]),
        "What it is made with. Must be said.",
    ),
    Key::new("encoding", Word(|| vec!["hex", "base64"]), "How it is written.").or("hex"),
]];
