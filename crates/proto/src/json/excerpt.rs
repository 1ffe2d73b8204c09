//! Text of callers in errors and logs: short, on one line, without control characters.

use core::fmt::{self, Write as _};

/// Whether a terminal or a browser would obey a character in place of showing it: what ends lines,
/// and what turns the direction of the text around.
#[must_use]
pub fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text of a caller, shown as its first [`Excerpt::MAX_CHARS`] characters, escaped, and its length
/// where that is more.
#[derive(Clone, Copy, Debug)]
pub struct Excerpt<'a>(pub &'a str);

impl Excerpt<'_> {
    /// Characters that are shown. A hash in hex (66) fits.
    pub const MAX_CHARS: usize = 80;
}

/// The same of a message in words, of which [`LongExcerpt::MAX_CHARS`] are shown.
#[derive(Clone, Copy, Debug)]
pub struct LongExcerpt<'a>(pub &'a str);

impl LongExcerpt<'_> {
    /// Characters that are shown. The longest message of our own fits.
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
            // Quotes are no danger to a line, and escaped ones are hard to read.
            '"' | '\'' => f.write_char(shown)?,
            _ => write!(f, "{}", shown.escape_debug())?,
        }
    }
    if chars.as_str().is_empty() { Ok(()) } else { write!(f, "… ({} bytes)", text.len()) }
}
