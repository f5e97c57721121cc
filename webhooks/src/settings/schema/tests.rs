//! That the readers and the keys say the same, and that the file in `docs` is current.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::*;
use crate::document::{Node, Origin, Value as Document, asked, quoted_list};
use crate::problem::Problems;
use crate::settings::Settings;
use crate::settings::config::Config;

/// Every key that no provider of the catalogue uses.
const OTHERS: &str = r#"
enabled = true
head_timeout = "5s"
http = { bind = "127.0.0.1:8080", path = "/webhooks", public_url = "https://example.com" }
inline = { timeout = "5s", max_attempts = 3 }
idempotency = { provider = "redis", ttl_seconds = 9, redis = { url = "redis://localhost" } }
inbox.provider = "none"
effects = {}

[sources.pairs]
secret = "hush"
expect = { X-Topic = "a", "$.a" = "b" }
scheme.signature = { header = "X", algorithm = "hmac-sha256", format = "pairs", key = "a", group = " ", assign = ":", separator = ";", content = "{timestamp}.{id}.{body}", timestamp = { pair = "t", unit = "text" }, id = { header = "X-Id" }, url_decode = "*", require = { X-Kind = "a" }, covers_body = "weak" }
scheme.identity = { id = "$.id", type_constant = "a", body = "form", form_field = "b" }

[sources.labelled]
secrets = ["hush"]
scheme.signature = { header = "X", algorithm = "hmac-sha256", format = "labelled", label = "a", label_optional = true, id = { json = "$.id" }, timestamp = { json = "$.at" } }
scheme.identity = { no_id = true, type_constant = "a" }

[sources.positional]
# Any text will do.
secret_file = "Cargo.toml"
scheme.signature = { header = "X", algorithm = "hmac-sha256", format = "positional", timestamp = { position = 0, future = "1m" } }
scheme.identity = { no_id = true, type_constant = "a" }
scheme.variants.query = { query = "b", algorithm = "token" }
scheme.variants.json = { json = "$.b", algorithm = "token" }
scheme.variants.coded = { validator = "adyen", identity = { no_id = true } }
scheme.variants.token = { header = "X", algorithm = "token", identity = { id = "$.a", id_header = "X-Id", id_digest = false, id_optional = true, bind_body = false, type = "$.b", type_header = "X-Type", type_names = { A = "a" }, type_check = "$.b", type_action = "$.c", type_key = "$.d", type_constant = "e", type_unless = { path = "$.f", is = "g", type = "h" } } }
scheme.acknowledgement = { success = 202, rejected = 403, retries = false, deadline = "1s", retry_horizon = "2d" }

[[sources.positional.scheme.challenges]]
method = "GET"
signed = false
query = { a = "*" }
header = { A = "*" }
form = { a = "*" }
json = { "$.a" = "*" }
only = ["a"]
input = { header = "A", charset = "word", min = 1, max = 2 }
reply = { status = 200, json = "{input}", header = { A = "{mac}" }, mac = { algorithm = "hmac-sha1", encoding = "hex" } }

[[sources.positional.scheme.challenges]]
signed = true
form = { a = "*" }
input = { form = "a" }
reply = { text = "{input}" }

[[sources.positional.scheme.challenges]]
signed = true
form = { a = "*" }
input = { json = "$.a" }
store = false
reply = { text = "{input}" }
"#;

/// What the keys say, in the words of the readers: for each path of a table, for each key.
type Said = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

#[test]
fn the_keys_are_those_that_are_read() {
    let mut text = OTHERS.to_owned();
    for name in catalogue::names() {
        text.push_str(&format!("[sources.{name}]\nscheme = {{}}\n"));
    }
    let table: toml::Table = toml::from_str(&text).expect("TOML");
    let origin = Origin::Other("the test".into());
    let Document::Table(table) = Node::from_toml(table.into(), &origin).value else {
        unreachable!("a table")
    };
    let problems = Problems::default();
    let asked = asked::while_reading(|| drop(Config::read(&Settings { table }, &problems)));
    assert_eq!(problems.into_errors(), [], "what is asked because of a mistake is no key");

    let mut read = Said::new();
    for (path, keys) in asked {
        let here = read.entry(general(&path)).or_default();
        for (key, expected) in keys {
            here.entry(key).or_default().extend(expected);
        }
    }
    let mut said = Said::new();
    say("webhooks", SETTINGS, &mut said);
    for (path, keys) in &mut read {
        // Where the user names the keys, what they are is all that counts.
        if let Some(any) = said.get(path).and_then(|it| it.get("*")) {
            let expected = std::mem::take(keys).into_values().flatten().collect();
            assert_eq!(*any, expected, "{path}");
            keys.insert("*".to_owned(), expected);
        }
    }
    read.retain(|_, keys| !keys.is_empty());
    for (path, keys) in &said {
        assert_eq!(read.get(path), Some(keys), "{path}");
    }
    let unsaid: Vec<_> = read.keys().filter(|it| !said.contains_key(*it)).collect();
    assert_eq!(unsaid, [""; 0]);
}

