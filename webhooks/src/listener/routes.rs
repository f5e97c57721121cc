//! Who hears what. Built once; a lookup does not grow with the number of listeners.

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::bound::Listener;
use super::pattern::{EventPattern, SEPARATORS, ancestors};

/// The listeners of one event, in order of registration. Nearly always there is one, which is in place.
pub(crate) type Audience = SmallVec<[Arc<Listener>; 1]>;

/// An event type, in place if it is no longer than most: to compare it is then no look elsewhere into memory.
type EventType = SmallVec<[u8; 24]>;

/// The listeners of one source by event type. Who may send an event adds none, so that hashes need not be safe from
/// anybody.
#[derive(Debug)]
pub(crate) struct Routes {
    exact: HashMap<EventType, Audience>,
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
        let index = Index::new(&heard);
        let audience = |places: BTreeSet<usize>| places.into_iter().map(|at| Arc::clone(heard[at])).collect();
        let mut routes = Self {
            exact: HashMap::new(),
            under: HashMap::new(),
            parents: HashMap::new(),
            any: audience(index.any.iter().copied().collect()),
        };
        for event_type in index.exactly.keys() {
            let name = EventType::from_slice(event_type.as_bytes());
            routes.exact.insert(name, audience(index.hearing(event_type)));
        }
        for below in index.under.keys() {
            routes.under.insert(below.clone(), audience(index.hearing_all(below)));
            if let Some(parent) = below.strip_suffix(SEPARATORS) {
                routes.parents.insert(parent.to_owned(), audience(index.hearing(parent)));
            }
        }
        routes
    }

    pub(crate) fn audience(&self, event_type: &str) -> &Audience {
        self.exact
            .get(event_type.as_bytes())
            .or_else(|| self.parents.get(event_type))
            // Each entry holds its own ancestors' listeners, so the nearest one is the whole answer.
            .or_else(|| ancestors(event_type).find_map(|stem| self.under.get(stem)))
            .unwrap_or(&self.any)
    }
}

/// The places of the listeners by what they ask for: building the routes takes a lookup per pattern, not a walk over
/// all listeners.
#[derive(Default)]
struct Index<'a> {
    any: Vec<usize>,
    exactly: HashMap<&'a str, Vec<usize>>,
    /// By stem with its separator.
    under: HashMap<String, Vec<usize>>,
}

impl<'a> Index<'a> {
    fn new(listeners: &[&'a Arc<Listener>]) -> Self {
        let mut index = Self::default();
        for (at, listener) in listeners.iter().enumerate() {
            for pattern in &listener.events {
                let places = match pattern {
                    EventPattern::Any => &mut index.any,
                    EventPattern::Exactly(event_type) => index.exactly.entry(event_type).or_default(),
                    EventPattern::Under { parent, separator } => {
                        index.under.entry(format!("{parent}{separator}")).or_default()
                    }
                };
                places.push(at);
            }
        }
        index
    }

    /// Those who hear this very type.
    fn hearing(&self, event_type: &str) -> BTreeSet<usize> {
        let exactly = self.exactly.get(event_type).into_iter().flatten();
        let as_parent = SEPARATORS.iter().filter_map(|it| self.under.get(&format!("{event_type}{it}")));
        self.hearing_all(event_type).into_iter().chain(exactly.chain(as_parent.flatten()).copied()).collect()
    }

    /// Those who hear every type that begins with `stem`.
    fn hearing_all(&self, stem: &str) -> BTreeSet<usize> {
        let under = ancestors(stem).filter_map(|it| self.under.get(it)).flatten();
        self.any.iter().chain(under).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WebhookEvent;
    use crate::listener::WebhookEventListener;
    use crate::stats::ListenerStats;

    struct Silent;

    impl WebhookEventListener for Silent {
        fn source(&self) -> &str {
            "*"
        }

        async fn handle(&self, _: &WebhookEvent) -> crate::Result {
            Ok(())
        }
    }

    /// What the patterns mean, word for word: the routes must come to the same.
    fn hears(pattern: &EventPattern, event_type: &str) -> bool {
        match pattern {
            EventPattern::Any => true,
            EventPattern::Exactly(exact) => exact == event_type,
            EventPattern::Under { parent, separator } => event_type
                .strip_prefix(parent.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(*separator)),
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
            takes_transaction: false,
            handler: Box::new(Silent),
            stats: ListenerStats::new("a listener"),
        })
    }

    #[test]
    fn a_lookup_agrees_with_asking_every_listener() {
        let patterns: [&[&str]; 9] = [
            &["*"],
            &["a"],
            &["a.*"],
            &["a.b"],
            &["a.b.*"],
            &["a/b", "c"],
            &["a/*"],
            &["d.*", "a.b.c"],
            &["a.b..*", "d.*"],
        ];
        let listeners: Vec<_> = patterns.iter().map(|it| listener(Some("s"), it)).collect();
        let routes = Routes::new("s", &listeners);
        for event in [
            "", "a", "b", "a.b", "a.b.", "a.b..c", "a.b.c", "a.b.c.d", "a.c", "a/b", "a/c", "a/c.d", "ab",
            "d", "d.e", "c.x",
        ] {
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
