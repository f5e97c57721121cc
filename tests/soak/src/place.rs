//! Where everything is: settings, data, and what the listeners did.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use support::free_port;
use support::inside::Recorder;
use support::postgres_server::{Options, PostgresServer};
use tempfile::TempDir;
use webhooks::{Settings, Webhooks};

use crate::AnyError;
use crate::arguments::{Arguments, Engine};

pub(crate) const SECRET: &str = "a secret that is soaked";

pub(crate) struct Place {
    folder: PathBuf,
    /// `[inbox]`, but for its head.
    inbox: String,
    pub(crate) address: SocketAddr,
    _server: Option<PostgresServer>,
    _folder: Option<TempDir>,
}

impl Place {
    pub(crate) fn make(arguments: &Arguments) -> Result<Self, AnyError> {
        let own = if arguments.folder.is_none() { Some(tempfile::tempdir()?) } else { None };
        let folder = arguments.folder.as_deref().or(own.as_ref().map(TempDir::path));
        let folder = folder.ok_or("there is no folder")?.to_owned();
        let server = match arguments.engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(Options::default().durable().start()),
        };
        let data = match &server {
            None => format!("provider = \"sqlite\"\npath = \"{}\"", folder.join("webhooks.db").display()),
            Some(server) => format!("provider = \"postgres\"\nurl = \"{}\"", server.database()),
        };
        // A short lease, for with PostgreSQL a run waits that long whose process was killed.
        let terms = "backoff = \"20ms\"\nlease = \"2s\"\nmax_pending = 100000000\nmax_attempts = 1000";
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let inbox = format!("{data}\n{terms}");
        let place = Self { folder, inbox, address, _server: server, _folder: own };
        std::fs::write(place.settings_file(), place.settings())?;
        Ok(place)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn settings_file(&self) -> PathBuf {
        self.folder.join("webhooks.toml")
    }

    pub(crate) fn deeds(&self) -> PathBuf {
        self.folder.join("deeds")
    }

    /// The inbox, for somebody who has no listener that anything waits for.
    pub(crate) async fn look_in(&self) -> Result<Webhooks, AnyError> {
        let settings: Settings = format!("[inbox]\n{}", self.inbox).parse()?;
        let builder = Webhooks::builder().settings(settings).source("hmac", |source| source.secret(SECRET));
        Ok(builder.listener(Recorder::new("hmac")).build().await?)
    }

    fn settings(&self) -> String {
        format!(
            "[webhooks]\ndrain_delay = \"0s\"\nmax_in_flight = 4096\n[webhooks.http]\nbind = \"{}\"\n\
             [webhooks.inbox]\n{}\n[webhooks.sources.hmac]\nsecret = \"{SECRET}\"\n",
            self.address, self.inbox
        )
    }
}
