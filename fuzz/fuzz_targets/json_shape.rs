//! The bodies of RPC and HTTP requests are read for their shape before anything is made of them:
//! what passes is JSON for serde_json too, with as many values as were counted and each key once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proto::json::check_shape;
use serde_json::Value;

const MOST: usize = 512;

fn values(json: &Value) -> usize {
    1 + match json {
        Value::Array(items) => items.iter().map(values).sum(),
        Value::Object(entries) => entries.values().map(values).sum::<usize>(),
        _ => 0,
    }
}

fuzz_target!(|bytes: &[u8]| {
    let parsed = serde_json::from_slice::<Value>(bytes);
    match check_shape(bytes, MOST) {
        Ok(()) => {
            // A key that stood twice would be counted once.
            let count = values(&parsed.expect("its shape was checked"));
            assert!(count <= MOST);
            assert!(check_shape(bytes, count).is_ok());
            assert!(check_shape(bytes, count - 1).is_err());
        }
        // serde_json keeps the last of two equal keys, and has no limit.
        Err(refused) if refused.is_data() => {}
        Err(refused) => assert!(parsed.is_err(), "{refused}"),
    }
});
