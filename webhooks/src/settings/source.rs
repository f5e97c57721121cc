//! `[webhooks.sources.NAME]`: which provider, which secrets, which options.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::config::read_public_url;
use super::merge;
use crate::catalogue;
use crate::delivery::SourceName;
use crate::document::{Node, Origin, Table, TableReader, Value, environment_variable};
use crate::problem::{Problem, suggestion, unknown_word};
use crate::scheme::{Expectations, Provider, placeholder};
use crate::secret::Secret;

/// One configured source, read and checked as far as it can be without its keys.
pub(crate) struct SourceConfig {
    pub(crate) name: SourceName,
    /// How problems name it: `[webhooks.sources.stripe] in webhooks.toml`.
    pub(crate) place: String,
    pub(crate) provider: Provider,
    pub(crate) validator: ValidatorChoice,
    pub(crate) secrets: Vec<Secret>,
    /// How problems name its secrets: `` `webhooks.sources.stripe.secret` in webhooks.toml ``.
    pub(crate) secret_place: String,
    /// The files that they stand in, which are looked at again.
    pub(crate) secret_files: Vec<PathBuf>,
    /// Where the secret will be kept, if the provider's handshake is still to bring it.
    pub(crate) awaited: Option<PathBuf>,
    /// What the user has agreed on with the provider for its handshake.
    pub(crate) verify_token: Option<Secret>,
    /// What a delivery must say so that it is for this source.
    pub(crate) expected: Expectations,
    pub(crate) tolerance: Option<Duration>,
    pub(crate) max_body: Option<u64>,
    pub(crate) public_url: Option<String>,
    pub(crate) batch: bool,
    pub(crate) replay_guard: bool,
    /// `mode`: whether deliveries are stored before they are handled. `None`: if there is an inbox.
    pub(crate) inbox: Option<bool>,
}

/// Who decides whether a delivery is genuine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ValidatorChoice {
    /// The provider's scheme.
    Scheme,
    /// Nobody: `validator = "none"`.
    None,
    /// A validator registered in code, by name.
    Named(String),
}

/// Whether the same signed content is the same event, whatever unsigned id it comes under.
const REPLAY_GUARDS: [(&str, bool); 2] = [("digest", true), ("off", false)];

/// Whether events are stored before they are handled.
const MODES: [(&str, bool); 2] = [("inline", false), ("inbox", true)];

/// Where a secret may stand.
const SECRET_KEYS: [&str; 3] = ["secret", "secrets", "secret_file"];

impl SourceConfig {
    pub(super) fn read_all(root: &TableReader<'_>) -> Vec<Self> {
        let Some(sources) = root.table("sources") else { return Vec::new() };
        sources.entries().into_iter().filter_map(|(name, table)| Self::read(name, table)).collect()
    }

    fn read(name: &str, table: TableReader<'_>) -> Option<Self> {
        let problems = table.problems();
        let legal_name = SourceName::new(name);
        if legal_name.is_none() {
            problems.add(
                format!("{}: not a name for a source", heading(&table)),
                "use 1 to 64 of a-z, 0-9, `_` and `-`: it stands in the URL",
            );
        }
        let provider = read_provider(name, &table);
        let awaited = provider.as_ref().and_then(|it| awaited_file(&table, it));
        let (secrets, secret_place) = match &awaited {
            Some(_) => (Vec::new(), table.place("secret_file")),
            None => read_secrets(&table),
        };
        let files = if awaited.is_none() { table.strings("secret_file") } else { None };
        let secret_files = files.unwrap_or_default().into_iter().map(PathBuf::from).collect();
        // A secret that cannot be one has a problem of its own, and is not missing besides.
        let refused = awaited.is_none() && secrets.is_empty() && SECRET_KEYS.iter().any(|key| table.has(key));
        let expected = match table.table("expect") {
            Some(expect) => Expectations::read(expect),
            None => Some(Expectations::default()),
        };
        let place = heading(&table);
        let validator = match table.string("validator") {
            None => ValidatorChoice::Scheme,
            Some(none) if none == "none" => ValidatorChoice::None,
            Some(named) => ValidatorChoice::Named(named),
        };
        let verify_token = read_verify_token(&table, provider.as_ref());
        let tolerance = table.unsigned("tolerance_seconds").map(Duration::from_secs);
        let max_body = table.size("max_body");
        let public_url = read_public_url(&table);
        let batch = table.boolean("batch").unwrap_or(true);
        let replay_guard = table.one_of("replay_guard", &REPLAY_GUARDS).unwrap_or(false);
        let inbox = table.one_of("mode", &MODES);
        // Before anything is given up, so that one run reports every mistake.
        table.finish();
        if refused {
            return None;
        }
        Some(Self {
            name: legal_name?,
            place,
            provider: provider?,
            validator,
            secrets,
            secret_place,
            secret_files,
            awaited,
            verify_token,
            expected: expected?,
            tolerance,
            max_body,
            public_url,
            batch,
            replay_guard,
            inbox,
        })
    }

