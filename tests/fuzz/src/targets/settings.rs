//! Settings: whatever document, reading it ends; printed again it means the same; what is wrong is named by its key, and
//! no secret is repeated.

use tokio::runtime::Runtime;
use toml::{Table, Value};
use webhooks::{Error, Settings, WebhookEvent, WebhookEventListener, Webhooks};

use crate::receiver::{Forgetful, runtime};
use crate::target::{Kind, Target};

/// Words that stand for secrets wherever they are written.
const SECRETS: [&str; 2] = ["whsec_U0VDUkVUU0VDUkVUU0VDUkVU", "KEEPTHISTOYOURSELF"];

pub(super) struct Documents(Runtime);

impl Documents {
    pub(super) fn new() -> Self {
        Self(runtime())
    }

    /// Every problem that a document has.
    fn problems(&self, text: &str) -> Result<(), Error> {
        let settings: Settings = text.parse()?;
        let builder = Webhooks::builder().settings(settings).store(Forgetful).listener(Silent);
        self.0.block_on(builder.build()).map(drop)
    }
}

impl Target for Documents {
    fn seeds(&self) -> Vec<Vec<u8>> {
        let [base64, text] = SECRETS;
        let documents = [
            format!("[sources.stripe]\nsecret = \"{base64}\"\ntolerance_seconds = 60\n"),
            format!("[sources.github]\nsecrets = [\"{text}\", \"{base64}\"]\nmax_body = \"2 MiB\"\nmode = \"inline\"\n"),
            format!("max_in_flight = 10\nhttp.bind = \"127.0.0.1:0\"\nhttp.path = \"/in\"\nsources.hmac.secret = \"{text}\"\n"),
            format!("idempotency = {{ provider = \"in-memory\", lease = \"30s\", wait = \"1s\", max_keys = 5 }}\nsources.slack.secret = '{text}'\n"),
            "[inbox]\nprovider = \"sqlite\"\nmax_attempts = 3\nbackoff = \"1s\"\n[sources.x]\nvalidator = \"none\"\nprovider = \"hmac\"\n".to_owned(),
            format!(
                "[sources.acme]\nsecret = \"{text}\"\n[sources.acme.scheme.signature]\nheader = \"X-Acme\"\nformat = \"pairs\"\n\
                 key = \"v1\"\nalgorithm = \"hmac-sha256\"\ncontent = \"{{timestamp}}.{{body}}\"\ntimestamp = {{ pair = \"t\", past = \"5m\" }}\n\
                 [sources.acme.scheme.identity]\nid = \"$.id\"\ntype = [\"$.a.b\", \"$.type\"]\npayload = \"$.data\"\n\
                 [[sources.acme.scheme.challenges]]\nmethod = \"GET\"\nquery = {{ mode = \"subscribe\" }}\n\
                 input = {{ query = \"challenge\" }}\nreply = {{ text = \"{{input}}\" }}\n"
            ),
            format!("sources.stripe.secrt = \"{text}\"\nsources.stripe.validator = \"{base64}\"\n"),
        ];
        documents.map(String::into_bytes).to_vec()
    }

    fn words(&self) -> &[&'static str] {
        const WORDS: &[&str] = &[
            SECRETS[0],
            SECRETS[1],
            "\n",
            " = ",
            "\"",
            "[",
            "]",
            "{",
            "}",
            ".",
            "true",
            "0",
            "-1",
            "1.5",
            "\"30s\"",
            "\"1 MiB\"",
            "secret",
            "secrets",
            "sources",
            "http",
            "inline",
            "idempotency",
            "inbox",
            "scheme",
            "signature",
            "identity",
            "provider = \"github\"\n",
            "validator = \"none\"\n",
            "timestamp",
            "header",
            "algorithm",
            "$.a[0]",
            "{body}",
            "public_url = \"https://example.com\"\n",
            "variant = \"sha1\"\n",
            "[sources.gitlab]\n",
            "kebab-case",
            "lease = \"1s\"\n",
        ];
        WORDS
    }

    fn kinds(&self) -> &[Kind] {
        &["accepted", "problems", "no TOML"]
    }

    fn check(&mut self, input: &[u8]) -> Result<Kind, String> {
        let Ok(text) = std::str::from_utf8(input) else { return Ok("no text") };
        let Ok(table) = text.parse::<Table>() else {
            let told = text.parse::<Settings>().err().map(|it| it.to_string()).unwrap_or_default();
            return match told.contains("line ") && !repeats_a_secret(&told) {
                true => Ok("no TOML"),
                false => Err(format!("this is said of a document that is no TOML: {told}")),
            };
        };
        if opens_a_file(&table) {
            return Ok("names a file");
        }
        let found = self.problems(text);
        let printed = table.to_string();
        match (&found, &self.problems(&printed)) {
            (Ok(()), Ok(())) => return Ok("accepted"),
            (Err(one), Err(other)) if one.problems() == other.problems() => {}
            (one, other) => return Err(format!("{one:?}\n  is, printed as\n{printed}\n  {other:?}")),
        }
        let Err(error) = found else { return Ok("accepted") };
        let keys = keys(&Value::Table(table));
        for problem in error.problems() {
            if !problem.what.contains("webhooks.") && !problem.what.contains("source") {
                return Err(format!("no key is named: {problem}"));
            }
            // A key may be a mistake for a secret, but it is what has to be found again.
            if !keys.iter().any(|key| repeats_a_secret(key)) && repeats_a_secret(&problem.to_string()) {
                return Err(format!("a secret is repeated: {problem}"));
            }
        }
        Ok("problems")
    }
}

fn repeats_a_secret(text: &str) -> bool {
    SECRETS.iter().any(|secret| text.contains(secret))
}

/// Nothing is read or written for these.
fn opens_a_file(table: &Table) -> bool {
    let settings = Value::Table(table.clone());
    let is_file = |key: &String| ["secret_file", "secret-file", "inbox"].contains(&key.as_str());
    keys(&settings).iter().any(is_file)
}

/// All keys, of tables within tables too.
fn keys(value: &Value) -> Vec<String> {
    match value {
        Value::Table(table) => {
            table.iter().flat_map(|(key, value)| [key.clone()].into_iter().chain(keys(value))).collect()
        }
        Value::Array(items) => items.iter().flat_map(keys).collect(),
        _ => Vec::new(),
    }
}

struct Silent;

impl WebhookEventListener for Silent {
    fn source(&self) -> &str {
        "*"
    }

    async fn handle(&self, _: &WebhookEvent) -> webhooks::Result {
        Ok(())
    }
}
