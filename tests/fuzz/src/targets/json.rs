//! Bodies in JSON: what is read at a path is what a whole parse has there, and what is wrong is refused.

use webhooks::WebhookEvent;

use super::chosen;
use crate::decisions::Decisions;
use crate::receiver::{Receiver, Verdict, delivery};
use crate::target::{Kind, Target};
use crate::tree::{Found, Tree};

/// Where a source's identity is read: of several paths, the first that is there counts.
struct Paths {
    source: &'static str,
    id: &'static [&'static str],
    kind: &'static [&'static str],
    payload: &'static str,
    /// The path of the list whose elements the others begin at.
    batch: Option<&'static str>,
}

const SOURCES: [Paths; 5] = [
    Paths { source: "flat", id: &["$.id"], kind: &["$.type"], payload: "$.data", batch: None },
    Paths {
        source: "deep",
        id: &["$.a.id", "$.id"],
        kind: &["$.a.b.type", "$.type"],
        payload: "$.a.b",
        batch: None,
    },
    Paths { source: "list", id: &["$.a[0].id"], kind: &["$.a[1]", "$.type"], payload: "$.a", batch: None },
    Paths { source: "inside", id: &["$.data.id"], kind: &["$.data.type"], payload: "$.data", batch: None },
    Paths { source: "batch", id: &["@.id"], kind: &["@.type"], payload: "@.data", batch: Some("$.a") },
];

/// The longest id and the longest type.
const LONGEST: usize = 512;

/// The first byte chooses the paths, the others are the body; or, after a `~`, decide what the body is.
pub(super) struct Json(Receiver);

impl Json {
    pub(super) fn new() -> Self {
        let source = |paths: &Paths| {
            let Paths { source, id, kind, payload, batch } = paths;
            let batch = batch.map_or(String::new(), |path| format!("batch = \"{path}\"\n"));
            format!(
                "[sources.{source}]\nvalidator = \"none\"\n\
                 [sources.{source}.scheme.signature]\nalgorithm = \"none\"\n\
                 [sources.{source}.scheme.identity]\nid = {id:?}\ntype = {kind:?}\npayload = \"{payload}\"\n{batch}"
            )
        };
        Self(Receiver::new(&SOURCES.iter().map(source).collect::<String>()))
    }
}

impl Target for Json {
    fn seeds(&self) -> Vec<Vec<u8>> {
        let texts: [&[u8]; 12] = [
            br#"0{"id":"evt_1","type":"a.b","data":{"x":[1,2.5,-3e9,null,true]}}"#,
            br#"0{"id":18446744073709551615,"type":7,"other":"\u00fc\n"}"#,
            br#"0{"id":"1","id":"2","type":"t"}"#,
            br#"0{"\u0069d":"\ud83d\ude00","type":"t","data":"\ud800"}"#,
            br#"1{"a":{"id":"i","b":{"type":"t","x":{}}},"id":"other"}"#,
            br#"1{"id":"i","type":"t","a":{"b":{"x":1,"x":2}}}"#,
            br#"2{"a":[{"id":1},"t",3],"type":"u"}"#,
            br#"2{"type":"t","a":{"[0]":{"id":1}}}"#,
            br#"3{"data":{"id":"i","type":"t","id2":1}}"#,
            br#"4{"a":[{"id":"1","type":"t","data":{}},{"id":"2","type":"t"}]}"#,
            br#"4{"a":[]}"#,
            b"0[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]",
        ];
        let mut random = fastrand::Rng::with_seed(0);
        let mut decisions = |choice: usize| -> Vec<u8> {
            let start = [b'0' + (choice % SOURCES.len()) as u8, b'~'];
            start.into_iter().chain(std::iter::repeat_with(|| random.u8(..)).take(200)).collect()
        };
        let grown = (0..texts.len()).map(&mut decisions);
        texts.iter().map(|text| text.to_vec()).chain(grown).collect()
    }

    fn words(&self) -> &[&'static str] {
        &[
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\"id\":",
            "\"type\":",
            "\"data\":",
            "\"a\":",
            "\"b\":",
            "null",
            "true",
            "1",
            "-0",
            "1e5",
            "0.1",
            "\"x\"",
            "\\u0069",
            "\\ud800",
            "\\n",
            " ",
            "[[[[[[[[",
            "]]]]]]]]",
            "{}",
        ]
    }

    fn kinds(&self) -> &[Kind] {
        &["one event", "several events", "no events", "not JSON", "a key comes twice", "incomplete"]
    }

