//! From figment to the tree, and from figment's errors to problems with places.

use std::env::VarError;
use std::ffi::OsString;
use std::path::Path;

use figment::providers::{Format, Toml};
use figment::value::{Dict, Num, Tag, Value as FigmentValue};
use figment::{Figment, Provider, Source};

use super::{Settings, environment};
use crate::document::{Node, Origin, Table, Value};
use crate::problem::Problems;

const DEFAULT_FILE: &str = "webhooks.toml";

/// Loads what surrounds the process: the file and the environment.
///
/// `WEBHOOKS_PROFILE=production` lays `webhooks.production.toml` over `webhooks.toml`.
/// A variable's name has no hyphen: `sources` are those that are named in code, and may be meant.
pub(crate) fn from_surroundings<'s>(sources: impl Iterator<Item = &'s str>, problems: &Problems) -> Settings {
    let named = surrounding("WEBHOOKS_CONFIG", problems);
    let file = named.clone().unwrap_or_else(|| DEFAULT_FILE.to_owned());
    let mut figment = Figment::new();
    if let Some(toml) = read_file(&file, named.as_deref().map(|_| "WEBHOOKS_CONFIG"), problems) {
        figment = figment.merge(toml);
    }
    if let Some(profile) = surrounding("WEBHOOKS_PROFILE", problems).filter(|it| is_profile(it, problems)) {
        let overlay = Path::new(&file).with_extension(format!("{profile}.toml"));
        if let Some(toml) = read_file(&overlay.to_string_lossy(), Some("WEBHOOKS_PROFILE"), problems) {
            figment = figment.merge(toml);
        }
    }
    let mut written = match figment.find_value("webhooks") {
        Ok(FigmentValue::Dict(_, dict)) => dict,
        _ => Dict::new(),
    };
    add_sources(&mut written, sources);
    let variables = std::env::vars_os().filter_map(|it| legible(it, problems));
    from_figment(&figment.merge(environment::settings(variables, &written)), problems)
}

fn add_sources<'s>(written: &mut Dict, sources: impl Iterator<Item = &'s str>) {
    let mut sources = sources.peekable();
    if sources.peek().is_none() {
        return;
    }
    let table = written.entry("sources".to_owned()).or_insert_with(|| FigmentValue::from(Dict::new()));
    if let FigmentValue::Dict(_, table) = table {
        for source in sources {
            table.entry(source.to_owned()).or_insert_with(|| FigmentValue::from(Dict::new()));
        }
    }
}

/// What a variable says that is no setting; `None` if it is empty.
fn surrounding(name: &str, problems: &Problems) -> Option<String> {
    match std::env::var(name) {
        Ok(text) => Some(text).filter(|it| !it.is_empty()),
        Err(VarError::NotPresent) => None,
        Err(VarError::NotUnicode(_)) => {
            problems.add(format!("the variable {name} is not UTF-8"), "write it as UTF-8, or unset it");
            None
        }
    }
}

/// Whether a profile can be a part of a file's name.
fn is_profile(profile: &str, problems: &Problems) -> bool {
    let is_sound = !profile.contains(['/', '\\', '\0']);
    if !is_sound {
        problems.add(
            "the variable WEBHOOKS_PROFILE is no part of a file's name",
            "write a word, such as `production` for `webhooks.production.toml`",
        );
    }
    is_sound
}

/// A variable as text. One of ours that is none is a problem; others are nobody's concern here.
fn legible((name, value): (OsString, OsString), problems: &Problems) -> Option<(String, String)> {
    let name = name.into_string().ok()?;
    match value.into_string() {
        Ok(value) => Some((name, value)),
        Err(_) if environment::is_ours(&name) => {
            problems.add(format!("the variable {name} is not UTF-8"), "write it as UTF-8, or unset it");
            None
        }
        Err(_) => None,
    }
}

/// The tree under `webhooks` in the selected profile.
pub(crate) fn from_figment(figment: &Figment, problems: &Problems) -> Settings {
    // A missing key is no error: everything has a default. Whether it is missing or broken, only the data tells.
    match figment.data() {
        Err(errors) => {
            for error in errors {
                note(error, problems);
            }
            Settings::default()
        }
        Ok(_) => match figment.find_value("webhooks") {
            Ok(FigmentValue::Dict(_, dict)) => {
                Settings { table: table_from_dict(dict, &|tag| origin(figment, tag)) }
            }
            Ok(_) => {
                problems.add("`webhooks` in the settings is not a table", "write it as [webhooks]");
                Settings::default()
            }
            Err(_) => Settings::default(),
        },
    }
}

