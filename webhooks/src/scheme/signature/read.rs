//! Reads a `[signature]` table.

use http::HeaderName;

use super::declared::Declared;
use super::format::{Encoding, Format};
use super::key::Algorithm;
use super::place::Place;
use super::read_format::{read_format, read_timestamp};
use super::secret_form::SecretForm;
use super::template::Template;
use super::{BodyCoverage, SignatureScheme};
use crate::document::TableReader;
use crate::problem::suggestion;
use crate::scheme::coded::Coded;
use crate::scheme::fetched::Fetched;
use crate::scheme::read::{header, json_path, nonempty, or_default, parse_header};

impl SignatureScheme {
    /// Reads the keys of a `[signature]` table; the caller finishes the reader.
    pub(in crate::scheme) fn read(reader: &TableReader<'_>) -> Option<Self> {
        if reader.has("validator") {
            let coded = Coded::NAMES.map(|(name, it)| (name, Self::Coded(it)));
            let fetched = Fetched::NAMES.map(|(name, it)| (name, Self::Fetched(it)));
            let all: Vec<_> = coded.into_iter().chain(fetched).collect();
            let scheme = reader.one_of("validator", &all);
            describe(reader, scheme.as_ref());
            return scheme;
        }
        let mut words: Vec<(&str, Option<Sign>)> =
            Algorithm::NAMES.iter().map(|(name, it)| (*name, Some(Sign::With(*it)))).collect();
        words.extend([("basic", Some(Sign::Basic)), ("none", None)]);
        let algorithm = if reader.has("algorithm") {
            reader.one_of("algorithm", &words)
        } else {
            reader.problem(
                "algorithm",
                "is missing",
                "name the algorithm, such as \"hmac-sha256\", or \"none\"",
            );
            None
        };
        // Without an algorithm the other keys are still looked at, so that one run reports all mistakes.
        let sign = algorithm.unwrap_or(Some(Sign::With(Algorithm::HmacSha256)));
        let scheme = match sign {
            Some(sign) => Declared::read(reader, sign).map(|it| Self::Declared(Box::new(it))),
            None => Some(Self::Unsigned),
        };
        algorithm.and(scheme)
    }
}

#[derive(Clone, Copy)]
enum Sign {
    With(Algorithm),
    /// HTTP Basic: a token in base64 behind `Basic `.
    Basic,
}

impl Declared {
    /// Reads everything before it gives up, so that one run reports every mistake.
    fn read(reader: &TableReader<'_>, sign: Sign) -> Option<Self> {
        let (algorithm, basic) = match sign {
            Sign::With(algorithm) => (algorithm, false),
            Sign::Basic => (Algorithm::Token, true),
        };
        let places = places(reader, basic);
        let format = if basic {
            Some(Format::Prefix { prefix: "Basic ".to_owned(), optional: false, any_case: true })
        } else {
            read_format(reader, algorithm)
        };
        let default_encoding = match algorithm {
            _ if basic => Encoding::Base64,
            Algorithm::Token => Encoding::Text,
            _ => Encoding::Hex,
        };
        let encoding =
            or_default(reader, "encoding", |key| reader.one_of(key, &Encoding::NAMES), default_encoding);
        // Of the forms of public keys, PEM says best what it is.
        let default_form = if algorithm.is_asymmetric() { SecretForm::Pem } else { SecretForm::Utf8 };
        let secret = or_default(reader, "secret", |key| reader.one_of(key, &SecretForm::NAMES), default_form);
        let content = or_default(reader, "content", |key| template(reader, key), Template::body());
        let timestamp = or_default(reader, "timestamp", |key| read_timestamp(reader, key).map(Some), None);
        let id = or_default(reader, "id", |key| read_id(reader, key).map(Some), None);
        let required = required_headers(reader);
        let key_id = or_default(reader, "key_id_header", |key| header(reader, key).map(Some), None);
        let repeatable = or_default(reader, "repeatable", |key| reader.boolean(key), false);
        let url_decode = or_default(reader, "url_decode", |key| nonempty(reader, key), String::new());
        let covers_body = or_default(reader, "covers_body", |key| read_coverage(reader, key).map(Some), None);
        let scheme = Self {
            places: places?,
            repeatable: repeatable?,
            format: format?,
            algorithm,
            encoding: encoding?,
            secret: secret?,
            content: content?,
            timestamp: timestamp?,
            id: id?,
            required: required?,
            key_id: key_id?,
            url_decode: url_decode?,
            covers_body: covers_body?,
        };
        scheme.check(reader).then_some(scheme)
    }
}

/// What is said of a scheme in code must be so; without it nobody could read what the code does.
fn describe(reader: &TableReader<'_>, scheme: Option<&SignatureScheme>) {
    reader.string("summary");
    let said = or_default(reader, "covers_body", |key| read_coverage(reader, key).map(Some), None);
    if let (Some(Some(said)), Some(scheme)) = (said, scheme)
        && said != scheme.covers().body
    {
        let (name, _) = BodyCoverage::NAMES.into_iter().find(|(_, it)| *it == scheme.covers().body).unzip();
        reader.problem(
            "covers_body",
            "the scheme in code covers another part of it",
            format!("write \"{}\", or leave it out", name.unwrap_or_default()),
        );
    }
}

fn read_coverage(reader: &TableReader<'_>, key: &str) -> Option<BodyCoverage> {
    reader.one_of(key, &BodyCoverage::NAMES)
}

fn places(reader: &TableReader<'_>, basic: bool) -> Option<Vec<Place>> {
    if reader.has("json") {
        return json_path(reader, "json").map(|it| vec![Place::Json(it)]);
    }
    if reader.has("query") {
        return reader.string("query").map(|it| vec![Place::Query(it.into())]);
    }
    if !reader.has("header") {
        if basic {
            return Some(vec![Place::Header(http::header::AUTHORIZATION)]);
        }
        reader.problem("header", "is missing", "name the header that carries the signature");
        return None;
    }
    let names = reader.strings("header")?;
    let places = names.iter().map(|name| match name.strip_suffix('*') {
        Some(prefix) => parse_header(reader, "header", prefix).map(|it| Place::Numbered(it.as_str().into())),
        None => parse_header(reader, "header", name).map(Place::Header),
    });
    places.collect()
}

fn read_id(reader: &TableReader<'_>, key: &str) -> Option<Place> {
    let table = reader.table(key)?;
    let place = if table.has("json") {
        json_path(&table, "json").map(Place::Json)
    } else if table.has("header") {
        header(&table, "header").map(Place::Header)
    } else {
        reader.problem(key, "does not say where", "give `header` or `json`");
        None
    };
    table.finish();
    place
}

fn required_headers(reader: &TableReader<'_>) -> Option<Vec<(HeaderName, String)>> {
    if !reader.has("require") {
        return Some(Vec::new());
    }
    let table = reader.table("require")?;
    let entries = table.string_entries();
    entries.into_iter().map(|(name, value)| Some((parse_header(&table, name, name)?, value))).collect()
}

fn template(reader: &TableReader<'_>, key: &str) -> Option<Template> {
    let text = reader.string(key)?;
    Template::parse(&text)
        .map_err(|name| {
            let names = Template::NAMES.map(|(name, _)| format!("`{{{name}}}`")).join(", ");
            let close = suggestion(&name, Template::NAMES.map(|(name, _)| name));
            // Anything else may be a secret in the wrong place.
            let what = match close {
                Some(_) => format!("`{{{}}}` is not a part of a request", name.escape_debug()),
                None => "what stands in braces is not a part of a request".to_owned(),
            };
            reader.problem(key, &what, format!("the parts are {names}"));
        })
        .ok()
}
