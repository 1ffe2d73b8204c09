//! Bodies of JSON-RPC requests, as far as they are read before the catalogue is asked: ids that no
//! answer can carry, the list of parameters, and each parameter of the method.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proto::command::PasskeyAssertion;
use proto::json::Excerpt;
use proto::{AccountId, Address};
use relay_api::{
    ChainId, Context, InvitationOptions, Method, Options, Parameter, UserOperation, in_place_of, positions,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::Value;

#[derive(Deserialize)]
struct Call<'a> {
    method: String,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

/// Bytes: a name of the caller's is cut, and each of its characters may be escaped.
const MOST_OF_FIELD: usize = Excerpt::MAX_CHARS * r"\u{10ffff}".len() + 100;

/// What is refused names the parameter, or a field within it.
fn check<T: Parameter>(sent: &Value) {
    if let Err(refused) = T::parse(sent) {
        assert!(!refused.field.is_empty() && !refused.problem.is_empty());
        assert!(refused.field.len() < MOST_OF_FIELD, "{refused}");
    } else if T::IS_REQUIRED {
        assert!(!sent.is_null());
    }
}

fn call(text: &str) {
    let Ok(call) = serde_json::from_str::<Call<'_>>(text) else { return };
    let Some(method) = Method::named(&call.method) else { return };
    let sent = call.params.map(RawValue::get);
    let Ok(given) = positions(sent, method.positions()) else { return };
    let given: Vec<Value> = serde_json::from_str(given.get()).expect("a list");
    assert_eq!(given.len(), method.positions());
    let as_sent: Vec<Value> = sent.map_or_else(Vec::new, |sent| serde_json::from_str(sent).expect("a list"));
    assert!(given.starts_with(&as_sent) && given[as_sent.len()..].iter().all(Value::is_null));
    for sent in &given {
        check::<UserOperation>(sent);
        check::<AccountId>(sent);
        check::<Address>(sent);
        check::<ChainId>(sent);
        check::<Option<PasskeyAssertion>>(sent);
        check::<Options>(sent);
        check::<Context>(sent);
        check::<InvitationOptions>(sent);
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Some(replaced) = in_place_of(bytes) {
        // What is read instead is not replaced by anything else.
        assert!(in_place_of(replaced.as_bytes()).is_none_or(|again| again == replaced));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    call(text);
    for entry in serde_json::from_str::<Vec<&RawValue>>(text).unwrap_or_default() {
        call(entry.get());
    }
});
