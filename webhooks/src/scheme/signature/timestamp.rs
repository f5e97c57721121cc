//! Signed timestamps: exact grammars, and a window around the time of receipt.

use std::time::{Duration, SystemTime};

use http::HeaderName;

use crate::rejection::Rejection;
use crate::scheme::json::JsonPath;

/// Where a scheme's timestamp stands and how far it may lie from the time of receipt.
#[derive(Debug, Clone)]
pub(crate) struct Timestamp {
    pub(in crate::scheme) at: TimestampPlace,
    pub(in crate::scheme) unit: Unit,
    pub(in crate::scheme) past: Duration,
    pub(in crate::scheme) future: Duration,
}

#[derive(Debug, Clone)]
pub(in crate::scheme) enum TimestampPlace {
    Header(HeaderName),
    /// The pair of this key, in the signature header.
    Pair(String),
    /// The entry of this number, counted from 0, in the signature header.
    Position(usize),
    Json(JsonPath),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scheme) enum Unit {
    Seconds,
    Milliseconds,
    Rfc3339,
    /// Signed as it stands, but of a form that is not read: nothing is timed.
    Text,
}

impl Timestamp {
    /// Five minutes: what Stripe and Standard Webhooks ask for, where a scheme does not say otherwise.
    /// <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>
    pub(super) const TOLERANCE: Duration = Duration::from_secs(300);

    /// The time that a text names; `None` for [`Unit::Text`].
    pub(in crate::scheme) fn parse(&self, text: &str) -> Result<Option<SystemTime>, Rejection> {
        let time = match self.unit {
            // 12 digits of seconds reach the year 33658.
            Unit::Seconds => digits(text, 12).map(Duration::from_secs),
            Unit::Milliseconds => digits(text, 15).map(Duration::from_millis),
            Unit::Rfc3339 => rfc3339(text),
            Unit::Text if text.len() <= 64 && !text.is_empty() => return Ok(None),
            Unit::Text => None,
        };
        let time = time.and_then(|it| SystemTime::UNIX_EPOCH.checked_add(it));
        time.map(Some).ok_or(Rejection::TimestampMalformed)
    }

    /// Whether a time lies in the window. Distances count in whole seconds, as in the vendors' own libraries:
    /// a request signed 300.9 s ago is 300 s old.
    pub(in crate::scheme) fn check(&self, signed: SystemTime, received: SystemTime) -> Result<(), Rejection> {
        match received.duration_since(signed) {
            Ok(age) if age.as_secs() > self.past.as_secs() => Err(Rejection::Expired { age }),
            Ok(_) => Ok(()),
            Err(error) => {
                let ahead = error.duration();
                if ahead > self.future { Err(Rejection::FromTheFuture { ahead }) } else { Ok(()) }
            }
        }
    }

    /// How long a signature is good in all, where `tolerance` replaces both ends of the window; `None` where nothing is
    /// timed.
    pub(super) fn validity(&self, tolerance: Option<Duration>) -> Option<Duration> {
        let (past, future) = (tolerance.unwrap_or(self.past), tolerance.unwrap_or(self.future));
        (self.unit != Unit::Text).then(|| past.saturating_add(future))
    }

    /// The text of a time, in this scheme's unit.
    pub(in crate::scheme) fn write(&self, at: SystemTime) -> String {
        let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        match self.unit {
            Unit::Seconds => since.as_secs().to_string(),
            Unit::Milliseconds => since.as_millis().to_string(),
            Unit::Rfc3339 | Unit::Text => write_rfc3339(since),
        }
    }
}

/// ASCII digits alone: no sign, no space, no leading zero, at most `limit` of them.
fn digits(text: &str, limit: usize) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    let legal = (1..=limit).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if canonical && legal { text.parse().ok() } else { None }
}

