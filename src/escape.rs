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
        if is_unfit(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The same for a line of ours that may hold something from outside: nothing is cut, and what is escaped stays as it is.
pub(crate) fn defuse(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    for c in line.chars() {
        if is_unfit(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The same for a JSON document, in JSON's own way: whoever reads it gets what was there, whoever looks at it sees it.
pub(crate) fn json(document: &str) -> String {
    use std::fmt::Write as _;
    let mut shown = String::with_capacity(document.len());
    for c in document.chars() {
        // The others are escaped already; a line feed is the document's own.
        if c >= '\u{7f}' && is_unfit(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Whether a character may not be shown as it is.
pub(crate) fn is_unfit(c: char) -> bool {
    c.is_control() || is_invisible(c)
}

/// Unicode's format characters (category Cf) that hide or reorder, and the separators that break lines.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A word as a shell takes it, for commands that people copy.
pub(crate) fn quote(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_it_for_one_word() {
        for (word, quoted) in [
            ("", "''"),
            ("credential.https://git.acme.dev.helper", "credential.https://git.acme.dev.helper"),
            ("https://*.corp.dev", "'https://*.corp.dev'"),
            ("/opt/it's here/keyfob", r"'/opt/it'\''s here/keyfob'"),
            ("it's $HOME", r"'it'\''s $HOME'"),
            ("!keyfob", "'!keyfob'"),
        ] {
            assert_eq!(quote(word), quoted);
        }
    }

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

    #[test]
    fn a_document_says_the_same_and_shows_nothing_else() {
        let words = "a\u{7f}\u{9b}\u{202e}\u{e0041}\u{1f600}\u{1b}";
        let text = serde_json::to_string_pretty(&serde_json::json!({ "words": words })).unwrap();
        let shown = json(&text);
        assert_eq!(shown, "{\n  \"words\": \"a\\u007f\\u009b\\u202e\\udb40\\udc41\u{1f600}\\u001b\"\n}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap()["words"], words);
        assert_eq!(defuse(&defuse(words)), "a\\u{7f}\\u{9b}\\u{202e}\\u{e0041}\u{1f600}\\u{1b}");
    }
}
