//! A `[profile.NAME]` table as text: what `keyfob setup profile` appends to the configuration and takes out again, and the
//! bare one that `keyfob providers` shows. The file around it is a person's own and keeps every byte.

use std::fmt::Write as _;

use toml::{Table, Value};

use crate::error::{Error, Kind, Result};
use crate::model::TokenKind;
use crate::model::provider::{Base, Preset};

/// What each key says, for the comment behind it. An optional key that a profile does without stands there all the same, as
/// a comment with an example.
struct Key {
    name: &'static str,
    says: &'static str,
    /// What the commented line shows, where it is worth one; whom it fits is [`fits`]'s to say.
    example: &'static str,
}

const fn key(name: &'static str, says: &'static str, example: &'static str) -> Key {
    Key { name, says, example }
}

/// In the order in which they are written.
const KEYS: &[Key] = &[
    key("provider", "one of: keyfob providers", ""),
    key("client_id", "keyfob's name at the provider", ""),
    key("issuer", "who the provider is, to the letter", ""),
    key("base_url", "for your own server or domain", "https://auth.acme.dev"),
    key("device_authorization_endpoint", "where a code is asked for", ""),
    key("token_endpoint", "where the code becomes a token", ""),
    key("client_secret_file", "a file of mode 0600", ""),
    key("ca_file", "trusted beside the system's", ""),
    key("scopes", "what the token is asked for", ""),
    key("audience", "whom the token is for", ""),
    key("hosts", "where tokens may go", "git.acme.dev"),
    key("clusters", "the same, for kubectl", "https://k8s.acme.dev:6443"),
    key("token", "which one: \"access\" or \"id\"", "id"),
    key("organization", "the one the token is for", "org_01H..."),
    key("account", "who signs in, of several", "ann"),
    key("username", "told beside the token", ""),
    key("extra", "sent along with every request", ""),
];

/// Longer lines have their comment behind them: the others stay within 80 columns, indented as `setup` shows them.
const WIDEST: usize = 46;

/// Whether an optional key is worth showing beside a provider.
fn fits(key: &str, preset: &Preset) -> bool {
    match key {
        "base_url" => matches!(preset.base, Base::Fixed(_)),
        "organization" => preset.has_organizations,
        "token" => preset.hands_out == TokenKind::Access && preset.scopes.contains(&"openid"),
        _ => true,
    }
}

/// A profile to be written.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    /// Keys and values.
    pub(crate) values: Table,
    /// Entries of `hosts` or `clusters` that take the ID token, where the profile's other places do not.
    pub(crate) take_id: Vec<String>,
}

impl Draft {
    /// A profile as a provider needs it, with examples in the place of what a person has to fill in.
    pub(crate) fn example(preset: &Preset) -> Self {
        let mut draft = Self::default();
        draft.set("provider", preset.name);
        draft.set("client_id", "...");
        for (key, example) in preset.needs {
            match *key {
                "scopes" => draft.set_list(key, example.split(' ')),
                key => draft.set(key, *example),
            }
        }
        draft.set_list("hosts", [preset.host]);
        draft
    }

    pub(crate) fn set(&mut self, key: &str, value: impl Into<String>) {
        self.values.insert(key.to_owned(), Value::String(value.into()));
    }

    pub(crate) fn set_list<S: Into<String>>(&mut self, key: &str, values: impl IntoIterator<Item = S>) {
        let values: Vec<Value> = values.into_iter().map(|value| Value::String(value.into())).collect();
        self.values.insert(key.to_owned(), Value::Array(values));
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// A key that is text.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.values.get(key).and_then(Value::as_str)
    }

    /// A key that is a list of texts.
    pub(crate) fn list(&self, key: &str) -> Vec<String> {
        let values = self.values.get(key).and_then(Value::as_array).into_iter().flatten();
        values.filter_map(|value| value.as_str().map(str::to_owned)).collect()
    }

