//! Takes secrets out of what servers and other programs say, before it is shown, kept or traced: whoever quotes them, and however
//! they are spelt. This is the one place for that; [`crate::escape`] then makes the rest fit for a terminal.
//!
//! What is known to be secret is looked for as it is, in another case, percent-encoded, in both alphabets of base64, in hex, and
//! by every part of it that is long enough to tell something. What is not known any more (a token of an hour ago that a server
//! remembers) is told by its looks: a long run of letters and digits that is no word, no name of the request's, and no UUID.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::escape::escape;
use crate::secret::{Secret, hex};

/// Stands for a secret.
const REDACTED: &str = "(redacted)";
/// So many characters of a secret in a row tell something of it; and as many of an encoding of it as hold them.
const TELLING_PART: usize = 12;
const TELLING_PART_ENCODED: usize = 16;
/// From this length on a run of letters and digits may be a token that nobody knows any more.
const LOOKS_LIKE_ONE: usize = 16;

/// What may not be shown, and what may although it looks like it.
#[derive(Default)]
pub(crate) struct Secrets {
    needles: Vec<Needle>,
    /// Names of the request's: client IDs, organizations.
    names: Vec<String>,
}

/// A secret in one spelling, in small letters.
struct Needle {
    bytes: Zeroizing<Vec<u8>>,
    /// The shortest part of it that is looked for.
    part: usize,
}

impl Secrets {
    /// Those of an iterator.
    pub(crate) fn of<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let mut found = Self::default();
        secrets.into_iter().for_each(|secret| found.hide(secret));
        found
    }

    /// Hides a secret in all its spellings.
    pub(crate) fn hide(&mut self, secret: &Secret) {
        let text = secret.expose();
        if text.is_empty() {
            return;
        }
        let mut add = |bytes: &[u8], part: usize| {
            let bytes = Zeroizing::new(bytes.to_ascii_lowercase());
            if !bytes.is_empty() && !self.needles.iter().any(|known| known.bytes == bytes) {
                self.needles.push(Needle { part: part.min(bytes.len()), bytes });
            }
        };
        add(text.as_bytes(), TELLING_PART);
        // What is cut in a message was escaped first.
        add(escape(text).as_bytes(), TELLING_PART);
        if text.len() < 4 {
            return;
        }
        add(hex(text.as_bytes()).as_bytes(), 2 * TELLING_PART);
        // Quoted within something else that was encoded, it begins at any of three places in a group; what it shares its
        // first and last groups with is not looked at.
        for (before, dropped) in [(0, 0), (1, 2), (2, 3)] {
            let padded = Zeroizing::new([&vec![0; before], text.as_bytes()].concat());
            for encoded in [STANDARD_NO_PAD.encode(&*padded), URL_SAFE_NO_PAD.encode(&*padded)] {
                let encoded = Zeroizing::new(encoded);
                let whole = encoded.len() - usize::from(padded.len() % 3 != 0);
                if dropped < whole {
                    add(&encoded.as_bytes()[dropped..whole], TELLING_PART_ENCODED);
                }
            }
        }
    }

    /// Shows a name although it looks like a secret.
    pub(crate) fn show(&mut self, name: &str) {
        self.names.push(name.to_ascii_lowercase());
    }

    /// The words without them.
    pub(crate) fn redact(&self, words: &str) -> String {
        let mut hidden = vec![false; words.len()];
        let lower = words.to_ascii_lowercase();
        let (decoded, places) = percent_decoded(lower.as_bytes());
        for needle in &self.needles {
            needle.find(lower.as_bytes(), |from, to| hidden[from..to].fill(true));
            if decoded.len() != lower.len() {
                needle.find(&decoded, |from, to| hidden[places[from]..places[to]].fill(true));
            }
            needle.find_cut(&lower, |from, to| hidden[from..to].fill(true));
        }
        self.find_looks(&lower, &mut hidden);
        let mut shown = String::with_capacity(words.len());
        let mut was_hidden = false;
        for (at, c) in words.char_indices() {
            if hidden[at] && !was_hidden {
                shown.push_str(REDACTED);
            }
            if !hidden[at] {
                shown.push(c);
            }
            was_hidden = hidden[at];
        }
        shown
    }

    /// Hides what looks like a token.
    fn find_looks(&self, lower: &str, hidden: &mut [bool]) {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"_-+~%".contains(&byte);
        let mut from = 0;
        while from < lower.len() {
            let length = lower.as_bytes()[from..].iter().take_while(|byte| is_part(**byte)).count();
            let Some(run) = lower.get(from..from + length) else {
                from += 1;
                continue;
            };
            // A part of a word that is hidden is hidden with it.
            let is_known = hidden[from..from + length].iter().any(|hidden| *hidden);
            if length >= LOOKS_LIKE_ONE && (is_known || (looks_like_one(run) && !self.is_name(run))) {
                hidden[from..from + length].fill(true);
            }
            from += length.max(1);
        }
    }

    fn is_name(&self, run: &str) -> bool {
        self.names.iter().any(|name| name.contains(run))
    }
}

/// Letters and digits mixed, as nobody writes words. A UUID names a request, which its server's people want to know.
fn looks_like_one(run: &str) -> bool {
    let digits = run.bytes().filter(u8::is_ascii_digit).count();
    let letters = run.bytes().filter(u8::is_ascii_alphabetic).count();
    let groups: Vec<usize> = run.split('-').map(str::len).collect();
    let is_uuid = groups == [8, 4, 4, 4, 12] && run.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let has_long_piece = run
        .split(|c: char| !c.is_ascii_alphanumeric())
        .any(|piece| piece.len() >= 16 && piece.bytes().any(|byte| byte.is_ascii_digit()));
    letters >= 3 && (digits >= 4 || has_long_piece) && !is_uuid
}

