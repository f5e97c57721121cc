//! Mistakes with the macros are compile errors in the right place. One mistake a file.
//!
//! After a change of words: `TRYBUILD=overwrite cargo test -p webhooks-tests --test compile_fail`.

#[test]
fn mistakes_do_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/listener/*.rs");
    cases.compile_fail("ui/validator/*.rs");
}
