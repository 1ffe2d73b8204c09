//! No file holds what git leaves where two changes conflict.

use super::project;

#[test]
fn no_file_has_the_marks_of_a_conflict() {
    let marks = ["<", ">"].map(|sign| sign.repeat(7));
    let is_text = |path: &&std::path::PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("md" | "rs" | "toml" | "ts" | "mjs" | "sol" | "json" | "sql"))
    };
    let paths = project::paths();
    let marked = |path: &&std::path::PathBuf| {
        let text = project::read(path.to_str().unwrap());
        marks.iter().any(|mark| text.contains(mark.as_str()))
    };
    let marked: Vec<_> = paths.iter().filter(is_text).filter(marked).collect();
    assert!(marked.is_empty(), "{marked:?}");
}
