//! A source whose secret comes with the provider's first handshake, and is kept in a file from then on.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::OnceLock;

use super::rotation::FiledKeys;
use crate::rejection::Rejection;
use crate::scheme::{BindOptions, Provider, Verifier};
use crate::secret::Secret;

/// Waits for the secret of a source. Nothing is believed before it came, and the first handshake counts.
pub(crate) struct AwaitedSecret {
    provider: Provider,
    options: BindOptions,
    verify_token: Option<Secret>,
    /// Where the secret is kept; there is no such file yet.
    file: PathBuf,
    /// Once the secret is there, it is one in a file like any other.
    keys: OnceLock<FiledKeys>,
}

impl AwaitedSecret {
    pub(crate) fn new(
        provider: Provider,
        options: BindOptions,
        verify_token: Option<Secret>,
        file: PathBuf,
    ) -> Self {
        Self { provider, options, verify_token, file, keys: OnceLock::new() }
    }

    /// The keys, once the secret came: to this process, or to another that keeps it in the same file.
    pub(super) fn keys(&self) -> Result<&FiledKeys, Rejection> {
        if let Some(keys) = self.known_keys() {
            return Ok(keys);
        }
        let secret = Secret::from_file(&self.file).map_err(|_| Rejection::SignatureMissing)?;
        let verifier = self.bind(&secret).ok_or(Rejection::SignatureMissing)?;
        let (provider, options) = (self.provider.clone(), self.options.clone());
        let (files, verify_token) = (vec![self.file.clone()], self.verify_token.clone());
        let keys = FiledKeys::new(files, vec![secret], verifier, provider, options, verify_token);
        Ok(self.keys.get_or_init(|| keys))
    }

    /// The keys, if this process has met with the secret; the file is not looked at.
    pub(super) fn known_keys(&self) -> Option<&FiledKeys> {
        self.keys.get()
    }

    /// Keeps the secret, unless there is one already: then `false`.
    pub(super) fn keep(&self, secret: &Secret) -> io::Result<bool> {
        if self.keys().is_ok() || self.bind(secret).is_none() {
            return Ok(false);
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = match options.open(&self.file) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            Err(error) => return Err(error),
        };
        let written = file.write_all(secret.reveal().as_bytes()).and_then(|()| file.sync_all());
        if let Err(error) = written {
            // Half a secret would shut the provider out for good.
            let _ = fs::remove_file(&self.file);
            return Err(error);
        }
        Ok(self.keys().is_ok())
    }

    fn bind(&self, secret: &Secret) -> Option<Verifier> {
        self.provider.bind(std::slice::from_ref(secret), &self.options).ok()
    }
}
