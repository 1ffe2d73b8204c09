//! Comments and docs wrap at 100 columns. Left as they are: code, tables, and what has no space to
//! break at, as a URL or a long token.

use super::markdown::outside_fences;
use super::project;

const WIDTH: usize = 100;

#[test]
fn comments_and_docs_wrap_at_100_columns() {
    let mut wide = Vec::new();
    for path in project::paths() {
        let lines_of = match path.extension().and_then(|extension| extension.to_str()) {
            // Generated from the docstrings of the settings.
            _ if path.ends_with("config/reference.md") => continue,
            Some("md" | "txt") => prose,
            Some("rs" | "sol" | "mjs" | "ts") => comments,
            _ => continue,
        };
        let text = project::read(path.to_str().unwrap());
        let too_wide = lines_of(&text).into_iter().filter(|(_, line)| is_too_wide(line));
        wide.extend(too_wide.map(|(number, line)| format!("{}:{number}: {line}", path.display())));
    }
    assert!(wide.is_empty(), "over {WIDTH} columns:\n{}", wide.join("\n"));
}

/// Lines of a page with their numbers, without fenced code and tables.
fn prose(page: &str) -> Vec<(usize, &str)> {
    outside_fences(page).filter(|(_, line)| !line.trim_start().starts_with('|')).collect()
}

/// Lines of a source that hold nothing but a comment, with their numbers.
fn comments(source: &str) -> Vec<(usize, &str)> {
    let mut in_block = false;
    let mut lines = Vec::new();
    for (index, line) in source.lines().enumerate() {
        let start = line.trim_start();
        in_block |= start.starts_with("/*");
        if (in_block || start.starts_with("//")) && !start.trim_start_matches(['/', '!', '*', ' ']).starts_with('|') {
            lines.push((index + 1, line));
        }
        in_block &= !line.contains("*/");
    }
    lines
}

/// Whether it is too long and could be broken: its text contains a space outside of code.
fn is_too_wide(line: &str) -> bool {
    let text = line.trim_start_matches(['/', '!', '*', '-', '>', ' ']);
    let outside_code = text.split('`').step_by(2);
    line.chars().count() > WIDTH && outside_code.flat_map(str::chars).any(|c| c == ' ')
}

#[test]
fn only_lines_that_can_be_broken_are_too_wide() {
    let (word, long) = ("word ".repeat(21), "x".repeat(110));
    let source = format!("/// {word}\nlet {long} = 1; // {word}\n/* {long}\n{word}\n*/\n*{word} = 1;\n// | {word} |\n");
    let found = |lines: Vec<(usize, &str)>| {
        lines.into_iter().filter(|(_, line)| is_too_wide(line)).map(|(number, _)| number).collect::<Vec<_>>()
    };
    assert_eq!(found(comments(&source)), [1, 4]);
    let page = format!("{word}\n| {word} |\n```\n{word}\n```\n- {long}\n- `f({word})`,\nSee {long}\n");
    assert_eq!(found(prose(&page)), [1, 8]);
}