    /// The table with nothing but what it holds.
    pub(crate) fn bare(&self, name: &str) -> String {
        let rows = || KEYS.iter().filter_map(|key| Some((key.name, self.values.get(key.name)?)));
        let width = rows().map(|(name, _)| name.len()).max().unwrap_or(0);
        rows().fold(format!("[profile.{name}]\n"), |text, (name, value)| text + &format!("{name:width$} = {value}\n"))
    }

    /// The table with what a person who reads it wants to know, and the keys that could be added.
    pub(crate) fn commented(&self, name: &str, preset: &Preset) -> String {
        let rows: Vec<(String, &str)> = KEYS
            .iter()
            .filter_map(|key| match self.values.get(key.name) {
                Some(value) => Some((format!("{} = {value}", key.name), key.says)),
                None => example(key, preset).map(|value| (format!("# {} = {value}", key.name), key.says)),
            })
            .collect();
        let width = rows.iter().map(|(row, _)| row.chars().count()).filter(|width| *width <= WIDEST).max().unwrap_or(0);
        let mut text = format!("{} for {}\n[profile.{name}]\n", mark(name), preset.title);
        for (row, says) in rows {
            let _ = writeln!(text, "{row:width$}  # {says}");
        }
        for entry in &self.take_id {
            let _ = write!(text, "[profile.{name}.at.{}]\ntoken = \"id\"\n", Value::String(entry.clone()));
        }
        text
    }

    /// Whether a profile of a file says all that this one does.
    pub(crate) fn is_in(&self, profile: &Table) -> bool {
        let takes_id = |entry: &String| profile.get("at")?.get(entry)?.get("token")?.as_str();
        self.values.iter().all(|(key, value)| profile.get(key) == Some(value))
            && self.take_id.iter().all(|entry| takes_id(entry) == Some("id"))
    }
}

/// The example behind a key that is not set.
fn example(key: &Key, preset: &Preset) -> Option<Value> {
    let one = |text: &str| Value::String(text.to_owned());
    let list = |values: &[&str]| Value::Array(values.iter().map(|value| one(value)).collect());
    match key.name {
        _ if !fits(key.name, preset) => None,
        "scopes" => (!preset.scopes.is_empty()).then(|| list(preset.scopes)),
        "username" => Some(one(preset.username)),
        "hosts" | "clusters" => Some(list(&[key.example])),
        _ => (!key.example.is_empty()).then(|| one(key.example)),
    }
}

/// The beginning of the line above a profile that `keyfob setup` wrote.
fn mark(name: &str) -> String {
    format!("# {name}: set up by keyfob")
}

/// The profiles of a file.
pub(crate) fn profiles(text: &str) -> Table {
    let file: Table = toml::from_str(text).unwrap_or_default();
    file.get("profile").and_then(Value::as_table).cloned().unwrap_or_default()
}

/// The line of a profile's table, counted from 1.
pub(crate) fn line_of(text: &str, name: &str) -> Option<usize> {
    text.lines().position(|line| opens(line) == Some(Opens::Profile(name.to_owned()))).map(|index| index + 1)
}

/// The file with a table behind all that it holds, in its own line ends.
pub(crate) fn append(text: &str, table: &str) -> String {
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut whole = text.to_owned();
    if !text.is_empty() {
        whole.push_str(if text.ends_with('\n') { "" } else { end });
        whole.push_str(end);
    }
    whole.push_str(&table.replace('\n', end));
    whole
}

