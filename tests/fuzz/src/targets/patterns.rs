//! Event patterns: attribute and library agree on what one is, and exactly the listeners hear whose patterns say so.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Runtime;
use webhooks::{Builder, Delivery, Settings, SourceName, WebhookEvent, WebhookEventListener, Webhooks};

use crate::receiver::{Forgetful, runtime};
use crate::target::{Kind, Target};

#[path = "../../../../webhooks-macros/src/grammar/pattern.rs"]
mod of_attributes;
#[path = "../../../../webhooks/src/listener/pattern.rs"]
#[allow(dead_code, reason = "only its grammar is asked")]
mod of_library;

const SETTINGS: &str = "[sources.s]\nvalidator = \"none\"\n\
    [sources.s.scheme.signature]\nalgorithm = \"none\"\n\
    [sources.s.scheme.identity]\nno_id = true\ntype = \"$.type\"\n";
const SEPARATORS: [char; 3] = ['.', '/', ':'];
/// The longest type, and the longest pattern in an attribute.
const LONGEST_TYPE: usize = 512;
const LONGEST_PATTERN: usize = 256;

/// The first line is an event's type, each other one a listener's pattern.
pub(super) struct Patterns {
    runtime: Runtime,
    settings: Settings,
}

impl Patterns {
    pub(super) fn new() -> Self {
        let settings = SETTINGS.parse().unwrap_or_else(|error| panic!("{error}"));
        Self { runtime: runtime(), settings }
    }
}

impl Target for Patterns {
    fn seeds(&self) -> Vec<Vec<u8>> {
        let texts = [
            "a.b\na.*\na.b\n*\na.b.*",
            "a\na.*\na/*",
            "a.b/c\na.b/*\na.*\na.b:*",
            "push\na*\n.*",
            "ü.é\nü.*",
        ];
        texts.map(|text| text.as_bytes().to_vec()).to_vec()
    }

    fn words(&self) -> &[&'static str] {
        &["\n", "*", ".", "/", ":", ".*", "/*", "a", "b", "a.b", " ", "é"]
    }

    fn kinds(&self) -> &[Kind] {
        &["heard by all", "heard by some", "heard by none", "no pattern"]
    }

    fn check(&mut self, input: &[u8]) -> Result<Kind, String> {
        let Ok(text) = std::str::from_utf8(input) else { return Ok("no text") };
        let mut lines = text.split('\n');
        let event_type = lines.next().unwrap_or_default();
        let patterns: Vec<&str> = lines.take(8).collect();
        for pattern in &patterns {
            let here = of_attributes::pattern(pattern).is_ok();
            let there = of_library::EventPattern::parse(pattern).is_ok();
            if here != there && pattern.len() <= LONGEST_PATTERN {
                return Err(format!("{pattern:?}: {here} in an attribute, {there} in the library"));
            }
        }
        let sound = patterns.iter().all(|it| of_library::EventPattern::parse(it).is_ok());
        if patterns.is_empty() || event_type.is_empty() || event_type.len() > LONGEST_TYPE {
            return Ok("no event or no listener");
        }
        let heard: Arc<Mutex<Vec<usize>>> = Arc::default();
        let builder = Webhooks::builder().settings(self.settings.clone()).store(Forgetful);
        let listen = |builder: Builder, (number, pattern): (usize, &&str)| {
            builder.listener(Numbered { number, pattern: (*pattern).to_owned(), heard: Arc::clone(&heard) })
        };
        let built = self.runtime.block_on(patterns.iter().enumerate().fold(builder, listen).build());
        let webhooks = match (built, sound) {
            (Ok(webhooks), true) => webhooks,
            (Err(_), false) => return Ok("no pattern"),
            (Ok(_), false) => return Err("it starts with a pattern that is none".to_owned()),
            (Err(error), true) => return Err(error.to_string()),
        };
        let body = serde_json::json!({ "type": event_type }).to_string();
        let source = SourceName::new("s").ok_or("a name")?;
        let processor = webhooks.handle().processor().clone();
        let reply = self.runtime.block_on(processor.process(Delivery::new(source, body)));
        let mut heard = std::mem::take(&mut *heard.lock().unwrap_or_else(PoisonError::into_inner));
        heard.sort_unstable();
        let expected: Vec<usize> =
            (0..patterns.len()).filter(|at| hears(patterns[*at], event_type)).collect();
        match expected.len() {
            _ if heard != expected => Err(format!("heard by {heard:?} instead of {expected:?}: {reply:?}")),
            0 => Ok("heard by none"),
            count if count == patterns.len() => Ok("heard by all"),
            _ => Ok("heard by some"),
        }
    }
}

/// What the documentation says.
fn hears(pattern: &str, event_type: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some("") => true,
        Some(stem) => {
            event_type.starts_with(stem) || stem.strip_suffix(SEPARATORS).is_some_and(|it| it == event_type)
        }
        None => pattern == event_type,
    }
}

struct Numbered {
    number: usize,
    pattern: String,
    heard: Arc<Mutex<Vec<usize>>>,
}

impl WebhookEventListener for Numbered {
    fn source(&self) -> &str {
        "s"
    }

    fn id(&self) -> String {
        format!("listener {}", self.number)
    }

    fn events(&self) -> Vec<String> {
        vec![self.pattern.clone()]
    }

    async fn handle(&self, _: &WebhookEvent) -> webhooks::Result {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).push(self.number);
        Ok(())
    }
}
