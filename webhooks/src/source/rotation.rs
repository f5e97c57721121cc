//! Secrets that stand in files: looked at again and again, so that one can be rotated without a restart.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use tokio::task::AbortHandle;

use super::{Source, Verification};
use crate::scheme::{BindOptions, Handshake, Provider, Verifier, placeholder};
use crate::secret::Secret;

/// The keys of a source whose secrets stand in files.
pub(crate) struct FiledKeys {
    files: Vec<PathBuf>,
    provider: Provider,
    options: BindOptions,
    verify_token: Option<Secret>,
    current: RwLock<Arc<Keys>>,
}

/// What is made of a source's secrets.
pub(crate) struct Keys {
    secrets: Vec<Secret>,
    pub(super) verifier: Verifier,
    pub(super) handshake: Handshake,
}

impl FiledKeys {
    /// With the secrets that the files held at the start, and the verifier that was made of them.
    pub(crate) fn new(
        files: Vec<PathBuf>,
        secrets: Vec<Secret>,
        verifier: Verifier,
        provider: Provider,
        options: BindOptions,
        verify_token: Option<Secret>,
    ) -> Self {
        let handshake = provider.handshake(&secrets, verify_token.clone());
        let current = RwLock::new(Arc::new(Keys { secrets, verifier, handshake }));
        Self { files, provider, options, verify_token, current }
    }

    pub(super) fn current(&self) -> Arc<Keys> {
        Arc::clone(&self.current.read().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    /// Uses these secrets from now on; or says why they cannot be used.
    fn adopt(&self, secrets: Vec<Secret>) -> Result<(), String> {
        for (file, secret) in self.files.iter().zip(&secrets) {
            if secret.reveal().trim().is_empty() {
                return Err(format!("{} is empty", file.display()));
            }
            if placeholder(secret.reveal()) {
                return Err(format!("{} holds a placeholder", file.display()));
            }
        }
        let verifier = self.provider.bind(&secrets, &self.options).map_err(|flaws| {
            let file =
                |index: Option<usize>| self.files.get(index.unwrap_or_default()).map(|it| it.display());
            let told = flaws.iter().map(|flaw| match file(flaw.secret_index) {
                Some(file) => format!("{file}: {}", flaw.what),
                None => flaw.what.clone(),
            });
            told.collect::<Vec<_>>().join("; ")
        })?;
        let handshake = self.provider.handshake(&secrets, self.verify_token.clone());
        let keys = Arc::new(Keys { secrets, verifier, handshake });
        *self.current.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = keys;
        Ok(())
    }
}

/// Looks after the files for as long as it lives.
#[derive(Debug)]
pub(crate) struct Watch(AbortHandle);

impl Watch {
    const EVERY: Duration = Duration::from_secs(1);

    /// `None`: no source has its secrets in files, or will have.
    pub(crate) fn begin<'s>(sources: impl IntoIterator<Item = &'s Arc<Source>>) -> Option<Self> {
        let mut watched: Vec<_> = sources.into_iter().filter_map(Watched::new).collect();
        if watched.is_empty() {
            return None;
        }
        let watch = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Self::EVERY).await;
                for source in &mut watched {
                    source.look().await;
                }
            }
        });
        Some(Self(watch.abort_handle()))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A source whose files are looked at.
struct Watched {
    source: Arc<Source>,
    /// `None`: its secret has not come yet.
    held: Option<Held>,
}

/// What the files of one source held.
struct Held {
    /// What is in use, or was complained of.
    settled: Look,
    last: Look,
}

/// The secrets; or why there are none, in words.
#[derive(Clone)]
struct Look(Result<Vec<Secret>, String>);

impl Watched {
    fn new(source: &Arc<Source>) -> Option<Self> {
        let is_filed = matches!(source.verification, Verification::Filed(_) | Verification::Awaited(_));
        let held = source.verification.filed_keys().map(Held::by);
        is_filed.then(|| Self { source: Arc::clone(source), held })
    }

    async fn look(&mut self) {
        let Some(keys) = self.source.verification.filed_keys() else { return };
        let held = self.held.get_or_insert_with(|| Held::by(keys));
        let files = keys.files.clone();
        // A file may stand on a network's disk.
        let Ok(now) = tokio::task::spawn_blocking(move || Look::at(&files)).await else { return };
        let Some(Look(changed)) = held.see(now) else { return };
        match changed.and_then(|secrets| keys.adopt(secrets)) {
            Ok(()) => {
                tracing::info!(source = %self.source.name, "the secrets have changed, and are used from now on")
            }
            Err(problem) => tracing::error!(
                source = %self.source.name, problem,
                help = "put the secret into the file again; nothing has to be restarted",
                "the secrets have changed, but cannot be used: the old ones stay in use"
            ),
        }
    }
}

impl Held {
    /// What the files held when these keys were made.
    fn by(keys: &FiledKeys) -> Self {
        let look = Look(Ok(keys.current().secrets.clone()));
        Self { settled: look.clone(), last: look }
    }

    /// What the files hold now, if that is a change. It is one once it was seen twice: a file that is just being
    /// written may hold half a secret.
    fn see(&mut self, now: Look) -> Option<Look> {
        let stands = now == self.last;
        self.last = now;
        if self.last == self.settled || !stands {
            return None;
        }
        self.settled = self.last.clone();
        Some(self.settled.clone())
    }
}

impl Look {
    fn at(files: &[PathBuf]) -> Self {
        let read = |file: &PathBuf| Secret::from_file(file).map_err(|error| unreadable(file, &error));
        Self(files.iter().map(read).collect())
    }
}

impl PartialEq for Look {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Ok(ours), Ok(theirs)) => ours.iter().map(Secret::reveal).eq(theirs.iter().map(Secret::reveal)),
            (Err(ours), Err(theirs)) => ours == theirs,
            _ => false,
        }
    }
}

fn unreadable(file: &Path, error: &io::Error) -> String {
    format!("{} cannot be read: {error}", file.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(secret: &str) -> Look {
        if secret.is_empty() {
            Look(Err("it cannot be read".to_owned()))
        } else {
            Look(Ok(vec![secret.into()]))
        }
    }

    #[test]
    fn a_change_counts_once_it_stands() {
        let mut held = Held { settled: look("old"), last: look("old") };
        let mut changed = |secret| held.see(look(secret)) == Some(look(secret));
        assert!(!changed("old"), "nothing has changed");
        assert!(!changed("ne"), "it is just being written");
        assert!(!changed("new"));
        assert!(changed("new"));
        assert!(!changed("new"), "it is in use");
        assert!(!changed("") && changed("") && !changed(""), "complained of once");
        assert!(!changed("new") && changed("new"));
        assert!(!changed("other") && !changed("new"), "gone before it stood");
    }
}