/// The file without the tables of profiles that `keyfob setup` wrote and `picks` names, and the comments that came with
/// them.
///
/// # Errors
///
/// Something in the file only looks like a table, so that this would take out something else.
pub(crate) fn take_out(text: &str, picks: impl Fn(&str) -> bool) -> Result<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let headers: Vec<(usize, Opens)> =
        lines.iter().enumerate().filter_map(|(index, line)| Some((index, opens(line)?))).collect();
    let is_marked = |index: usize, name: &str| index > 0 && lines[index - 1].starts_with(&mark(name));
    let ours: Vec<&str> = headers
        .iter()
        .filter_map(|(index, opens)| match opens {
            Opens::Profile(name) if is_marked(*index, name) && picks(name) => Some(name.as_str()),
            _ => None,
        })
        .collect();
    if ours.is_empty() {
        return Ok(text.to_owned());
    }
    let mut keep = vec![true; lines.len()];
    for (place, (begin, opens)) in headers.iter().enumerate() {
        let Opens::Profile(name) = opens else { continue };
        if !ours.contains(&name.as_str()) {
            continue;
        }
        let end = headers.get(place + 1).map_or(lines.len(), |(next, _)| *next);
        // What stands above the next table belongs to that, but for the keys we only showed.
        let is_value = |line: &&str| !line.trim().is_empty() && !line.starts_with('#');
        let last = (*begin..end).rev().find(|index| is_value(&lines[*index])).unwrap_or(*begin);
        let shown = lines[last + 1..end].iter().take_while(|line| is_shown(line)).count();
        keep[*begin..=last + shown].fill(false);
        if is_marked(*begin, name) {
            keep[begin - 1] = false;
            if *begin > 1 && lines[begin - 2].trim().is_empty() {
                keep[begin - 2] = false;
            }
        }
    }
    let left: String = lines.iter().zip(keep).filter(|(_, keep)| *keep).map(|(line, _)| *line).collect();
    match (without(text, &ours), without(&left, &[])) {
        (Some(wanted), Some(done)) if wanted == done => Ok(left),
        _ => Err(Error::new(Kind::Configuration, "the profile cannot be told from what stands around it")
            .hint("take it out by hand")),
    }
}

/// What a file says but for some profiles.
fn without(text: &str, names: &[&str]) -> Option<Table> {
    let mut file: Table = toml::from_str(text).ok()?;
    if let Some(profiles) = file.get_mut("profile").and_then(Value::as_table_mut) {
        profiles.retain(|name, _| !names.contains(&name));
        if profiles.is_empty() {
            file.remove("profile");
        }
    }
    Some(file)
}

/// Whose table a line opens.
#[derive(PartialEq)]
enum Opens {
    Profile(String),
    Other,
}

/// Whose table a line opens, if it opens one.
fn opens(line: &str) -> Option<Opens> {
    let table: Table = line.trim_start().starts_with('[').then(|| toml::from_str(line).ok())??;
    let profile = table.get("profile").and_then(Value::as_table).and_then(|profiles| profiles.keys().next());
    Some(profile.map_or(Opens::Other, |name| Opens::Profile(name.clone())))
}

