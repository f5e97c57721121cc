//! Commands that are printed to be pasted, pasted into a shell.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;

use support::free_port;
use support::process::Program;
use webhooks::SampleRequest;

/// What a shell prints for a command.
fn paste(command: &str) -> String {
    let output = Command::new("sh").args(["-c", command]).output().expect("a shell");
    assert!(output.status.success(), "{command}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim_end().to_owned()
}

fn is_command(line: &str) -> bool {
    line.trim_start().starts_with("curl ")
}

#[tokio::test]
async fn the_three_of_quickstart() {
    // It takes the next free port where somebody has the usual one; if not we, then another.
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 8080));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let quickstart = Program::built("quickstart").current_dir(folder.path()).start();

    let listening = quickstart.stdout().line(|line| line.starts_with("Listening on ")).await;
    assert!(!listening.contains(":8080."), "it is taken: {listening}");
    quickstart.stdout().line(|line| line.starts_with("Events, ")).await;
    let three: Vec<_> = quickstart.stdout().so_far().into_iter().filter(|line| is_command(line)).collect();
    let statuses: Vec<_> = three.iter().map(|command| paste(command)).collect();
    assert_eq!(statuses, ["200", "200", "401"], "{three:#?}");

    let paid = quickstart.stdout().line(|line| line.contains(" paid ")).await;
    assert!(paid.trim().starts_with("pi_") && paid.ends_with(" 42.00 eur"), "{paid}");
    let heard = quickstart.stdout().so_far().iter().filter(|line| line.contains('✔')).count();
    assert_eq!(heard, 1, "{}", quickstart.output());
    drop(taken);
}

#[tokio::test]
async fn the_one_that_serve_prints() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let receiver = Program::built("receiver")
        .current_dir(folder.path())
        .env("WEBHOOKS_HTTP__BIND", address.to_string())
        .env("WEBHOOKS_SOURCES__SHOP__PROVIDER", "stripe")
        .start();
    receiver.wait_until_listening(address);

    receiver
        .stderr()
        .line(|line| line.starts_with("source `shop` has no secret; until this process ends"))
        .await;
    assert_eq!(paste(&receiver.stderr().line(is_command).await), "200");
    receiver.stdout().line(|line| line.contains(r#""source":"shop""#)).await;
}

#[test]
fn whatever_is_in_a_request_a_shell_hands_on() {
    let sample = SampleRequest {
        source: "shop".to_owned(),
        path: "/webhooks/shop?a=1&b=$(echo 2);c='3'".to_owned(),
        headers: [("x-a".parse().expect("a name"), "it's `$HOME`".parse().expect("a value"))]
            .into_iter()
            .collect(),
        body: r#"{"a":"$1 \ ' & 2"}"#.into(),
    };
    let command = sample.curl("127.0.0.1:1");
    let arguments = command.strip_prefix("curl ").expect("a curl command");
    let expected = [
        "-s",
        "-o",
        "/dev/null",
        "-w",
        r"%{http_code}\n",
        "http://127.0.0.1:1/webhooks/shop?a=1&b=$(echo 2);c='3'",
        "-H",
        "x-a: it's `$HOME`",
        "-d",
        r#"{"a":"$1 \ ' & 2"}"#,
    ];
    assert_eq!(paste(&format!(r"printf '%s\n' {arguments}")).lines().collect::<Vec<_>>(), expected);
}
