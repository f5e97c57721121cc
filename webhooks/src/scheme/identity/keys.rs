//! The keys of an `[identity]` table.

use crate::document::key::Kind::{Flag, Table, Text, TextListsByName, Texts, Word};
use crate::document::key::{Key, Keys};

pub(in crate::scheme) const IDENTITY: Keys = &[ID, TYPE, OTHERS];

/// The keys that a variant may change.
pub(in crate::scheme) const VARIANT_IDENTITY: Keys = &[ID, TYPE];

pub(super) const ID: &[Key] = &[
    Key::new(
        "id_header",
        Texts,
        "The header that has the event's id, or the first of these that comes; `A + B` is made of both.",
    ),
    Key::new(
        "id",
        Texts,
        "The path of the id, or the first of these that is there; `$.a + $.b` is both together.",
    ),
    Key::new("id_digest", Flag, "Whether the body's digest is the id of an event that has no other.")
        .or("false"),
    Key::new(
        "id_optional",
        Flag,
        "Whether an event may come without an id: it is then handled each time it comes.",
    )
    .or("false"),
    Key::new("no_id", Flag, "`true`: events have no id, and are handled each time they come.").or("false"),
    Key::new("bind_body", Flag, "Whether the id is a token that is good for one body only.").or("false"),
];

pub(super) const TYPE: &[Key] = &[
    Key::new("type", Texts, "The path of the event's type, or the first of these that is there."),
    Key::new("type_header", Text, "The header that has the event's type."),
    Key::new(
        "type_names",
        TextListsByName,
        "What the header's values are called in the body, where it is something else: one of these.",
    ),
    Key::new("type_check", Text, "The path of the type in the body, where both have it: they must agree."),
    Key::new(
        "type_action",
        Text,
        "The path of what is added to the type behind a dot: `issues` and `opened` are `issues.opened`.",
    ),
    Key::new("type_key", Texts, "Paths of members of which just one is there: its name is the type."),
    Key::new("type_constant", Text, "The type of all events that have no other."),
    Key::new(
        "type_unless",
        Table(UNLESS),
        "The type of events in which something else than usual stands at a path.",
    ),
];

const UNLESS: Keys = &[&[
    Key::new("path", Text, "The path of the value that is compared."),
    Key::new("is", Text, "The usual value at the path. Where there is none, the event is a usual one."),
    Key::new("type", Text, "The type of events with another value."),
]];

const OTHERS: &[Key] = &[
    Key::new("payload", Text, "The path of what `Event<T>` is read from.")
        .or("the whole body, or the batch's element"),
    Key::new(
        "batch",
        Text,
        "The path of the list of events in a delivery of several; `@` is then the path of one.",
    ),
    Key::new(
        "batch_within",
        Texts,
        "Paths of lists in that list's elements: in the place of an element that has such, what they hold are the events.",
    ),
    Key::new(
        "body",
        Word(|| vec!["json", "form", "content-type"]),
        "The format of the body; a form is read as an object of its fields.",
    )
    .or("json"),
    Key::new("form_field", Text, "The only field of a form, which holds JSON."),
];
