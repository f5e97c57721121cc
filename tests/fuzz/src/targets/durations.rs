//! Durations and sizes: what an attribute reads, settings read the same; and what is read, prints and reads equal.

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
            (Err(_), Some(_)) => Ok("a duration in settings alone"),
            (Err(_), None) if size.is_some() => Ok("a size"),
            (Err(_), None) => Ok("neither"),
        }
    }
}

fn printed(duration: Duration) -> String {
    format!("{}s {}ms", duration.as_secs(), duration.subsec_millis())
}