    fn check(&mut self, input: &[u8]) -> Result<Kind, String> {
        let Some((choice, body)) = input.split_first() else { return Ok("empty") };
        let paths = chosen(&SOURCES, *choice);
        // Of the input itself hardly anything is JSON; of what it decides on, everything.
        let grown = body.strip_prefix(b"~").map(|decisions| Decisions(decisions).json(6));
        let body = grown.as_ref().map_or(body, String::as_bytes);
        let verdict = self.0.take(delivery(paths.source, body));
        let tree = match serde_json::from_slice::<Tree>(body) {
            Ok(tree) => tree,
            // What is skipped is not decoded, and may be what a whole parse stumbles over; its syntax counts.
            Err(_) => {
                return match (verdict, serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()) {
                    (Verdict::Accepted(_), false) => Err("accepted, and no JSON".to_owned()),
                    (_, true) => Ok("skipped what could not be read"),
                    (Verdict::Refused(_), false) => Ok("not JSON"),
                };
            }
        };
        match (verdict, expected(paths, &tree)) {
            (Verdict::Refused(_), Err(kind)) => Ok(kind),
            (Verdict::Refused(reason), Ok(_)) => Err(format!("{}: refused as {reason}", paths.source)),
            (Verdict::Accepted(_), Err(kind)) => Err(format!("{}: accepted, and {kind}", paths.source)),
            (Verdict::Accepted(events), Ok(expected)) => {
                let came: Vec<_> = events.iter().map(Event::of).collect::<Result<_, _>>()?;
                // The parts of a batch run side by side.
                let same = came.len() == expected.len() && expected.iter().all(|it| came.contains(it));
                match expected.len() {
                    _ if !same => Err(format!("{}: {came:?} instead of {expected:?}", paths.source)),
                    0 => Ok("no events"),
                    1 => Ok("one event"),
                    _ => Ok("several events"),
                }
            }
        }
    }
}

#[derive(Debug, PartialEq)]
struct Event {
    id: String,
    kind: String,
    payload: serde_json::Value,
}

impl Event {
    fn of(event: &WebhookEvent) -> Result<Self, String> {
        let payload =
            serde_json::from_slice(event.payload()).map_err(|error| format!("the payload: {error}"))?;
        let id = event.id().ok_or("no id")?;
        // An element without an id is known by its digest and its place, of which the place is looked at.
        let place = id.split_once('#').filter(|(digest, _)| digest.len() == 64);
        let id = place.map_or(id.to_owned(), |(_, place)| format!("element {place}"));
        Ok(Self { id, kind: event.event_type().to_owned(), payload })
    }
}

/// What the documentation says should come of the body.
fn expected(paths: &Paths, body: &Tree) -> Result<Vec<Event>, Kind> {
    if !matches!(body, Tree::Object(_) | Tree::List(_)) {
        return Err("neither object nor list");
    }
    let Some(batch) = paths.batch else { return Ok(vec![event(paths, body, None)?]) };
    let Tree::List(elements) = body.at(batch).present()?.ok_or("incomplete")? else {
        return Err("incomplete");
    };
    elements.iter().enumerate().map(|(place, element)| event(paths, element, Some(place))).collect()
}

/// `place`: among the elements of a batch.
fn event(paths: &Paths, from: &Tree, place: Option<usize>) -> Result<Event, Kind> {
    // A key that comes twice spoils the body wherever one of the paths leads through it.
    for path in paths.id.iter().chain(paths.kind).chain([&paths.payload]) {
        from.at(path).present()?;
    }
    let found = |places: &[&str]| places.iter().find_map(|path| from.at(path).present().ok().flatten());
    let text = |tree: Option<&Tree>| {
        let text = tree.and_then(Tree::text).ok_or("incomplete")?;
        if (1..=LONGEST).contains(&text.len()) { Ok(text) } else { Err("incomplete") }
    };
    let id = match (found(paths.id), place) {
        (None, Some(place)) => format!("element {place}"),
        (id, _) => text(id)?,
    };
    let kind = text(found(paths.kind))?;
    let payload = from.at(paths.payload).present()?.unwrap_or(from).value();
    Ok(Event { id, kind, payload })
}

impl<'t> Found<'t> {
    fn present(self) -> Result<Option<&'t Tree>, Kind> {
        match self {
            Self::Twice => Err("a key comes twice"),
            Self::Once(tree) => Ok(Some(tree)),
            Self::Nowhere => Ok(None),
        }
    }
}
