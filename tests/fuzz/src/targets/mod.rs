//! One file a target.

mod durations;
mod formats;
mod forms;
mod json;
mod kit;
mod patterns;
mod schemes;
mod settings;
mod timestamps;

use crate::target::Target;

type Make = fn() -> Box<dyn Target>;

const TARGETS: [(&str, Make); 9] = [
    ("durations", || Box::new(durations::Durations)),
    ("formats", || Box::new(formats::Formats::new())),
    ("forms", || Box::new(forms::Forms::new())),
    ("json", || Box::new(json::Json::new())),
    ("kit", || Box::new(kit::Kit::new())),
    ("patterns", || Box::new(patterns::Patterns::new())),
    ("schemes", || Box::new(schemes::Schemes::new())),
    ("settings", || Box::new(settings::Documents::new())),
    ("timestamps", || Box::new(timestamps::Timestamps::new())),
];

/// The one of a list that an input's first byte chooses: `0` is the first.
fn chosen<T>(list: &[T], choice: u8) -> &T {
    &list[usize::from(choice.wrapping_sub(b'0')) % list.len()]
}

/// The names of all targets.
pub fn all() -> Vec<&'static str> {
    TARGETS.iter().map(|(name, _)| *name).collect()
}

/// The target of this name.
pub fn named(name: &str) -> Option<Box<dyn Target>> {
    TARGETS.iter().find(|(it, _)| *it == name).map(|(_, make)| make())
}
