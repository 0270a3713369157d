//! JSON as text: members put in, changed and taken out, and every other byte stays: order, indentation, line ends. Only what
//! docker itself reads is edited, so there are no comments and no trailing commas.

use std::fmt;
use std::ops::Range;

use serde_json::Value;

/// Why a text cannot be edited; the words fit after the file's name and its line.
pub(crate) type Refusal = (usize, String);

/// A member of an object.
#[derive(Debug)]
struct Member {
    /// As JSON means it.
    name: String,
    /// From the quote before its name to the end of its value.
    whole: Range<usize>,
    value: Range<usize>,
}

/// An object in a text.
#[derive(Debug)]
struct Object {
    /// From `{` to `}`.
    span: Range<usize>,
    members: Vec<Member>,
}

/// A document that has been read and found to be an object.
#[derive(Clone)]
pub(crate) struct Document {
    text: String,
}

impl fmt::Debug for Document {
    /// Not the text, which may hold passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Document(redacted)")
    }
}

impl Document {
    /// Reads a document; one with nothing in it is an empty object.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = bytes[..error.valid_up_to()].split(|byte| *byte == b'\n').count();
            (line, "this is no UTF-8".to_owned())
        })?;
        if text.trim().is_empty() {
            return Ok(Self { text: format!("{{}}{text}") });
        }
        // Not its words about what it found, which may be a secret.
        let value: Value = serde_json::from_str(text).map_err(|error| (error.line(), "this is no JSON".to_owned()))?;
        if !value.is_object() {
            return Err((1, "this is no JSON object".to_owned()));
        }
        Ok(Self { text: text.to_owned() })
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.text.into_bytes()
    }

    /// The text at `path`, where there is one.
    pub(crate) fn string(&self, path: &[&str]) -> Option<String> {
        let member = self.member(path)?;
        serde_json::from_str(&self.text[member.value]).ok()
    }

    /// The names of the members of the object at `path`.
    pub(crate) fn names(&self, path: &[&str]) -> Vec<String> {
        self.object(path).map(|object| object.members.into_iter().map(|it| it.name).collect()).unwrap_or_default()
    }

    /// Sets the text at `path`, of one name or two; an object on the way is made where it is missing.
    pub(crate) fn set(&mut self, path: &[&str], value: &str) -> Result<(), Refusal> {
        self.refuse_twice(path)?;
        let value = quoted(value);
        if let Some(member) = self.member(path) {
            self.text.replace_range(member.value, &value);
            return Ok(());
        }
        let (name, above) = path.split_last().unwrap_or((&"", &[]));
        if self.object(above).is_none() {
            self.make_object(above)?;
        }
        if let Some(object) = self.object(above) {
            self.insert(&object, above.len(), name, &value);
        }
        Ok(())
    }

    /// Takes the member at `path` out.
    pub(crate) fn remove(&mut self, path: &[&str]) {
        let (name, above) = path.split_last().unwrap_or((&"", &[]));
        let Some(object) = self.object(above) else { return };
        let Some(at) = object.members.iter().position(|member| member.name == *name) else { return };
        let Member { whole, .. } = &object.members[at];
        let gone = match (at.checked_sub(1), object.members.get(at + 1)) {
            // Up to the next one, which comes to where it was.
            (None, Some(next)) => whole.start..next.whole.start,
            // With the comma before it.
            (Some(before), _) => object.members[before].whole.end..whole.end,
            // It was alone.
            (None, None) => object.span.start + 1..object.span.end - 1,
        };
        self.text.replace_range(gone, "");
    }

    /// Makes the object at `path`, which is none yet. Go's decoder takes null for one that is not there.
    fn make_object(&mut self, path: &[&str]) -> Result<(), Refusal> {
        let (name, above) = path.split_last().unwrap_or((&"", &[]));
        match (self.member(path), self.object(above)) {
            (Some(other), _) if self.text[other.value.clone()] == *"null" => self.text.replace_range(other.value, "{}"),
            (Some(other), _) => return Err((self.line(other.value.start), format!("\"{name}\" is no object"))),
            (None, Some(object)) => self.insert(&object, above.len(), name, "{}"),
            (None, None) => {}
        }
        Ok(())
    }

    /// Of a key that is there twice docker takes the last, or objects as both in one; a look here finds the first.
    pub(crate) fn refuse_twice(&self, path: &[&str]) -> Result<(), Refusal> {
        for length in 0..path.len() {
            let members = self.object(&path[..length]).map(|object| object.members).unwrap_or_default();
            let mut same = members.iter().filter(|member| member.name == path[length]);
            if let (Some(_), Some(second)) = (same.next(), same.next()) {
                return Err((self.line(second.whole.start), format!("\"{}\" is there twice", path[length])));
            }
        }
        Ok(())
    }

    fn line(&self, at: usize) -> usize {
        self.text[..at].matches('\n').count() + 1
    }

    fn member(&self, path: &[&str]) -> Option<Member> {
        let (name, above) = path.split_last()?;
        self.object(above)?.members.into_iter().find(|member| member.name == *name)
    }

    fn object(&self, path: &[&str]) -> Option<Object> {
        let mut object = Reader { text: self.text.as_bytes(), at: 0 }.object()?;
        for name in path {
            let member = object.members.into_iter().find(|member| member.name == *name)?;
            object = Reader { text: self.text.as_bytes(), at: member.value.start }.object()?;
        }
        Some(object)
    }

    /// A new last member, spaced as its neighbours are; in an empty object on a line of its own, if the document has lines.
    fn insert(&mut self, object: &Object, depth: usize, name: &str, value: &str) {
        let name = quoted(name);
        if let Some(last) = object.members.last() {
            let before = object.members.len().checked_sub(2).map_or(object.span.start + 1, |at| {
                let end = object.members[at].whole.end;
                end + self.text[end..].find(',').map_or(0, |comma| comma + 1)
            });
            let space = self.text[before..last.whole.start].to_owned();
            let colon = self.colon(last);
            self.text.insert_str(last.whole.end, &format!(",{space}{name}{colon}{value}"));
            return;
        }
        let line_end = if self.text.contains("\r\n") { "\r\n" } else { "\n" };
        let top = Reader { text: self.text.as_bytes(), at: 0 }.object();
        let first = top.as_ref().and_then(|top| top.members.first());
        let inner = match first {
            // All on one line.
            Some(first) if !self.text[..first.whole.start].contains('\n') => None,
            Some(first) => Some(self.indentation(first.whole.start)),
            None => Some("\t"),
        };
        let colon = first.map_or(": ", |first| self.colon(first));
        let text = match inner {
            None => format!("{name}{colon}{value}"),
            Some(step) => {
                let (inner, outer) = (step.repeat(depth + 1), step.repeat(depth));
                format!("{line_end}{inner}{name}{colon}{value}{line_end}{outer}")
            }
        };
        self.text.replace_range(object.span.start + 1..object.span.end - 1, &text);
    }

    /// What is between a member's name and its value.
    fn colon(&self, member: &Member) -> &str {
        let mut reader = Reader { text: self.text.as_bytes(), at: member.whole.start };
        let end = reader.string().map_or(member.value.start, |name| name.end);
        &self.text[end..member.value.start]
    }

    /// What is before a place on its line.
    fn indentation(&self, at: usize) -> &str {
        let line = self.text[..at].rfind('\n').map_or(0, |end| end + 1);
        &self.text[line..at]
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Walks through a text that is known to be JSON.
struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn string(&mut self) -> Option<Range<usize>> {
        self.peek().filter(|byte| *byte == b'"')?;
        let start = self.at;
        self.at += 1;
        loop {
            match self.text.get(self.at)? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Some(start..self.at)
    }

    /// Any value.
    fn value(&mut self) -> Option<Range<usize>> {
        let first = self.peek()?;
        let start = self.at;
        match first {
            b'"' => return self.string(),
            b'{' | b'[' => {
                let mut depth = 0_usize;
                loop {
                    match self.peek()? {
                        b'"' => {
                            self.string()?;
                            continue;
                        }
                        b'{' | b'[' => depth += 1,
                        b'}' | b']' => depth -= 1,
                        _ => {}
                    }
                    self.at += 1;
                    if depth == 0 {
                        break;
                    }
                }
            }
            _ => {
                let ends = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b'}' | b']');
                while self.text.get(self.at).is_some_and(|byte| !ends(*byte)) {
                    self.at += 1;
                }
            }
        }
        Some(start..self.at)
    }

    /// An object; `None` for anything else.
    fn object(&mut self) -> Option<Object> {
        self.peek().filter(|byte| *byte == b'{')?;
        let start = self.at;
        self.at += 1;
        let mut members = Vec::new();
        loop {
            match self.peek()? {
                b'}' => break,
                b',' => self.at += 1,
                _ => {
                    let name = self.string()?;
                    self.peek().filter(|byte| *byte == b':')?;
                    self.at += 1;
                    let value = self.value()?;
                    let whole = name.start..value.end;
                    let name = serde_json::from_slice(&self.text[name]).ok()?;
                    members.push(Member { name, whole, value });
                }
            }
        }
        self.at += 1;
        Some(Object { span: start..self.at, members })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(text: &str, change: impl FnOnce(&mut Document) -> Result<(), Refusal>) -> String {
        let mut document = Document::read(text.as_bytes()).unwrap();
        match change(&mut document) {
            Ok(()) => String::from_utf8(document.into_bytes()).unwrap(),
            Err((line, why)) => format!("{line}: {why}"),
        }
    }

    #[test]
    fn put_in_as_its_neighbours_are() {
        for (text, after) in [
            ("", "{\n\t\"credHelpers\": {\n\t\t\"r.dev\": \"keyfob\"\n\t}\n}"),
            ("{}\n", "{\n\t\"credHelpers\": {\n\t\t\"r.dev\": \"keyfob\"\n\t}\n}\n"),
            ("{\"a\":1}", "{\"a\":1,\"credHelpers\":{\"r.dev\":\"keyfob\"}}"),
            ("{ \"a\" : 1 }\n", "{ \"a\" : 1, \"credHelpers\" : {\"r.dev\" : \"keyfob\"} }\n"),
            (
                "{\r\n  \"a\": [1, {}],\r\n  \"b\": \"},{\"\r\n}",
                "{\r\n  \"a\": [1, {}],\r\n  \"b\": \"},{\",\r\n  \"credHelpers\": {\r\n    \"r.dev\": \"keyfob\"\r\n  }\r\n}",
            ),
            (
                "{\n\t\"credHelpers\": {\n\t\t\"x\": \"ecr\"\n\t}\n}",
                "{\n\t\"credHelpers\": {\n\t\t\"x\": \"ecr\",\n\t\t\"r.dev\": \"keyfob\"\n\t}\n}",
            ),
            ("{\"credHelpers\": {\"r.dev\":  \"ecr\" }}", "{\"credHelpers\": {\"r.dev\":  \"keyfob\" }}"),
            ("{\"credHelpers\":null}", "{\"credHelpers\":{\"r.dev\":\"keyfob\"}}"),
            ("{\"cred\\u0048elpers\":{}}", "{\"cred\\u0048elpers\":{\"r.dev\":\"keyfob\"}}"),
            ("{\"credHelpers\":\n[]}", "2: \"credHelpers\" is no object"),
            ("{\"credHelpers\":{},\n\"credHelpers\":{}}", "2: \"credHelpers\" is there twice"),
        ] {
            assert_eq!(edited(text, |document| document.set(&["credHelpers", "r.dev"], "keyfob")), after, "{text}");
        }
    }

    #[test]
    fn taken_out_with_its_comma() {
        for (text, path, after) in [
            ("{\"a\": 1, \"b\": 2, \"c\": 3}", &["a"][..], "{\"b\": 2, \"c\": 3}"),
            ("{\"a\": 1, \"b\": 2, \"c\": 3}", &["b"], "{\"a\": 1, \"c\": 3}"),
            ("{\n\t\"a\": 1,\n\t\"b\": 2\n}\n", &["b"], "{\n\t\"a\": 1\n}\n"),
            ("{\n\t\"a\": {\n\t\t\"b\": 2\n\t}\n}\n", &["a", "b"], "{\n\t\"a\": {}\n}\n"),
            ("{\"a\": 1}", &["b"], "{\"a\": 1}"),
            ("{\"a\": 1}", &["a", "b"], "{\"a\": 1}"),
        ] {
            let removed = edited(text, |document| {
                document.remove(path);
                Ok(())
            });
            assert_eq!(removed, after, "{text}");
        }
    }

    #[test]
    fn what_docker_would_refuse_is_refused() {
        for (text, line) in [
            ("{\n// no\n}", 2),
            ("{\"a\": 1,}", 1),
            ("{\"a\": 1\n\n", 3),
            ("[]", 1),
            ("\u{feff}{}", 1),
            ("{'a': 1}", 1),
            ("{} {}", 1),
        ] {
            assert_eq!(Document::read(text.as_bytes()).unwrap_err().0, line, "{text}");
        }
        assert_eq!(Document::read(b"{\n\"\xff\": 1}").unwrap_err(), (2, "this is no UTF-8".to_owned()));
    }

    mod any {
        use super::*;
        use proptest::prelude::*;

        fn json() -> impl Strategy<Value = Value> {
            let leaf = prop_oneof![Just(Value::Null), any::<i32>().prop_map(Value::from), ".*".prop_map(Value::from)];
            leaf.prop_recursive(3, 12, 4, |inner| {
                prop_oneof![
                    prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                    prop::collection::hash_map(".*", inner, 0..4)
                        .prop_map(|map| Value::Object(map.into_iter().collect())),
                ]
            })
        }

        proptest! {
            #[test]
            fn what_is_put_in_is_there_and_taken_out_is_gone(
                members in prop::collection::hash_map("[a-z\\PC]{1,4}", json(), 0..5),
                pretty: bool,
                crlf: bool,
            ) {
                let value = Value::Object(members.into_iter().collect());
                let mut text = if pretty { format!("{value:#}") } else { value.to_string() };
                if crlf {
                    text = text.replace('\n', "\r\n");
                }
                let mut document = Document::read(text.as_bytes()).unwrap();
                document.set(&["credHelpers", "r.dev"], "keyfob").unwrap();
                let mut wanted = value.clone();
                wanted["credHelpers"] = serde_json::json!({ "r.dev": "keyfob" });
                let now: Value = serde_json::from_str(&document.text).unwrap();
                prop_assert_eq!(now, wanted);
                document.remove(&["credHelpers"]);
                if value != serde_json::json!({}) {
                    prop_assert_eq!(document.text, text);
                }
            }
        }
    }
}
