//! What a target is.

/// What kind of input it was: `"accepted"`, `"expired"`.
pub type Kind = &'static str;

/// A property of the library, for any bytes.
pub trait Target {
    /// Inputs to begin with.
    fn seeds(&self) -> Vec<Vec<u8>>;

    /// What inputs are made of: inserted at random.
    fn words(&self) -> &[&'static str];

    /// The kinds that a run must have seen to have looked at anything.
    fn kinds(&self) -> &[Kind];

    /// Checks one input.
    ///
    /// # Errors
    /// When the property does not hold: what was expected, and what came.
    fn check(&mut self, input: &[u8]) -> Result<Kind, String>;
}
