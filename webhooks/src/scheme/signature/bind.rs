//! From secrets to keys.

use super::BindOptions;
use super::declared::{AnyKey, BoundKey, Declared, DeclaredVerifier};
use super::key::Key;
use super::problem::SecretProblem;
use super::public_key::{KeyFlaw, PublicKey};
use crate::secret::Secret;

impl Declared {
    pub(super) fn bind(
        &self,
        secrets: &[Secret],
        options: &BindOptions,
    ) -> Result<DeclaredVerifier, Vec<SecretProblem>> {
        let mut problems = Vec::new();
        let mut keys = Vec::new();
        for (index, secret) in secrets.iter().enumerate() {
            match self.key(index, secret.reveal()) {
                Ok(key) => keys.push(key),
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut scheme = self.clone();
        if let (Some(timestamp), Some(tolerance)) = (&mut scheme.timestamp, options.tolerance) {
            (timestamp.past, timestamp.future) = (tolerance, tolerance);
        }
        let public_url = options.public_url.as_deref().unwrap_or_default().trim_end_matches('/').to_owned();
        Ok(DeclaredVerifier { scheme, keys, public_url })
    }

    fn key(&self, index: usize, secret: &str) -> Result<BoundKey, SecretProblem> {
        if let Some(problem) = SecretProblem::of_blank(index, secret) {
            return Err(problem);
        }
        let (id, secret) = match (&self.key_id, secret.split_once(':')) {
            (None, _) => (None, secret),
            (Some(_), Some((id, secret))) if !id.is_empty() => (Some(Box::from(id)), secret),
            (Some(_), _) => {
                let help = "write it as `keyid:secret`: this provider says which of its keys it signed with";
                return Err(SecretProblem::new(index, "the secret has no key id", help));
            }
        };
        let problem = |(what, help): KeyFlaw| SecretProblem::new(index, what, help);
        let key = if self.algorithm.is_asymmetric() {
            let bytes = self.secret.decode_public(secret).map_err(problem)?;
            let key = PublicKey::new(self.algorithm, &bytes).ok_or_else(|| self.missing_engine())?;
            AnyKey::Public(key.map_err(problem)?)
        } else {
            let bytes = self.secret.decode(secret).map_err(problem)?;
            let flaw = ("the secret cannot be a key", "copy it again");
            AnyKey::Shared(Box::new(Key::new(self.algorithm, &bytes).ok_or_else(|| problem(flaw))?))
        };
        Ok(BoundKey { id, key })
    }

    fn missing_engine(&self) -> SecretProblem {
        let feature = self.algorithm.feature().unwrap_or_default();
        SecretProblem::new(
            None,
            format!("this build cannot verify {} signatures", self.algorithm.name()),
            format!(
                "enable the feature `{feature}`: webhooks = {{ version = \"…\", features = [\"{feature}\"] }}"
            ),
        )
    }
}
