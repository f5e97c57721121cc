//! A provider: everything that is known about how a vendor sends its webhooks.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderName, Method, StatusCode};

use super::challenge::{ChallengeRule, Handshake};
use super::example::Example;
use super::identity::Identity;
use super::read::{or_default, parse_path};
use super::signature::{BindOptions, SecretProblem, SignatureScheme, Verifier};
use crate::document::TableReader;
use crate::secret::Secret;

/// How a vendor signs, names and introduces its webhooks.
#[derive(Debug, Clone)]
pub(crate) struct Provider {
    pub(crate) name: String,
    pub(crate) title: String,
    /// Where the vendor documents its webhooks.
    pub(crate) docs: Option<String>,
    /// Whether the facts are second-hand: no vendor's document, library or test stands behind them.
    pub(crate) unverified: bool,
    pub(crate) signature: SignatureScheme,
    /// Older or alternative schemes, for users to opt into.
    pub(crate) variants: BTreeMap<String, Variant>,
    pub(crate) identity: Identity,
    pub(crate) challenges: Vec<ChallengeRule>,
    pub(crate) acknowledgement: Acknowledgement,
    pub(crate) max_body: Option<u64>,
    /// The known event types, see [`knows`](Self::knows); empty if there is no list.
    pub(crate) events: Vec<String>,
    pub(crate) key_owner: KeyOwner,
    /// The places that tell one of the vendor's customers from another.
    pub(crate) recipient: Vec<String>,
    /// The headers that carry the signatures and tokens of any of its schemes, since it may send several along.
    pub(crate) credential_headers: Vec<HeaderName>,
    /// A request to try things out with.
    pub(crate) example: Option<Example>,
}

/// Another scheme of the same provider.
#[derive(Debug, Clone)]
pub(crate) struct Variant {
    pub(crate) signature: SignatureScheme,
    identity: Identity,
}

/// What a provider expects of an answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Acknowledgement {
    /// How long it waits for one.
    pub(crate) deadline: Option<Duration>,
    /// How long it goes on sending what was not acknowledged.
    pub(crate) retry_horizon: Option<Duration>,
    /// Whether it sends anything again by itself.
    pub(crate) retries: bool,
    /// The status that it wants to see on success, where 200 will not do.
    pub(crate) success: Option<StatusCode>,
    /// The status that it wants to see for a bad signature, where 401 will not do.
    pub(crate) rejected: Option<StatusCode>,
}

/// Whose key the signatures are made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyOwner {
    /// The endpoint's own: the signature proves that the delivery is for it.
    Own,
    /// The vendor's, for all of its customers: the signature proves only who sent it.
    Vendor,
}

impl Provider {
    /// Reads and finishes a provider's table. Every mistake is noted with the reader.
    pub(crate) fn read(name: &str, reader: TableReader<'_>) -> Option<Self> {
        let title = reader.string("title").unwrap_or_else(|| name.to_owned());
        let docs = reader.string("docs");
        let unverified = reader.boolean("unverified").unwrap_or(false);
        let owners = [("own", KeyOwner::Own), ("vendor", KeyOwner::Vendor)];
        let key_owner = reader.one_of("key_owner", &owners).unwrap_or(KeyOwner::Own);
        let recipient = recipient(&reader);
        let max_body = reader.size("max_body");
        let events = reader.strings("events").unwrap_or_default();
        let signature = section(&reader, "signature", "how requests are signed").and_then(read_signature);
        let identity = section(&reader, "identity", "where id, type and payload stand")
            .and_then(|table| Identity::read(table, signature.as_ref()));
        let variants = match reader.table("variants") {
            Some(table) => table
                .entries()
                .into_iter()
                .map(|(variant, table)| Some((variant.to_owned(), Variant::read(table, identity.as_ref())?)))
                .collect(),
            None => Some(BTreeMap::new()),
        };
        let challenges: Vec<_> = reader.tables("challenges").into_iter().map(ChallengeRule::read).collect();
        let acknowledgement = reader.table("acknowledgement").map_or_else(
            || Acknowledgement { retries: true, ..Acknowledgement::default() },
            Acknowledgement::read,
        );
        let example = reader.table("example").and_then(Example::read);
        let (schemes, json) = (
            signature.iter().chain(variants.iter().flatten().map(|(_, it)| &it.signature)),
            identity.as_ref().is_none_or(Identity::is_json),
        );
        check_oracles(&reader, &challenges, schemes, json);
        reader.finish();
        let (signature, variants) = (signature?, variants?);
        let schemes = variants.values().map(|it: &Variant| &it.signature).chain([&signature]);
        Some(Self {
            credential_headers: schemes.flat_map(SignatureScheme::credential_headers).collect(),
            name: name.to_owned(),
            title,
            docs,
            unverified,
            signature,
            variants,
            identity: identity?,
            challenges: challenges.into_iter().collect::<Option<_>>()?,
            acknowledgement,
            max_body,
            events,
            key_owner,
            recipient: recipient?,
            example,
        })
    }

