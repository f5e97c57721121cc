//! The inbox from the command line: one line in a service's own `main`.

use std::io::Write;

use crate::clock::Clock;
use crate::error::Error;
use crate::inbox::handle::{OperationError, WebhookInbox};
use crate::problem::{Problem, Problems};
use crate::settings;
use crate::settings::config::Config;
use crate::startup;

mod arguments;
mod print;

use arguments::{Command, HELP};

/// Lets operators look into the inbox with the service's own binary, while it runs or not.
///
/// If the first argument is `webhooks`, the rest is a command: it is carried out, its answer printed, and `true`
/// returned. Otherwise nothing happens, and `false` is returned. `my-service webhooks help` prints what there is. The
/// inbox is the one of the surrounding settings, `webhooks.toml` and `WEBHOOKS_…`.
///
/// ```no_run
/// #[tokio::main]
/// async fn main() -> Result<(), webhooks::Error> {
///     if webhooks::cli(std::env::args()).await? {
///         return Ok(());
///     }
///     webhooks::autoconfigure().await?.serve().await
/// }
/// ```
///
/// # Errors
/// When the command is not understood, no inbox is configured, or it cannot be used.
pub async fn cli(arguments: impl IntoIterator<Item = String>) -> Result<bool, Error> {
    let mut arguments = arguments.into_iter().skip(1);
    if arguments.next().as_deref() != Some("webhooks") {
        return Ok(false);
    }
    let command = arguments::parse(arguments)
        .map_err(|mistake| failed(mistake, "`webhooks help` prints the commands"))?;
    let answer = match command {
        None => HELP.to_owned(),
        Some(command) => {
            let inbox = open().await?;
            let answer = carry_out(&inbox, command).await;
            answer.map_err(|error| failed(error.to_string(), "see the service's own log"))?
        }
    };
    // A pipe that was closed, by `head` for instance, wants no more.
    let _ = std::io::stdout().lock().write_all(answer.as_bytes());
    Ok(true)
}

async fn carry_out(inbox: &WebhookInbox, command: Command) -> Result<String, OperationError> {
    Ok(match command {
        Command::List(selection) => print::list(&inbox.list(selection).await?),
        Command::Show(number) => match inbox.show(number).await? {
            Some(record) => print::show(&record),
            None => format!("There is no event {number}.\n"),
        },
        Command::Explain(event_id) => print::ended(inbox.explain(&event_id).await?),
        Command::Replay(selection) => print::replayed(inbox.replay(selection).await?),
        Command::Drop(selection) => format!("{} runs dropped.\n", inbox.discard(selection).await?),
        Command::Backlog => print::backlog(&inbox.backlog().await?),
    })
}

async fn open() -> Result<WebhookInbox, Error> {
    let problems = Problems::default();
    let config = Config::read(&settings::from_surroundings(std::iter::empty(), &problems), &problems);
    let inbox = match &config.inbox {
        Some(inbox) => startup::open_inbox(inbox, &Clock::default(), &problems).await,
        None if problems.is_empty() => {
            problems.add(
                "no inbox is configured",
                "set `webhooks.inbox.provider`, or start where webhooks.toml is",
            );
            None
        }
        None => None,
    };
    // Of no concern here, and told at the service's own start: what is wrong with other settings.
    inbox.ok_or_else(|| Error::of_command(problems.into_errors()))
}

fn failed(what: String, help: &str) -> Error {
    Error::of_command(vec![Problem::new(what, help)])
}
