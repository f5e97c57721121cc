//! Reads a `[[challenges]]` table.

use http::{Method, StatusCode};

use super::input::{Charset, Place};
use super::reply::{Mac, ReplyBody, ReplyRule};
use super::{ChallengeRule, Condition, Expected, Input};
use crate::document::TableReader;
use crate::scheme::read::{header, json_path, parse_header, parse_path};
use crate::scheme::signature::{Algorithm, Encoding};

/// The longest input that is echoed or signed, unless the rule says less.
const MAX_INPUT: u64 = 128;

impl ChallengeRule {
    /// Reads and finishes the table.
    pub(in crate::scheme) fn read(reader: TableReader<'_>) -> Option<Self> {
        let methods = [
            ("POST", Method::POST),
            ("GET", Method::GET),
            ("HEAD", Method::HEAD),
            ("OPTIONS", Method::OPTIONS),
        ];
        let method =
            if reader.has("method") { reader.one_of("method", &methods) } else { Some(Method::POST) };
        let signed = reader.boolean("signed");
        if !reader.has("signed") {
            reader.problem("signed", "is missing", "say whether the signature is checked first");
        }
        let conditions = conditions(&reader);
        let only = reader.strings("only");
        let input = if reader.has("input") { read_input(&reader).map(Some) } else { Some(None) };
        let store = reader.boolean("store").unwrap_or(false);
        let reply = if reader.has("reply") {
            read_reply(&reader)
        } else {
            reader.problem("reply", "is missing", "say what is answered");
            None
        };
        let rule = || {
            let (method, signed, conditions) = (method?, signed?, conditions?);
            Some(Self { method, signed, conditions, only, input: input?, store, reply: reply? })
        };
        let rule = rule().filter(|rule| rule.check(&reader));
        reader.finish();
        rule
    }

    fn check(&self, reader: &TableReader<'_>) -> bool {
        let mut sound = true;
        let mut complain = |key: &str, what: &str, help: &str| {
            reader.problem(key, what, help);
            sound = false;
        };
        if self.conditions.is_empty() && (self.method == Method::POST || self.signed) {
            complain(
                "",
                "nothing tells this challenge from an event",
                "add `header`, `query`, `form` or `json`",
            );
        }
        if !self.signed && self.conditions.iter().any(|it| it.place.is_in_body()) && self.only.is_none() {
            complain("only", "an unsigned challenge could swallow an event", "list the only keys it has");
        }
        if self.store && (self.signed || self.input.is_none()) {
            complain("store", "only an unsigned challenge with an `input` brings a secret", "remove it");
        }
        let used = self.reply.mentions("{input}") || self.reply.mac.is_some() || self.store;
        if used != self.input.is_some() {
            complain("input", "`{input}` and `input` come together", "add the one or remove the other");
        }
        if self.reply.mac.is_some() && !self.input.as_ref().is_some_and(|it| it.charset.is_safe_to_sign()) {
            let help = "set `input.charset` to \"word\", \"hex\" or \"alphanumeric\"";
            complain("reply", "a MAC of free text would let anyone sign an event", help);
        }
        sound
    }
}

fn conditions(reader: &TableReader<'_>) -> Option<Vec<Condition>> {
    type ReadPlace = fn(&TableReader<'_>, &str) -> Option<Place>;
    let kinds: [(&str, ReadPlace); 4] = [
        ("header", |table, name| parse_header(table, name, name).map(Place::Header)),
        ("query", |_, name| Some(Place::Query(name.to_owned()))),
        ("form", |_, name| Some(Place::Form(name.to_owned()))),
        ("json", |table, name| parse_path(table, name, name).map(Place::Json)),
    ];
    let mut conditions = Vec::new();
    for (kind, place) in kinds {
        if !reader.has(kind) {
            continue;
        }
        let table = reader.table(kind)?;
        for (name, value) in table.string_entries() {
            let expected = match value.as_str() {
                "*" => Expected::Anything,
                "{verify_token}" => Expected::VerifyToken,
                _ => Expected::Exactly(value),
            };
            conditions.push(Condition { place: place(&table, name)?, expected });
        }
    }
    Some(conditions)
}

fn read_input(reader: &TableReader<'_>) -> Option<Input> {
    let table = reader.table("input")?;
    let place = if table.has("header") {
        header(&table, "header").map(Place::Header)
    } else if table.has("query") {
        table.string("query").map(Place::Query)
    } else if table.has("form") {
        table.string("form").map(Place::Form)
    } else if table.has("json") {
        json_path(&table, "json").map(Place::Json)
    } else {
        reader.problem("input", "does not say where", "give one of `header`, `query`, `form` and `json`");
        None
    };
    let charset =
        if table.has("charset") { table.one_of("charset", &Charset::NAMES) } else { Some(Charset::Word) };
    let min = if table.has("min") { table.unsigned("min") } else { Some(1) };
    let max = if table.has("max") { table.unsigned("max") } else { Some(MAX_INPUT) };
    table.finish();
    Some(Input {
        place: place?,
        charset: charset?,
        min: usize::try_from(min?).ok()?.max(1),
        max: usize::try_from(max?).ok()?,
    })
}

fn read_reply(reader: &TableReader<'_>) -> Option<ReplyRule> {
    let table = reader.table("reply")?;
    let status = if table.has("status") { read_status(&table) } else { Some(StatusCode::OK) };
    let body = match (table.string("text"), table.string("json")) {
        (None, None) => Some(ReplyBody::None),
        (Some(text), None) => Some(ReplyBody::Text(text)),
        (None, Some(json)) => Some(ReplyBody::Json(json)),
        (Some(_), Some(_)) => {
            table.problem("text", "there are two bodies", "keep `text` or `json`");
            None
        }
    };
    let headers = match table.table("header") {
        None => Some(Vec::new()),
        Some(headers) => {
            let entries = headers.string_entries().into_iter();
            entries.map(|(name, value)| Some((parse_header(&headers, name, name)?, value))).collect()
        }
    };
    let mac = if table.has("mac") { read_mac(&table).map(Some) } else { Some(None) };
    table.finish();
    Some(ReplyRule { status: status?, body: body?, headers: headers?, mac: mac? })
}

fn read_status(table: &TableReader<'_>) -> Option<StatusCode> {
    let status = u16::try_from(table.unsigned("status")?).ok().and_then(|it| StatusCode::from_u16(it).ok());
    let status = status.filter(StatusCode::is_success);
    if status.is_none() {
        table.problem("status", "a challenge is answered with success", "write a status from 200 to 299");
    }
    status
}

fn read_mac(table: &TableReader<'_>) -> Option<Mac> {
    let mac = table.table("mac")?;
    let algorithms = [
        ("hmac-sha1", Algorithm::HmacSha1),
        ("hmac-sha256", Algorithm::HmacSha256),
        ("hmac-sha512", Algorithm::HmacSha512),
    ];
    let algorithm = mac.one_of("algorithm", &algorithms);
    if !mac.has("algorithm") {
        mac.problem("algorithm", "is missing", "name it, such as \"hmac-sha256\"");
    }
    let encodings = [("hex", Encoding::Hex), ("base64", Encoding::Base64)];
    let encoding = if mac.has("encoding") { mac.one_of("encoding", &encodings) } else { Some(Encoding::Hex) };
    mac.finish();
    Some(Mac { algorithm: algorithm?, encoding: encoding? })
}
