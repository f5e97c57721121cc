//! What a table may hold, as data: from it come the schema that editors complete with, and the reference.
//!
//! The readers are the truth; a test compares what they ask for with what stands here.

/// The keys of a table; in groups, as some tables share theirs.
pub(crate) type Keys = &'static [&'static [Key]];

/// One key of a table.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    /// In snake_case.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// What it is for, in Markdown.
    pub(crate) about: &'static str,
    /// What holds where it is missing, as people say it; empty if nothing does.
    pub(crate) default: &'static str,
}

/// What stands under a key. Each is a method of the [`TableReader`](super::TableReader).
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Flag,
    Text,
    Texts,
    Count,
    Duration,
    Size,
    /// One of these words.
    Word(Words),
    /// One of these names, which are looked up elsewhere.
    Name(Words),
    Table(Keys),
    /// One such table, or a list of them.
    Tables(Keys),
    /// A table of texts, whose keys are the user's.
    TextsByName,
    /// A table of texts or lists of them, whose keys are the user's.
    TextListsByName,
    /// A table of such tables, whose keys are the user's.
    TablesByName(Keys),
}

/// Words that are listed where they are read.
pub(crate) type Words = fn() -> Vec<&'static str>;

impl Key {
    pub(crate) const fn new(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self { name, kind, about, default: "" }
    }

    pub(crate) const fn or(self, default: &'static str) -> Self {
        Self { default, ..self }
    }

    /// The same name as settings of the original were written.
    pub(crate) fn kebab_case(&self) -> Option<String> {
        self.name.contains('_').then(|| self.name.replace('_', "-"))
    }
}

/// The words of a list of words and their meanings.
pub(crate) fn words<T, const N: usize>(list: &[(&'static str, T); N]) -> Vec<&'static str> {
    list.iter().map(|(word, _)| *word).collect()
}
