//! The ways in: a router inside an axum application, a tower service, whole requests, bare deliveries.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use support::inside::{Inside, Post};
use support::{sample, sign};
use tower_service::Service;
use webhooks::{Delivery, Reply, Settings, SourceName, Webhooks};

/// Asks an application one thing.
async fn ask(app: &Router, request: Request<Bytes>) -> Response<Body> {
    app.clone().call(request.map(Body::from)).await.expect("infallible")
}

async fn text(response: Response<Body>) -> String {
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    String::from_utf8(body.to_vec()).expect("text")
}

fn get_request(path: &str) -> Request<Bytes> {
    Post::at(path).method(http::Method::GET).into_request()
}

#[tokio::test]
async fn a_router_inside_an_axum_application() {
    let inside = Inside::with(sample::sources(&["stripe"])).await;
    let app = Router::new()
        .route("/balance", get(|balance: axum::extract::State<u64>| async move { balance.0.to_string() }))
        .with_state(42)
        .merge(inside.webhooks.router().expect("secrets"));

    assert_eq!(text(ask(&app, get_request("/balance")).await).await, "42");
    let delivered = ask(&app, sample::of("stripe", "evt_1").into_request()).await;
    assert_eq!(delivered.status(), 200);
    assert!(delivered.headers().contains_key("webhook-delivery-id"));
    assert_eq!(inside.heard_ids(), ["evt_1"]);

    assert_eq!(ask(&app, sample::of("stripe", "evt_2").body("{}").into_request()).await.status(), 401);
    assert_eq!(ask(&app, get_request("/webhooks/stripe")).await.status(), 405);
    assert_eq!(ask(&app, get_request("/elsewhere")).await.status(), 404);
}

#[tokio::test]
async fn a_router_of_a_state_of_its_own() {
    let inside = Inside::with(sample::sources(&["stripe"])).await;
    let router: Router<u64> = inside.webhooks.router().expect("secrets");
    let app = router.with_state(42);
    assert_eq!(ask(&app, sample::of("stripe", "evt_1").into_request()).await.status(), 200);
}

#[tokio::test]
async fn a_nested_router_finds_its_sources() {
    let inside = Inside::with(sample::sources(&["stripe"])).await;
    let app = Router::new().nest("/api/v1", inside.webhooks.router().expect("secrets"));

    let nested = sample::of("stripe", "evt_1").target("/api/v1/webhooks/stripe").into_request();

    assert_eq!(ask(&app, nested).await.status(), 200);
    assert_eq!(inside.heard_ids(), ["evt_1"]);
}

#[tokio::test]
async fn a_router_knows_no_second_spelling_of_a_source() {
    let inside = Inside::with(sample::sources(&["stripe"])).await;
    let app: Router = inside.webhooks.router().expect("secrets");
    for alias in [
        "/webhooks/%73tripe",
        "/webhooks/Stripe",
        "/webhooks/stripe/",
        "/webhooks//stripe",
        "/webhooks/stripe%00",
    ] {
        let aliased = sample::of("stripe", "evt_1").target(alias).into_request();
        assert_eq!(ask(&app, aliased).await.status(), 404, "{alias}");
    }
    assert!(inside.heard().is_empty());
}

#[tokio::test]
async fn a_nested_router_verifies_the_url_that_was_signed() {
    let inside = Inside::with(sample::sources(&["twilio"])).await;
    let app = Router::new().nest("/api/v1", inside.webhooks.router().expect("secrets"));
    let parameters = [("Body", "Hello")];
    let signed_for = |url: &str, id: &str| {
        let headers = sign::twilio(sample::secret("twilio"), url, id, &parameters);
        let post = Post::at("/api/v1/webhooks/twilio?tenant=7").headers(headers);
        post.body(sign::form(&parameters)).form().into_request()
    };

    let whole = signed_for("https://example.com/api/v1/webhooks/twilio?tenant=7", "id-1");
    assert_eq!(ask(&app, whole).await.status(), 200);

    let what_is_left = signed_for("https://example.com/webhooks/twilio?tenant=7", "id-2");
    assert_eq!(ask(&app, what_is_left).await.status(), 401);
}

