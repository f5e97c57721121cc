//! From a source's settings to a source that is ready to receive.

use std::sync::Arc;
use std::time::Duration;

use super::Parts;
use super::development::{self, SampleRequest};
use super::{fetching, validators};
use crate::document::quoted_list;
use crate::listener::bound::Listener;
use crate::listener::routes::Routes;
use crate::problem::{Problem, Problems};
use crate::scheme::{BindOptions, BodyCoverage, KeyOwner, Provider, SecretProblem, Verifier};
use crate::seen::gate::Gate;
use crate::settings::config::Config;
use crate::settings::source::{SourceConfig, ValidatorChoice};
use crate::source::awaited::AwaitedSecret;
use crate::source::rotation::FiledKeys;
use crate::source::{Source, Verification};
use crate::stats::SourceStats;

const DEFAULT_MAX_BODY: u64 = 1 << 20;
const DEFAULT_TTL: Duration = Duration::from_secs(86_400);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Makes every source. Those that have no secret get a random one where that is allowed, and a request to try it with.
pub(super) fn make(
    config: &Config,
    sources: Vec<SourceConfig>,
    parts: &Parts,
    listeners: &[Listener],
    problems: &Problems,
) -> Made {
    let mut made = Made::default();
    for mut source in sources {
        let by_scheme = source.validator == ValidatorChoice::Scheme;
        check_expected(&source, problems);
        let keyless =
            source.provider.signature.fetched().is_some() && !source.provider.signature.needs_secret();
        let wants_secret = by_scheme && source.secrets.is_empty() && source.awaited.is_none() && !keyless;
        let lent = if wants_secret { lend_secret(config, &mut source, parts, problems) } else { None };
        if wants_secret && lent.is_none() {
            continue;
        }
        let Some(verification) = verification(config, &source, parts, problems) else { continue };
        if let Some(problem) = lent
            && let Verification::Scheme(verifier) = &verification
        {
            let sample = development::sample(&config.http, &source, verifier, listeners);
            made.development.push((problem, sample));
        }
        let place = source.place.clone();
        let source = finish(config, source, verification, listeners);
        check_room(config, &source, &place, problems);
        made.sources.push(Arc::new(source));
    }
    made
}

#[derive(Default)]
pub(super) struct Made {
    pub(super) sources: Vec<Arc<Source>>,
    /// For each source that was lent a secret: what would be wrong with it anywhere else, and a request to try it with.
    pub(super) development: Vec<(Problem, Option<SampleRequest>)>,
}

fn finish(
    config: &Config,
    source: SourceConfig,
    verification: Verification,
    listeners: &[Listener],
) -> Source {
    let provider = &source.provider;
    let identity = provider.identity.clone();
    let (retention, binding_retention) = (retention(config, &source), binding_retention(config, &source));
    Source {
        content_is_signed: signs_content(&source),
        routes: Routes::new(source.name.as_str(), listeners),
        handshake: provider.handshake(&source.secrets, source.verify_token.clone()),
        expected: source.expected,
        identity: if source.batch { identity } else { identity.without_batch() },
        credential_headers: provider.credential_headers.clone(),
        token_in_body: provider.signature.token_in_body(),
        methods: provider.methods(),
        acknowledgement: provider.acknowledgement.clone(),
        max_body: source
            .max_body
            .or(config.limits.max_body)
            .or(provider.max_body)
            .unwrap_or(DEFAULT_MAX_BODY),
        retention,
        binding_retention,
        timeout: timeout(config, provider),
        replay_guard: source.replay_guard,
        replays: Default::default(),
        stats: Arc::new(SourceStats::new(source.name.as_str())),
        gate: Gate::default(),
        name: source.name,
        verification,
    }
}

/// A body that does not fit into what all of them may take together can never be received.
fn check_room(config: &Config, source: &Source, place: &str, problems: &Problems) {
    let (most, room) = (source.max_body, config.limits.max_buffered);
    if most == 0 {
        problems.add(format!("{place}: with a `max_body` of 0, no delivery is let in"), "write 1 or more");
    } else if most > room {
        problems.warn(
            format!(
                "{place}: a body may have {most} bytes, but `webhooks.max_buffered` leaves room for {room}: larger ones are \
                 never received"
            ),
            format!("raise `webhooks.max_buffered` to {most} or more, or lower the source's `max_body`"),
        );
    }
}

/// Whether the signature speaks for the content. That of a validator in code is taken to.
pub(super) fn signs_content(source: &SourceConfig) -> bool {
    match source.validator {
        ValidatorChoice::Scheme => source.provider.signature.covers().body > BodyCoverage::None,
        ValidatorChoice::Named(_) => true,
        ValidatorChoice::None => false,
    }
}

/// What the vendor signs with one key for all of its customers must say for whom it is, and where no stranger can say it.
fn check_expected(source: &SourceConfig, problems: &Problems) {
    let provider = &source.provider;
    if provider.key_owner == KeyOwner::Vendor && source.validator == ValidatorChoice::Scheme {
        check_recipient(source, problems);
    }
    let reads_claims = provider.signature.reads_claims() && source.validator == ValidatorChoice::Scheme;
    if source.expected.names_claims() && !reads_claims {
        problems.add(
            format!("{}: `expect` names a claim, and nothing here reads one", source.place),
            "name a path (`$.account`) or a header",
        );
    }
    if provider.wants_verify_token() && source.verify_token.is_none() {
        problems.warn(
            format!("{} has no `verify_token`: {} cannot be told to send here", source.place, provider.title),
            "set it to a text of your own, and give the provider the same",
        );
    }
}

