//! A source whose secret comes with the provider's first handshake, and is kept in a file from then on.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::rejection::Rejection;
use crate::scheme::{BindOptions, Provider, Verifier};
use crate::secret::Secret;

/// Waits for the secret of a source. Nothing is believed before it came, and the first one counts.
pub(crate) struct AwaitedSecret {
    provider: Provider,
    options: BindOptions,
    /// Where the secret is kept; there is no such file yet.
    file: PathBuf,
    verifier: OnceLock<Verifier>,
}

impl AwaitedSecret {
    pub(crate) fn new(provider: Provider, options: BindOptions, file: PathBuf) -> Self {
        Self { provider, options, file, verifier: OnceLock::new() }
    }

    /// The verifier, once the secret came: to this process, or to another that keeps it in the same file.
    pub(super) fn verifier(&self) -> Result<&Verifier, Rejection> {
        if let Some(verifier) = self.verifier.get() {
            return Ok(verifier);
        }
        let secret = fs::read_to_string(&self.file).map_err(|_| Rejection::SignatureMissing)?;
        let secret = Secret::new(secret.trim_end_matches(['\r', '\n']));
        let verifier = self.bind(&secret).ok_or(Rejection::SignatureMissing)?;
        Ok(self.verifier.get_or_init(|| verifier))
    }

    /// Keeps the secret, unless there is one already: then `false`.
    pub(super) fn keep(&self, secret: &Secret) -> io::Result<bool> {
        if self.verifier().is_ok() || self.bind(secret).is_none() {
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
        Ok(self.verifier().is_ok())
    }

    fn bind(&self, secret: &Secret) -> Option<Verifier> {
        self.provider.bind(std::slice::from_ref(secret), &self.options).ok()
    }
}
