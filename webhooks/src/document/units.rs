//! Durations and sizes as people write them.

use std::time::Duration;

/// `"30s"`, `"5 min"`, `"1h 30m"`, `"250ms"`; a bare number is seconds.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (number, unit, tail) = number_and_unit(rest)?;
        let part = match unit {
            "ms" => Duration::from_millis(number),
            "s" | "sec" | "second" | "seconds" | "" => Duration::from_secs(number),
            "m" | "min" | "minute" | "minutes" => Duration::from_secs(number.checked_mul(60)?),
            "h" | "hour" | "hours" => Duration::from_secs(number.checked_mul(3_600)?),
            "d" | "day" | "days" => Duration::from_secs(number.checked_mul(86_400)?),
            _ => return None,
        };
        total = total.checked_add(part)?;
        rest = tail;
    }
    Some(total)
}

/// `"1 MiB"`, `"500 kB"`, `"64k"`; a bare number is bytes. `k`, `M`, `G` alone are the binary ones.
pub(super) fn size(text: &str) -> Option<u64> {
    let (number, unit, rest) = number_and_unit(text.trim())?;
    if !rest.is_empty() {
        return None;
    }
    let unit = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "k" | "kib" => 1 << 10,
        "mb" => 1_000_000,
        "m" | "mib" => 1 << 20,
        "gb" => 1_000_000_000,
        "g" | "gib" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// Splits `"30 s …"` into 30, `s` and the rest.
fn number_and_unit(text: &str) -> Option<(u64, &str, &str)> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, rest) = text.split_at(digits);
    let rest = rest.trim_start();
    let letters = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
    let (unit, rest) = rest.split_at(letters);
    Some((number.parse().ok()?, unit, rest.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_people_write_them() {
        assert_eq!(duration("30s"), Some(Duration::from_secs(30)));
        assert_eq!(duration("1h 30m"), Some(Duration::from_secs(5_400)));
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("5 min"), Some(Duration::from_secs(300)));
        assert_eq!(duration("90"), Some(Duration::from_secs(90)));
        assert_eq!(duration("4294967296ms"), Some(Duration::from_millis(4_294_967_296)));
        let too_long = "18446744073709551615s 1s";
        for wrong in
            ["", "s", "-1s", "1 fortnight", "99999999999999999999s", "18446744073709551615d", too_long]
        {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sizes_as_people_write_them() {
        assert_eq!(size("1 MiB"), Some(1_048_576));
        assert_eq!(size("500kB"), Some(500_000));
        assert_eq!(size("42"), Some(42));
        for wrong in ["", "MiB", "-1", "1 parsec", "99999999999999999999 GiB", "1 MiB 2"] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }
}
