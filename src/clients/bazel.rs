//! Bazel's credential helper, `keyfob helper bazel` (EngFlow/credential-helper-spec): for every URL it fetches from, it asks
//! which headers to send. It has nobody to ask, waits ten seconds, and gives up the build over an error.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use clap::{Args, FromArgMatches};
use serde::Deserialize;
use serde_json::json;

use super::{Call, Client, SetUpClient, Verb, operation};
use crate::clock;
use crate::config::{Config, folders, matching};
use crate::desk::{Credential, Errand};
use crate::error::{Error, Kind, Result};
use crate::human::presence::{Asker, Stderr};
use crate::model::{HostPattern, Location};
use crate::output::{BY_HAND, print, refuse_terminal, say};
use crate::process::signals::aside;
use crate::setup::links::{self, Found};
use crate::setup::{Entries, How, change, profile};
use crate::trace::{self, trace};

const LINK: &str = "bazel-credential-keyfob";
const USAGE: &str = "usage: bazel-credential-keyfob get";
/// Bazel ends a helper after ten seconds (`--credential_helper_timeout`): one that is not asked by then never will be.
const PATIENCE: Duration = Duration::from_secs(9);
/// A request is a line; one that is larger, in bytes, is something else.
const INPUT_LIMIT: u64 = 1 << 16;

pub(super) const CLIENT: Client = Client {
    name: "bazel",
    verb: Verb::Helper,
    place: 3,
    links: &[LINK],
    stderr: Stderr::OnFailure,
    lines: |command| Bazel::augment_args(command).about("What Bazel runs, as its credential helper"),
    call: |matches| Ok(Box::new(Bazel::from_arg_matches(matches)?)),
    linked: |args| {
        let word = |index: usize| args.get(index).map(|word| word.to_string_lossy().into_owned());
        let operation = word(1).filter(|_| args.len() == 2).unwrap_or_default();
        Ok(Box::new(Bazel { operation }))
    },
    misspelt: |_| ExitCode::FAILURE,
    setup: Some(SetUpClient {
        lines: |command| Lines::augment_args(command).about("Have Bazel ask keyfob for the hosts of a profile"),
        run: |matches, how| set_up(&Lines::from_arg_matches(matches).map_err(crate::setup::unread)?, how),
    }),
    // Nobody sets it up who has not heard of it.
    next: |_, _| None,
    program: None,
    doctor: None,
};

/// `keyfob helper bazel`, also as `bazel-credential-keyfob`.
#[derive(Args, Debug)]
#[command(after_help = "Example, in .bazelrc:\n  common --credential_helper=*.acme.dev=bazel-credential-keyfob")]
struct Bazel {
    /// What Bazel wants: get
    operation: String,
}

impl Call for Bazel {
    fn serve(&self) -> ExitCode {
        let answered = match self.operation.as_str() {
            "get" => answer(),
            _ => Err(Error::new(Kind::Usage, USAGE)),
        };
        match answered.and_then(|answer| print(answer.as_bytes())) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                trace::failed(&error);
                // One line: Bazel quotes it in its own.
                let _ = write!(io::stderr(), "keyfob: {}", error.line());
                ExitCode::FAILURE
            }
        }
    }

    fn operation(&self) -> Option<&'static str> {
        Some(operation(&self.operation))
    }
}

fn answer() -> Result<String> {
    refuse_terminal(BY_HAND)?;
    let asked = read(io::stdin(), PATIENCE)?;
    let Some(location) = location(&asked.uri) else { return Ok(encode(None)) };
    let config = Config::load()?;
    let Some((profile, destination)) = matching::choose(config.profiles.iter(), &location, None)? else {
        // A helper without a scope is asked for every URL, and an error would end the build.
        trace!("profile: none answers for {location}");
        return Ok(encode(None));
    };
    trace!("profile: {} (it answers for {location})", profile.title());
    let place = location.authority();
    let what = format!("bazel needs to sign in to {place}");
    let asker = Asker { never: Some("bazel asks nobody"), stderr: CLIENT.stderr, ..Asker::PLAIN };
    let errand = Errand { profile, destination, asker, what, place, opens_browser: false };
    let token = errand.obtain(errand.ask())?;
    Ok(encode(Some(&errand.credential(&token, ""))))
}

/// What Bazel asks (get-credentials-request); further members mean nothing here.
#[derive(Debug, Deserialize)]
struct Request {
    uri: String,
}

