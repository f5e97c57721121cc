//! Inputs read as decisions rather than as a text.

/// Bytes taken from the front of an input; when there are no more, zeros.
pub(crate) struct Decisions<'i>(pub(crate) &'i [u8]);

impl Decisions<'_> {
    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub(crate) fn one_of<T: Copy>(&mut self, list: &[T]) -> T {
        list[usize::from(self.byte()) % list.len()]
    }

    /// A JSON value of few and recurring keys, so that paths lead somewhere and keys come twice.
    pub(crate) fn json(&mut self, depth: usize) -> String {
        const KEYS: [&str; 7] =
            ["\"id\"", "\"type\"", "\"data\"", "\"a\"", "\"b\"", "\"\\u0069d\"", "\"[0]\""];
        const LEAVES: [&str; 10] = [
            "\"evt\"",
            "\"t\"",
            "\"\"",
            "7",
            "-1.5e3",
            "18446744073709551616",
            "null",
            "true",
            "\"\\ud83d\\ude00\"",
            "\"ü\\n\"",
        ];
        let items = usize::from(self.byte() % 5);
        match self.byte() % 5 {
            0 | 1 if depth > 0 => {
                let entries = (0..items).map(|_| format!("{}:{}", self.one_of(&KEYS), self.json(depth - 1)));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
            }
            2 if depth > 0 => {
                format!("[ {} ]", (0..items).map(|_| self.json(depth - 1)).collect::<Vec<_>>().join(" ,"))
            }
            _ => self.one_of(&LEAVES).to_owned(),
        }
    }
}
