//! The service that fault tests drive does what it is told, however its instruction arrives.

use std::net::{Ipv4Addr, SocketAddr};

use support::free_port;
use support::http::Request;
use support::process::Program;

#[tokio::test]
async fn a_batch_of_one_instructs_too() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let probe = Program::built("probe")
        .current_dir(folder.path())
        .env("WEBHOOKS_HTTP__BIND", address.to_string())
        .env("WEBHOOKS_SOURCES__HELIUS__SECRET", "a shared word")
        .start();
    probe.wait_until_listening(address);

    let body = r#"[{"signature":"1","type":"NFT_SALE","probe":{"a":{"fail":1}}}]"#;
    for status in [500, 200] {
        let request = Request::post("/webhooks/helius").header("Authorization", "a shared word").body(body);
        assert_eq!(request.send(address).await.expect("an answer").status, status, "\n{}", probe.output());
    }
}