#[test]
fn the_file_is_current() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/webhooks.schema.json");
    let schema = settings_schema();
    if std::env::var_os("WEBHOOKS_TEST_UPDATE").is_some() {
        let text = serde_json::to_string_pretty(&schema).expect("JSON") + "\n";
        std::fs::write(&path, text).expect("a file to write to");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    // Compared as values: in which order members are written depends on other crates' features.
    let written: Option<Value> = serde_json::from_str(&written).ok();
    let (file, current) = (written.map(nameless).unwrap_or_default(), nameless(schema));
    assert!(
        file.0 == current.0,
        "docs/webhooks.schema.json is stale: WEBHOOKS_TEST_UPDATE=1 cargo test -p webhooks the_file"
    );
    // A provider that is newer than the file comes into it with the next change, or the next release; one that is gone
    // would be a trap.
    let gone: Vec<_> = file.1.difference(&current.1).collect();
    assert_eq!(gone, [""; 0], "docs/webhooks.schema.json completes providers that are gone");
    assert!(!file.1.is_empty());
}

/// The schema without the providers' names, and those names.
fn nameless(mut schema: Value) -> (Value, BTreeSet<String>) {
    let sources = schema["properties"]["webhooks"]["properties"]["sources"]["properties"].take();
    let mut names: BTreeSet<_> = sources.as_object().into_iter().flat_map(|it| it.keys().cloned()).collect();
    let provider = schema["definitions"]["source"]["properties"]["provider"]["enum"].take();
    let listed = provider.as_array().into_iter().flatten();
    names.extend(listed.filter_map(|it| it.as_str()).map(str::to_owned));
    (schema, names)
}

/// A path without the names and numbers that the document has in it.
fn general(path: &str) -> String {
    let mut pieces: Vec<&str> = path.split('.').map(|it| it.split('[').next().unwrap_or(it)).collect();
    for (index, above) in [(2, "sources"), (5, "variants")] {
        if pieces.len() > index && pieces[index - 1] == above {
            pieces[index] = "*";
        }
    }
    as_signature(&pieces.join("."))
}

/// A variant is read as a signature is, and need not use all of its keys here.
fn as_signature(path: &str) -> String {
    path.replace(".variants.*", ".signature")
}

fn say(path: &str, keys: Keys, said: &mut Said) {
    for key in keys.iter().copied().flatten() {
        let below = format!("{path}.{}", key.name);
        let mut texts = BTreeSet::from(["a string".to_owned()]);
        let expected = match key.kind {
            Kind::Text | Kind::Name(_) => texts,
            Kind::Word(words) => {
                texts.insert(quoted_list(words().into_iter()));
                texts
            }
            Kind::Flag => BTreeSet::from(["true or false".to_owned()]),
            Kind::Texts => BTreeSet::from(["a string or a list of strings".to_owned()]),
            Kind::Count => BTreeSet::from(["a whole number, 0 or more".to_owned()]),
            Kind::Duration => BTreeSet::from(["a duration such as \"30s\", \"5m\" or \"12h\"".to_owned()]),
            Kind::Size => BTreeSet::from(["a size such as \"1 MiB\"".to_owned()]),
            Kind::TextsByName => {
                said.entry(below).or_default().insert("*".to_owned(), texts);
                BTreeSet::new()
            }
            Kind::TextListsByName => {
                let lists = BTreeSet::from(["a string or a list of strings".to_owned()]);
                said.entry(below).or_default().insert("*".to_owned(), lists);
                BTreeSet::new()
            }
            Kind::Table(keys) | Kind::Tables(keys) => {
                say(&below, keys, said);
                BTreeSet::new()
            }
            Kind::TablesByName(keys) => {
                say(&as_signature(&format!("{below}.*")), keys, said);
                BTreeSet::new()
            }
        };
        said.entry(path.to_owned()).or_default().insert(key.name.to_owned(), expected);
    }
}
