//! Git's configuration as text: which line holds what, so that ours can be taken out and every other byte stays
//! (git-config, "Syntax"). Written by git itself, never by us.

use std::ops::Range;

use crate::error::{Error, Kind, Result};
use crate::mend::Mend;

/// A section as it is written; there may be several of one name.
#[derive(Debug, Default)]
pub(super) struct Section {
    /// In lower case.
    pub(super) name: String,
    /// What stands in quotes, without them.
    pub(super) subsection: Option<String>,
    pub(super) variables: Vec<Variable>,
    /// From `[` to `]`.
    header: Range<usize>,
    /// Whether there are comments in it.
    is_commented: bool,
}

/// A variable with its value, as git understands it.
#[derive(Debug)]
pub(super) struct Variable {
    /// In lower case.
    pub(super) key: String,
    /// `None` for one without `=`, which means true.
    pub(super) value: Option<String>,
    /// From its key to the end of its value.
    span: Range<usize>,
}

impl Variable {
    /// Whether it is `key = value`.
    pub(super) fn is(&self, key: &str, value: &str) -> bool {
        self.key == key && self.value.as_deref() == Some(value)
    }
}

/// Reads a whole file.
pub(super) fn read(text: &[u8]) -> Result<Vec<Section>> {
    let mut reader = Reader { text, at: if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 } };
    reader.sections().ok_or_else(|| {
        let line = text[..reader.at.min(text.len())].split(|byte| *byte == b'\n').count();
        Error::new(Kind::Broken, format!("git's configuration cannot be read from line {line} on"))
            .hint(Mend::run("git config --global --edit"))
    })
}

/// The text without the variables that `is_ours` chooses by section and place, and without sections that they alone were
/// in. Each goes with its line.
pub(super) fn without(text: &[u8], sections: &[Section], is_ours: impl Fn(&Section, usize) -> bool) -> Vec<u8> {
    let mut gone: Vec<Range<usize>> = Vec::new();
    for section in sections {
        let ours = |at: &usize| is_ours(section, *at);
        let chosen: Vec<usize> = (0..section.variables.len()).filter(ours).collect();
        if chosen.is_empty() {
            continue;
        }
        if chosen.len() == section.variables.len() && !section.is_commented {
            let last = section.variables.last().map_or(section.header.end, |variable| variable.span.end);
            gone.push(lines_of(text, section.header.start..last));
        } else {
            gone.extend(chosen.iter().map(|at| lines_of(text, section.variables[*at].span.clone())));
        }
    }
    let mut left = Vec::with_capacity(text.len());
    let mut from = 0;
    for range in gone {
        left.extend_from_slice(&text[from..range.start.max(from)]);
        from = range.end;
    }
    left.extend_from_slice(&text[from..]);
    left
}

