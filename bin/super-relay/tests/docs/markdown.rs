//! The parts of a Markdown page that can be checked.

/// A fenced block.
#[derive(Debug)]
pub struct Block {
    /// The words after the fence: the language, then the purpose of the block.
    pub info: Vec<String>,
    pub text: String,
    /// The line of its opening fence, from 1.
    pub line: usize,
}

/// Every fenced block, in order.
pub fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for (index, line) in page.lines().enumerate() {
        match (line.strip_prefix("```"), blocks.last_mut()) {
            (Some(_), _) if open => open = false,
            (Some(info), _) => {
                let info = info.split_whitespace().map(str::to_owned).collect();
                blocks.push(Block { info, text: String::new(), line: index + 1 });
                open = true;
            }
            (None, Some(block)) if open => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, _) => {}
        }
    }
    assert!(!open, "a fenced block is never closed");
    blocks
}

/// The lines outside of fenced blocks, with their numbers from 1.
pub fn outside_fences(page: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_fence = false;
    page.lines().enumerate().filter_map(move |(index, line)| {
        let is_fence = line.trim_start().starts_with("```");
        in_fence ^= is_fence;
        (!in_fence && !is_fence).then_some((index + 1, line))
    })
}

/// The anchors of a page's headings, as GitHub makes them.
pub fn anchors(page: &str) -> impl Iterator<Item = String> {
    let headings = outside_fences(page).filter(|(_, line)| line.starts_with('#'));
    headings.map(|(_, line)| {
        let text = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        text.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
    })
}

/// The code spans of a line.
pub fn code_spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Targets of the links in a line.
pub fn link_targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// The cells of every row of the first table under a heading, without its header. A cell that is a
/// link is its text.
pub fn table(page: &str, heading: &str) -> Vec<Vec<String>> {
    let section = page.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no heading {heading:?}")).1;
    let rows = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    rows.skip(2)
        .map(|row| row.trim_matches('|').split('|').map(|cell| text_of(cell).replace('`', "")).collect())
        .collect()
}

fn text_of(cell: &str) -> &str {
    let cell = cell.trim();
    let is_link = cell.starts_with('[') && cell.ends_with(')');
    let link = cell.trim_start_matches('[').split_once("](").filter(|_| is_link);
    link.map_or(cell, |(text, _)| text)
}
