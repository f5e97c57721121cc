//! The raw client, against a server of three lines.

use std::net::SocketAddr;

use support::http::{Connection, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Reads up to `until`, answers, closes; returns what it read.
async fn server(
    until: &'static [u8],
    answer: &'static [u8],
) -> (SocketAddr, tokio::task::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("accept");
        let mut seen = Vec::new();
        while !seen.ends_with(until) {
            assert_ne!(stream.read_buf(&mut seen).await.expect("read"), 0);
        }
        stream.write_all(answer).await.expect("write");
        seen
    });
    (address, task)
}

#[tokio::test]
async fn any_bytes_go_out_as_given() {
    let (address, seen) = server(b"body", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let request =
        Request::post("/webhooks/x").header("X-Odd", [0xff, b'a']).header("X-Odd", "2").body("body");
    let response = request.send(address).await.expect("a response");
    assert_eq!((response.status, response.text().as_str()), (200, "ok"));
    let seen = seen.await.expect("the server");
    assert!(seen.starts_with(b"POST /webhooks/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n"));
    assert!(seen.windows(11).any(|window| window == b"X-Odd: \xffa\r\n"));
}

#[tokio::test]
async fn chunks_and_interim_responses() {
    let answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\nRetry-After: 3\r\n\
        Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
    let (address, _) = server(b"\r\n\r\n", answer).await;
    let response = Request::new("GET", "/").send(address).await.expect("a response");
    assert_eq!((response.status, response.text().as_str()), (503, "abcde"));
    assert_eq!(response.header("retry-after"), Some("3"));
}

#[tokio::test]
async fn an_answer_before_the_body_is_read() {
    let (address, _) = server(b"\r\n\r\n", b"HTTP/1.1 401 No\r\nConnection: close\r\n\r\n{}").await;
    let mut connection = Connection::open(address).await.expect("connect");
    let head = Request::post("/").header("Content-Length", "1000").head();
    connection.write_slowly(&head, std::time::Duration::from_micros(10)).await.expect("write");
    let response = connection.response().await.expect("a response");
    assert_eq!((response.status, response.text().as_str()), (401, "{}"));
    assert!(connection.is_closed().await);
}
