//! Durations and sizes: what an attribute reads, settings read the same, and but for a unit the other way round; and what is read, prints and reads equal.

use std::time::Duration;

use crate::target::{Kind, Target};

#[path = "../../../../webhooks-macros/src/grammar/duration.rs"]
mod of_attributes;
#[path = "../../../../webhooks/src/document/units.rs"]
mod of_settings;

pub(super) struct Durations;

impl Target for Durations {
    fn seeds(&self) -> Vec<Vec<u8>> {
        let texts =
            ["30s", "1h 30m", "250ms", "5 min", "90", "1 MiB", "500kB", "64k", "12h3m4s5ms", "4294967296ms"];
        texts.map(|text| text.as_bytes().to_vec()).to_vec()
    }

    fn words(&self) -> &[&'static str] {
        &[
            "ms",
            "s",
            "m",
            "min",
            "h",
            "d",
            "k",
            "MiB",
            " ",
            "0",
            "18446744073709551615",
            "4294967295",
            "days",
            "GB",
        ]
    }

    fn kinds(&self) -> &[Kind] {
        &["a duration", "a duration in settings alone", "a size", "neither"]
    }

    fn check(&mut self, input: &[u8]) -> Result<Kind, String> {
        let Ok(text) = std::str::from_utf8(input) else { return Ok("no text") };
        let size = of_settings::size(text);
        if let Some(bytes) = size
            && [bytes.to_string(), format!("{bytes} B")].iter().any(|it| of_settings::size(it) != size)
        {
            return Err(format!("{bytes} bytes read otherwise when they are printed"));
        }
        let duration = of_settings::duration(text);
        if let Some(duration) = duration
            && of_settings::duration(&printed(duration)) != Some(duration)
        {
            return Err(format!("{duration:?} reads otherwise when it is printed as {}", printed(duration)));
        }
        match (of_attributes::duration(text), duration) {
            (Ok(here), Some(there)) if here == there => Ok("a duration"),
            (Ok(here), there) => Err(format!("{here:?} in an attribute, {there:?} in settings")),
            (Err(message), _) if !message.contains("duration") => Err(format!("says too little: {message}")),
            // Settings may leave the unit out, and may say 0.
            (Err(_), Some(there)) if there.is_zero() || lacks_a_unit(text) || !fits(there) => {
                Ok("a duration in settings alone")
            }
            (Err(message), Some(there)) => {
                Err(format!("{there:?} in settings, and in an attribute: {message}"))
            }
            (Err(_), None) if size.is_some() => Ok("a size"),
            (Err(_), None) => Ok("neither"),
        }
    }
}

/// Whether a number is followed by another, or by nothing.
fn lacks_a_unit(text: &str) -> bool {
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let ends_with_digit = word.ends_with(|c: char| c.is_ascii_digit());
        let goes_on = words.peek().is_some_and(|next| next.starts_with(|c: char| c.is_ascii_alphabetic()));
        if ends_with_digit && !goes_on {
            return true;
        }
    }
    false
}

/// An attribute's is counted in milliseconds.
fn fits(duration: Duration) -> bool {
    u64::try_from(duration.as_millis()).is_ok()
}

fn printed(duration: Duration) -> String {
    format!("{}s {}ms", duration.as_secs(), duration.subsec_millis())
}
