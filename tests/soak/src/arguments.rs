//! What is asked for on the command line.

use std::path::PathBuf;
use std::time::Duration;

use crate::AnyError;

pub(crate) struct Arguments {
    pub(crate) time: Duration,
    pub(crate) engine: Engine,
    pub(crate) clients: usize,
    /// Where the files are; in a temporary folder, unless told.
    pub(crate) folder: Option<PathBuf>,
}

#[derive(Clone, Copy)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

impl Arguments {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, AnyError> {
        let mut all =
            Self { time: Duration::from_secs(60), engine: Engine::Sqlite, clients: 32, folder: None };
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("`{name}` takes a value"))?;
            match name.as_str() {
                "--minutes" => all.time = Duration::from_secs_f64(value.parse::<f64>()? * 60.0),
                "--seconds" => all.time = Duration::from_secs_f64(value.parse()?),
                "--clients" => all.clients = value.parse()?,
                "--folder" => all.folder = Some(value.into()),
                "--engine" if value == "sqlite" => all.engine = Engine::Sqlite,
                "--engine" if value == "postgres" => all.engine = Engine::Postgres,
                _ => return Err(format!("`{name} {value}` is not understood; see the top of main.rs").into()),
            }
        }
        Ok(all)
    }
}