/// `2022-10-01T12:00:00.123456789Z` or with an offset such as `+02:00`, as time since 1970.
fn rfc3339(text: &str) -> Option<Duration> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        let part = bytes.get(from..to)?;
        part.iter().all(u8::is_ascii_digit).then(|| part.iter().fold(0, |n, b| n * 10 + i64::from(b - b'0')))
    };
    let is = |at: usize, expected: u8| bytes.get(at) == Some(&expected);
    let separated = is(4, b'-') && is(7, b'-') && is(10, b'T') && is(13, b':') && is(16, b':');
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let in_range = (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !separated || !in_range {
        return None;
    }
    let mut at = 19;
    let mut nanos = 0;
    if is(at, b'.') {
        let end = at + 1 + bytes.get(at + 1..)?.iter().take_while(|b| b.is_ascii_digit()).count();
        let count = u32::try_from(end - at - 1).ok()?;
        if !(1..=9).contains(&count) {
            return None;
        }
        nanos = number(at + 1, end)? * 10_i64.pow(9 - count);
        at = end;
    }
    let offset = match bytes.get(at)? {
        b'Z' if bytes.len() == at + 1 => 0,
        sign @ (b'+' | b'-') if bytes.len() == at + 6 && is(at + 3, b':') => {
            let (hours, minutes) = (number(at + 1, at + 3)?, number(at + 4, at + 6)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 3_600 + minutes * 60) * if *sign == b'+' { 1 } else { -1 }
        }
        _ => return None,
    };
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset;
    Some(Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanos).ok()?))
}

/// `2023-11-14T22:13:20Z`
#[cfg(all(feature = "fetch", feature = "test-util"))]
pub(in crate::scheme) fn rfc3339_text(at: SystemTime) -> String {
    write_rfc3339(at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

fn write_rfc3339(since_1970: Duration) -> String {
    let seconds = since_1970.as_secs();
    let (year, month, day) = date_of(i64::try_from(seconds / 86_400).unwrap_or(0));
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Counts from March, so that the leap day ends the year.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * month + 2) / 5
        + day
        - 719_469
}

fn date_of(days_since_1970: i64) -> (i64, i64, i64) {
    let mut days = days_since_1970;
    let mut year = 1970;
    let length = |year| if days_in_month(year, 2) == 29 { 366 } else { 365 };
    while days >= length(year) {
        days -= length(year);
        year += 1;
    }
    let mut month = 1;
    while days >= days_in_month(year, month) {
        days -= days_in_month(year, month);
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamp_grammar() {
        assert_eq!(digits("0", 12), Some(0));
        assert_eq!(digits("1700000000", 12), Some(1_700_000_000));
        let long = "1".repeat(400);
        for wrong in
            ["", "+1", "-1", " 1", "1 ", "01", "00", "1e9", "1.0", "0x1", "１", "-9223372036854775808", &long]
        {
            assert_eq!(digits(wrong, 12), None, "{wrong}");
        }
    }

    #[test]
    fn rfc3339_is_read_strictly() {
        let at = |text| rfc3339(text).map(|it| (it.as_secs(), it.subsec_nanos()));
        assert_eq!(at("1970-01-01T00:00:00Z"), Some((0, 0)));
        assert_eq!(at("2023-11-14T22:13:20Z"), Some((1_700_000_000, 0)));
        assert_eq!(at("2023-11-15T00:13:20.5+02:00"), Some((1_700_000_000, 500_000_000)));
        assert_eq!(at("2023-11-14T15:13:20.123456789-07:00"), Some((1_700_000_000, 123_456_789)));
        assert_eq!(at("2024-02-29T00:00:00Z"), Some((1_709_164_800, 0)));
        for wrong in [
            "",
            "2023-11-14",
            "2023-11-14 22:13:20Z",
            "2023-11-14T22:13:20",
            "2023-02-29T00:00:00Z",
            "2023-13-01T00:00:00Z",
            "2023-11-14T24:00:00Z",
            "2023-11-14T22:13:20.Z",
            "2023-11-14T22:13:20Zx",
            "2023-11-14T22:13:20.1234567890Z",
            "2023-11-14T22:13:20+2:00",
            "02023-11-14T22:13:20Z",
            "1969-12-31T23:59:59Z",
            "2023-11-14T22:13:20+99:00",
            "２023-11-14T22:13:20Z",
        ] {
            assert_eq!(at(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for seconds in [0, 951_782_400, 1_700_000_000, 4_102_444_799] {
            let text = write_rfc3339(Duration::from_secs(seconds));
            assert_eq!(rfc3339(&text), Some(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn the_window_is_closed_on_both_sides() {
        let stamp = Timestamp {
            at: TimestampPlace::Pair("t".to_owned()),
            unit: Unit::Seconds,
            past: Duration::from_secs(300),
            future: Duration::from_secs(60),
        };
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(stamp.check(at(1_000), at(1_300)), Ok(()));
        assert!(matches!(stamp.check(at(1_000), at(1_301)), Err(Rejection::Expired { .. })));
        assert_eq!(stamp.check(at(1_060), at(1_000)), Ok(()));
        assert!(matches!(stamp.check(at(1_061), at(1_000)), Err(Rejection::FromTheFuture { .. })));
    }
}