    /// A source with the name of a catalogue provider, and no settings at all.
    pub(crate) fn of_catalogue(name: &str) -> Option<Self> {
        Some(Self {
            place: format!("[webhooks.sources.{name}]"),
            provider: catalogue::provider(name)?,
            validator: ValidatorChoice::Scheme,
            secrets: Vec::new(),
            secret_place: format!("`webhooks.sources.{name}.secret`"),
            secret_files: Vec::new(),
            awaited: None,
            verify_token: None,
            expected: Expectations::default(),
            tolerance: None,
            max_body: None,
            public_url: None,
            batch: true,
            replay_guard: false,
            inbox: None,
            name: SourceName::new(name)?,
        })
    }

    /// That there is no secret, in the words of the startup report.
    pub(crate) fn missing_secret(&self) -> Problem {
        let variable = |key: &str| environment_variable(&format!("webhooks.sources.{}.{key}", self.name));
        let help = if self.provider.stores_secret() {
            format!(
                "set `secret_file`, or {}, to a file that need not exist yet: the secret comes with {}'s first request, \
                 and is kept there",
                variable("secret_file"),
                self.provider.title
            )
        } else {
            format!(
                "set it, or {}, or `validator = \"none\"` to accept unsigned requests",
                variable("secret")
            )
        };
        Problem::new(format!("{} has no `secret`", self.place), help)
    }
}

/// A catalogue provider, one of the user's own, or the one with the user's changes on top.
fn read_provider(name: &str, table: &TableReader<'_>) -> Option<Provider> {
    let named = table.string("provider");
    let scheme = table.raw_table("scheme");
    let wanted = named.as_deref().unwrap_or(name);
    let mut tree = match catalogue::table(wanted) {
        Some(Node { value: Value::Table(tree), .. }) => tree,
        _ if named.is_none() && scheme.is_some() => Table::new(),
        _ => {
            match named {
                Some(named) => {
                    let help = "webhooks::providers() lists them all; `[….scheme]` describes one of your own";
                    let Problem { what, help } =
                        unknown_word("no provider is called", &named, catalogue::names(), help);
                    table.problem("provider", &what, help);
                }
                None => table.problems().add(
                    format!("{} names no provider, and none is called `{name}`", heading(table)),
                    match suggestion(name, catalogue::names()) {
                        Some(close) => format!("set `provider = \"…\"`; a provider is called `{close}`"),
                        None => "set `provider = \"…\"`, for instance \"hmac\", the generic one".to_owned(),
                    },
                ),
            }
            table.has("variant");
            return None;
        }
    };
    let path = format!("{}.scheme", table.path());
    let origin = match table.origin("scheme") {
        // Problems in the catalogue's own part would be ours, and a test finds those.
        origin if scheme.is_some() => origin.clone(),
        _ => Origin::Other("the catalogue".into()),
    };
    if let Some(scheme) = scheme {
        merge(&mut tree, scheme.clone());
    }
    let variant = table.string("variant");
    let provider = Provider::read(wanted, TableReader::new(&tree, path, origin, table.problems()))?;
    let Some(variant) = variant else { return Some(provider) };
    let chosen = provider.with_variant(&variant);
    if chosen.is_none() {
        let known = || provider.variants.keys().map(String::as_str);
        let help = match known().next() {
            None => format!("`{wanted}` has none: leave it out"),
            Some(_) => format!("`{wanted}` has {}", crate::document::quoted_list(known())),
        };
        let Problem { what, help } = unknown_word("no variant is called", &variant, known(), help);
        table.problem("variant", &what, help);
    }
    chosen
}

