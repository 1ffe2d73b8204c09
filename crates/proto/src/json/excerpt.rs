//! Callers' text in errors and logs: short, on one line, without control characters.

use core::fmt::{self, Write as _};

/// Whether a terminal or a browser would interpret a character instead of showing it: line breaks,
/// other control characters, and changes of the text's direction.
#[must_use]
pub fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A caller's text, truncated to its first [`Excerpt::MAX_CHARS`] characters and escaped. If it is
/// longer, its length is shown too.
#[derive(Clone, Copy, Debug)]
pub struct Excerpt<'a>(pub &'a str);

impl Excerpt<'_> {
    /// Characters shown. A hash in hex (66) fits.
    pub const MAX_CHARS: usize = 80;
}

/// The same for a message in words, truncated to [`LongExcerpt::MAX_CHARS`] characters.
#[derive(Clone, Copy, Debug)]
pub struct LongExcerpt<'a>(pub &'a str);

impl LongExcerpt<'_> {
    /// Characters shown. Our own longest message fits.
    pub const MAX_CHARS: usize = 500;
}

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self.0, Self::MAX_CHARS, f)
    }
}

impl fmt::Display for LongExcerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self.0, Self::MAX_CHARS, f)
    }
}

fn show(text: &str, max_chars: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut chars = text.chars();
    for shown in chars.by_ref().take(max_chars) {
        match shown {
            // Quotes are harmless in a line, and escaped ones are hard to read.
            '"' | '\'' => f.write_char(shown)?,
            _ => write!(f, "{}", shown.escape_debug())?,
        }
    }
    if chars.as_str().is_empty() { Ok(()) } else { write!(f, "… ({} bytes)", text.len()) }
}