/// Reads a request as soon as it is whole: whoever asks may leave the pipe open, or never write.
fn read(input: impl Read + Send + 'static, patience: Duration) -> Result<Request> {
    let (sender, receiver) = mpsc::channel();
    aside(move || {
        let mut requests = serde_json::Deserializer::from_reader(input.take(INPUT_LIMIT)).into_iter::<Request>();
        // Nobody listens any more where the patience is over.
        let _ = sender.send(requests.next());
    });
    match receiver.recv_timeout(patience) {
        Ok(Some(Ok(request))) => Ok(request),
        // Not the parser's words: it may quote what it stumbled over.
        Ok(Some(Err(_)) | None) => Err(Error::new(Kind::Usage, "what is asked is no request with a uri")
            .hint("write {\"uri\":\"https://HOST\"} to stdin")),
        Err(_) => {
            Err(Error::new(Kind::Usage, "nothing was asked on stdin").hint("write {\"uri\":\"https://HOST\"} to stdin"))
        }
    }
}

/// The place of a URI: `grpcs` is HTTP/2 over TLS.
fn location(uri: &str) -> Option<Location> {
    if !uri.contains("://") {
        return None;
    }
    let uri = uri.strip_prefix("grpcs://").map_or_else(|| uri.to_owned(), |rest| format!("https://{rest}"));
    Location::parse(uri.split(['?', '#']).next().unwrap_or_default()).ok()
}

/// get-credentials-response: no members where nothing is to be sent. Without `expires` Bazel would keep a token for half an
/// hour, whatever becomes of it.
fn encode(credential: Option<&Credential>) -> String {
    let Some(Credential { secret, expires_at, .. }) = credential else { return "{}\n".to_owned() };
    let mut answer = json!({ "headers": { "Authorization": [format!("Bearer {}", secret.expose())] } });
    if let Some(end) = expires_at.and_then(clock::rfc3339) {
        answer["expires"] = json!(end);
    }
    format!("{answer}\n")
}

/// `keyfob setup bazel`.
#[derive(Args, Debug)]
#[command(after_help = "Example: keyfob setup bazel --profile acme")]
struct Lines {
    /// Profile that answers; the only one when left out
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
}

