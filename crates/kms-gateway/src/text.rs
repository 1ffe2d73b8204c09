//! Messages for callers and logs, which may quote what a caller sent.

/// Maximum length of a message in characters; our own texts are shorter.
const MAX_CHARS: usize = 400;

/// The message, truncated if it is too long.
pub(crate) fn shortened(message: String) -> String {
    match message.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}… ({} bytes)", &message[..end], message.len()),
        None => message,
    }
}
