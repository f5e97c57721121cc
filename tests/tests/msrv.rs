//! The oldest compiler that the library says it builds with: nothing that it depends on asks for a newer one.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

#[test]
fn no_dependency_asks_for_a_newer_compiler() {
    // sqlx asks for more, which the documentation of the feature says.
    assert_eq!(demanding(&features(|it| !it.starts_with("postgres")), (1, 88)), "");
    assert_eq!(demanding(&features(|_| true), (1, 94)), "");
}

/// What a build of the library with these features contains that asks for more, by name.
fn demanding(features: &str, most: (u32, u32)) -> String {
    let versions = declared();
    let tree = cargo(&[
        "tree",
        "--package=webhooks",
        "--edges=normal,build",
        "--prefix=none",
        "--format={p}",
        "--no-default-features",
        "--features",
        features,
    ]);
    let names = tree.lines().filter_map(|line| {
        let (name, rest) = line.split_once(" v")?;
        Some(format!("{name} {}", rest.split(' ').next()?))
    });
    let mut newer: Vec<_> = names.filter(|name| versions.get(name).is_some_and(|it| *it > most)).collect();
    newer.sort();
    newer.dedup();
    newer.join(", ")
}

/// What each package of the lock file asks for, if it says so.
fn declared() -> BTreeMap<String, (u32, u32)> {
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--format-version=1", "--all-features"])).expect("JSON");
    let packages = metadata["packages"].as_array().expect("a list").iter();
    packages
        .filter_map(|package| {
            let mut numbers = package["rust_version"].as_str()?.split('.').map(str::parse);
            let version = (numbers.next()?.ok()?, numbers.next()?.ok()?);
            let name = format!("{} {}", package["name"].as_str()?, package["version"].as_str()?);
            Some((name, version))
        })
        .collect()
}

fn features(wanted: impl Fn(&str) -> bool) -> String {
    let manifest = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../webhooks/Cargo.toml"));
    let manifest: toml::Table = manifest.expect("a manifest").parse().expect("TOML");
    let names = manifest["features"].as_table().expect("a table").keys();
    names.filter(|it| wanted(it)).map(String::as_str).collect::<Vec<_>>().join(",")
}

fn cargo(arguments: &[&str]) -> String {
    let mut cargo = Command::new(env!("CARGO"));
    let output = cargo.args(arguments).arg("--locked").current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let output = output.expect("cargo is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}