    /// Whether an event type is among those that are listed: by itself; by its family, as GitHub lists `issues` and a
    /// listener may name `issues.opened`; or by its beginning, where names are the customer's own (`/*`).
    pub(crate) fn knows(&self, event: &str) -> bool {
        let family = event.split_once('.').map(|(family, _)| family);
        self.events.iter().any(|listed| {
            let open = listed.strip_suffix('*').is_some_and(|beginning| event.starts_with(beginning));
            open || listed == event || Some(listed.as_str()) == family
        })
    }

    /// The same provider with one of its variants for a scheme.
    pub(crate) fn with_variant(&self, name: &str) -> Option<Self> {
        let Variant { signature, identity } = self.variants.get(name)?.clone();
        Some(Self { signature, identity, ..self.clone() })
    }

    /// The methods that it sends requests with: `POST`, and those of its challenges.
    pub(crate) fn methods(&self) -> Vec<Method> {
        let mut methods = vec![Method::POST];
        for rule in &self.challenges {
            if !methods.contains(rule.method()) {
                methods.push(rule.method().clone());
            }
        }
        methods
    }

    /// Turns a source's secrets into its verifier.
    pub(crate) fn bind(
        &self,
        secrets: &[Secret],
        options: &BindOptions,
    ) -> Result<Verifier, Vec<SecretProblem>> {
        let verifier = self.signature.bind(secrets, options)?;
        Ok(verifier.with_id_header(self.identity.id_header().cloned()))
    }

    /// The challenge rules with a source's secrets.
    pub(crate) fn handshake(&self, secrets: &[Secret], verify_token: Option<Secret>) -> Handshake {
        Handshake::new(&self.challenges, &self.signature, secrets, verify_token)
    }

    /// Whether a handshake brings the secret.
    pub(crate) fn stores_secret(&self) -> bool {
        self.challenges.iter().any(ChallengeRule::stores_secret)
    }

    /// Whether a handshake has to bring the token that the user has agreed on with the provider.
    pub(crate) fn wants_verify_token(&self) -> bool {
        self.challenges.iter().any(ChallengeRule::wants_verify_token)
    }
}

impl Variant {
    /// Reads `[variants.NAME]`: a `[signature]` of its own and, where the id comes in another place with it,
    /// the id's keys of an `identity`.
    fn read(reader: TableReader<'_>, provider: Option<&Identity>) -> Option<Self> {
        let signature = SignatureScheme::read(&reader);
        let changes = reader.table("identity");
        reader.finish();
        let signature = signature?;
        let identity = provider?.with_scheme(&signature, changes)?;
        Some(Self { signature, identity })
    }
}

impl Acknowledgement {
    fn read(reader: TableReader<'_>) -> Self {
        let read = Self {
            deadline: reader.duration("deadline"),
            retry_horizon: reader.duration("retry_horizon"),
            retries: reader.boolean("retries").unwrap_or(true),
            success: status(&reader, "success", |it| it.is_success()),
            rejected: status(&reader, "rejected", |it| it.is_client_error() && it != StatusCode::GONE),
        };
        reader.finish();
        read
    }
}

/// Paths, and claims as `claim.name`.
fn recipient(reader: &TableReader<'_>) -> Option<Vec<String>> {
    let places = or_default(reader, "recipient", |key| reader.strings(key), Vec::new())?;
    let sound =
        |place: &String| place.starts_with("claim.") || parse_path(reader, "recipient", place).is_some();
    places.iter().all(sound).then_some(places)
}

/// Notes challenges whose answers would be signatures.
fn check_oracles<'s>(
    reader: &TableReader<'_>,
    challenges: &[Option<ChallengeRule>],
    schemes: impl Iterator<Item = &'s SignatureScheme> + Clone,
    json: bool,
) {
    for (index, rule) in challenges.iter().enumerate() {
        let signs =
            |scheme: &SignatureScheme| rule.as_ref().is_some_and(|it| it.signs_events_of(scheme, json));
        if schemes.clone().any(signs) {
            reader.problem(
                "challenges",
                &format!("number {}: its reply could be the signature of an event", index + 1),
                "sign the time too, with text between (`content = \"{timestamp}.{body}\"`), or have the challenge signed",
            );
        }
    }
}

fn read_signature(reader: TableReader<'_>) -> Option<SignatureScheme> {
    let scheme = SignatureScheme::read(&reader);
    reader.finish();
    scheme
}

fn section<'a>(reader: &TableReader<'a>, key: &str, says: &str) -> Option<TableReader<'a>> {
    if !reader.has(key) {
        reader.problem(key, "is missing", format!("add [{key}]: it says {says}"));
    }
    reader.table(key)
}

fn status(reader: &TableReader<'_>, key: &str, fits: fn(StatusCode) -> bool) -> Option<StatusCode> {
    let number = reader.unsigned(key)?;
    let status =
        u16::try_from(number).ok().and_then(|it| StatusCode::from_u16(it).ok()).filter(|it| fits(*it));
    if status.is_none() {
        reader.problem(
            key,
            "this status cannot be answered here",
            "write 2xx for success, 4xx but 410 otherwise",
        );
    }
    status
}
