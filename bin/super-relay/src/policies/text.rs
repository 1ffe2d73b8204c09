//! Policies for people: TOML, tables, differences.

use paymaster_relay::register::PolicyVersion;
use serde_json::Value;
use similar::TextDiff;

use crate::calendar::utc;
use crate::error::Error;
use crate::printable::printable;
use crate::table::table;

/// The documents in a file: one policy, `[[policies]]`, or the `[[relay.policies]]` of a
/// configuration.
pub fn documents(toml: &str) -> Result<Vec<Value>, Error> {
    let file: Value = toml::from_str(toml).map_err(|problem| Error::Answer(problem.to_string()))?;
    let lists = [file.pointer("/relay/policies"), file.get("policies")];
    match lists.into_iter().flatten().next() {
        Some(Value::Array(policies)) if !policies.is_empty() => Ok(policies.clone()),
        Some(_) => Err(Error::Answer("policies: expected at least one [[policies]]".to_owned())),
        None if file.get("id").is_some() => Ok(vec![file.clone()]),
        None => Err(Error::Answer("no policy: expected id at the top, [[policies]] or [[relay.policies]]".to_owned())),
    }
}

/// A document as TOML, which has no null.
pub fn toml(document: &Value) -> Result<String, Error> {
    let failed = |problem: toml::ser::Error| Error::Answer(problem.to_string());
    let table = toml::Table::try_from(without_null(document)).map_err(failed)?;
    toml::to_string_pretty(&table).map_err(failed)
}

fn without_null(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, value)| !value.is_null());
            kept.map(|(key, value)| (key.clone(), without_null(value))).collect()
        }
        Value::Array(values) => values.iter().map(without_null).collect(),
        _ => value.clone(),
    }
}

/// What `policy apply` takes, under a comment that says which version it is.
pub fn shown(version: &PolicyVersion) -> Result<String, Error> {
    Ok(format!("# {}\n{}", printable(&told(version)), toml(&version.policy)?.trim_end()))
}

/// One line about a version.
fn told(version: &PolicyVersion) -> String {
    let PolicyVersion { version, state, position, author, note, created_at, .. } = version;
    let note = note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
    format!("version {version}, {state}, position {position}, by {author}, {}{note}", utc(*created_at))
}

/// The lines that differ, or a sentence if none does.
pub fn difference(old: (&str, &Value), new: (&str, &Value)) -> Result<String, Error> {
    let ((old_name, old), (new_name, new)) = (old, new);
    let (old, new) = (toml(old)?, toml(new)?);
    if old == new {
        return Ok(format!("no difference between {old_name} and {new_name}"));
    }
    let diff = TextDiff::from_lines(&old, &new);
    Ok(diff.unified_diff().header(old_name, new_name).to_string().trim_end().to_owned())
}

/// The newest versions.
pub fn list(versions: &[PolicyVersion]) -> String {
    let head = ["ID", "VERSION", "STATE", "POSITION", "BY", "SINCE"].map(str::to_owned);
    table(
        head,
        versions.iter().map(|version| {
            let PolicyVersion { id, version, state, position, author, created_at, .. } = version;
            let position = position.to_string();
            [printable(id), version.to_string(), state.to_string(), position, printable(author), utc(*created_at)]
        }),
    )
}

/// Every version with what it changed, oldest first.
pub fn history(versions: &[PolicyVersion]) -> Result<String, Error> {
    let mut text = Vec::new();
    let mut before: Option<&PolicyVersion> = None;
    for version in versions {
        text.push(printable(&told(version)));
        let lines = match before {
            None => toml(&version.policy)?,
            Some(before) if before.policy == version.policy => String::new(),
            Some(before) => {
                let names = [before.version, version.version].map(|number| format!("version {number}"));
                difference((&names[0], &before.policy), (&names[1], &version.policy))?
            }
        };
        text.extend(lines.lines().map(|line| format!("    {line}")));
        before = Some(version);
    }
    Ok(text.join("\n"))
}