/// The secrets, and how to name their place. What cannot be one is noted and left out.
fn read_secrets(table: &TableReader<'_>) -> (Vec<Secret>, String) {
    let given: Vec<&str> = SECRET_KEYS.into_iter().filter(|key| table.has(key)).collect();
    let place = table.place(given.first().copied().unwrap_or("secret"));
    if let [first, others @ ..] = given.as_slice()
        && let [other, ..] = others
    {
        table.problem(other, &format!("`{first}` is set too"), "keep one of them; `secrets` takes several");
    }
    let key = given.first().copied().unwrap_or("secret");
    let mut texts = table.strings(key);
    if texts.as_ref().is_some_and(Vec::is_empty) {
        table.problem(key, "the list is empty", "write the secret, or several");
    }
    if key == "secret_file" {
        let read = |files: Vec<String>| files.iter().filter_map(|it| read_secret_file(table, it)).collect();
        texts = texts.map(read);
    }
    let texts = texts.unwrap_or_default();
    let usable = texts.into_iter().filter(|text| is_usable(table, key, text)).map(Secret::new).collect();
    (usable, place)
}

/// The file that a handshake's secret will be kept in: named, and not there yet.
fn awaited_file(table: &TableReader<'_>, provider: &Provider) -> Option<PathBuf> {
    if !provider.stores_secret() || !table.has("secret_file") || table.has("secret") || table.has("secrets") {
        return None;
    }
    let files = table.strings("secret_file")?;
    let [file] = files.as_slice() else { return None };
    let file = PathBuf::from(file);
    matches!(file.try_exists(), Ok(false)).then_some(file)
}

fn read_verify_token(table: &TableReader<'_>, provider: Option<&Provider>) -> Option<Secret> {
    let token = table.string("verify_token")?;
    if provider.is_some_and(|it| !it.wants_verify_token()) {
        table.problem("verify_token", "this provider's handshake has no such token", "remove it");
        return None;
    }
    is_usable(table, "verify_token", &token).then(|| Secret::new(token))
}

fn is_usable(table: &TableReader<'_>, key: &str, secret: &str) -> bool {
    let help = "copy the real one from the provider's dashboard";
    if secret.trim().is_empty() {
        let from_environment = *table.origin(key) == Origin::Environment;
        let what = if from_environment { "is set, but empty" } else { "the secret is empty" };
        let help = if from_environment { "unset it, or set it to the secret" } else { help };
        table.problem(key, what, help);
        return false;
    }
    if placeholder(secret) {
        table.problem(key, "the secret is a placeholder", help);
        return false;
    }
    true
}

/// The secret that stands in a file.
fn read_secret_file(table: &TableReader<'_>, file: &str) -> Option<String> {
    match Secret::from_file(file.as_ref()) {
        Ok(secret) => Some(secret.reveal().to_owned()),
        Err(error) => {
            // Shown if it may be a file: else it is perhaps the secret itself, under the wrong key.
            let shown = Path::new(file).parent().is_some_and(Path::is_dir);
            let what = format!("{} cannot be read: {error}", if shown { file } else { "the file" });
            table.problem("secret_file", &what, "name a file that holds the secret and nothing else");
            None
        }
    }
}

/// `[webhooks.sources.stripe] in webhooks.toml`.
fn heading(table: &TableReader<'_>) -> String {
    match table.own_origin() {
        Origin::File(file) => format!("[{}] in {file}", table.path()),
        Origin::Environment => format!("the source {} in the environment", table.path()),
        Origin::Other(place) => format!("[{}] in {place}", table.path()),
    }
}
