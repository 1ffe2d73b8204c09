//! Checks that an answer has the shape shown on a page.
//!
//! Keys, types, texts, truth values and nulls must be as shown. In a text `…` stands for whatever
//! varies; of a number only that it is one is looked at.

use serde_json::Value;

/// The differences between an answer and the page; empty if there are none.
pub fn differences(shown: &Value, answer: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("answer", shown, answer, &mut found);
    found
}

fn compare(at: &str, shown: &Value, answer: &Value, found: &mut Vec<String>) {
    match (shown, answer) {
        (Value::Object(shown), Value::Object(answer)) => {
            for (key, value) in shown {
                match answer.get(key) {
                    Some(given) => compare(&format!("{at}.{key}"), value, given, found),
                    None => found.push(format!("{at}.{key} is shown and not there")),
                }
            }
            let more = answer.keys().filter(|key| !shown.contains_key(*key));
            found.extend(more.map(|key| format!("{at}.{key} is there and not shown")));
        }
        (Value::Array(shown), Value::Array(answer)) if shown.len() == answer.len() => {
            for (index, (shown, answer)) in shown.iter().zip(answer).enumerate() {
                compare(&format!("{at}[{index}]"), shown, answer, found);
            }
        }
        (Value::String(shown), Value::String(answer)) if fits(shown, answer) => {}
        (Value::Number(_), Value::Number(_)) => {}
        (shown, answer) if shown == answer => {}
        (shown, answer) => found.push(format!("{at} is {answer}, shown as {shown}")),
    }
}

fn fits(shown: &str, answer: &str) -> bool {
    match shown.split_once('…') {
        Some((front, back)) => {
            let middle = answer.strip_prefix(front).and_then(|rest| rest.strip_suffix(back));
            middle.is_some_and(|middle| !middle.is_empty())
        }
        None => shown == answer,
    }
}

#[test]
fn an_answer_fits_only_what_is_shown() {
    use serde_json::json;
    let shown = json!({ "hash": "0x8d…", "until": 1, "list": ["a"], "ok": true, "none": null });
    let answer = json!({ "hash": "0x8d98", "until": 2, "list": ["a"], "ok": true, "none": null });
    assert_eq!(differences(&shown, &answer), Vec::<String>::new());
    for (key, other) in [
        ("hash", json!("0x8e98")),
        ("hash", json!(1)),
        ("until", json!("2")),
        ("list", json!([])),
        ("list", json!(["b"])),
        ("ok", json!(false)),
        ("none", json!(0)),
        ("more", json!(1)),
    ] {
        let mut changed = answer.clone();
        changed[key] = other;
        assert_eq!(differences(&shown, &changed).len(), 1, "{key}");
    }
    assert_eq!(differences(&shown, &json!({})).len(), 5);
}
