//! Messages for callers and logs, which may quote what a caller sent.

/// Characters of a message; what we say ourselves is shorter.
const MAX_CHARS: usize = 400;

/// The message, cut off where it is overlong.
pub(crate) fn shortened(message: String) -> String {
    match message.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}… ({} bytes)", &message[..end], message.len()),
        None => message,
    }
}
