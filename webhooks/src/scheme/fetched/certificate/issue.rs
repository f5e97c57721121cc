//! Certificates as vendors publish them, signed by the key that they are of.

use std::str::FromStr as _;
use std::time::Duration;

use rsa::pkcs1v15::SigningKey;
use sha2::Sha256;
use x509_cert::TbsCertificate;
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{self, Builder as _, CertificateBuilder};
use x509_cert::der::Encode as _;
use x509_cert::der::asn1::{Ia5String, UtcTime};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::{Extension, ToExtension as _};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef};
use x509_cert::time::{Time, Validity};

use crate::scheme::signature::{PrivateRsaKey, pem};

/// A certificate of this host, in PEM. It is always good, however far a test turns its clock.
pub(in crate::scheme::fetched) fn issue(key: &PrivateRsaKey, host: &str) -> Option<String> {
    let signer = SigningKey::<Sha256>::new(key.inner().clone());
    let profile = OfHost {
        subject: Name::from_str(&format!("CN={host}")).ok()?,
        names: SubjectAltName(vec![GeneralName::DnsName(Ia5String::new(host).ok()?)]),
    };
    let validity =
        Validity::new(Time::UtcTime(UtcTime::from_unix_duration(Duration::ZERO).ok()?), Time::INFINITY);
    let public = SubjectPublicKeyInfoOwned::from_key(&key.inner().to_public_key()).ok()?;
    let serial = SerialNumber::from(rand::random::<u32>());
    let builder = CertificateBuilder::new(profile, serial, validity, public).ok()?;
    let certificate = builder.build::<_, rsa::pkcs1v15::Signature>(&signer).ok()?;
    Some(pem::encode(&certificate.to_der().ok()?, "CERTIFICATE"))
}

/// A certificate that says whose it is, and nothing else.
struct OfHost {
    subject: Name,
    names: SubjectAltName,
}

impl BuilderProfile for OfHost {
    fn get_issuer(&self, subject: &Name) -> Name {
        subject.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        _: SubjectPublicKeyInfoRef<'_>,
        _: SubjectPublicKeyInfoRef<'_>,
        _: &TbsCertificate,
    ) -> builder::Result<Vec<Extension>> {
        Ok(vec![(&self.names).to_extension(&self.subject, &[])?])
    }
}
