//! Status texts that state a limit.

use proto::Status;
use proto::limits::{MAX_FRAME, MAX_RELYING_PARTIES_RECORD, MAX_REPLY, MAX_SIGNERS};

#[test]
fn a_status_about_a_limit_of_the_wire_states_it() {
    for (status, limit) in [
        (Status::TooLarge, MAX_FRAME),
        (Status::TooLarge, MAX_REPLY),
        (Status::TooLarge, MAX_RELYING_PARTIES_RECORD),
        (Status::TooManySigners, MAX_SIGNERS),
    ] {
        let text = status.to_string();
        let words = text.split(|byte: char| !byte.is_ascii_alphanumeric());
        assert!(words.into_iter().any(|word| word == limit.to_string()), "{limit}: {text}");
    }
}
