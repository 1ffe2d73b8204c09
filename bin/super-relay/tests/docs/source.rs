//! Reads the tables of errors in the source. They are private to their crates, and small enough to be read as text.

use std::collections::BTreeMap;

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

/// The arms of the `match` in a function: the last name of every pattern, and what it gives.
pub fn arms<'a>(source: &'a str, function: &str) -> BTreeMap<&'a str, &'a str> {
    let from_there = source.split_once(&format!("fn {function}(")).unwrap_or_else(|| panic!("no fn {function}")).1;
    let body = ["\n}\n", "\n    }\n"].iter().fold(from_there, |text, end| text.split(end).next().unwrap_or(text));
    let mut patterns = body.split_once("match ").unwrap_or_else(|| panic!("no match in {function}")).1;
    let mut found = BTreeMap::new();
    while let Some((pattern, rest)) = patterns.split_once("=>") {
        let value = rest.trim_start_matches([' ', '{', '\n']);
        let end = value.find([',', '\n']).unwrap_or(value.len());
        for name in pattern.split('|').filter_map(last_name) {
            found.insert(name, value[..end].trim());
        }
        patterns = &value[end..];
    }
    found
}

/// `GatewayError::Registration(CeremonyError::Invalid { .. })` is `Invalid`.
fn last_name(pattern: &str) -> Option<&str> {
    let name = pattern.rsplit_once("::")?.1;
    let end = name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len());
    Some(&name[..end])
}
