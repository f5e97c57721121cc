//! "Did you mean …?"

/// The candidate that `word` is most likely a slip of, if one is close enough.
pub(crate) fn closest(
    word: &str,
    candidates: impl IntoIterator<Item = &'static str>,
) -> Option<&'static str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        // One slip in three letters still resembles the word; more is another word.
        .filter(|(distance, candidate)| distance * 3 <= candidate.len())
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let keys = ["source", "event", "id", "timeout", "on_error"];
        assert_eq!(closest("evnt", keys), Some("event"));
        assert_eq!(closest("events", keys), Some("event"));
        assert_eq!(closest("onerror", keys), Some("on_error"));
        assert_eq!(closest("srouce", keys), Some("source"));
        assert_eq!(closest("priority", keys), None);
        assert_eq!(closest("is", keys), None);
    }
}
