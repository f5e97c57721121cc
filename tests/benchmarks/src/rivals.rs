//! The same requests by what people use today: a program of its own, for what rivals depend on is none of ours.

use std::path::Path;
use std::process::Command;

use crate::AnyError;

pub(crate) fn run() -> Result<(), AnyError> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rivals/Cargo.toml");
    let mut cargo = Command::new("cargo");
    cargo.args(["run", "--quiet", "--release", "--manifest-path"]).arg(manifest);
    if cargo.status()?.success() { Ok(()) } else { Err("the rivals could not be measured".into()) }
}
