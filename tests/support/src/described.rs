//! The catalogue's files read as data, and requests signed as they describe: a second reading of the same language, which
//! shares no code with the library's.

use std::collections::BTreeSet;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use toml::{Table, Value};

use crate::inside::Post;
use crate::sample::PUBLIC_URL;
use crate::sign::now_unix;

/// A scheme in which anyone who knows the secret can sign.
#[derive(Debug, Clone)]
pub struct Described {
    /// The provider.
    pub provider: String,
    /// The variant, unless it is the provider's usual scheme.
    pub variant: Option<String>,
    signature: Table,
    example: Table,
}

/// What a request is made of.
#[derive(Debug, Clone)]
pub struct Parts {
    /// As it is configured.
    pub secret: String,
    /// What the vendor's clock says, in seconds since 1970.
    pub time: u64,
    /// The id, where it is signed.
    pub id: String,
    /// What the vendor was given.
    pub url: String,
    /// The body, or what goes with the example's, where the signature or its time is in there.
    pub body: Vec<u8>,
}

/// Headers and body.
pub type Signed = (Vec<(String, String)>, Vec<u8>);

/// Every scheme of the catalogue that signs with a shared secret, variants included.
pub fn schemes() -> Vec<Described> {
    let files = std::fs::read_dir(catalogue()).expect("the catalogue").map(|it| it.expect("a file").path());
    let mut files: Vec<_> = files.filter(|it| it.extension().is_some_and(|it| it == "toml")).collect();
    files.sort();
    let mut schemes = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a file of the catalogue");
        let provider: Table = text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let example = table(&provider, "example").cloned().unwrap_or_default();
        let variants = table(&provider, "variants").cloned().unwrap_or_default();
        let usual = table(&provider, "signature").map(|it| (None, it.clone()));
        let variants =
            variants.into_iter().filter_map(|(name, it)| Some((Some(name), it.as_table()?.clone())));
        for (variant, signature) in usual.into_iter().chain(variants) {
            let scheme = Described { provider: name.clone(), variant, signature, example: example.clone() };
            if ["hmac-sha1", "hmac-sha256", "hmac-sha512", "sha256"].contains(&scheme.text("algorithm", "")) {
                schemes.push(scheme);
            }
        }
    }
    schemes
}

/// The headers that a provider's usual scheme reads, of signature, time, id and type, as far as its file names them: what
/// a scheme in code reads stands in the code.
pub fn headers_read(provider: &str) -> BTreeSet<String> {
    let file = catalogue().join(format!("{provider}.toml"));
    let text = std::fs::read_to_string(&file).expect("a file of the catalogue");
    let described: Table = text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut names = BTreeSet::new();
    for part in ["signature", "identity"] {
        described.get(part).into_iter().for_each(|it| collect_headers(it, &mut names));
    }
    names
}

fn collect_headers(value: &Value, names: &mut BTreeSet<String>) {
    for (key, value) in value.as_table().into_iter().flatten() {
        match (key.as_str(), value) {
            ("header" | "id_header" | "type_header" | "key_id_header", value) => {
                let listed = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
                let listed = listed.iter().filter_map(Value::as_str).flat_map(|it| it.split(" + "));
                names.extend(listed.map(str::to_lowercase));
            }
            ("require", Value::Table(required)) => names.extend(required.keys().map(|it| it.to_lowercase())),
            _ => collect_headers(value, names),
        }
    }
}

/// The usual scheme of a provider.
pub fn scheme(provider: &str) -> Described {
    let found = schemes().into_iter().find(|it| it.label() == provider);
    found.unwrap_or_else(|| panic!("the catalogue has no scheme {provider} that anyone could sign with"))
}

