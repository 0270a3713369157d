//! Makes text from outside fit to be shown: one line, no control, escape or direction-changing characters, bounded.

/// More than any honest message needs on one line.
const LENGTH_LIMIT: usize = 300;

/// Escapes what could move the cursor, change colours or reorder text (C0, C1, DEL, bidirectional controls, line and
/// paragraph separators, other invisible format characters), and cuts what is too long.
pub(crate) fn escape(text: &str) -> String {
    let mut shown = String::with_capacity(text.len().min(LENGTH_LIMIT));
    for c in text.trim().chars() {
        if shown.len() >= LENGTH_LIMIT {
            shown.push_str("...");
            break;
        }
        if c.is_control() || is_invisible(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Unicode's format characters (category Cf) that hide or reorder, and the separators that break lines.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_or_hides() {
        assert_eq!(escape("plain text, caf\u{e9}"), "plain text, caf\u{e9}");
        assert_eq!(escape("\x1b[2Jgone"), "\\u{1b}[2Jgone");
        assert_eq!(escape("two\nlines\r"), "two\\u{a}lines");
        assert_eq!(escape("a\u{202e}b\u{2066}c\u{200b}"), "a\\u{202e}b\\u{2066}c\\u{200b}");
        assert_eq!(escape("\u{9b}31m"), "\\u{9b}31m");
    }

    #[test]
    fn nothing_floods() {
        let shown = escape(&"x".repeat(10_000));
        assert_eq!(shown.len(), LENGTH_LIMIT + 3);
    }
}
