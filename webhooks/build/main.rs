//! Gathers the catalogue: every `src/catalogue/*.toml` is one provider, and a line of the page that lists them all.

mod page;

use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let folder = root.join("src/catalogue");
    #[expect(clippy::print_stdout, reason = "cargo listens")]
    {
        println!("cargo::rerun-if-changed={}", folder.display());
    }
    let mut files: Vec<PathBuf> =
        fs::read_dir(&folder)?.map(|entry| entry.map(|it| it.path())).collect::<io::Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|it| it == "toml"));
    files.sort_by_cached_key(|path| path.file_stem().map(ToOwned::to_owned));
    let mut code = String::from("const FILES: &[(&str, &str)] = &[\n");
    let mut providers = Vec::new();
    for path in &files {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let file = path.display().to_string();
        let _ = writeln!(code, "    ({name:?}, include_str!({file:?})),");
        let table = fs::read_to_string(path)?.parse().map_err(|error| format!("{file}: {error}"))?;
        providers.push((name.into_owned(), table));
    }
    code.push_str("];\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("catalogue.rs"), code)?;
    fs::write(out.join("providers.md"), page::page(&providers))?;
    Ok(())
}