/// The range with all of its lines: back to the indentation and on past a comment to the line's end; where something else
/// stands before it on its first line, that and the line's end stay.
fn lines_of(text: &[u8], range: Range<usize>) -> Range<usize> {
    let start_of_line = text[..range.start].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let end_of_line = text[range.end..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| range.end + at);
    if text[start_of_line..range.start].iter().all(|byte| matches!(byte, b' ' | b'\t')) {
        start_of_line..(end_of_line + 1).min(text.len())
    } else {
        range.start..if text[..end_of_line].ends_with(b"\r") { end_of_line - 1 } else { end_of_line }
    }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip(&mut self, which: impl Fn(u8) -> bool) -> Range<usize> {
        let start = self.at;
        while self.peek().is_some_and(&which) {
            self.at += 1;
        }
        start..self.at
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek() == Some(byte)).then(|| self.at += 1)
    }

    fn lower(&self, range: Range<usize>) -> String {
        String::from_utf8_lossy(&self.text[range]).to_ascii_lowercase()
    }

    fn sections(&mut self) -> Option<Vec<Section>> {
        let mut sections: Vec<Section> = Vec::new();
        loop {
            self.skip(|byte| byte.is_ascii_whitespace());
            let start = self.at;
            match self.peek() {
                None => return Some(sections),
                Some(b'#' | b';') => {
                    self.skip(|byte| byte != b'\n');
                    if let Some(section) = sections.last_mut() {
                        section.is_commented = true;
                    }
                }
                Some(b'[') => {
                    let (name, subsection) = self.header()?;
                    sections.push(Section { name, subsection, header: start..self.at, ..Section::default() });
                }
                Some(byte) if byte.is_ascii_alphabetic() => {
                    let key = self.skip(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
                    let key = self.lower(key);
                    let end = self.at;
                    self.skip(|byte| matches!(byte, b' ' | b'\t'));
                    let (value, end) = match self.take(b'=') {
                        Some(()) => self.value().map(|(value, end)| (Some(value), end))?,
                        None => (None, end),
                    };
                    sections.last_mut()?.variables.push(Variable { key, value, span: start..end });
                }
                Some(_) => return None,
            }
        }
    }

    /// `[name]`, `[name "subsection"]`, and the old `[name.subsection]`, which is in lower case.
    fn header(&mut self) -> Option<(String, Option<String>)> {
        self.take(b'[')?;
        let name = self.skip(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
        let name = self.lower(name);
        self.skip(|byte| matches!(byte, b' ' | b'\t'));
        if self.take(b']').is_some() {
            return Some(match name.split_once('.') {
                Some((name, subsection)) => (name.to_owned(), Some(subsection.to_owned())),
                None => (name, None),
            });
        }
        self.take(b'"')?;
        let mut subsection = Vec::new();
        loop {
            let byte = self.peek().filter(|byte| *byte != b'\n')?;
            self.at += 1;
            match byte {
                b'"' => break,
                b'\\' => {
                    subsection.push(self.peek()?);
                    self.at += 1;
                }
                _ => subsection.push(byte),
            }
        }
        self.take(b']')?;
        Some((name, Some(String::from_utf8_lossy(&subsection).into_owned())))
    }

    /// What follows `=`, and where it ends.
    fn value(&mut self) -> Option<(String, usize)> {
        self.skip(|byte| matches!(byte, b' ' | b'\t'));
        let (mut value, mut end, mut length) = (Vec::new(), self.at, 0);
        let mut is_quoted = false;
        while let Some(byte) = self.peek() {
            match byte {
                b'\n' if is_quoted => return None,
                b'\n' => break,
                b'\r' if self.text.get(self.at + 1) == Some(&b'\n') => break,
                b'#' | b';' if !is_quoted => {
                    self.skip(|byte| byte != b'\n');
                    break;
                }
                b'"' => is_quoted = !is_quoted,
                b'\\' => {
                    self.at += 1;
                    match self.peek()? {
                        b'\n' => {}
                        b'\r' if self.text.get(self.at + 1) == Some(&b'\n') => self.at += 1,
                        b'n' => value.push(b'\n'),
                        b't' => value.push(b'\t'),
                        b'b' => value.push(8),
                        other @ (b'"' | b'\\') => value.push(other),
                        _ => return None,
                    }
                    length = value.len();
                }
                _ => {
                    value.push(byte);
                    if is_quoted || !byte.is_ascii_whitespace() {
                        length = value.len();
                    }
                }
            }
            self.at += 1;
            if !byte.is_ascii_whitespace() {
                end = self.at;
            }
        }
        // White space at the end is none of the value.
        value.truncate(length);
        (!is_quoted).then(|| (String::from_utf8_lossy(&value).into_owned(), end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let Ok(sections) = read(text.as_bytes()) else { return "unreadable".to_owned() };
        let variable = |section: &Section, variable: &Variable| {
            let subsection = section.subsection.as_deref().map(|name| format!(".{name}")).unwrap_or_default();
            format!("{}{subsection}.{}={:?} ", section.name, variable.key, variable.value)
        };
        sections.iter().flat_map(|section| section.variables.iter().map(|it| variable(section, it))).collect()
    }

    #[test]
    fn read_as_git_reads_it() {
        for (text, means) in [
            ("", ""),
            ("# only\n; comments", ""),
            ("[User]\n\tName = Ann # she\n", "user.name=Some(\"Ann\") "),
            ("\u{feff}[a]b=c\r\n d\r\n", "a.b=Some(\"c\") a.d=None "),
            ("[a \"B \\\"q\\\\\"] x = y", "a.B \"q\\.x=Some(\"y\") "),
            ("[A.Bc]\nx = 1", "a.bc.x=Some(\"1\") "),
            ("[a]\nx = \" p # q \" r ; s\ny =\n", "a.x=Some(\" p # q  r\") a.y=Some(\"\") "),
            ("[a]\nx = one \\\n  two\\t\\\"\n", "a.x=Some(\"one   two\\t\\\"\") "),
            ("x = y", "unreadable"),
            ("[a", "unreadable"),
            ("[a]\nx = \"open\n", "unreadable"),
            ("[a]\n%", "unreadable"),
        ] {
            assert_eq!(shown(text), means, "{text:?}");
        }
    }

    #[test]
    fn a_variable_goes_with_its_line_and_its_section_when_it_is_the_last() {
        for (text, left) in [
            ("[a]\n\tx = gone\n[b]\n\ty = 1", "[b]\n\ty = 1"),
            ("[a]\n\tx = gone # why\n\ty = 1\n", "[a]\n\ty = 1\n"),
            ("[a] x = gone\r\ny = 1\r\n", "[a] \r\ny = 1\r\n"),
            ("[a] x = gone\n", ""),
            ("[a]\n# kept\nx = gone", "[a]\n# kept\n"),
            ("[a]\nx = gone\n\n\n[b]\n", "\n\n[b]\n"),
            ("[a]\nx = \"go\"\\\nne\n  y = 1\n", "[a]\n  y = 1\n"),
            ("[a]\ny = 1\n[a]\n  x = gone\n  x = gone\n[b] x = gone", "[a]\ny = 1\n"),
            ("[a]\nx = stays\n", "[a]\nx = stays\n"),
        ] {
            let sections = read(text.as_bytes()).unwrap();
            let without = without(text.as_bytes(), &sections, |section, at| section.variables[at].is("x", "gone"));
            assert_eq!(String::from_utf8(without).unwrap(), left, "{text:?}");
        }
    }

    mod any {
        use super::*;
        use proptest::collection::vec;
        use proptest::prelude::*;
        use proptest::sample::select;

        const OURS: &[u8] = b"[credential \"https://h.dev\"]\n\thelper = \n\thelper = gone\n";
        const PIECES: &[&str] = &[
            "[a]",
            "[b \"c\"]",
            "[credential \"https://h.dev\"]",
            "[a.b]",
            "\n",
            "\n",
            "\r\n",
            "\t",
            " ",
            "x",
            "helper",
            "=",
            " = ",
            "y",
            "\"",
            "\\",
            "\\n",
            "#",
            ";",
            "\u{e9}",
            "\0",
            "[",
            "]",
        ];

        proptest! {
            #![proptest_config(ProptestConfig::with_cases(2_000))]

            #[test]
            fn what_is_put_behind_a_file_is_taken_out_of_it_alone(
                pieces in vec(select(PIECES), 0..24),
                stray in vec(any::<u8>(), 0..2),
            ) {
                let mut before = pieces.concat().into_bytes();
                before.extend(stray);
                before.push(b'\n');
                // Whatever it holds, it is read or refused, and nothing goes that nobody chose.
                let Ok(sections) = read(&before) else { return Ok(()) };
                prop_assert_eq!(&without(&before, &sections, |_, _| false), &before);
                let is_open = before.ends_with(b"\\\n") || before.ends_with(b"\\\r\n");
                let with = [&before[..], if is_open { b"\n" } else { b"" }, OURS].concat();
                let sections = read(&with).map_err(|error| TestCaseError::fail(error.text()))?;
                let is_gone = |section: &Section, at: usize| {
                    section.variables.get(at).is_some_and(|variable| variable.is("helper", "gone"))
                };
                let is_ours = |section: &Section, at: usize| is_gone(section, at) || is_gone(section, at + 1);
                let left = without(&with, &sections, is_ours);
                prop_assert!(left.starts_with(&before), "{:?}", String::from_utf8_lossy(&left));
                prop_assert!(left[before.len()..].iter().all(|byte| *byte == b'\n'));
            }
        }
    }
}