/// Parses TOML. A mistake names its line; the line's text is not repeated, for it may hold a secret.
pub(super) fn parse_toml(text: &str, name: &str, problems: &Problems) -> Option<toml::Table> {
    match text.parse::<toml::Table>() {
        Ok(table) => Some(table),
        Err(error) => {
            let before = error.span().map_or("", |span| text.get(..span.start).unwrap_or_default());
            let (line, column) = (
                before.matches('\n').count() + 1,
                before.rsplit('\n').next().unwrap_or_default().chars().count() + 1,
            );
            let reason = without_quotations(error.message());
            problems.add(format!("{name}, line {line}, column {column}: this is not TOML"), reason);
            None
        }
    }
}

pub(super) fn table_from_dict(dict: Dict, origin: &dyn Fn(Tag) -> Origin) -> Table {
    dict.into_iter().map(|(key, value)| (key, node(value, origin))).collect()
}

fn node(value: FigmentValue, origin: &dyn Fn(Tag) -> Origin) -> Node {
    let tag = value.tag();
    let value = match value {
        FigmentValue::String(_, it) => Value::String(it),
        FigmentValue::Char(_, it) => Value::String(it.to_string()),
        FigmentValue::Bool(_, it) => Value::Boolean(it),
        FigmentValue::Num(_, it) => number(it),
        FigmentValue::Empty(..) => Value::String(String::new()),
        FigmentValue::Dict(_, it) => Value::Table(table_from_dict(it, origin)),
        FigmentValue::Array(_, items) => Value::List(items.into_iter().map(|it| node(it, origin)).collect()),
    };
    Node { value, origin: origin(tag) }
}

fn number(number: Num) -> Value {
    match number.to_i128().and_then(|it| i64::try_from(it).ok()) {
        Some(integer) => Value::Integer(integer),
        None => match number.to_u128().and_then(|it| i64::try_from(it).ok()) {
            Some(integer) => Value::Integer(integer),
            None => Value::Float,
        },
    }
}

fn origin(figment: &Figment, tag: Tag) -> Origin {
    let Some(metadata) = figment.get_metadata(tag) else {
        return Origin::Other("the settings given in code".into());
    };
    match &metadata.source {
        Some(Source::File(path)) => Origin::File(shown(path).into()),
        _ if metadata.name == environment::NAME => Origin::Environment,
        _ => Origin::Other(metadata.name.as_ref().into()),
    }
}

/// A path as the user knows it: relative to where the process runs, if it lies there.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let relative = here.as_deref().and_then(|here| path.strip_prefix(here).ok());
    relative.unwrap_or(path).display().to_string()
}

/// The provider for a file. One that was named must be there; the default one may be missing.
fn read_file(file: &str, named_by: Option<&str>, problems: &Problems) -> Option<impl Provider + use<>> {
    match std::fs::read_to_string(file) {
        Ok(text) => {
            parse_toml(&text, file, problems)?;
            Some(Toml::file_exact(file))
        }
        Err(error) => {
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            match named_by {
                Some(variable) => problems.add(
                    format!("the settings file {file}, named by {variable}, cannot be read: {error}"),
                    format!("create it, or unset {variable}"),
                ),
                None if missing => {}
                None => problems.add(format!("{file} cannot be read: {error}"), "make it readable"),
            }
            None
        }
    }
}

/// figment's own errors quote values; a user's figment may raise them.
fn note(error: figment::Error, problems: &Problems) {
    let place = error.metadata.as_ref().map_or("the settings", |it| it.name.as_ref());
    let key = if error.path.is_empty() { String::new() } else { format!("`{}` in ", error.path.join(".")) };
    problems.add(format!("{key}{place} cannot be read"), without_quotations(&error.kind.to_string()));
}

/// Whatever stands in quotation marks or back-ticks may come from the file, and be a secret.
fn without_quotations(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut shown = String::new();
    for (index, piece) in line.split(['"', '`']).enumerate() {
        shown.push_str(if index % 2 == 0 { piece } else { "…" });
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_finds_the_source_that_is_named_in_code() {
        let mut written = Dict::new();
        add_sources(&mut written, ["stripe-eu"].into_iter());
        let variable = ("WEBHOOKS_SOURCES__STRIPE_EU__SECRET".to_owned(), "hush".to_owned());
        let figment = Figment::new().merge(environment::settings(std::iter::once(variable), &written));
        assert!(figment.find_value("webhooks.sources.stripe-eu.secret").is_ok());
        assert!(figment.find_value("webhooks.sources.stripe_eu").is_err());
    }
}
