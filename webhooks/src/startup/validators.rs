//! Which validator a name means.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Parts;
use crate::listener::validators::{self, Secrets, ValidatorRegistration};
use crate::problem::{Problem, Problems, unknown_word};
use crate::scheme::DynSignatureValidator;
use crate::settings::source::SourceConfig;

/// Notes names that more than one validator has: which of them judges must not be left to chance.
pub(super) fn check_names(parts: &Parts, problems: &Problems) {
    let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for registration in registered(parts) {
        places
            .entry(registration.name)
            .or_default()
            .push(format!("{}:{}", registration.file, registration.line));
    }
    for (name, _) in &parts.validators {
        places.entry(name).or_default().push(".validator(…)".to_owned());
    }
    for (name, places) in places.into_iter().filter(|(_, places)| places.len() > 1) {
        let what = format!("{} validators are called `{name}`: {}", places.len(), places.join(", "));
        problems.add(what, "give each a name of its own, or remove all but one");
    }
}

/// The validator that `validator = "…"` means. What is wrong with it is noted.
pub(super) fn named(
    name: &str,
    source: &SourceConfig,
    parts: &Parts,
    problems: &Problems,
) -> Option<Arc<dyn DynSignatureValidator>> {
    if let Some((_, validator)) = parts.validators.iter().find(|(known, _)| known == name) {
        return Some(checked(Arc::clone(&validator.0), source, problems));
    }
    let registered = registered(parts);
    let Some(registration) = registered.iter().find(|it| it.name == name) else {
        let known =
            registered.iter().map(|it| it.name).chain(parts.validators.iter().map(|(name, _)| name.as_str()));
        let help = "register it with #[webhook_validator] or .validator(…), or leave `validator` out: the provider's own \
                    scheme is then used";
        let says = format!("{}: no validator is called", source.place);
        let Problem { what, help } = unknown_word(&says, name, known.chain(["none"]), help);
        problems.add(what, help);
        return None;
    };
    match (registration.build)(Secrets::new(source.secrets.clone())) {
        Ok(validator) => Some(checked(validator.0, source, problems)),
        Err(error) => {
            problems.add(
                format!(
                    "{}: its validator `{name}` ({}:{}) refuses",
                    source.place, registration.file, registration.line
                ),
                error,
            );
            None
        }
    }
}

/// The validator; what is wrong with it is noted.
fn checked(
    validator: Arc<dyn DynSignatureValidator>,
    source: &SourceConfig,
    problems: &Problems,
) -> Arc<dyn DynSignatureValidator> {
    for Problem { what, help } in validator.problems() {
        problems.add(format!("{}: its validator can verify nothing: {what}", source.place), help);
    }
    if validator.accepts_everyone() {
        problems.warn(
            format!("{} accepts unsigned requests: anyone can send it anything", source.place),
            "give it a validator that knows a secret",
        );
    }
    validator
}

fn registered(parts: &Parts) -> Vec<&'static ValidatorRegistration> {
    if parts.registered_validators { validators::registered() } else { Vec::new() }
}
