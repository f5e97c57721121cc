//! Microsoft Graph signs nothing: every notification carries the secret that its subscription was made with.
//! <https://learn.microsoft.com/graph/change-notifications-delivery-webhooks>

use std::time::SystemTime;

use http::HeaderMap;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::CodedVerifier;
use crate::rejection::Rejection;
use crate::scheme::json::{self, Extract, Flaw, JsonPath};
use crate::scheme::request::Request;
use crate::scheme::signature::{SecretForm, SecretProblem, Signed};
use crate::scheme::token_in_body::TokenInBody;
use crate::scheme::validator::Verified;
use crate::secret::Secret;

/// Where the notifications stand.
const NOTIFICATIONS: &str = "$.value";

/// Where the secret stands in each.
const SECRET: &str = "@.clientState";

/// The secrets of the source's subscriptions.
pub(super) struct ClientStateVerifier {
    states: Vec<Vec<u8>>,
    document: Extract,
    notification: Extract,
}

/// Every notification holds the secret.
pub(in crate::scheme) fn token_in_body() -> Option<TokenInBody> {
    Some(TokenInBody::in_each(&JsonPath::parse(NOTIFICATIONS)?, &JsonPath::parse(SECRET)?))
}

impl ClientStateVerifier {
    pub(super) fn bind(secrets: &[Secret]) -> Result<Self, Vec<SecretProblem>> {
        Ok(Self {
            states: super::keys(secrets, |text| SecretForm::Utf8.decode(text))?,
            document: Extract::new(&JsonPath::parse(NOTIFICATIONS)),
            notification: Extract::new(&JsonPath::parse(SECRET)),
        })
    }

    /// Which secret the notification carries.
    fn verify_notification(&self, notification: &RawValue) -> Result<usize, Rejection> {
        let found = self.notification.read(notification.get().as_bytes()).map_err(flawed)?;
        let state = found.into_iter().flatten().next().ok_or(Rejection::SignatureMissing)?;
        let state = json::text(state).ok_or(Rejection::SignatureMalformed)?;
        // Of their hashes, so that not even a secret's length shows.
        let state = Sha256::digest(state.as_bytes());
        let matches = |secret: &Vec<u8>| -> bool { Sha256::digest(secret).ct_eq(&state).into() };
        self.states.iter().position(matches).ok_or(Rejection::SignatureMismatch)
    }
}

impl CodedVerifier for ClientStateVerifier {
    fn precheck(&self, _: &HeaderMap) -> Result<(), Rejection> {
        Ok(())
    }

    /// Every notification must be right, for each is an event of its own.
    fn verify(&self, request: &Request<'_>) -> Result<Verified, Rejection> {
        let found = self.document.read(request.body).map_err(flawed)?;
        let list = found.into_iter().flatten().next().ok_or(Rejection::SignatureMissing)?;
        let list: Vec<&RawValue> = serde_json::from_str(list).map_err(|_| Rejection::SignatureMalformed)?;
        let mut first = None;
        for notification in list {
            let secret = self.verify_notification(notification)?;
            first.get_or_insert(secret);
        }
        first.map(Verified::by_secret).ok_or(Rejection::SignatureMissing)
    }

    /// Nothing is signed: every notification carries the first secret.
    fn sign(&self, request: &Request<'_>, _: SystemTime) -> Option<Signed> {
        let state = json::quoted(std::str::from_utf8(self.states.first()?).ok()?);
        let (batch, path) = (JsonPath::parse(NOTIFICATIONS)?, JsonPath::parse(SECRET)?);
        let put = |body: String, index| json::put(&body, &path.of_document(Some(&batch), index), &state);
        let found = self.document.read(request.body).ok()?.into_iter().flatten().next()?;
        let notifications: Vec<&RawValue> = serde_json::from_str(found).ok()?;
        let body = std::str::from_utf8(request.body).ok()?.to_owned();
        (0..notifications.len()).try_fold(body, put).map(Signed::by_body)
    }
}

fn flawed(flaw: Flaw) -> Rejection {
    match flaw {
        Flaw::NotJson => Rejection::SignatureMalformed,
        Flaw::DuplicateKey => Rejection::BodyAmbiguous,
    }
}
