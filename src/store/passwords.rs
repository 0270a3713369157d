//! The plain store: what clients hand over for hosts without a profile, kept as it is and given back. One file for each
//! place, same rules as records; one lock for all of them, because nobody waits on the network with it in hand.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroize;

use super::lock::{self, Lock};
use super::private::{self, Stored, Taken};
use crate::clock::Clock;
use crate::config::folders;
use crate::error::{Error, Kind, Result};
use crate::secret::{self, SecretBytes};
use crate::trace::trace;

const VERSION: u32 = 1;

/// One credential as a client wrote it. Absent is not the same as empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Entry {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<SecretBytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) username: Option<SecretBytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<SecretBytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password_expiry_utc: Option<SecretBytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) oauth_refresh_token: Option<SecretBytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) authtype: Option<SecretBytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) credential: Option<SecretBytes>,
}

/// What entries to pick: each field that is given must be equal, as git's own helpers match.
#[derive(Debug, Default)]
pub(crate) struct Pattern<'a> {
    pub(crate) path: Option<&'a [u8]>,
    pub(crate) username: Option<&'a [u8]>,
    /// The password or the credential.
    pub(crate) secret: Option<&'a [u8]>,
}

impl Pattern<'_> {
    /// Whether an entry is one of these.
    pub(crate) fn picks(&self, entry: &Entry) -> bool {
        let Self { path, username, secret } = *self;
        let equals = |wanted: Option<&[u8]>, has: &Option<SecretBytes>| {
            wanted.is_none_or(|wanted| has.as_ref().is_some_and(|has| has.expose() == wanted))
        };
        equals(path, &entry.path)
            && equals(username, &entry.username)
            && (equals(secret, &entry.password) || equals(secret, &entry.credential))
    }
}

/// A file: the entries of one place, the newest first.
#[derive(Debug, Deserialize, Serialize)]
struct Place {
    version: u32,
    /// `git` or `docker`.
    service: String,
    /// What the client calls the place: `https://host` for git, `host[:port]` for docker.
    name: SecretBytes,
    entries: Vec<Entry>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// An entry with what is known of it beside the secret.
pub(crate) struct Listed {
    /// `git` or `docker`.
    pub(crate) service: String,
    /// What the client calls the place.
    pub(crate) place: SecretBytes,
    pub(crate) entry: Entry,
    pub(crate) stored: Option<Stored>,
}

/// The folder with all of them. Where nobody knows of one, nothing is kept: there is nothing to give, and nothing to be kept.
#[derive(Debug)]
pub(crate) struct Passwords {
    folder: Result<PathBuf>,
}

impl Passwords {
    /// The person's plain store. Touches no file.
    pub(crate) fn open() -> Self {
        Self { folder: folders::state().map(|state| state.join("passwords")) }
    }

    /// The entries of a place, the newest first, without a lock.
    pub(crate) fn entries(&self, service: &str, name: &[u8]) -> Result<Vec<Entry>> {
        let Ok(folder) = &self.folder else { return Ok(Vec::new()) };
        Ok(Self::read(&path(folder, service, name))?.map(|place| place.entries).unwrap_or_default())
    }

    /// Everything there is, by place, without a lock; a file that cannot be read is an error among the others.
    pub(crate) fn listed(&self) -> Result<Vec<Result<Listed>>> {
        let mut listed = Vec::new();
        for path in self.paths()? {
            match Self::read(&path) {
                Ok(Some(Place { service, name, entries, .. })) => {
                    let stored = private::stored(path);
                    listed.extend(entries.into_iter().map(|entry| {
                        let (service, place, stored) = (service.clone(), name.clone(), stored.clone());
                        Ok(Listed { service, place, entry, stored })
                    }));
                }
                Ok(None) => {}
                Err(error) => listed.push(Err(error)),
            }
        }
        Ok(listed)
    }

