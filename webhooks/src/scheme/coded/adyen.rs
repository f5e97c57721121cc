//! Adyen signs eight fields of each payment notification, inside of it.
//! <https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures>

use std::borrow::Cow;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use serde_json::value::RawValue;
use sha2::Sha256;

use super::CodedVerifier;
use crate::rejection::Rejection;
use crate::scheme::json::{self, Extract, JsonPath};
use crate::scheme::request::Request;
use crate::scheme::signature::{SecretForm, SecretProblem, Signed};
use crate::scheme::validator::Verified;
use crate::secret::Secret;

/// Where the notifications stand.
const ITEMS: &str = "$.notificationItems";

/// Where a notification's signature stands.
const SIGNATURE: &str = "@.NotificationRequestItem.additionalData.hmacSignature";

/// What is signed, in this order.
const FIELDS: [&str; 8] = [
    "@.NotificationRequestItem.pspReference",
    "@.NotificationRequestItem.originalReference",
    "@.NotificationRequestItem.merchantAccountCode",
    MERCHANT_REFERENCE,
    "@.NotificationRequestItem.amount.value",
    "@.NotificationRequestItem.amount.currency",
    "@.NotificationRequestItem.eventCode",
    "@.NotificationRequestItem.success",
];

/// The one field whose text is the merchant's own.
const MERCHANT_REFERENCE: &str = "@.NotificationRequestItem.merchantReference";

/// Adyen's scheme with its keys.
pub(super) struct AdyenVerifier {
    keys: Vec<Hmac<Sha256>>,
    document: Extract,
    /// The signature, then the fields.
    item: Extract,
}

impl AdyenVerifier {
    pub(super) fn bind(secrets: &[Secret]) -> Result<Self, Vec<SecretProblem>> {
        let keys = super::keys(secrets, |text| {
            let key = SecretForm::Hex.decode(text)?;
            Hmac::new_from_slice(&key).map_err(|_| ("the secret cannot be a key", "copy it again"))
        })?;
        let item: Vec<_> =
            [SIGNATURE].iter().chain(&FIELDS).filter_map(|path| JsonPath::parse(path)).collect();
        Ok(Self { keys, document: Extract::new(&JsonPath::parse(ITEMS)), item: Extract::new(&item) })
    }

    /// Which secret signed the item.
    fn verify_item(&self, item: &RawValue) -> Result<usize, Rejection> {
        let found = self.item.read(item.get().as_bytes()).map_err(|_| Rejection::SignatureMalformed)?;
        let [signature, fields @ ..] = found.as_slice() else { return Err(Rejection::SignatureMalformed) };
        let signature = signature.and_then(json::text).ok_or(Rejection::SignatureMissing)?;
        let signature = STANDARD.decode(signature.as_bytes()).map_err(|_| Rejection::SignatureMalformed)?;
        let content = content(fields)?;
        let matches =
            |key: &Hmac<Sha256>| key.clone().chain_update(&content).verify_slice(&signature).is_ok();
        self.keys.iter().position(matches).ok_or(Rejection::SignatureMismatch)
    }

    /// The items of a notification.
    fn items<'b>(&self, body: &'b [u8]) -> Result<Vec<&'b RawValue>, Rejection> {
        let found = self.document.read(body).map_err(|_| Rejection::SignatureMalformed)?;
        let items = found.into_iter().flatten().next().ok_or(Rejection::SignatureMissing)?;
        serde_json::from_str(items).map_err(|_| Rejection::SignatureMalformed)
    }
}

impl CodedVerifier for AdyenVerifier {
    fn precheck(&self, _: &HeaderMap) -> Result<(), Rejection> {
        Ok(())
    }

    /// Every item must be right, for each is an event of its own.
    fn verify(&self, request: &Request<'_>) -> Result<Verified, Rejection> {
        let mut first = None;
        for item in self.items(request.body)? {
            let secret = self.verify_item(item)?;
            first.get_or_insert(secret);
        }
        first.map(Verified::by_secret).ok_or(Rejection::SignatureMissing)
    }

    fn sign(&self, request: &Request<'_>, _: SystemTime) -> Option<Signed> {
        let key = self.keys.first()?;
        let (batch, path) = (JsonPath::parse(ITEMS)?, JsonPath::parse(SIGNATURE)?);
        let mut body = std::str::from_utf8(request.body).ok()?.to_owned();
        for (index, item) in self.items(request.body).ok()?.into_iter().enumerate() {
            let found = self.item.read(item.get().as_bytes()).ok()?;
            let content = content(found.get(1..)?).ok()?;
            let signature = STANDARD.encode(key.clone().chain_update(&content).finalize().into_bytes());
            body = json::put(&body, &path.of_document(Some(&batch), index), &json::quoted(&signature))?;
        }
        Some(Signed::by_body(body))
    }
}

/// What is signed of an item, from its fields in the order of [`FIELDS`].
fn content(fields: &[Option<&str>]) -> Result<String, Rejection> {
    let mut content = String::new();
    for (path, raw) in FIELDS.iter().zip(fields) {
        let text = field(*raw)?;
        // Colons join the fields: with one inside of another field, the same signature would do for
        // differently divided texts.
        if text.contains(':') && *path != MERCHANT_REFERENCE {
            return Err(Rejection::SignatureMalformed);
        }
        content.push_str(&text);
        content.push(':');
    }
    content.pop();
    Ok(content)
}

/// What is missing is signed as nothing; what is there must be a text, a number or a truth value.
fn field(raw: Option<&str>) -> Result<Cow<'_, str>, Rejection> {
    match raw {
        None | Some("null") => Ok(Cow::Borrowed("")),
        Some(word @ ("true" | "false")) => Ok(Cow::Borrowed(word)),
        Some(raw) => json::text(raw).ok_or(Rejection::SignatureMalformed),
    }
}
