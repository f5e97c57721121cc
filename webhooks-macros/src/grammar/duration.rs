//! Durations as people write them: `30s`, `5 min`, `1h 30m`, `500ms`. The settings take the same, and numbers without a
//! unit besides.

use std::time::Duration;

const HELP: &str = "write a whole number and a unit (ms, s, m, min, h, d), as in `30s` or `1h 30m`";

/// Reads a duration: one or several whole numbers, each with its unit; together more than nothing.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration; {HELP}");
    let mut millis = 0_u64;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (number, after) = split(rest, |c| c.is_ascii_digit());
        let (unit, after) = split(after.trim_start(), |c| c.is_ascii_alphabetic());
        if number.is_empty() {
            return Err(wrong());
        }
        let unit = unit_millis(unit).ok_or_else(wrong)?;
        let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
        millis = part
            .and_then(|part| millis.checked_add(part))
            .ok_or_else(|| format!("the duration `{text}` is too long"))?;
        rest = after.trim_start();
    }
    match millis {
        _ if text.trim().is_empty() => Err(format!("the duration is empty; {HELP}")),
        0 => Err(format!("the duration `{text}` is zero; it must be longer")),
        millis => Ok(Duration::from_millis(millis)),
    }
}

fn unit_millis(unit: &str) -> Option<u64> {
    Some(match unit {
        "ms" => 1,
        "s" | "sec" | "second" | "seconds" => 1_000,
        "m" | "min" | "minute" | "minutes" => 60_000,
        "h" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        _ => return None,
    })
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::duration;

    #[test]
    fn numbers_with_units_add_up() {
        for (text, millis) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("2m", 120_000),
            ("2min", 120_000),
            ("1h", 3_600_000),
            ("1d", 86_400_000),
            ("1m30s", 90_000),
            ("1h2m3s4ms", 3_723_004),
            ("0m1s", 1_000),
            ("5 min", 300_000),
            (" 1h 30m ", 5_400_000),
            ("1 day 2 hours 1 minute 3 seconds", 93_663_000),
            ("30sec", 30_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in
            ["", " ", "30", "s", "1.5s", "-1s", "1s 30", "30S", "s30", "1 fortnight", "0s", "0ms0h", "٣s"]
        {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_overflow_is_a_message_and_no_panic() {
        for text in ["18446744073709551616ms", "18446744073709551615s", "18446744073709551615ms1ms"] {
            assert!(duration(text).is_err_and(|message| message.contains("too long")), "{text}");
        }
    }
}