    /// The files of all places, in an order that stays.
    fn paths(&self) -> Result<Vec<PathBuf>> {
        let Ok(folder) = &self.folder else { return Ok(Vec::new()) };
        let files = match fs::read_dir(folder) {
            Ok(files) => files,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(Error::broken(format!("cannot read {}", folder.display()), error)),
        };
        let paths = files.filter_map(|file| Some(file.ok()?.path()));
        let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|e| e == "json")).collect();
        paths.sort();
        Ok(paths)
    }

    /// Changes the entries of a place under the lock; a change that changes nothing writes nothing, and a place without
    /// entries has no file.
    pub(crate) fn change(
        &self,
        service: &str,
        name: &[u8],
        clock: &dyn Clock,
        change: impl FnOnce(&mut Vec<Entry>),
    ) -> Result<()> {
        let folder = match &self.folder {
            Ok(folder) => folder,
            Err(error) => {
                let mut nothing = Vec::new();
                change(&mut nothing);
                return if nothing.is_empty() { Ok(()) } else { Err(error.clone()) };
            }
        };
        let lock = lock_in(folder, clock)?;
        let path = path(folder, service, name);
        let mut place = Self::read(&path)?.unwrap_or_else(|| Place {
            version: VERSION,
            service: service.to_owned(),
            name: SecretBytes::new(name),
            entries: Vec::new(),
            unknown: Map::new(),
        });
        let before = place.entries.clone();
        change(&mut place.entries);
        if place.entries == before {
            return Ok(());
        }
        let saved = if place.entries.is_empty() { remove(folder, &path) } else { write(folder, &path, &place) };
        drop(lock);
        if saved.is_ok() {
            trace!("plain store: saved");
        }
        saved.map_err(|error| private::cannot_save(folder, error))
    }

    fn read(path: &Path) -> Result<Option<Place>> {
        let Some((mut bytes, _)) = private::read_with_file(path)? else { return Ok(None) };
        let place = serde_json::from_slice::<Place>(&bytes);
        bytes.zeroize();
        match place {
            Ok(place) if place.version <= VERSION => Ok(Some(place)),
            Ok(_) => Err(Error::new(Kind::Broken, format!("{} was written by a newer keyfob", path.display()))
                .hint("use that keyfob")),
            // Not set aside: nothing could be got anew without the person, so it is for the person to look at.
            Err(error) => {
                let what =
                    format!("{} cannot be read: line {} column {}", path.display(), error.line(), error.column());
                Err(Error::new(Kind::Broken, what).hint("mend the file, or move it away"))
            }
        }
    }
}

/// The one lock.
fn lock_in(folder: &Path, clock: &dyn Clock) -> Result<Lock> {
    let path = folder.join("lock");
    lock::patiently(clock, |_| match private::take(&path)? {
        Taken::Lock(lock) => Ok(Some(lock)),
        Taken::Held => Ok(None),
        Taken::Unwritable(why) => Err(Error::new(Kind::Broken, why)),
    })
}

fn write(folder: &Path, path: &Path, place: &Place) -> std::io::Result<()> {
    let mut bytes = serde_json::to_vec(place)?;
    bytes.push(b'\n');
    let temporary = folder.join("tmp");
    let written = private::create(&temporary).and_then(|file| private::replace(path, &temporary, file, &bytes));
    bytes.zeroize();
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn remove(folder: &Path, path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => private::sync_folder(folder),
    }
}

fn path(folder: &Path, service: &str, name: &[u8]) -> PathBuf {
    let hash = digest(&SHA256, &[service.as_bytes(), &[0], name].concat());
    folder.join(format!("{}.json", secret::hex(&hash.as_ref()[..16])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    fn entry(username: &str, password: &str) -> Entry {
        let bytes = |text: &str| Some(SecretBytes::new(text));
        Entry { username: bytes(username), password: bytes(password), ..Entry::default() }
    }

    #[test]
    fn each_place_has_its_file_and_none_when_it_is_empty() {
        let root = tempfile::tempdir().unwrap();
        let store = Passwords { folder: Ok(root.path().join("passwords")) };
        let clock = SystemClock::new();
        let files = || fs::read_dir(root.path().join("passwords")).unwrap().count() - 1;
        store.change("git", b"https://a.dev", &clock, |entries| entries.push(entry("u", "p"))).unwrap();
        store.change("git", b"https://b.dev", &clock, |entries| entries.push(entry("u", "q"))).unwrap();
        assert_eq!(files(), 2);
        assert_eq!(store.entries("git", b"https://a.dev").unwrap(), [entry("u", "p")]);
        assert_eq!(store.entries("docker", b"https://a.dev").unwrap(), []);
        store.change("git", b"https://a.dev", &clock, Vec::clear).unwrap();
        assert_eq!(files(), 1);
    }

    #[test]
    fn bytes_that_are_no_text_come_back() {
        let odd = Entry { password: Some(SecretBytes::new([0xff, 0xfe])), ..entry("", "") };
        let written = serde_json::to_string(&odd).unwrap();
        assert_eq!(written, r#"{"username":"","password":{"base64":"//4"}}"#);
        assert_eq!(serde_json::from_str::<Entry>(&written).unwrap(), odd);
    }

    #[test]
    fn a_pattern_asks_only_for_what_it_names() {
        let bob = entry("bob", "pw");
        let picks = |path: Option<&'static str>, username: Option<&'static str>, secret: Option<&'static str>| {
            let [path, username, secret] = [path, username, secret].map(|text| text.map(str::as_bytes));
            Pattern { path, username, secret }.picks(&bob)
        };
        assert!(picks(None, None, None) && picks(None, Some("bob"), None) && picks(None, Some("bob"), Some("pw")));
        assert!(!picks(Some("x"), None, None) && !picks(None, Some(""), None) && !picks(None, None, Some("other")));
    }
}
