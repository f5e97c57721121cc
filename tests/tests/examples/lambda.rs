//! `with-lambda`, fed by a runtime API as Lambda feeds its functions.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use serde_json::{Value, json};
use support::process::{PATIENCE, Process, Program};
use support::redis_server::RedisServer;
use support::{free_port, sample, sign};
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;

use super::{SECRET, payment};

/// What stands between a function URL and one process of the function: it hands out invocations, one at a time, and
/// takes their answers. See the Lambda developer guide, "Using the Lambda runtime API".
struct Function {
    invocations: mpsc::Sender<Value>,
    answers: mpsc::Receiver<Value>,
    process: Process,
}

struct Runtime {
    invocations: Mutex<mpsc::Receiver<Value>>,
    answers: mpsc::Sender<Value>,
}

impl Function {
    async fn start(redis: &RedisServer) -> Self {
        let (invocations, handed_out) = mpsc::channel(1);
        let (answered, answers) = mpsc::channel(1);
        let runtime = Arc::new(Runtime { invocations: Mutex::new(handed_out), answers: answered });
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let api = listener.local_addr().expect("an address").to_string();
        tokio::spawn(async move { axum::serve(listener, runtime.router()).await });
        let folder = tempfile::tempdir().expect("a temporary folder");
        let process = Program::built("with-lambda")
            .current_dir(folder.path())
            .env("AWS_LAMBDA_RUNTIME_API", api)
            .env("AWS_LAMBDA_FUNCTION_NAME", "with-lambda")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("WEBHOOKS_SOURCES__STRIPE__SECRET", SECRET)
            .env("WEBHOOKS_IDEMPOTENCY__PROVIDER", "redis")
            .env("WEBHOOKS_IDEMPOTENCY__REDIS__URL", redis.url())
            .start();
        Self { invocations, answers, process }
    }

    /// Hands out one request and waits for its answer.
    async fn invoke(&mut self, request: Value) -> Value {
        self.invocations.send(request).await.expect("a runtime API");
        let answer = timeout(PATIENCE, self.answers.recv()).await;
        answer.ok().flatten().unwrap_or_else(|| panic!("no answer\n{}", self.process.output()))
    }

    /// How many payments the listener has heard of.
    fn paid(&self) -> usize {
        self.process.stdout().so_far().iter().filter(|line| line.contains(r#""message":"paid""#)).count()
    }
}

impl Runtime {
    fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(Self::next))
            .route("/2018-06-01/runtime/invocation/{id}/{kind}", post(Self::answer))
            .with_state(self)
    }

    async fn next(State(this): State<Arc<Self>>) -> impl IntoResponse {
        let Some(invocation) = this.invocations.lock().await.recv().await else {
            // The test is over; the process is about to be killed.
            std::future::pending().await
        };
        let mut headers = HeaderMap::new();
        let mut insert =
            |name: &'static str, value: &str| headers.insert(name, value.parse().expect("a value"));
        insert("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd");
        insert("lambda-runtime-deadline-ms", "4102444800000");
        insert("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-central-1:123456789012:function:f");
        (headers, Json(invocation))
    }

    async fn answer(
        State(this): State<Arc<Self>>,
        Path((_, kind)): Path<(String, String)>,
        answer: Bytes,
    ) -> impl IntoResponse {
        let answer = serde_json::from_slice(&answer).expect("JSON");
        let answer = if kind == "response" { answer } else { json!({ "failed": answer }) };
        this.answers.send(answer).await.expect("a test that waits");
        axum::http::StatusCode::ACCEPTED
    }
}

/// A request in payload format 2.0, that of function URLs and HTTP APIs.
fn request(headers: &[(&str, String)], body: &str) -> Value {
    let headers: serde_json::Map<_, _> =
        headers.iter().map(|(name, value)| (name.to_lowercase(), Value::from(value.as_str()))).collect();
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/webhooks/stripe",
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "accountId": "anonymous", "apiId": "x", "domainName": "x.lambda-url.eu-central-1.on.aws",
            "domainPrefix": "x", "requestId": "r", "routeKey": "$default", "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000", "timeEpoch": 1_767_225_600_000_u64,
            "http": {
                "method": "POST", "path": "/webhooks/stripe", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1",
                "userAgent": "Stripe/1.0"
            }
        },
        "body": body,
        "isBase64Encoded": false
    })
}

fn signed(id: &str) -> Value {
    let body = sample::stripe_body(id);
    request(&sign::stripe(SECRET, sign::now_unix(), body.as_bytes()), &body)
}

#[tokio::test]
async fn processes_of_a_function_share_their_memory() {
    let redis = RedisServer::start();
    let (mut one, mut other) = (Function::start(&redis).await, Function::start(&redis).await);

    let answer = one.invoke(signed("evt_1")).await;
    assert_eq!(answer["statusCode"], 200, "{answer}");
    assert_eq!(answer["headers"]["webhook-delivery-id"].as_str().map(str::len), Some(32), "{answer}");
    one.process.stdout().line(|line| line.contains(r#""message":"paid""#)).await;

    assert_eq!(other.invoke(signed("evt_1")).await["statusCode"], 200);
    let forged = request(&sign::stripe(SECRET, sign::now_unix(), b"{}"), &sample::stripe_body("evt_2"));
    let answer = other.invoke(forged).await;
    assert_eq!(answer["statusCode"], 401, "{answer}");
    assert!(answer["body"].as_str().is_some_and(|it| it.contains("signature_mismatch")), "{answer}");

    // What is written last comes last: once this one is there, an earlier one would be too.
    assert_eq!(other.invoke(signed("evt_3")).await["statusCode"], 200);
    other.process.stdout().line(|line| line.contains(r#""message":"paid""#)).await;
    assert_eq!((one.paid(), other.paid()), (1, 1));
}

#[tokio::test]
async fn the_same_program_serves_anywhere_else() {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let process = Program::built("with-lambda")
        .current_dir(folder.path())
        .env("WEBHOOKS_HTTP__BIND", address.to_string())
        .env("WEBHOOKS_SOURCES__STRIPE__SECRET", SECRET)
        .start();
    process.wait_until_listening(address);

    assert_eq!(payment("evt_1").send(address).await.expect("an answer").status, 200);

    process.stdout().line(|line| line.contains(r#""message":"paid""#)).await;
}
