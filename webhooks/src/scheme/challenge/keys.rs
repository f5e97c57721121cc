//! The keys of a `[[challenges]]` table.

use super::input::Charset;
use crate::document::key::Kind::{Count, Flag, Table, Text, Texts, TextsByName, Word};
use crate::document::key::{Key, Keys, words};

pub(in crate::scheme) const CHALLENGE: Keys = &[&[
    Key::new("method", Word(|| vec!["POST", "GET", "HEAD", "OPTIONS"]), "The method of the request.")
        .or("POST"),
    Key::new("signed", Flag, "Whether the signature is checked before the reply. Must be set."),
    Key::new(
        "header",
        TextsByName,
        "Headers by which the request is known, and their values; `*` is any value, `{verify_token}` the source's.",
    ),
    Key::new("query", TextsByName, "The URL's parameters by which it is known; written like `header`."),
    Key::new("form", TextsByName, "The form's fields by which it is known; written like `header`."),
    Key::new("json", TextsByName, "Paths in the body by which it is known; written like `header`."),
    Key::new(
        "only",
        Texts,
        "The only keys that the body may have. Must be set if `signed` is `false` and `form` or `json` are used, so that no event is taken for it.",
    ),
    Key::new("input", Table(INPUT), "The part of the request that the reply is made of."),
    Key::new("store", Flag, "Whether the input is the source's secret from then on.").or("false"),
    Key::new("reply", Table(REPLY), "The reply. Must be set."),
]];

const INPUT: Keys = &[&[
    Key::new("header", Text, "The header that has the input."),
    Key::new("query", Text, "The parameter of the URL that has the input."),
    Key::new("form", Text, "The field of a form that has the input."),
    Key::new("json", Text, "The path of the input in the body."),
    Key::new(
        "charset",
        Word(|| words(&Charset::NAMES)),
        "The characters that the input may have; any other input is not answered.",
    )
    .or("word"),
    Key::new("min", Count, "The least length of the input, in bytes.").or("1"),
    Key::new("max", Count, "The greatest length of the input, in bytes.").or("128"),
]];

const REPLY: Keys = &[&[
    Key::new("status", Count, "The status of the reply, from 200 to 299.").or("200"),
    Key::new("text", Text, "The body of the reply as text, made of `{input}`, `{mac}` and `{key_id}`."),
    Key::new("json", Text, "The body of the reply as JSON, made of the same."),
    Key::new("header", TextsByName, "Headers of the reply, made of the same."),
    Key::new("mac", Table(MAC), "A MAC of the input with the source's secret."),
]];

const MAC: Keys = &[&[
    Key::new(
        "algorithm",
        Word(|| vec!["hmac-sha1", "hmac-sha256", "hmac-sha512"]),
        "The algorithm of the MAC. Must be set.",
    ),
    Key::new("encoding", Word(|| vec!["hex", "base64"]), "How the MAC is written.").or("hex"),
]];
