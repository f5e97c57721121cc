//! Reads an `[identity]` table.

use http::HeaderName;

use super::body::BodyKind;
use super::id::IdSource;
use super::keys::{ID, TYPE};
use super::kind::{TypeSource, Unless};
use super::{Identity, Plan};
use crate::document::TableReader;
use crate::document::key::Key;
use crate::scheme::json::JsonPath;
use crate::scheme::read::{header, json_path, parse_header, parse_path, required};
use crate::scheme::signature::SignatureScheme;

impl Identity {
    /// Reads and finishes the table. What is signed follows from the scheme.
    pub(in crate::scheme) fn read(reader: TableReader<'_>, scheme: Option<&SignatureScheme>) -> Option<Self> {
        let body = read_body(&reader);
        let id = read_id(&reader, scheme);
        let kind = read_type(&reader);
        let payload = optional(&reader, "payload", |key| json_path(&reader, key).map(Some));
        let batch = optional(&reader, "batch", |key| json_path(&reader, key).map(Some));
        let within = list(&reader, "batch_within", parse_path);
        let plan = || {
            let payload = payload?.unwrap_or_else(|| default_payload(&reader));
            Some(Plan { body: body?, id: id?, kind: kind?, payload, batch: batch?, within: within? })
        };
        let plan = plan().filter(|plan| plan.check(&reader));
        reader.finish();
        plan.map(Self::new)
    }
}

impl Identity {
    /// The same identity under another scheme, with the `[identity]` keys that this scheme changes: those of the id, of
    /// the type, or both.
    pub(in crate::scheme) fn with_scheme(
        &self,
        scheme: &SignatureScheme,
        changes: Option<TableReader<'_>>,
    ) -> Option<Self> {
        let mut plan = self.plan.clone();
        match changes {
            None => plan.id.signed = plan.id.is_signed_by(Some(scheme)),
            Some(reader) => {
                let has = |keys: &[Key]| keys.iter().any(|key| reader.has(key.name));
                let id = has(ID).then(|| read_id(&reader, Some(scheme)));
                let kind = has(TYPE).then(|| read_type(&reader));
                reader.finish();
                plan.id.signed = plan.id.is_signed_by(Some(scheme));
                if let Some(id) = id {
                    plan.id = id?;
                }
                if let Some(kind) = kind {
                    plan.kind = kind?;
                }
            }
        }
        Some(Self::new(plan))
    }
}

impl Plan {
    fn check(&self, reader: &TableReader<'_>) -> bool {
        let mut sound = true;
        if self.batch.as_ref().is_some_and(JsonPath::is_of_element) {
            reader.problem("batch", "a batch stands in the document", "write its path with `$`");
            sound = false;
        }
        if let Some(path) = self.within.iter().find(|it| !it.is_of_element()) {
            reader.problem("batch_within", &format!("`{path}` is not in an element"), "write `@` for `$`");
            sound = false;
        }
        let kind = &self.kind;
        let of_element = |path: &&JsonPath| path.is_of_element();
        let uses = [
            ("id", self.id.paths.iter().flatten().find(of_element)),
            (
                "type",
                kind.paths.iter().chain(&kind.keys).chain(&kind.check).chain(&kind.action).find(of_element),
            ),
            ("type_unless", kind.unless.iter().map(|it| &it.path).find(of_element)),
            ("batch_within", self.within.iter().find(of_element)),
            ("payload", Some(&self.payload).filter(of_element)),
        ];
        for (key, path) in uses {
            if let (Some(path), None) = (path, &self.batch) {
                let what = format!("`{path}` is of a batch's element, but there is no `batch`");
                reader.problem(key, &what, "write `$` for `@`, or say where the batch is");
                sound = false;
            }
        }
        sound
    }
}

/// The whole body, or the whole element of a batch.
fn default_payload(reader: &TableReader<'_>) -> JsonPath {
    let root = if reader.has("batch") { JsonPath::parse("@") } else { None };
    root.unwrap_or_else(JsonPath::root)
}