fn check_recipient(source: &SourceConfig, problems: &Problems) {
    let SourceConfig { provider, expected, .. } = source;
    for name in expected.unsigned_headers(&provider.signature) {
        problems.add(
            format!(
                "{}: `expect` names the header `{name}`, which {} does not sign",
                source.place, provider.title
            ),
            "anyone can set it: name a path of what is signed",
        );
    }
    let says_for_whom = match provider.recipient.as_slice() {
        [] => !expected.is_empty(),
        places => expected.names_one_of(places),
    };
    if !says_for_whom {
        let place = provider.recipient.first().map_or("$.path", String::as_str);
        let others = match provider.recipient.get(1..).unwrap_or_default() {
            [] => String::new(),
            others => format!(", or {}", quoted_list(others.iter().map(String::as_str))),
        };
        problems.add(
            format!(
                "{}: {} signs for all of its customers with one key, so that a signature does not say for whom",
                source.place, provider.title
            ),
            format!("say for whom: [webhooks.sources.{}.expect] \"{place}\" = \"text\"{others}", source.name),
        );
    }
}

/// Memory outlasts the provider: as long as it may send an event again, and as long as anyone may who has seen it sent,
/// the event is known.
fn retention(config: &Config, source: &SourceConfig) -> Duration {
    let horizon = source.provider.acknowledgement.retry_horizon.unwrap_or_default();
    config.idempotency.ttl.unwrap_or_else(|| DEFAULT_TTL.max(horizon).max(validity(source)))
}

/// Whatever the settings say, a token is not forgotten while its signature is good for another body.
fn binding_retention(config: &Config, source: &SourceConfig) -> Duration {
    retention(config, source).max(validity(source))
}

/// How long a request of this source can be sent again.
fn validity(source: &SourceConfig) -> Duration {
    source.provider.signature.validity(source.tolerance).unwrap_or_default()
}

/// The answer must leave before the provider stops waiting for it.
fn timeout(config: &Config, provider: &Provider) -> Duration {
    let in_time = provider.acknowledgement.deadline.map(|deadline| deadline - deadline / 5);
    config.inline.timeout.unwrap_or_else(|| in_time.map_or(LONGEST_TIMEOUT, |it| it.min(LONGEST_TIMEOUT)))
}

fn verification(
    config: &Config,
    source: &SourceConfig,
    parts: &Parts,
    problems: &Problems,
) -> Option<Verification> {
    match &source.validator {
        ValidatorChoice::None => {
            problems.warn(
                format!("{} accepts unsigned requests: anyone can send it anything", source.place),
                "remove `validator = \"none\"` and set its `secret`",
            );
            Some(Verification::Unsigned)
        }
        ValidatorChoice::Named(name) => {
            validators::named(name, source, parts, problems).map(Verification::Validator)
        }
        ValidatorChoice::Scheme => {
            let options = BindOptions {
                public_url: source.public_url.clone().or_else(|| config.http.public_url.clone()),
                tolerance: source.tolerance,
            };
            if let Some(file) = &source.awaited {
                problems.warn(
                    format!(
                        "{} waits for the provider's handshake, and believes the first that comes",
                        source.place
                    ),
                    format!("set the webhook up now; its secret will be kept in {}", file.display()),
                );
                let verify_token = source.verify_token.clone();
                let awaited =
                    AwaitedSecret::new(source.provider.clone(), options, verify_token, file.clone());
                return Some(Verification::Awaited(Box::new(awaited)));
            }
            let bound = match source.provider.signature.fetched() {
                None => source.provider.bind(&source.secrets, &options).map(|it| bound(source, it, options)),
                Some(scheme) => fetching::bind(scheme, source, parts, problems)?.map(Verification::Validator),
            };
            bound.map_err(|flaws| report(source, flaws, problems)).ok()
        }
    }
}

/// Secrets from files may change while the process runs.
fn bound(source: &SourceConfig, verifier: Verifier, options: BindOptions) -> Verification {
    if source.secret_files.is_empty() {
        return Verification::Scheme(verifier);
    }
    let (files, secrets) = (source.secret_files.clone(), source.secrets.clone());
    let (provider, verify_token) = (source.provider.clone(), source.verify_token.clone());
    Verification::Filed(Box::new(FiledKeys::new(files, secrets, verifier, provider, options, verify_token)))
}

fn report(source: &SourceConfig, flaws: Vec<SecretProblem>, problems: &Problems) {
    for flaw in flaws {
        let place = match flaw.secret_index {
            None => source.place.clone(),
            Some(_) if source.secrets.len() == 1 => source.secret_place.clone(),
            Some(index) => format!("{}, number {}", source.secret_place, index + 1),
        };
        problems.add(format!("{place}: {}", flaw.what), flaw.help);
    }
}

/// In development, a source without a secret gets a random one for the life of the process. Returned is what would be
/// wrong with it elsewhere.
fn lend_secret(
    config: &Config,
    source: &mut SourceConfig,
    parts: &Parts,
    problems: &Problems,
) -> Option<Problem> {
    let problem = source.missing_secret();
    let secret = source.provider.signature.generate_secret().filter(|_| parts.development);
    let Some(secret) = secret else {
        problems.add(problem.what, problem.help);
        return None;
    };
    source.secrets.push(secret);
    // A printed request must work for longer than a signature is usually good. The secret is known to nobody else.
    source.tolerance.get_or_insert(development::TOLERANCE);
    if source.public_url.is_none() && config.http.public_url.is_none() {
        source.public_url = Some(format!("http://{}", config.http.bind));
    }
    Some(problem)
}
