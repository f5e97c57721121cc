//! Rivals in other languages: a script of theirs times its own loop, so that starting up does not count.

use std::env;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::AnyError;
use crate::request::Request;

#[derive(Clone, Copy)]
pub(crate) enum Language {
    Node,
    Python,
}

/// Nanoseconds that the vendor's package takes for the request.
pub(crate) fn nanoseconds(
    language: Language,
    package: &str,
    request: &Request,
    count: u32,
) -> Result<f64, AnyError> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let installed = here.join("../../target/interop");
    let place =
        |variable, folder| env::var_os(variable).map_or_else(|| installed.join(folder), PathBuf::from);
    let mut command = match language {
        Language::Node => {
            let mut node = Command::new("node");
            node.env("WEBHOOKS_TEST_NODE_MODULES", place("WEBHOOKS_TEST_NODE_MODULES", "node/node_modules"));
            node.arg(here.join("rival.mjs"));
            node
        }
        Language::Python => {
            let mut python = Command::new(place("WEBHOOKS_TEST_PYTHON", "python/bin/python"));
            python.arg(here.join("rival.py"));
            python
        }
    };
    let mut child = command
        .args([package, &count.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{command:?}: {error}; `./tests/run` installs what this needs"))?;
    let mut input = child.stdin.take().ok_or("a pipe")?;
    input.write_all(&serde_json::to_vec(request)?)?;
    drop(input);
    let output = child.wait_with_output()?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}
