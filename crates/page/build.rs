//! Embeds what `scripts/page` built into `page/dist`: nothing, if it did not run.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let built = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../page/dist");
    println!("cargo::rerun-if-changed={}", built.display());
    let mut rows = String::new();
    for file in files(&built)? {
        let name = file.file_name().and_then(|name| name.to_str()).ok_or("a name that is not UTF-8")?;
        writeln!(rows, "({name:?}, include_bytes!({:?}) as &[u8]),", file.canonicalize()?)?;
    }
    let code = format!("/// Names and content of the built files.\nconst BUILT: &[(&str, &[u8])] = &[\n{rows}];\n");
    fs::write(Path::new(&env::var("OUT_DIR")?).join("built.rs"), code)?;
    Ok(())
}

/// The files of the folder, sorted; none if there is no folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() && !entry.file_name().to_string_lossy().starts_with('.') {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}