impl Described {
    /// A request signed now, as it is sent inside. `id` is what the signature calls an id.
    pub fn post(&self, source: &str, secret: &str, id: &str, body: impl AsRef<[u8]>) -> Post {
        let parts = Parts {
            secret: secret.to_owned(),
            time: now_unix().unsigned_abs(),
            id: id.to_owned(),
            url: format!("{PUBLIC_URL}/webhooks/{source}"),
            body: body.as_ref().to_vec(),
        };
        let (headers, body) = self.request(&parts, &self.tag(&parts));
        headers.iter().fold(Post::to(source).body(body), |post, (name, value)| post.header(name, value))
    }

    /// `stripe`, `github/sha1`.
    pub fn label(&self) -> String {
        match &self.variant {
            Some(variant) => format!("{}/{variant}", self.provider),
            None => self.provider.clone(),
        }
    }

    /// A secret of the right form out of random bytes.
    pub fn secret(&self, random: &[u8]) -> String {
        let text = match self.text("secret", "utf8") {
            "base64" => BASE64.encode(random),
            "whsec" | "whsec-or-utf8" => format!("whsec_{}", BASE64.encode(random)),
            _ => hex::encode(random),
        };
        if self.signature.contains_key("key_id_header") { format!("key-1:{text}") } else { text }
    }

    /// Whether this part of a request is signed.
    pub fn signs(&self, part: &str) -> bool {
        self.text("content", "{body}").contains(&format!("{{{part}}}"))
    }

    /// The signature of a request.
    pub fn tag(&self, parts: &Parts) -> Vec<u8> {
        let secret = self.split_secret(&parts.secret).1;
        let key = match self.text("secret", "utf8") {
            "hex" => hex::decode(secret).expect("hex"),
            "base64" | "whsec" => BASE64.decode(secret.trim_start_matches("whsec_")).expect("base64"),
            "whsec-or-utf8" if secret.starts_with("whsec_") => {
                BASE64.decode(&secret["whsec_".len()..]).expect("base64")
            }
            _ => secret.as_bytes().to_vec(),
        };
        let body = self.body(parts, "");
        let mut content = Vec::new();
        let mut rest = self.text("content", "{body}");
        while let Some(open) = rest.find('{') {
            let close = open + rest[open..].find('}').expect("a closing brace");
            content.extend_from_slice(&rest.as_bytes()[..open]);
            match &rest[open + 1..close] {
                "body" => content.extend_from_slice(&body),
                "timestamp" => content.extend_from_slice(self.timestamp(parts.time).as_bytes()),
                "id" => content.extend_from_slice(parts.id.as_bytes()),
                "url" => content.extend_from_slice(parts.url.as_bytes()),
                "method" => content.extend_from_slice(b"POST"),
                "secret" => content.extend_from_slice(&key),
                other => panic!("{}: {{{other}}} is new: teach it to this signer", self.label()),
            }
            rest = &rest[close + 1..];
        }
        content.extend_from_slice(rest.as_bytes());
        match self.text("algorithm", "") {
            "hmac-sha1" => mac::<Hmac<Sha1>>(&key, &content),
            "hmac-sha256" => mac::<Hmac<Sha256>>(&key, &content),
            "hmac-sha512" => mac::<Hmac<Sha512>>(&key, &content),
            _ => Sha256::digest(&content).to_vec(),
        }
    }

