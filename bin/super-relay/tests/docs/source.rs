//! Reads the tables of errors in the source. They are private to their crates, and small enough to
//! be read as text.

/// Every `(first, "word", third` of a source.
pub fn triples(source: &str) -> Vec<(&str, &str, &str)> {
    source.split('(').filter_map(parse_triple).collect()
}

fn parse_triple(call: &str) -> Option<(&str, &str, &str)> {
    let (first, rest) = call.split_once(',')?;
    let (word, rest) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
    let third = rest.trim_start_matches(',').trim_start();
    let end = third.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(third.len());
    Some((first.trim(), word, &third[..end]))
}
