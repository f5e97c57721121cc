//! What is wrong with a secret, without saying the secret.

use crate::problem::Problem;

/// Why a secret cannot serve. Never contains the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecretProblem {
    /// Which of the source's secrets; `None` when it is not about one of them.
    pub(crate) secret_index: Option<usize>,
    pub(crate) what: String,
    pub(crate) help: String,
}

impl SecretProblem {
    pub(crate) fn new(
        secret_index: impl Into<Option<usize>>,
        what: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self { secret_index: secret_index.into(), what: what.into(), help: help.into() }
    }

    /// What is wrong with any secret that is none: empty, or what stood in the example.
    pub(in crate::scheme) fn of_blank(index: usize, secret: &str) -> Option<Self> {
        let what = if secret.trim().is_empty() {
            "the secret is empty"
        } else if placeholder(secret) {
            "the secret is a placeholder"
        } else {
            return None;
        };
        Some(Self::new(index, what, "copy the real one from the provider's dashboard"))
    }
}

impl From<SecretProblem> for Problem {
    fn from(problem: SecretProblem) -> Self {
        Self::new(problem.what, problem.help)
    }
}

/// Whether a text stands where a secret was to be filled in: `${SECRET}`, `changeme`, `whsec_…`.
pub(crate) fn placeholder(secret: &str) -> bool {
    const WORDS: [&str; 9] = [
        "changeme",
        "change-me",
        "change_me",
        "todo",
        "secret_here",
        "your_secret",
        "your-secret",
        "placeholder",
        "whsec_",
    ];
    let secret = secret.trim();
    let shell_variable = secret.starts_with("${") && secret.ends_with('}');
    let elided = secret.ends_with('…') || secret.ends_with("...");
    let bracketed = secret.starts_with('<') && secret.ends_with('>');
    shell_variable || elided || bracketed || WORDS.iter().any(|it| secret.eq_ignore_ascii_case(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_no_secrets() {
        for text in ["${STRIPE_SECRET}", "changeme", "CHANGEME", "whsec_…", "whsec_...", "<secret>"] {
            assert!(placeholder(text), "{text}");
        }
        for text in ["topsecret", "whsec_test", "12345", "$x{}"] {
            assert!(!placeholder(text), "{text}");
        }
    }
}