    /// The request as it is sent, with this signature.
    pub fn request(&self, parts: &Parts, tag: &[u8]) -> Signed {
        let encoded =
            if self.text("encoding", "hex") == "base64" { BASE64.encode(tag) } else { hex::encode(tag) };
        let time = self.timestamp(parts.time);
        let stamp = table(&self.signature, "timestamp").cloned().unwrap_or_default();
        let usual = if self.signature.contains_key("prefix") { "prefix" } else { "raw" };
        let value = match self.text("format", usual) {
            "prefix" => format!("{}{encoded}", self.text("prefix", "")),
            "pairs" => {
                let (separator, assign) = (self.text("separator", ","), self.text("assign", "="));
                let stamped = |name: &str| format!("{name}{assign}{time}{separator}");
                let stamp = stamp.get("pair").and_then(Value::as_str).map_or_else(String::new, stamped);
                format!("{stamp}{}{assign}{encoded}", self.text("key", ""))
            }
            "labelled" => format!("{}{}{encoded}", self.text("label", ""), self.text("assign", ",")),
            "positional" => format!("{time}{}{encoded}", self.text("separator", ",")),
            _ => encoded.clone(),
        };
        let mut headers = Vec::new();
        if let Some(name) = self.header() {
            headers.push((name, value));
        }
        if let Some(name) = stamp.get("header").and_then(Value::as_str) {
            headers.push((name.to_owned(), time));
        }
        if let Some(name) = table(&self.signature, "id").and_then(|it| it.get("header")?.as_str()) {
            headers.push((name.to_owned(), parts.id.clone()));
        }
        for (name, value) in table(&self.signature, "require").into_iter().flatten() {
            headers.push((name.clone(), value.as_str().expect("text").to_owned()));
        }
        if let Some(name) = self.signature.get("key_id_header").and_then(Value::as_str) {
            headers.push((name.to_owned(), self.split_secret(&parts.secret).0.to_owned()));
        }
        (headers, self.body(parts, &encoded))
    }

    /// The first of the headers that may carry the signature.
    fn header(&self) -> Option<String> {
        let header = self.signature.get("header")?;
        let first = header.as_array().map_or(Some(header), |it| it.first())?.as_str()?;
        Some(first.replace('*', "1"))
    }

    /// The body as it is; the example's with the body as white space behind it where a signed part stands inside.
    fn body(&self, parts: &Parts, signature: &str) -> Vec<u8> {
        let timed = table(&self.signature, "timestamp").is_some_and(|it| it.contains_key("json"));
        if !timed && !self.signature.contains_key("json") {
            return parts.body.clone();
        }
        let example = |key: &str| self.example.get(key).and_then(Value::as_str).expect("an example");
        let millis = (parts.time * 1_000).to_string();
        let (family, action) = example("event").split_once('.').unwrap_or((example("event"), ""));
        let filled = example("body").replace("{event}", example("event"));
        let filled = filled.replace("{family}", family).replace("{action}", action);
        let filled = filled.replace("{id}", &parts.id).replace("{now}", &parts.time.to_string());
        let filled = filled.replace("{now_ms}", &millis).replace("{signature}", signature);
        let space = parts.body.iter().map(|byte| if byte.is_multiple_of(2) { b' ' } else { b'\n' });
        filled.into_bytes().into_iter().chain(space).collect()
    }

    fn timestamp(&self, time: u64) -> String {
        let unit = table(&self.signature, "timestamp").and_then(|it| it.get("unit")?.as_str());
        match unit.unwrap_or("seconds") {
            "milliseconds" => (time * 1_000).to_string(),
            "rfc3339" => rfc3339(time),
            _ => time.to_string(),
        }
    }

    fn split_secret<'s>(&self, secret: &'s str) -> (&'s str, &'s str) {
        match secret.split_once(':') {
            Some(split) if self.signature.contains_key("key_id_header") => split,
            _ => ("", secret),
        }
    }

    fn text<'s>(&'s self, key: &str, default: &'s str) -> &'s str {
        self.signature.get(key).and_then(Value::as_str).unwrap_or(default)
    }
}

/// `2023-11-14T22:13:20Z`, counted day by day.
fn rfc3339(time: u64) -> String {
    let (mut days, second) = (time / 86_400, time % 86_400);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", month + 1, days + 1)
}

fn mac<M: Mac + KeyInit>(key: &[u8], content: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("any key length");
    mac.update(content);
    mac.finalize().into_bytes().to_vec()
}

fn catalogue() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../webhooks/src/catalogue")
}

fn table<'t>(table: &'t Table, key: &str) -> Option<&'t Table> {
    table.get(key).and_then(Value::as_table)
}
