//! The keys of a provider: of a file of the catalogue, and of `[….scheme]` in a source's settings.

use super::challenge::CHALLENGE;
use super::identity::{IDENTITY, VARIANT_IDENTITY};
use super::signature::SIGNATURE;
use crate::document::key::Kind::{
    Count, Duration, Flag, Size, Table, Tables, TablesByName, Text, Texts, TextsByName, Word,
};
use crate::document::key::{Key, Keys};

pub(crate) const PROVIDER: Keys = &[&[
    Key::new("title", Text, "The provider's name, for people.").or("its name"),
    Key::new("docs", Text, "URL of its documentation of webhooks."),
    Key::new("unverified", Flag, "Whether no document, library or test of the vendor's stands behind this.").or("false"),
    Key::new("key_owner", Word(|| vec!["own", "vendor"]), "Whose key signs: the endpoint's own, or one of the vendor's for all of its customers, so that `expect` must say for whom a delivery is.").or("own"),
    Key::new("recipient", Texts, "With a key of the vendor's, the paths and claims (`claim.aud`) that say for whom a delivery is: `expect` must have one of them."),
    Key::new("max_body", Size, "The largest body that is accepted.").or("1 MiB"),
    Key::new("events", Texts, "The known event types, sorted; `family` is `family.anything` too, and `/*` whatever begins so."),
    Key::new("signature", Table(SIGNATURE), "How requests are signed."),
    Key::new("variants", TablesByName(VARIANT), "Older or alternative schemes, which `variant` opts into."),
    Key::new("identity", Table(IDENTITY), "Where id, type and payload stand."),
    Key::new("challenges", Tables(CHALLENGE), "Requests by which the provider asks whether this is really its endpoint, and their answers."),
    Key::new("acknowledgement", Table(ACKNOWLEDGEMENT), "What the provider expects of an answer."),
    Key::new("example", Table(EXAMPLE), "A request to try things out with."),
]];

const VARIANT: Keys = &[
    SIGNATURE[0],
    &[Key::new(
        "identity",
        Table(VARIANT_IDENTITY),
        "Where id or type stand with this scheme, if it is another place.",
    )],
];

const ACKNOWLEDGEMENT: Keys = &[&[
    Key::new("deadline", Duration, "How long the provider waits for an answer."),
    Key::new("retry_horizon", Duration, "How long the provider goes on sending what was not acknowledged."),
    Key::new("retries", Flag, "Whether the provider sends anything again by itself.").or("true"),
    Key::new(
        "success",
        Count,
        "The status of success that the provider wants to see, where 200 will not do.",
    ),
    Key::new(
        "rejected",
        Count,
        "The status for a bad signature that the provider wants to see, where 401 will not do.",
    ),
]];

const EXAMPLE: Keys = &[&[
    Key::new("event", Text, "The type of the example's event."),
    Key::new(
        "body",
        Text,
        "The body of the example, made of `{id}`, `{event}`, `{family}`, `{action}`, `{now}`, `{now_ms}` and `{signature}`.",
    ),
    Key::new("headers", TextsByName, "The headers of the example, made of the same."),
]];
