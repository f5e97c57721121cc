//! Webhooks inside the test's own process: assembled with a listener that remembers, and sent requests without a
//! socket between.

use std::fmt;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use webhooks::{Builder, Failure, Reply, SourceReport, WebhookEvent, WebhookEventListener, Webhooks};

use crate::sign::Headers;

/// Assembled webhooks, and a listener to all of their sources.
#[derive(Debug)]
pub struct Inside {
    /// What is under test.
    pub webhooks: Webhooks,
    recorder: Recorder,
}

impl Inside {
    /// Assembles what is built, with a [`Recorder`] that is content with everything.
    pub async fn with(builder: Builder) -> Self {
        Self::answering(builder, |_| Ok(())).await
    }

    /// The same, with a [`Recorder`] that answers this.
    pub async fn answering(
        builder: Builder,
        answer: impl Fn(&WebhookEvent) -> webhooks::Result + Send + Sync + 'static,
    ) -> Self {
        let recorder = Recorder::answering("*", answer);
        let webhooks = builder.listener(recorder.clone()).build().await;
        Self { webhooks: webhooks.unwrap_or_else(|error| panic!("{error}")), recorder }
    }

    /// Sends one request and waits for its reply.
    pub async fn send(&self, request: Post) -> Reply {
        self.webhooks.process(request.into_request()).await
    }

    /// The events that the listener was given, in order. A listener may be given an event more than once.
    pub fn heard(&self) -> Vec<WebhookEvent> {
        self.recorder.heard()
    }

    /// The ids of those events.
    pub fn heard_ids(&self) -> Vec<String> {
        self.heard().iter().map(|event| event.id().unwrap_or("none").to_owned()).collect()
    }

    /// The types of those events.
    pub fn heard_types(&self) -> Vec<String> {
        self.heard().iter().map(|event| event.event_type().to_owned()).collect()
    }

    /// What was counted for a source.
    pub fn report(&self, source: &str) -> SourceReport {
        let reports = self.webhooks.handle().processor().report();
        let found = reports.into_iter().find(|(name, _)| name.as_str() == source);
        found.unwrap_or_else(|| panic!("no source is called {source}")).1
    }
}

/// A listener that remembers what it hears. Clones share the memory.
#[derive(Clone)]
pub struct Recorder {
    source: String,
    heard: Arc<Mutex<Vec<WebhookEvent>>>,
    failed: Arc<Mutex<Vec<String>>>,
    answer: Arc<dyn Fn(&WebhookEvent) -> webhooks::Result + Send + Sync>,
}

impl Recorder {
    /// One that succeeds always.
    pub fn new(source: &str) -> Self {
        Self::answering(source, |_| Ok(()))
    }

    /// One that remembers and then answers this.
    pub fn answering(
        source: &str,
        answer: impl Fn(&WebhookEvent) -> webhooks::Result + Send + Sync + 'static,
    ) -> Self {
        Self {
            source: source.to_owned(),
            heard: Arc::default(),
            failed: Arc::default(),
            answer: Arc::new(answer),
        }
    }

    /// What it heard, in order.
    pub fn heard(&self) -> Vec<WebhookEvent> {
        self.heard.lock().expect("no test panics in here").clone()
    }

    /// The failures that its `on_error` was told of, in order.
    pub fn failed(&self) -> Vec<String> {
        self.failed.lock().expect("no test panics in here").clone()
    }
}

impl WebhookEventListener for Recorder {
    fn source(&self) -> &str {
        &self.source
    }

    fn id(&self) -> String {
        format!("recorder of {}", self.source)
    }

    async fn handle(&self, event: &WebhookEvent) -> webhooks::Result {
        self.heard.lock().expect("no test panics in here").push(event.clone());
        (self.answer)(event)
    }

    async fn on_error(&self, _: &WebhookEvent, failure: &Failure) {
        self.failed.lock().expect("no test panics in here").push(failure.to_string());
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("source", &self.source).finish_non_exhaustive()
    }
}

/// A request to send inside; a `POST` unless told.
#[derive(Debug, Clone)]
pub struct Post {
    method: Method,
    target: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Post {
    /// `POST /webhooks/{source}`
    pub fn to(source: &str) -> Self {
        Self::at(&format!("/webhooks/{source}"))
    }

    /// `POST {path and query}`
    pub fn at(target: &str) -> Self {
        Self {
            method: Method::POST,
            target: target.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// Another method.
    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// Another path and query.
    pub fn target(mut self, target: &str) -> Self {
        target.clone_into(&mut self.target);
        self
    }

    /// Adds a header; one of the same name stays.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.append(header_name(name), header_value(value.as_ref()));
        self
    }

    /// Replaces a header.
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.insert(header_name(name), header_value(value.as_ref()));
        self
    }

    /// Removes a header.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    /// Adds what a function of [`sign`](crate::sign) returned.
    pub fn headers(self, headers: Headers) -> Self {
        headers.into_iter().fold(self, |post, (name, value)| post.header(name, value))
    }

    /// The body.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = Bytes::copy_from_slice(body.as_ref());
        self
    }

    /// Says that the body is a form.
    pub fn form(self) -> Self {
        self.with("content-type", "application/x-www-form-urlencoded")
    }

    /// The value of a header.
    pub fn value(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("the request has a header {name}"));
        value.to_str().expect("text")
    }

    /// As the `http` crate has it.
    pub fn into_request(self) -> Request<Bytes> {
        let mut request = Request::new(self.body);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.target.parse().expect("a path and query");
        *request.headers_mut() = self.headers;
        request
    }
}

/// Status and reason code of an error: `401 signature_missing`.
pub fn refusal(reply: &Reply) -> String {
    format!("{} {}", reply.status.as_u16(), reason(reply))
}

/// The reason code in an error's body.
pub fn reason(reply: &Reply) -> String {
    let body: serde_json::Value = serde_json::from_slice(&reply.body)
        .unwrap_or_else(|error| panic!("{error}: {:?} with {}", reply.body, reply.status));
    body["error"].as_str().expect("a reason code").to_owned()
}

fn header_name(name: &str) -> HeaderName {
    name.parse().expect("the name of a header")
}

fn header_value(value: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(value).expect("bytes that a header can hold")
}
