//! What is asked for on the command line.

use std::time::SystemTime;

use crate::document::parse_duration;
use crate::inbox::record::{RunState, Selection};
use crate::store::DeadReason;

/// One thing to do.
#[derive(Debug)]
pub(super) enum Command {
    List(Selection),
    Show(i64),
    Explain(String),
    Replay(Selection),
    Drop(Selection),
    Backlog,
}

/// What there is.
pub(super) const HELP: &str = "\
webhooks list [SELECTION]       events, the latest first
webhooks show NUMBER            one event, with every attempt and error
webhooks explain EVENT_ID       what happened to an event, and why, by the provider's id
webhooks replay SELECTION       begins runs afresh: dead ones, unless --state says otherwise
webhooks drop SELECTION         drops runs for good: dead ones, unless --state says otherwise
webhooks backlog                what is pending and dead, by listener

SELECTION, all of which must hold:
  --number N  --source NAME  --event EVENT_ID  --listener ID
  --state pending|done|dead  --reason permanent|attempts_exhausted|crash_loop
  --since AGE  --before AGE  (how long ago it arrived: 30m, 12h, 7d)
  --limit N
  --all       replay and drop want a selection; this one is everything
";

/// The command, or what is wrong with it. `None`: help was asked for, which needs no inbox.
pub(super) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Option<Command>, String> {
    let mut arguments = arguments.into_iter();
    let command = arguments.next().unwrap_or_else(|| "help".to_owned());
    let mut one = |what: &str| match (arguments.next(), arguments.next()) {
        (Some(argument), None) => Ok(argument),
        _ => Err(format!("`webhooks {command}` takes {what}")),
    };
    let parsed = match command.as_str() {
        "help" | "--help" | "-h" => return Ok(None),
        "show" => {
            let number = one("the number of an event")?;
            number.parse().map(Command::Show).map_err(|_| format!("`{}` is no number", number.escape_debug()))
        }
        "explain" => one("the provider's id of an event").map(Command::Explain),
        "backlog" => Ok(Command::Backlog),
        "list" => selection(arguments).map(|(selection, _)| Command::List(selection)),
        "replay" => deliberate(&command, arguments).map(Command::Replay),
        "drop" => deliberate(&command, arguments).map(Command::Drop),
        other => Err(format!("`{}` is no command", other.escape_debug())),
    };
    parsed.map(Some)
}

/// A selection that was made: by a slip of the hand, not everything is meant.
fn deliberate(command: &str, arguments: impl Iterator<Item = String>) -> Result<Selection, String> {
    match selection(arguments)? {
        (selection, true) => Ok(selection),
        (_, false) => Err(format!("`webhooks {command}` wants to know what; `--all` is everything")),
    }
}

/// The selection, and whether anything was selected.
fn selection(mut arguments: impl Iterator<Item = String>) -> Result<(Selection, bool), String> {
    let (mut selection, mut selected) = (Selection::new(), false);
    while let Some(option) = arguments.next() {
        // How many of them says nothing of which.
        selected |= option != "--limit";
        if option == "--all" {
            continue;
        }
        let value = arguments.next().ok_or_else(|| format!("`{}` takes a value", option.escape_debug()))?;
        let wrong = || format!("`{}` cannot be `{}`", option.escape_debug(), value.escape_debug());
        let time = || {
            let age = parse_duration(&value).ok_or_else(wrong)?;
            SystemTime::now().checked_sub(age).ok_or_else(wrong)
        };
        selection = match option.as_str() {
            "--number" => selection.number(value.parse().map_err(|_| wrong())?),
            "--source" => selection.source(value),
            "--event" => selection.event_id(value),
            "--listener" => selection.listener(value),
            "--state" => selection.state(RunState::from_code(&value).ok_or_else(wrong)?),
            "--reason" => selection.reason(DeadReason::from_code(&value).ok_or_else(wrong)?),
            "--since" => selection.after(time()?),
            "--before" => selection.before(time()?),
            "--limit" => selection.limit(value.parse().map_err(|_| wrong())?),
            other => return Err(format!("`{}` is no part of a selection", other.escape_debug())),
        };
    }
    Ok((selection, selected))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Option<Command>, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn commands() {
        assert!(matches!(parsed(""), Ok(None)));
        assert!(matches!(parsed("list"), Ok(Some(Command::List(_)))));
        assert!(matches!(parsed("show 7"), Ok(Some(Command::Show(7)))));
        assert!(matches!(parsed("explain evt_1"), Ok(Some(Command::Explain(id))) if id == "evt_1"));
        let replay = parsed("replay --source stripe --state dead --since 2h --limit 5");
        let Ok(Some(Command::Replay(selection))) = replay else { panic!("{replay:?}") };
        assert_eq!((selection.source.as_deref(), selection.limit), (Some("stripe"), Some(5)));
        assert_eq!(selection.state, Some(RunState::Dead));
        assert!(selection.after.is_some() && selection.before.is_none());
    }

    #[test]
    fn slips_of_the_hand_do_nothing() {
        for line in [
            "frobnicate",
            "show",
            "show x",
            "show 1 2",
            "replay",
            "drop",
            "replay --state gone",
            "list --sorce a",
            "list --source",
            "drop --before yesterday",
            "drop --limit 5",
            "replay --limit 5",
            "replay --reason permanet",
            "list --limit -1",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
        for line in ["drop --all", "drop --all --limit 5", "drop --limit 5 --source a", "list --limit 5"] {
            assert!(parsed(line).is_ok(), "{line}");
        }
    }
}
