//! A trusted core that has an id and nothing else answers every frame with a reply of a known
//! status, and changes nothing but by a `Provision` that it accepted.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proto::command::{Opcode, Protection, Provision};
use proto::{Bounded, Hash, Status, frame};
use ta::memory::{MemoryDevice, SeededEntropy};
use ta::{Core, Platform};

fuzz_target!(|bytes: &[u8]| {
    let device = MemoryDevice::default();
    let platform = Platform {
        version: Bounded::new("0.0.0".to_owned()).expect("short"),
        measurement: Hash([0; 32]),
        storage: Protection::None,
        rollback: Protection::None,
        time: Protection::None,
    };
    let mut core = Core::open(device.store(), SeededEntropy::new([1; 32]), device.counter(), platform).expect("an empty store");
    let records = device.records();
    let reply = core.handle(bytes);
    let code = reply.first_chunk().map(|code| u32::from_be_bytes(*code));
    let status = code.and_then(Status::from_code).expect("a reply has a status");
    let opcode = frame::split_request(bytes).map(|(opcode, _)| opcode);
    if let Err(refusal) = opcode {
        assert_eq!(status, refusal);
    }
    if opcode == Ok(Opcode::Provision) && status == Status::Ok {
        assert_eq!(frame::decode_reply::<Provision>(&reply), Ok(Ok(())));
    } else {
        assert_eq!(device.records(), records, "{opcode:?} changed the store");
    }
});
