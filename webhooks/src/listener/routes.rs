//! Who hears what. Built once; a lookup does not grow with the number of listeners.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::audience::{Audience, AudienceTable, Heard};
use super::bound::Listener;
use super::pattern::{EventPattern, SEPARATORS, ancestors};

/// The listeners of one source by event type.
#[derive(Debug)]
pub(crate) struct Routes {
    audiences: Arc<AudienceTable>,
    /// Where those are who hear everything.
    any: Option<usize>,
}

impl Routes {
    /// The routes among `listeners` that hear the source.
    pub(crate) fn new(source: &str, listeners: &[Listener]) -> Self {
        let hears = |it: &&Listener| it.declared.source.as_deref().is_none_or(|name| name == source);
        let listeners: Vec<_> = listeners.iter().filter(hears).collect();
        let index = Index::new(&listeners);
        let mut table = AudienceTable::default();
        let mut insert = |heard, name: &str, places: BTreeSet<usize>| {
            table.insert(heard, name, places.into_iter().map(|at| listeners[at].clone()));
        };
        for event_type in index.exactly.keys() {
            insert(Heard::Exactly, event_type, index.hearing(event_type));
        }
        for stem in index.under.keys() {
            insert(Heard::Under, stem, index.hearing_all(stem));
            if let Some(parent) = stem.strip_suffix(SEPARATORS) {
                insert(Heard::Parent, parent, index.hearing(parent));
            }
        }
        insert(Heard::Any, "", index.any.iter().copied().collect());
        let any = table.find(Heard::Any, "");
        Self { audiences: Arc::new(table), any }
    }

    pub(crate) fn audience(&self, event_type: &str) -> Audience {
        // Counted first: counted after the lookup, it would wait for memory that the lookup has asked for.
        let all = Arc::clone(&self.audiences);
        let place = all
            .find(Heard::Exactly, event_type)
            .or_else(|| all.find(Heard::Parent, event_type))
            // Each entry holds its own ancestors' listeners, so the nearest one is the whole answer.
            .or_else(|| ancestors(event_type).find_map(|stem| all.find(Heard::Under, stem)))
            .or(self.any);
        Audience::new(all, place)
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
    fn new(listeners: &[&'a Listener]) -> Self {
        let mut index = Self::default();
        for (at, listener) in listeners.iter().enumerate() {
            for pattern in &listener.declared.events {
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
    use std::sync::Once;

    use super::*;
    use crate::WebhookEvent;
    use crate::listener::WebhookEventListener;
    use crate::listener::bound::Declaration;
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

    fn listener(source: Option<&str>, events: &[&str]) -> Listener {
        let events: Vec<_> = events.iter().map(|it| EventPattern::parse(it).unwrap()).collect();
        let declared = Declaration {
            label: String::new(),
            crate_name: String::new(),
            source: source.map(str::to_owned),
            options: Default::default(),
            told_of_no_order: Once::new(),
            takes_transaction: false,
            stats: ListenerStats::new("a listener"),
            events,
        };
        let id = format!("{:?}", declared.events).into();
        Listener { id, handler: Arc::new(Silent), timeout: None, declared: Arc::new(declared) }
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
                .filter(|it| it.declared.events.iter().any(|pattern| pattern.hears(event)))
                .map(|it| it.id.clone())
                .collect();
            let found: Vec<_> = routes.audience(event).iter().map(|it| it.id.clone()).collect();
            assert_eq!(found, asked, "{event}");
        }
    }

    #[test]
    fn a_source_is_heard_by_its_own_listeners_and_those_of_every_source() {
        let heard = |source: &str, of: &[Option<&str>]| {
            let listeners: Vec<_> = of.iter().map(|it| listener(*it, &["*"])).collect();
            Routes::new(source, &listeners).audience("x").len()
        };
        assert_eq!(heard("s", &[Some("s"), Some("t"), None]), 2);
        assert_eq!(heard("u", &[Some("s"), Some("t")]), 0);
    }
}