fn set_up(command: &Lines, how: How) -> Result<ExitCode> {
    let path: PathBuf = folders::home()?.join(".bazelrc");
    if how.undo {
        change(&path, &Helpers { hosts: Vec::new() }, how)?;
        links::take_back(LINK, how)?;
        return Ok(ExitCode::SUCCESS);
    }
    let config = Config::load()?;
    let profile = profile(&config, command.profile.as_deref())?;
    let hosts = profile.hosts.iter().filter_map(|(pattern, _)| named(pattern));
    change(&path, &Helpers { hosts: hosts.collect() }, how)?;
    if links::make(LINK, how)? == Found::No {
        say("  until then Bazel does not find it")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A host as Bazel's option names it: it knows no ports and no paths.
fn named(pattern: &HostPattern) -> Option<String> {
    let Location { host, path, port, .. } = &pattern.location;
    let is_whole = path.is_empty() && *port == 443;
    is_whole.then(|| format!("{}{host}", if pattern.wildcard { "*." } else { "" }))
}

/// Lines of a `.bazelrc`, one for each host; with an undo all of them.
struct Helpers {
    hosts: Vec<String>,
}

/// The host of a line of ours.
fn host_of(line: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(line).ok()?.trim();
    line.strip_prefix("common --credential_helper=")?.strip_suffix(LINK)?.strip_suffix('=')
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n')
}

impl Helpers {
    fn line(host: &str) -> String {
        format!("common --credential_helper={host}={LINK}")
    }
}

impl Entries for Helpers {
    fn put_in(&self, file: Option<&[u8]>) -> Result<(Vec<u8>, Vec<String>)> {
        let mut text = file.unwrap_or_default().to_vec();
        let mut put = Vec::new();
        for host in &self.hosts {
            if lines(&text).any(|line| host_of(line) == Some(host)) {
                continue;
            }
            if !text.is_empty() && !text.ends_with(b"\n") {
                text.push(b'\n');
            }
            text.extend_from_slice(Self::line(host).as_bytes());
            text.push(b'\n');
            put.push(host.clone());
        }
        Ok((text, put))
    }

    fn take_back(&self, file: &[u8], _before: &[u8], names: &[String]) -> Result<Vec<u8>> {
        let stays = |line: &&[u8]| host_of(line).is_none_or(|host| !names.iter().any(|name| name == host));
        Ok(lines(file).filter(stays).flatten().copied().collect())
    }

    fn ours(&self, file: &[u8]) -> Result<Vec<String>> {
        Ok(lines(file).filter_map(host_of).map(str::to_owned).collect())
    }

    fn picks(&self, _name: &str) -> bool {
        true
    }

    fn lines(&self, names: &[String], undo: bool) -> Vec<String> {
        let without = if undo { "without " } else { "" };
        names.iter().map(|host| format!("{without}{}", Self::line(host))).collect()
    }

    fn is_private(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::secret::Secret;

    /// A caller that writes these pieces, a moment apart, and keeps its end open as long as `held` lives.
    fn caller(pieces: &'static [&'static str]) -> (io::PipeReader, io::PipeWriter) {
        let (reader, writer) = io::pipe().unwrap();
        let mut late = writer.try_clone().unwrap();
        std::thread::spawn(move || {
            for piece in pieces {
                late.write_all(piece.as_bytes()).unwrap();
                std::thread::yield_now();
            }
        });
        (reader, writer)
    }

    #[test]
    fn a_request_is_read_when_it_is_whole_and_not_waited_for_for_ever() {
        let long = Duration::from_secs(20);
        for pieces in
            [&[r#"{"uri":"https://a.dev/x"}"#][..], &["{", r#""uri""#, ":", r#""https://a.dev/x","#, r#""more":[1]}"#]]
        {
            let (reader, _held) = caller(pieces);
            assert_eq!(read(reader, long).unwrap().uri, "https://a.dev/x");
        }
        for pieces in [&["{}"][..], &["[]"], &[r#"{"uri":7}"#], &["nonsense"]] {
            let (reader, _held) = caller(pieces);
            assert!(read(reader, long).unwrap_err().text().contains("no request"), "{pieces:?}");
        }
        for pieces in [&[][..], &[r#"{"uri":"https://a.dev"#]] {
            let (reader, _held) = caller(pieces);
            assert!(read(reader, Duration::from_millis(50)).unwrap_err().text().contains("nothing was asked"));
        }
        let (reader, writer) = io::pipe().unwrap();
        drop(writer);
        assert!(read(reader, long).unwrap_err().text().contains("no request"), "closed at once");
    }

    #[test]
    fn places_are_those_of_tls() {
        let authority = |uri: &str| location(uri).map(|location| location.authority());
        assert_eq!(authority("https://a.dev/b?c=d#e").as_deref(), Some("a.dev"));
        assert_eq!(authority("grpcs://cache.a.dev:8443/x").as_deref(), Some("cache.a.dev:8443"));
        assert_eq!(authority("grpc://a.dev"), None);
        assert_eq!(authority("nonsense"), None);
    }

    /// What the published schema of the response demands: `headers` is an object of lists of strings, `expires` a string.
    fn fits_the_schema(answer: &str) -> bool {
        let answer: Value = serde_json::from_str(answer).unwrap();
        let is_list = |value: &Value| value.as_array().is_some_and(|items| items.iter().all(Value::is_string));
        let headers =
            answer.get("headers").is_none_or(|all| all.as_object().is_some_and(|all| all.values().all(is_list)));
        headers && answer.get("expires").is_none_or(Value::is_string)
    }

    #[test]
    fn answers_are_as_the_schema_has_them() {
        let credential = Credential { username: String::new(), secret: Secret::new("at_1"), expires_at: Some(0) };
        let whole = encode(Some(&credential));
        assert_eq!(whole, "{\"expires\":\"1970-01-01T00:00:00Z\",\"headers\":{\"Authorization\":[\"Bearer at_1\"]}}\n");
        let endless = encode(Some(&Credential { expires_at: None, ..credential }));
        for answer in [whole, endless, encode(None)] {
            assert!(fits_the_schema(&answer), "{answer}");
        }
        assert!(!fits_the_schema("{\"headers\":{\"Authorization\":\"Bearer x\"}}"), "the check can fail");
    }

    #[test]
    fn lines_are_put_in_once_and_taken_out_alone() {
        let ours = Helpers { hosts: vec!["*.acme.dev".to_owned(), "git.b.dev".to_owned()] };
        let before = b"build --jobs=2\ncommon --credential_helper=x.dev=/bin/other";
        let (after, put) = ours.put_in(Some(before)).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&after),
            "build --jobs=2\ncommon --credential_helper=x.dev=/bin/other\n\
             common --credential_helper=*.acme.dev=bazel-credential-keyfob\n\
             common --credential_helper=git.b.dev=bazel-credential-keyfob\n"
        );
        assert_eq!((&put, ours.ours(&after).unwrap()), (&ours.hosts, ours.hosts.clone()));
        assert_eq!(ours.put_in(Some(&after)).unwrap(), (after.clone(), Vec::new()));
        let left = ours.take_back(&after, before, &put).unwrap();
        assert_eq!(String::from_utf8_lossy(&left), String::from_utf8_lossy(before) + "\n");
    }
}