#[tokio::test]
async fn another_path() {
    let settings: Settings = "http.path = \"/hooks/in\"".parse().expect("TOML");
    let secret = sample::secret("stripe");
    let builder = Webhooks::builder().settings(settings).source("stripe", |source| source.secret(secret));
    let inside = Inside::with(builder).await;
    let app: Router = inside.webhooks.router().expect("secrets");

    let moved = sample::of("stripe", "evt_1").target("/hooks/in/stripe").into_request();
    assert_eq!(ask(&app, moved).await.status(), 200);
    assert_eq!(ask(&app, sample::of("stripe", "evt_2").into_request()).await.status(), 404);
}

#[tokio::test]
async fn the_root_as_path() {
    let settings: Settings = "http.path = \"/\"".parse().expect("TOML");
    let secret = sample::secret("stripe");
    let builder = Webhooks::builder().settings(settings).source("stripe", |source| source.secret(secret));
    let inside = Inside::with(builder).await;
    let app: Router = inside.webhooks.router().expect("secrets");

    assert_eq!(ask(&app, sample::of("stripe", "evt_1").target("/stripe").into_request()).await.status(), 200);
}

#[tokio::test]
async fn a_tower_service_takes_any_body() {
    let inside = Inside::with(sample::sources(&["stripe"])).await;
    let mut service = inside.webhooks.service().expect("secrets");

    let full = sample::of("stripe", "evt_1").into_request().map(Full::new);
    assert_eq!(service.call(full).await.expect("infallible").status(), 200);
    let streamed = sample::of("stripe", "evt_2").into_request().map(Body::from);
    assert_eq!(service.call(streamed).await.expect("infallible").status(), 200);
    let forged = sample::of("stripe", "evt_3").body("{}").into_request().map(Full::new);
    let refused = service.call(forged).await.expect("infallible");
    assert_eq!(refused.status(), 401);
    let body = refused.into_body().collect().await.expect("a body").to_bytes();
    assert!(body.starts_with(br#"{"error":"signature_mismatch""#), "{body:?}");

    assert_eq!(inside.heard_ids(), ["evt_1", "evt_2"]);
}

#[tokio::test]
async fn a_whole_request() {
    let inside = Inside::with(sample::sources(&["stripe"])).await;

    let Reply { status, headers, body } =
        inside.webhooks.process(sample::of("stripe", "evt_1").into_request()).await;

    assert_eq!((status, body), (StatusCode::OK, Bytes::new()));
    assert!(headers.contains_key("webhook-delivery-id"));
}

#[tokio::test]
async fn a_bare_delivery() {
    let inside = Inside::with(sample::sources(&["stripe"])).await;
    let handle = inside.webhooks.handle();
    let (head, body) = sample::of("stripe", "evt_1").into_request().into_parts();

    let delivery = Delivery::new(SourceName::new("stripe").expect("a name"), body).with_headers(head.headers);
    let id = delivery.id();
    let reply = handle.processor().process(delivery).await;

    assert_eq!(reply.status, 200);
    assert_eq!(reply.headers["webhook-delivery-id"], id.to_string());
    assert_eq!(inside.heard()[0].delivery_id(), id);
}

#[tokio::test]
async fn two_instances_know_nothing_of_each_other() {
    let (one, other) =
        (Inside::with(sample::sources(&["stripe"])).await, Inside::with(sample::sources(&["stripe"])).await);
    one.send(sample::of("stripe", "evt_1")).await;
    assert!(other.heard().is_empty());
    other.send(sample::of("stripe", "evt_1")).await;
    assert_eq!(other.heard_ids(), ["evt_1"]);
}
