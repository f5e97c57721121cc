//! The first `cargo run`: sources without secrets get random ones, and a signed request to try them with.
//!
//! Only in a debug build, on a loopback address, for the life of the process, and only under [`Webhooks::serve`]: a
//! router inside somebody's own server refuses to start without secrets.
//!
//! [`Webhooks::serve`]: crate::Webhooks::serve

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::HeaderMap;

use crate::listener::bound::Listener;
use crate::listener::pattern::EventPattern;
use crate::problem::{Problem, Problems};
use crate::scheme::{Sample, Verifier};
use crate::settings::config::HttpConfig;
use crate::settings::source::SourceConfig;

/// How long a printed request works.
pub(crate) const TOLERANCE: Duration = Duration::from_secs(24 * 3_600);

/// A signed request for a source whose secret lasts as long as the process.
#[derive(Clone)]
pub struct SampleRequest {
    /// The source it is for.
    pub source: String,
    /// Path and perhaps query, with which the URL ends.
    pub path: String,
    /// The headers, signature included.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl SampleRequest {
    /// The request as a command to paste into a shell; it prints the answer's status.
    pub fn curl(&self, address: &str) -> String {
        let url = quoted(&format!("http://{address}{}", self.path));
        let mut command = format!("curl -s -o /dev/null -w '%{{http_code}}\\n' {url}");
        for (name, value) in &self.headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            command.push_str(&format!(" -H {}", quoted(&format!("{name}: {value}"))));
        }
        command.push_str(&format!(" -d {}", quoted(&String::from_utf8_lossy(&self.body))));
        command
    }

    /// The same request with another body, which its signature does not cover.
    #[must_use]
    pub fn forged(&self) -> Self {
        let text = String::from_utf8_lossy(&self.body);
        Self { body: text.replacen("42", "1042", 1).into(), ..self.clone() }
    }
}

impl fmt::Debug for SampleRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SampleRequest").field("source", &self.source).finish_non_exhaustive()
    }
}

/// Whether sources may be lent secrets.
pub(super) fn is_allowed(bind: &str) -> bool {
    is_allowed_in(cfg!(debug_assertions), bind)
}

fn is_allowed_in(debug_build: bool, bind: &str) -> bool {
    debug_build && is_loopback(bind)
}

pub(super) fn is_loopback(bind: &str) -> bool {
    bind.parse::<std::net::SocketAddr>().is_ok_and(|address| address.ip().is_loopback())
        || bind.starts_with("localhost:")
}

/// Says which sources were lent a secret. Where nothing starts anyway, that is one more thing to be mended: under
/// anything but `serve()` it would be the next run's only problem.
pub(super) fn tell(lent: &[(Problem, Option<SampleRequest>)], problems: &Problems) {
    let starts = problems.is_empty();
    for (Problem { what, help }, _) in lent {
        if starts {
            problems.warn(format!("{what}: until this process ends, it has a random one"), help);
        } else {
            problems.add(what, help);
        }
    }
}

/// A signed request that one of the listeners will hear.
pub(super) fn sample(
    http: &HttpConfig,
    source: &SourceConfig,
    verifier: &Verifier,
    listeners: &[Listener],
) -> Option<SampleRequest> {
    let id = format!("evt_{:016x}", rand::random::<u64>());
    let event = wanted(source, listeners);
    let path = format!("{}/{}", http.path, source.name);
    let sample = source.provider.sample(verifier, &path, &id, event.as_deref(), SystemTime::now())?;
    let Sample { target, headers, body } = sample;
    Some(SampleRequest { source: source.name.to_string(), path: target, headers, body })
}

/// The first event that a listener names exactly.
fn wanted(source: &SourceConfig, listeners: &[Listener]) -> Option<String> {
    let heard = listeners.iter().filter(|it| it.declared.source.as_deref() == Some(source.name.as_str()));
    heard.flat_map(|it| &it.declared.events).find_map(|pattern| match pattern {
        EventPattern::Exactly(event) => Some(event.clone()),
        _ => None,
    })
}

/// For a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_lent_in_a_debug_build_on_a_loopback_address() {
        let (loopback, public) = (
            ["127.0.0.1:8080", "[::1]:0", "localhost:80"],
            ["0.0.0.0:8080", "[::]:0", "localhost.example:80", ""],
        );
        for bind in loopback {
            assert!(is_allowed_in(true, bind), "{bind}");
        }
        for bind in public {
            assert!(!is_allowed_in(true, bind), "{bind}");
        }
        for bind in loopback.iter().chain(&public) {
            assert!(!is_allowed_in(false, bind), "{bind} in a release build");
        }
        assert_eq!(is_allowed(loopback[0]), cfg!(debug_assertions));
    }
}
