//! The part of an X.509 certificate that a vendor's signature is checked with: RFC 5280.
//!
//! Its own signature is not: who it belongs to follows from the exact URL that it was fetched from, over TLS.

#[cfg(feature = "test-util")]
pub(super) mod issue;

use std::time::SystemTime;

use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use x509_cert::Certificate as X509;
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::rejection::Rejection;
use crate::scheme::signature::{KeyBytes, RsaKey, pem};

/// An RSA key, whose it is, and from when till when.
#[derive(Debug)]
pub(super) struct Certificate {
    key: RsaKey,
    hosts: Vec<String>,
    from: SystemTime,
    till: SystemTime,
}

impl Certificate {
    /// The first certificate of a PEM text.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let der = pem::decode(std::str::from_utf8(text).ok()?, "CERTIFICATE")?;
        let certificate = X509::from_der(&der).ok()?;
        let content = certificate.tbs_certificate();
        let spki = content.subject_public_key_info().to_der().ok()?;
        let names =
            content.get_extension::<SubjectAltName>().ok()?.map(|(_, names)| names.0).unwrap_or_default();
        let host = |name: &GeneralName| match name {
            GeneralName::DnsName(host) => Some(host.to_string()),
            _ => None,
        };
        Some(Self {
            key: RsaKey::new(&KeyBytes::Spki(spki)).ok()?,
            hosts: names.iter().filter_map(host).collect(),
            from: SystemTime::UNIX_EPOCH.checked_add(content.validity().not_before.to_unix_duration())?,
            till: SystemTime::UNIX_EPOCH.checked_add(content.validity().not_after.to_unix_duration())?,
        })
    }

    /// Whether it is this host's, and good at this time.
    pub(super) fn check(&self, host: &str, now: SystemTime) -> Result<(), Rejection> {
        let good = self.hosts.iter().any(|it| it == host) && self.is_good_at(now);
        if good { Ok(()) } else { Err(Rejection::SignatureMismatch) }
    }

    /// Whether it is good at this time.
    pub(super) fn is_good_at(&self, now: SystemTime) -> bool {
        (self.from..=self.till).contains(&now)
    }

    /// Whether it signed a content, over SHA-256.
    pub(super) fn verify_sha256(&self, content: &[u8], signature: &[u8]) -> Result<(), Rejection> {
        let good = self.key.verify(&Sha256::digest(content).into(), signature);
        if good { Ok(()) } else { Err(Rejection::SignatureMismatch) }
    }

    /// Whether it signed a content, over SHA-1.
    pub(super) fn verify_sha1(&self, content: &[u8], signature: &[u8]) -> Result<(), Rejection> {
        let good = self.key.verify_sha1(&Sha1::digest(content).into(), signature);
        if good { Ok(()) } else { Err(Rejection::SignatureMismatch) }
    }
}
