//! A certificate for `localhost`, and who vouches for it.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use tempfile::TempDir;

/// A certificate for `localhost` from an authority of its own, as files in PEM. They are gone when this is.
#[derive(Debug)]
pub struct Certificate(TempDir);

impl Certificate {
    /// Makes both.
    pub fn for_localhost() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        authority.distinguished_name.push(DnType::CommonName, "an authority for tests");
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key"))
            .expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &authority).expect("a certificate");
        let made = Self(folder);
        for (file, text) in [
            (made.authority(), authority.pem()),
            (made.chain(), certificate.pem()),
            (made.key(), key.serialize_pem()),
        ] {
            fs::write(file, text).expect("a file in a folder of its own");
        }
        made
    }

    /// The certificate of who vouches: what a client has to trust.
    pub fn authority(&self) -> PathBuf {
        self.folder().join("authority.pem")
    }

    /// The certificate.
    pub fn chain(&self) -> PathBuf {
        self.folder().join("localhost.pem")
    }

    /// Its private key.
    pub fn key(&self) -> PathBuf {
        self.folder().join("localhost.key")
    }

    fn folder(&self) -> &Path {
        self.0.path()
    }
}
