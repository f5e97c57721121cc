//! What a challenge is answered with.

use http::{HeaderName, HeaderValue, StatusCode};

use crate::rejection::Malformed;
use crate::reply::Reply;
use crate::scheme::signature::{Algorithm, Encoding, Key};

/// What a challenge is answered with. In its texts, `{input}`, `{mac}` and `{key_id}` are filled in.
#[derive(Debug, Clone)]
pub(super) struct ReplyRule {
    pub(super) status: StatusCode,
    pub(super) body: ReplyBody,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) mac: Option<Mac>,
}

#[derive(Debug, Clone)]
pub(super) enum ReplyBody {
    None,
    Text(String),
    Json(String),
}

/// The MAC of the input, keyed with the source's secret.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mac {
    pub(super) algorithm: Algorithm,
    pub(super) encoding: Encoding,
}

impl ReplyRule {
    pub(super) fn mac_algorithm(&self) -> Option<Algorithm> {
        self.mac.map(|it| it.algorithm)
    }

    /// Whether `{input}` or `{mac}` stands in one of its texts.
    pub(super) fn mentions(&self, name: &str) -> bool {
        let body = match &self.body {
            ReplyBody::None => "",
            ReplyBody::Text(text) | ReplyBody::Json(text) => text,
        };
        body.contains(name) || self.headers.iter().any(|(_, value)| value.contains(name))
    }

    pub(super) fn make(&self, input: Option<&str>, key: Option<&(String, Key)>) -> Result<Reply, Malformed> {
        let input = input.unwrap_or_default();
        let (key_id, mac) = match &self.mac {
            None => ("", String::new()),
            Some(mac) => {
                let (id, key) = key.ok_or(Malformed::Challenge)?;
                (id.as_str(), mac.encoding.encode(&key.mac_of(input.as_bytes())))
            }
        };
        // The input's alphabet has no braces and nothing that JSON would escape.
        let fill =
            |text: &str| text.replace("{key_id}", key_id).replace("{mac}", &mac).replace("{input}", input);
        let reply = Reply::empty(self.status);
        let mut reply = match &self.body {
            ReplyBody::None => reply,
            ReplyBody::Text(text) => reply.with_body("text/plain", fill(text)),
            ReplyBody::Json(text) => reply.with_body("application/json", fill(text)),
        };
        for (name, value) in &self.headers {
            let value = HeaderValue::from_str(&fill(value)).map_err(|_| Malformed::Challenge)?;
            reply = reply.with_header(name.clone(), value);
        }
        Ok(reply)
    }
}
