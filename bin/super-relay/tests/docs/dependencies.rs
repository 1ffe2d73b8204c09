//! What the product is linked with (docs/architecture.md): nothing that only the demo and the tests
//! need.

use std::process::Command;

use super::project;

/// The chain, the contracts and the software passkey of the demo are in `devkit`.
const NEVER: [&str; 3] = ["demo", "devkit", "tempfile"];

#[test]
fn the_product_depends_on_nothing_of_the_demo() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--package", "super-relay", "--edges", "normal,build"])
        .args(["--prefix", "none", "--format", "{p}"])
        .current_dir(project::root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let tree = String::from_utf8(output.stdout).unwrap();
    let packages: Vec<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(packages.contains(&"paymaster-relay"), "{tree}");
    for name in NEVER {
        assert!(
            !packages.contains(&name),
            "super-relay depends on {name}: cargo tree --package super-relay --invert {name}"
        );
    }
}
