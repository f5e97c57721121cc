use super::*;
use crate::scheme::signature::SecretForm;

/// RFC 8032, section 7.1, test 2: the key, and the signature of one byte.
const ED25519_KEY: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
const ED25519_SIGNATURE: &str = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                                 085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

fn key(algorithm: Algorithm, form: SecretForm, text: &str) -> Result<PublicKey, KeyFlaw> {
    let bytes = form.decode_public(text)?;
    PublicKey::new(algorithm, &bytes).expect("an engine")
}

fn accepts(key: &PublicKey, content: &[u8], signature: &[u8]) -> bool {
    key.matches_any(
        |sink| content.chunks(1).for_each(&mut *sink),
        &[Signature::new(), Signature::from_slice(signature)],
    )
}

#[test]
fn ed25519() {
    let key = key(Algorithm::Ed25519, SecretForm::HexPublicKey, ED25519_KEY).expect("a key");
    let signature = hex::decode(ED25519_SIGNATURE).expect("hexadecimal digits");
    assert!(accepts(&key, &[0x72], &signature));
    assert!(!accepts(&key, &[0x73], &signature));
    assert!(!accepts(&key, &[0x72], &signature[..63]));
    assert!(!accepts(&key, &[0x72], &[signature, vec![0]].concat()));
}

#[test]
fn weak_keys_are_none() {
    // The neutral element, under which one signature is right for every content.
    let neutral = format!("01{}", "00".repeat(31));
    assert!(key(Algorithm::Ed25519, SecretForm::HexPublicKey, &neutral).is_err());
    assert!(key(Algorithm::Ed25519, SecretForm::HexPublicKey, "00").is_err());
    // 1024 bits.
    let short = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDdlatRjRjogo3WojgGHFHYLugdUWAY9iR3fy4arWNA1KoS8kVw33cJibXr8bvwUAUp\
                 arCwlvdbH6dvEOfou0/gCFQsHUfQrSDv+MuSUMAe8jzKE4qW+jK+xQU9a03GUnKHkkle+Q0pX/g6jXZ7r1/xAK5Do2kQ+X5xK9cipRgEKwIDAQAB";
    assert_eq!(
        key(Algorithm::RsaSha256, SecretForm::Spki, short).map(drop).map_err(|(what, _)| what),
        Err("this RSA key is shorter than 2048 bits: signatures under it prove nothing")
    );
}

#[test]
fn a_key_of_another_algorithm_is_none() {
    let ed25519 = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
    let p256 = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVp\
                iglSI8eNEc6wEA3F+g==";
    let accepted = |algorithm, text| key(algorithm, SecretForm::Spki, text).is_ok();
    assert!(accepted(Algorithm::Ed25519, ed25519) && accepted(Algorithm::EcdsaP256Sha256, p256));
    assert!(!accepted(Algorithm::Ed25519, p256) && !accepted(Algorithm::EcdsaP256Sha256, ed25519));
    assert!(!accepted(Algorithm::RsaSha256, p256) && !accepted(Algorithm::RsaSha256, ed25519));
}