/// Whether a line shows a key that could be added.
fn is_shown(line: &str) -> bool {
    let key = line.strip_prefix("# ").and_then(|line| line.split_once(" = ")).map(|(key, _)| key);
    key.is_some_and(|key| KEYS.iter().any(|known| known.name == key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file;
    use crate::model::provider;

    fn draft(name: &str) -> (Draft, &'static Preset) {
        let preset = provider::find(name).unwrap();
        (Draft::example(preset), preset)
    }

    #[test]
    fn every_profile_written_is_a_profile_with_or_without_what_it_shows() {
        for preset in provider::PRESETS {
            let draft = Draft::example(preset);
            let text = draft.commented("acme", preset);
            for text in [text.clone(), text.replace("# token_endpoint = ", "token_endpoint = ")] {
                if let Err(error) = file::parse(&text, "config.toml".as_ref()) {
                    panic!("{error}\n{text}");
                }
            }
            assert!(draft.is_in(profiles(&text)["acme"].as_table().unwrap()));
            assert_eq!(take_out(&text, |_| true).unwrap(), "", "{text}");
        }
    }

    #[test]
    fn a_file_keeps_every_byte_but_ours() {
        let (mut draft, preset) = draft("workos-connect");
        draft.take_id = vec!["git.acme.dev".to_owned()];
        let table = draft.commented("acme", preset);
        for before in [
            "",
            "# mine\n",
            "[store]\ngit = true\n",
            "[store]\r\n\tgit =   true # so\r\n",
            "[profile.other]\nprovider = \"workos\"\nclient_id = \"\"\"\n[store]\n\"\"\"\n\n# end\n\n",
        ] {
            let with = append(before, &table);
            assert_eq!(with.contains("\r\n"), before.contains("\r\n"));
            assert_eq!(take_out(&with, |name| name == "acme").unwrap(), before);
            for more in ["# their [words]\n[more]\ndocker = true\n", "\n[profile.b]\nprovider = \"x\"\n", "\n# end\n"] {
                let left = take_out(&format!("{with}{more}"), |_| true).unwrap();
                assert_eq!(left, format!("{before}{more}"));
            }
        }
        assert_eq!(append("a = 1", "b = 2\n"), "a = 1\n\nb = 2\n");
    }

    #[test]
    fn profiles_written_by_hand_are_let_be() {
        let text = "[profile.acme]\nprovider = \"workos\"\n";
        assert_eq!(take_out(text, |_| true).unwrap(), text);
        assert_eq!(line_of(&format!("# x\n{text}"), "acme"), Some(2));
    }

    #[test]
    fn what_only_looks_like_a_table_is_noticed() {
        let (draft, preset) = draft("workos");
        let text = draft.commented("acme", preset) + "username = '''\n[store]\n'''\n";
        assert!(take_out(&text, |_| true).is_err());
        assert!(take_out(&text.replace("username", "= username"), |_| true).is_err(), "no TOML");
    }

    #[test]
    fn strings_are_written_as_toml_has_them() {
        let mut draft = Draft::default();
        draft.set("client_id", "a\"b\\c\u{1b}\n");
        let table: Table = toml::from_str(&draft.bare("x")).unwrap();
        assert!(draft.is_in(table["profile"]["x"].as_table().unwrap()));
    }

    mod any {
        use super::*;
        use proptest::collection::vec;
        use proptest::prelude::*;
        use proptest::sample::select;

        const PIECES: &[&str] = &[
            "[store]",
            "git = true",
            "[profile.other]",
            "[profile.\"acme\"]",
            "[profile.acme.at.\"h\"]",
            "[[x]]",
            "\n",
            "\n",
            "\n",
            "\r\n",
            "# acme: set up by keyfob for x",
            "# audience = \"x\"",
            "# their own",
            "a = ",
            "b = ",
            "\"",
            "\"\"\"",
            "'''",
            "1",
            "{ c = 1 }",
            " ",
            "\u{e9}",
        ];

        proptest! {
            #![proptest_config(ProptestConfig::with_cases(2_000))]

            #[test]
            fn what_is_appended_is_taken_out_alone_or_not_at_all(
                pieces in vec(select(PIECES), 0..16),
                client_id in "[ -~\u{1b}\u{e9}]{0,12}",
            ) {
                let before = pieces.concat();
                let is_toml = |text: &str| toml::from_str::<Table>(text).is_ok();
                if !is_toml(&before) || profiles(&before).contains_key("acme") {
                    return Ok(());
                }
                let (mut draft, preset) = draft("workos");
                draft.set("client_id", client_id);
                let with = append(&before, &draft.commented("acme", preset));
                prop_assume!(is_toml(&with));
                prop_assert!(draft.is_in(profiles(&with)["acme"].as_table().unwrap()));
                // What looks like a table in a text of theirs or ours is a reason to leave it to the person.
                if let Ok(left) = take_out(&with, |name| name == "acme") {
                    let end = left.strip_prefix(before.as_str()).map(str::trim);
                    prop_assert_eq!(end, Some(""), "{}", left);
                }
            }
        }
    }
}
