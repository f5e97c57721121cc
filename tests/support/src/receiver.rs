//! The example `receiver`, run with settings of a test's own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use tempfile::TempDir;

use crate::http::Request;
use crate::process::{PATIENCE, Process, Program};
use crate::{free_port, sign};

/// A folder with these files.
pub fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("a file");
    }
    folder
}

/// The receiver, run in a folder with these variables, on a port of its own.
#[derive(Debug)]
pub struct Receiver {
    /// The process, to read from.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Receiver {
    /// Starts it, and does not wait until it listens.
    pub fn start(folder: &Path, variables: &[(&str, &str)]) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let program = Program::built("receiver").current_dir(folder);
        let program = variables.iter().fold(program, |program, (name, value)| program.env(name, value));
        Self { process: program.env("WEBHOOKS_HTTP__BIND", address.to_string()).start(), address }
    }

    /// What it says of why it does not start.
    pub fn refusal(folder: &Path, variables: &[(&str, &str)]) -> String {
        let receiver = Self::start(folder, variables);
        let ended = receiver.process.wait(PATIENCE);
        assert!(!ended.success(), "it started");
        receiver.process.stderr().to_the_end().join("\n")
    }

    /// The status of an event that is signed with this secret, as the generic provider has it.
    pub async fn takes(&self, secret: &str, path: &str) -> u16 {
        self.process.wait_until_listening(self.address);
        let body = br#"{"type":"test"}"#;
        let request = Request::post(path).headers(sign::hmac(secret, "1", body)).body(body);
        request.send(self.address).await.expect("an answer").status
    }
}
