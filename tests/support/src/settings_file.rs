//! Settings in a file of their own, and what startup says of them.

use figment::Figment;
use figment::providers::{Format, Toml};
use tempfile::TempDir;
use webhooks::{Builder, Webhooks};

use crate::log::Log;

/// Settings in a file named webhooks.toml; gone when dropped.
#[derive(Debug)]
pub struct SettingsFile(TempDir);

impl SettingsFile {
    /// With this text.
    pub fn of(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("webhooks.toml"), text).expect("a settings file");
        Self(folder)
    }

    /// A builder that begins with them.
    pub fn builder(&self) -> Builder {
        let file = Toml::file_exact(self.0.path().join("webhooks.toml"));
        Webhooks::builder().figment(Figment::new().merge(file))
    }

    /// The report of what cannot start, with the file as it would be named where it lies.
    pub async fn report(&self, builder: Builder) -> String {
        let error = builder.build().await.expect_err("it cannot start");
        assert_eq!(format!("{error}"), format!("{error:?}"), "main prints the report as it is");
        self.here(&error.to_string())
    }

    /// The texts of the warnings, each with its remedy.
    pub async fn warnings(&self, builder: Builder) -> Vec<String> {
        let log = Log::capture();
        builder.build().await.unwrap_or_else(|error| panic!("{error}"));
        let lines = log.lines_where("level", "WARN");
        let text =
            |line: &serde_json::Value, field: &str| self.here(line[field].as_str().unwrap_or_default());
        lines
            .iter()
            .map(|line| format!("{}\n    help: {}", text(line, "message"), text(line, "help")))
            .collect()
    }

    /// The text as one reads it who stands in the file's folder.
    pub fn here(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.path().display()), "")
    }
}