impl Needle {
    /// Finds every part of it that is long enough.
    fn find(&self, text: &[u8], mut found: impl FnMut(usize, usize)) {
        if text.len() < self.part {
            return;
        }
        let parts: std::collections::HashSet<&[u8]> = self.bytes.windows(self.part).collect();
        for (from, window) in text.windows(self.part).enumerate() {
            // A whole one that is short is part of many a word.
            if parts.contains(window) && (self.part >= 4 || stands_alone(text, from, self.part)) {
                found(from, from + self.part);
            }
        }
    }

    /// Finds its beginning where a text was cut in the middle of it.
    fn find_cut(&self, text: &str, mut found: impl FnMut(usize, usize)) {
        let Some(kept) = text.strip_suffix("...") else { return };
        let lengths = (1..=self.bytes.len().min(kept.len())).rev();
        for length in lengths {
            if kept.as_bytes().ends_with(&self.bytes[..length]) {
                return found(kept.len() - length, kept.len());
            }
        }
    }
}

fn stands_alone(text: &[u8], from: usize, length: usize) -> bool {
    let is_word = |at: Option<&u8>| at.is_some_and(u8::is_ascii_alphanumeric);
    !is_word(from.checked_sub(1).and_then(|before| text.get(before))) && !is_word(text.get(from + length))
}

/// The text with every `%41` read, and where each byte of it stood; one place more than bytes.
fn percent_decoded(text: &[u8]) -> (Zeroizing<Vec<u8>>, Vec<usize>) {
    let (mut bytes, mut places, mut at) = (Zeroizing::new(Vec::with_capacity(text.len())), Vec::new(), 0);
    while at < text.len() {
        let digits =
            text.get(at + 1..at + 3).filter(|_| text[at] == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        places.push(at);
        if let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            bytes.push(byte.to_ascii_lowercase());
            at += 3;
        } else {
            bytes.push(text[at]);
            at += 1;
        }
    }
    places.push(text.len());
    (bytes, places)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Percent-encodes every byte.
    fn percent(text: &str) -> String {
        text.bytes().fold(String::new(), |shown, byte| format!("{shown}%{byte:02X}"))
    }

    fn redact(secret: &str, words: &str) -> String {
        Secrets::of([&Secret::new(secret)]).redact(words)
    }

    #[test]
    fn a_secret_is_found_in_every_spelling() {
        let secret = "rt/0123456789+abcDEF=xyz";
        let spellings = [
            secret.to_owned(),
            secret.to_uppercase(),
            percent(secret),
            "rt%2F0123456789%2babcDEF%3dxyz".to_owned(),
            STANDARD_NO_PAD.encode(secret),
            URL_SAFE_NO_PAD.encode(secret),
            hex(secret.as_bytes()),
            hex(secret.as_bytes()).to_uppercase(),
            secret[4..20].to_owned(),
            hex(&secret.as_bytes()[4..20]),
        ];
        for spelt in spellings {
            let shown = redact(secret, &format!("the token <{spelt}> is not known"));
            assert_eq!(shown, "the token <(redacted)> is not known", "{spelt}");
        }
        for before in ["", "a", "ab", "abc"] {
            for after in ["", ":x", ":xy"] {
                let spelt = STANDARD_NO_PAD.encode(format!("{before}{secret}{after}"));
                let shown = redact(secret, &format!("Basic {spelt}"));
                assert!(shown.starts_with("Basic ") && shown.len() < 24, "{before} {after} {shown}");
            }
        }
    }

    #[test]
    fn what_was_cut_in_the_middle_of_one_loses_its_beginning() {
        assert_eq!(redact("rt_0123456789abcdef", "no such token rt_0123..."), "no such token (redacted)...");
    }

    #[test]
    fn a_short_one_is_a_word_of_its_own() {
        assert_eq!(redact("s3", "this3 is not s3."), "this3 is not (redacted).");
        assert_eq!(redact("", "nothing"), "nothing");
        assert_eq!(redact(" ", "nothing"), "nothing");
    }

    #[test]
    fn what_looks_like_a_token_is_hidden_though_nobody_knows_it() {
        let secrets = Secrets::default();
        for (said, shown) in [
            ("token eyJhbGciOiJSUzI1NiIsInR5cCI is not known", "token (redacted) is not known"),
            ("no 4f3c2a1b9d8e7f6a5b4c3d2e", "no (redacted)"),
            ("organization_selection_required: choose one", "organization_selection_required: choose one"),
            ("trace 0b6dd86c-4b5a-44a5-9c3f-0123456789ab", "trace 0b6dd86c-4b5a-44a5-9c3f-0123456789ab"),
            (
                "AADSTS70011: the scope https://graph.microsoft.com/.default",
                "AADSTS70011: the scope https://graph.microsoft.com/.default",
            ),
            ("urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:device_code"),
        ] {
            assert_eq!(secrets.redact(said), shown);
        }
        let mut secrets = Secrets::default();
        secrets.show("client_01HXYZABCDEFGHJKMNPQ");
        let said = "client_01HXYZABCDEFGHJKMNPQ is not known";
        assert_eq!(secrets.redact(said), said);
    }

    #[test]
    fn text_of_any_letters_stays_whole() {
        let said = "caf\u{e9} \u{1f511} \u{e9}\u{e9} secret_token_of_9\u{e9}";
        assert_eq!(redact("unheard_of_secret", said), said);
        assert_eq!(redact("tok\u{e9}n_0123456789", "x tok\u{e9}n_0123456789 \u{e9}"), "x (redacted) \u{e9}");
    }
}
