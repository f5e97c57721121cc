//! Who hears what. Built once; a lookup does not grow with the number of listeners.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::bound::Listener;
use super::pattern::{EventPattern, ancestors};

/// The listeners of one event, in order of registration.
pub(crate) type Audience = Arc<[Arc<Listener>]>;

/// The listeners of one source by event type.
#[derive(Debug)]
pub(crate) struct Routes {
    exact: HashMap<String, Audience>,
    /// By stem with its separator: `a.` for everything under `a`.
    under: HashMap<String, Audience>,
    /// `"a.*"` also hears `a` itself: the last resort for types without an exact entry.
    parents: HashMap<String, Audience>,
    any: Audience,
}

impl Routes {
    /// The routes among `listeners` that hear the source.
    pub(crate) fn new(source: &str, listeners: &[Arc<Listener>]) -> Self {
        let heard: Vec<_> =
            listeners.iter().filter(|it| it.source.as_deref().is_none_or(|name| name == source)).collect();
        let audience = |hears: &dyn Fn(&EventPattern) -> bool| -> Audience {
            heard.iter().filter(|it| it.events.iter().any(hears)).map(|it| Arc::clone(it)).collect()
        };
        let mut routes = Self {
            exact: HashMap::new(),
            under: HashMap::new(),
            parents: HashMap::new(),
            any: audience(&|pattern| *pattern == EventPattern::Any),
        };
        let patterns: BTreeSet<_> = heard.iter().flat_map(|it| &it.events).map(PatternKey::from).collect();
        for PatternKey { stem, separator } in patterns {
            let everyone = audience(&|pattern| hears(pattern, stem));
            match separator {
                None => routes.exact.insert(stem.to_owned(), everyone),
                Some(separator) => {
                    routes.parents.insert(stem.to_owned(), everyone);
                    // Any type below the stem, whatever it is: those who hear them all.
                    let below = format!("{stem}{separator}");
                    let everyone = audience(&|pattern| hears_all(pattern, &below));
                    routes.under.insert(below, everyone)
                }
            };
        }
        routes
    }

    pub(crate) fn audience(&self, event_type: &str) -> &Audience {
        self.exact
            .get(event_type)
            .or_else(|| self.parents.get(event_type))
            // Each entry holds its own ancestors' listeners, so the nearest one is the whole answer.
            .or_else(|| ancestors(event_type).find_map(|stem| self.under.get(stem)))
            .unwrap_or(&self.any)
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct PatternKey<'a> {
    stem: &'a str,
    separator: Option<char>,
}

impl<'a> From<&'a EventPattern> for PatternKey<'a> {
    fn from(pattern: &'a EventPattern) -> Self {
        match pattern {
            EventPattern::Any => PatternKey { stem: "", separator: None },
            EventPattern::Exactly(stem) => PatternKey { stem, separator: None },
            EventPattern::Under { parent, separator } => {
                PatternKey { stem: parent, separator: Some(*separator) }
            }
        }
    }
}

fn hears(pattern: &EventPattern, event_type: &str) -> bool {
    match pattern {
        EventPattern::Any => true,
        EventPattern::Exactly(exact) => exact == event_type,
        EventPattern::Under { parent, separator } => event_type
            .strip_prefix(parent.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(*separator)),
    }
}

/// Whether the pattern hears every type that begins with `below` (`a.b.`).
fn hears_all(pattern: &EventPattern, below: &str) -> bool {
    match pattern {
        EventPattern::Exactly(_) => false,
        other => hears(other, below),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WebhookEvent;
    use crate::listener::WebhookEventListener;

    struct Silent;

    impl WebhookEventListener for Silent {
        fn source(&self) -> &str {
            "*"
        }

        async fn handle(&self, _: &WebhookEvent) -> crate::Result {
            Ok(())
        }
    }

    fn listener(source: Option<&str>, events: &[&str]) -> Arc<Listener> {
        let events: Vec<_> = events.iter().map(|it| EventPattern::parse(it).unwrap()).collect();
        Arc::new(Listener {
            id: format!("{events:?}").into(),
            label: String::new(),
            crate_name: String::new(),
            source: source.map(str::to_owned),
            events,
            timeout: None,
            options: Default::default(),
            handler: Box::new(Silent),
        })
    }

    #[test]
    fn a_lookup_agrees_with_asking_every_listener() {
        let patterns: [&[&str]; 8] =
            [&["*"], &["a"], &["a.*"], &["a.b"], &["a.b.*"], &["a/b", "c"], &["a/*"], &["d.*", "a.b.c"]];
        let listeners: Vec<_> = patterns.iter().map(|it| listener(Some("s"), it)).collect();
        let routes = Routes::new("s", &listeners);
        for event in
            ["", "a", "b", "a.b", "a.b.c", "a.b.c.d", "a.c", "a/b", "a/c", "a/c.d", "ab", "d", "d.e", "c.x"]
        {
            let asked: Vec<_> = listeners
                .iter()
                .filter(|it| it.events.iter().any(|pattern| hears(pattern, event)))
                .map(|it| it.id.clone())
                .collect();
            let found: Vec<_> = routes.audience(event).iter().map(|it| it.id.clone()).collect();
            assert_eq!(found, asked, "{event}");
        }
    }

    #[test]
    fn a_source_is_heard_by_its_own_listeners_and_those_of_every_source() {
        let listeners = [listener(Some("s"), &["*"]), listener(Some("t"), &["*"]), listener(None, &["*"])];
        assert_eq!(Routes::new("s", &listeners).audience("x").len(), 2);
        assert!(Routes::new("u", &listeners[..2]).audience("x").is_empty());
    }
}
