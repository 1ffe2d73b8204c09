//! Embeds the creation code that `scripts/node-tools` wrote to `contracts/bytecode`: none, if it
//! did not run.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let built = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../contracts/bytecode");
    println!("cargo::rerun-if-changed={}", built.display());
    for contract in ["SuperPaymasterV06", "SuperPaymasterV07"] {
        let name = format!("{contract}.hex");
        let code = fs::read_to_string(built.join(&name)).unwrap_or_default();
        fs::write(Path::new(&env::var("OUT_DIR")?).join(name), code)?;
    }
    Ok(())
}