fn read_body(reader: &TableReader<'_>) -> Option<BodyKind> {
    let field = optional(reader, "form_field", |key| reader.string(key).map(Some))?;
    let kinds = [
        ("json", BodyKind::Json),
        ("form", BodyKind::Form { field: field.clone() }),
        ("content-type", BodyKind::ByContentType { field: field.clone() }),
    ];
    let kind =
        optional(reader, "body", |key| reader.one_of(key, &kinds).map(Some))?.unwrap_or(BodyKind::Json);
    if kind == BodyKind::Json && field.is_some() {
        reader.problem("form_field", "the body is not a form", "set `body = \"form\"` or `\"content-type\"`");
        return None;
    }
    Some(kind)
}

fn read_id(reader: &TableReader<'_>, scheme: Option<&SignatureScheme>) -> Option<IdSource> {
    let headers = list(reader, "id_header", parse_headers);
    let paths = list(reader, "id", parse_paths);
    let flag = |key: &str| optional(reader, key, |key| reader.boolean(key));
    let (none, digest, bind_body) = (flag("no_id"), flag("id_digest"), flag("bind_body"));
    let allowed_to_lack = flag("id_optional");
    let (headers, paths, none, digest) = (headers?, paths?, none?, digest?);
    let declared = !headers.is_empty() || !paths.is_empty() || digest;
    if declared == none {
        reader.problem(
            "id",
            if none { "there are both an id and `no_id`" } else { "is missing" },
            "give a path (`id`), a header (`id_header`), `id_digest = true` if a body never comes twice but when it \
             is sent again, or `no_id = true`",
        );
        return None;
    }
    let mut id =
        IdSource { headers, paths, digest, bind_body: bind_body?, optional: allowed_to_lack?, signed: false };
    id.signed = id.is_signed_by(scheme);
    Some(id)
}

fn read_type(reader: &TableReader<'_>) -> Option<TypeSource> {
    let path = |key: &str| optional(reader, key, |key| json_path(reader, key).map(Some));
    let names = match reader.table("type_names") {
        Some(table) => table.strings_entries().into_iter().map(|(name, to)| (name.to_owned(), to)).collect(),
        None => Default::default(),
    };
    let header = optional(reader, "type_header", |key| header(reader, key).map(Some));
    let (check, action) = (path("type_check"), path("type_action"));
    let paths = list(reader, "type", parse_path);
    let keys = list(reader, "type_key", parse_path);
    let constant = optional(reader, "type_constant", |key| reader.string(key).map(Some));
    let unless = optional(reader, "type_unless", |key| read_unless(reader, key).map(Some));
    let source = TypeSource {
        header: header?,
        names,
        check: check?,
        action: action?,
        paths: paths?,
        keys: keys?,
        constant: constant?,
        unless: unless?,
    };
    let named = source.header.is_some() || !source.paths.is_empty() || !source.keys.is_empty();
    if !named && source.constant.is_none() {
        let help = "give a path (`type`), a header (`type_header`) or a fixed one (`type_constant`)";
        reader.problem("type", "is missing", help);
        return None;
    }
    Some(source)
}

fn read_unless(reader: &TableReader<'_>, key: &str) -> Option<Unless> {
    let table = reader.table(key)?;
    let path =
        required(&table, "path", "the path that is looked at").and_then(|it| parse_path(&table, "path", &it));
    let usual = required(&table, "is", "the text that usually stands there");
    let kind = required(&table, "type", "the type of the others");
    table.finish();
    Some(Unless { path: path?, usual: usual?, kind: kind? })
}

/// `$.a + $.b`: several places that make up one text.
fn parse_headers(reader: &TableReader<'_>, key: &str, text: &str) -> Option<Vec<HeaderName>> {
    text.split(" + ").map(|name| parse_header(reader, key, name)).collect()
}

fn parse_paths(reader: &TableReader<'_>, key: &str, text: &str) -> Option<Vec<JsonPath>> {
    text.split(" + ").map(|path| parse_path(reader, key, path)).collect()
}

/// Reads an optional key: the default where it is missing, `None` where it is wrong.
fn optional<T: Default>(
    reader: &TableReader<'_>,
    key: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Option<T> {
    if reader.has(key) { read(key) } else { Some(T::default()) }
}

fn list<T>(
    reader: &TableReader<'_>,
    key: &str,
    parse: fn(&TableReader<'_>, &str, &str) -> Option<T>,
) -> Option<Vec<T>> {
    let texts = optional(reader, key, |key| reader.strings(key))?;
    texts.iter().map(|text| parse(reader, key, text)).collect()
}
