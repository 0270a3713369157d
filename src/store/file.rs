//! Records on disk. Reading takes no lock: a record is replaced whole, so a reader always sees one state of it. Writing
//! takes a [`Guard`], which is the lock: no other way to save exists. A record that cannot be read is set aside, never
//! deleted.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use zeroize::Zeroize;

use super::lock::{self, Lock};
use super::private::{self, Opened, Stored, Taken};
use super::record::{Record, VERSION};
use crate::clock::{Clock, Timestamp};
use crate::config::folders;
use crate::error::{Error, Kind, Result};
use crate::trace::trace;

/// Room beyond the present record that is reserved on disk before a request is sent whose answer must be saved.
const HEADROOM: usize = 16 << 10;

/// The extensions of lock files, which stay: they are empty, and another process may be waiting on them.
const LOCKS: &[&str] = &["lock", "login"];

/// The folder with all records.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
}

/// All that can be known of a record of any version.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// What reading came to, short of an error.
pub(crate) enum Found {
    Nothing,
    Record(Box<ReadRecord>),
    /// Something that is no record; why.
    Broken(String),
}

/// A record as it was read, without a lock.
#[derive(Debug)]
pub(crate) struct ReadRecord {
    pub(crate) record: Record,
    file: Opened,
}

impl ReadRecord {
    /// Notes, to within an hour and in the file's own time, that what it holds was handed out at `now`. A save needs no
    /// such note, and whoever only looks makes none.
    pub(crate) fn used(&self, now: Timestamp) {
        self.file.used(now);
    }
}

/// A file that is named after a session.
struct Listed {
    id: String,
    path: PathBuf,
    is_lock: bool,
}

impl Store {
    /// The person's store. Touches no file.
    pub(crate) fn open() -> Result<Self> {
        Ok(Self { folder: folders::state()?.join("sessions") })
    }

    /// A store in a folder of a test's.
    #[cfg(test)]
    pub(crate) fn in_folder(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where records are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Reads a record without a lock. One that is broken counts as missing here: whoever then takes the lock sets it
    /// aside.
    pub(crate) fn peek(&self, id: &str) -> Result<Option<Record>> {
        Ok(match self.read(id)? {
            Found::Record(kept) => Some(kept.record),
            Found::Nothing | Found::Broken(_) => None,
        })
    }

    /// The names of all sessions there is anything of.
    pub(crate) fn ids(&self) -> Result<Vec<String>> {
        let mut ids: Vec<String> =
            self.listed()?.into_iter().filter(|file| !file.is_lock).map(|file| file.id).collect();
        ids.sort();
        ids.dedup();
        Ok(ids)
    }

    /// How a session's record is kept, if there is one.
    pub(crate) fn stored(&self, id: &str) -> Option<Stored> {
        private::stored(self.path(id, "json"))
    }

    /// What is in the folder.
    fn listed(&self) -> Result<Vec<Listed>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(Error::broken(format!("cannot read {}", self.folder.display()), error)),
        };
        let listed = entries.flatten().filter_map(|entry| {
            let name = entry.file_name();
            let (id, extension) = name.to_str()?.split_once('.')?;
            Some(Listed { id: id.to_owned(), path: entry.path(), is_lock: LOCKS.contains(&extension) })
        });
        Ok(listed.collect())
    }

    /// Tries once to take the record's lock; `None` while another process holds it. A place where nothing can be
    /// written gives a guard all the same, which knows why it cannot save.
    pub(crate) fn try_lock(&self, id: &str, now: Timestamp) -> Result<Option<Guard<'_>>> {
        let (lock, unwritable) = match self.take(id, "lock")? {
            Taken::Held => return Ok(None),
            Taken::Lock(lock) => (lock, None),
            Taken::Unwritable(why) => (Lock::none(), Some(why)),
        };
        trace!("lock: {}", if lock.is_exclusive() { "taken" } else { "there is none to be had, going on without" });
        self.guard(id, lock, unwritable, now).map(Some)
    }

    /// Goes on with the record's lock that another process has left to this one. `None` where that was never on this file.
    pub(crate) fn adopt_lock(&self, id: &str, lock: File, now: Timestamp) -> Result<Option<Guard<'_>>> {
        let lock = Lock::left(lock);
        if !lock.is_at(&self.path(id, "lock")) {
            return Ok(None);
        }
        trace!("lock: another process has left it to this one");
        self.guard(id, lock, None, now).map(Some)
    }

    fn guard(&self, id: &str, lock: Lock, unwritable: Option<String>, now: Timestamp) -> Result<Guard<'_>> {
        let (record, set_aside) = match self.read(id)? {
            Found::Record(kept) => (kept.record, None),
            Found::Nothing => (Record::default(), None),
            Found::Broken(why) => (Record::default(), Some(self.set_aside(id, &why, now))),
        };
        Ok(Guard { store: self, id: id.to_owned(), record, set_aside, unwritable, reserved: None, lock })
    }

    /// Takes the record's lock, waiting as long as another process may rightly hold it.
    pub(crate) fn lock(&self, id: &str, clock: &dyn Clock) -> Result<Guard<'_>> {
        lock::patiently(clock, |_| self.try_lock(id, clock.now()))
    }

    /// Tries once to become the one process that polls for this session; `None` while another does. Where locks do not
    /// exist, everybody polls.
    pub(crate) fn try_login_lock(&self, id: &str) -> Result<Option<Lock>> {
        Ok(match self.take(id, "login")? {
            Taken::Held => None,
            Taken::Lock(lock) => Some(lock),
            Taken::Unwritable(_) => Some(Lock::none()),
        })
    }

    fn take(&self, id: &str, kind: &str) -> Result<Taken> {
        private::take(&self.path(id, kind))
    }

    /// Reads a record without a lock, and tells a broken one from none.
    pub(crate) fn read(&self, id: &str) -> Result<Found> {
        let path = self.path(id, "json");
        let Some((mut bytes, file)) = private::read_with_file(&path)? else { return Ok(Found::Nothing) };
        if !private::is_whole(&bytes) {
            return Ok(Found::Broken("it is larger than a megabyte".to_owned()));
        }
        let record = serde_json::from_slice::<Record>(&bytes);
        let version = || serde_json::from_slice::<Version>(&bytes).map_or(0, |found| found.version);
        let version = if let Ok(record) = &record { record.version } else { version() };
        bytes.zeroize();
        match record {
            _ if version > VERSION => {
                let what = format!("{} was written by a newer keyfob (version {version})", path.display());
                Err(Error::new(Kind::Broken, what).hint("use that keyfob, or sign out with it first"))
            }
            Ok(record) if version == VERSION => Ok(match record.is_foreign_to(id) {
                Some(why) => Found::Broken(why.to_owned()),
                None => Found::Record(Box::new(ReadRecord { record, file })),
            }),
            Ok(_) => Ok(Found::Broken(format!("version {version} never was"))),
            // Not the error's text: it may quote what it stumbled over.
            Err(error) => Ok(Found::Broken(format!("not a record at line {} column {}", error.line(), error.column()))),
        }
    }

    /// Moves a broken record out of the way and says where it is now.
    fn set_aside(&self, id: &str, why: &str, now: Timestamp) -> String {
        let (from, to) = (self.path(id, "json"), self.path(id, &format!("broken-{now}")));
        match fs::rename(&from, &to) {
            Ok(()) => format!("{} could not be read ({why}); it is now {}", from.display(), to.display()),
            Err(error) => format!("{} could not be read ({why}) nor set aside: {error}", from.display()),
        }
    }

    fn path(&self, id: &str, extension: &str) -> PathBuf {
        self.folder.join(format!("{id}.{extension}"))
    }
}

/// A record in hand: locked, freshly read, and the only thing that can save.
#[derive(Debug)]
pub(crate) struct Guard<'a> {
    store: &'a Store,
    id: String,
    pub(crate) record: Record,
    set_aside: Option<String>,
    unwritable: Option<String>,
    reserved: Option<File>,
    lock: Lock,
}

impl Guard<'_> {
    /// What to tell a person about a broken record that was set aside just now.
    pub(crate) fn set_aside(&mut self) -> Option<String> {
        self.set_aside.take()
    }

    /// The lock for another process, which then has it as well; where a lock can be shared so. Whoever has it makes room for
    /// itself, under the same name: what was reserved here is given up.
    pub(crate) fn share_lock(&mut self) -> Option<File> {
        let shared = self.lock.share()?;
        self.give_up_reserved();
        Some(shared)
    }

    fn give_up_reserved(&mut self) {
        if self.reserved.take().is_some() {
            let _ = fs::remove_file(self.temporary());
        }
    }

    /// Reads the record again from the disk: where there are no locks another process may have written meanwhile.
    pub(crate) fn reread(&mut self) -> Result<Option<Record>> {
        Ok(match self.store.read(&self.id)? {
            Found::Record(read) => Some(read.record),
            Found::Nothing | Found::Broken(_) => None,
        })
    }

    /// Makes sure that a save will succeed, as far as that can be known: the room is on the disk afterwards. Before a
    /// request whose answer exists once.
    pub(crate) fn reserve(&mut self) -> Result<()> {
        if let Some(why) = &self.unwritable {
            return Err(Error::new(Kind::Broken, why.clone()));
        }
        let length = serde_json::to_vec(&self.record).map_or(0, |bytes| bytes.len()) + HEADROOM;
        let path = self.temporary();
        let reserved = private::create(&path).and_then(|mut file| {
            file.write_all(&vec![b' '; length])?;
            file.sync_data()?;
            Ok(file)
        });
        let reserved = reserved.map_err(|error| {
            let _ = fs::remove_file(&path);
            private::cannot_save(&self.store.folder, error)
        });
        self.reserved = Some(reserved?);
        Ok(())
    }

    /// Writes the record; nothing may be printed before it returns.
    pub(crate) fn save(&mut self) -> Result<()> {
        if let Some(why) = &self.unwritable {
            return Err(Error::new(Kind::Broken, why.clone()));
        }
        let temporary = self.temporary();
        let saved = self.write(&temporary);
        match &saved {
            Ok(()) => trace!("record: saved"),
            Err(error) => trace!("record: not saved: {error}"),
        }
        saved.map_err(|error| {
            let _ = fs::remove_file(&temporary);
            private::cannot_save(&self.store.folder, error)
        })
    }

    fn write(&mut self, temporary: &Path) -> std::io::Result<()> {
        let mut bytes = serde_json::to_vec(&self.record)?;
        bytes.push(b'\n');
        let file = self.reserved.take().map_or_else(|| private::create(temporary), Ok)?;
        let written = private::replace(&self.store.path(&self.id, "json"), temporary, file, &bytes);
        bytes.zeroize();
        // What a crash of an earlier keyfob left.
        let _ = fs::remove_file(self.store.path(&self.id, "tmp"));
        written
    }

    /// Removes the record from the disk, and what was ever set aside or left behind of it: all of them hold secrets.
    pub(crate) fn remove(self) -> Result<()> {
        trace!("record: {} and what is beside it is removed", self.id);
        for file in self.store.listed()?.into_iter().filter(|file| file.id == self.id && !file.is_lock) {
            match fs::remove_file(&file.path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Error::broken(format!("cannot remove {}", file.path.display()), error));
                }
                _ => {}
            }
        }
        private::sync_folder(&self.store.folder).or(Ok(()))
    }

    /// One name for all who come by one lock file, so that what a crash left is simply overwritten; another for who comes by
    /// another, because both may be at work. Without a lock, each process has its own.
    fn temporary(&self) -> PathBuf {
        let own = self.lock.file_number().unwrap_or_else(|| std::process::id().into());
        self.store.path(&self.id, &format!("{own}.tmp"))
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.give_up_reserved();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn store() -> (tempfile::TempDir, Store) {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("state").join("sessions");
        (root, Store { folder })
    }

    fn saved(store: &Store) {
        let mut guard = store.try_lock("id", 0).unwrap().unwrap();
        guard.record.refresh_token = Some(Secret::new("rt_1"));
        guard.reserve().unwrap();
        guard.save().unwrap();
    }

    fn names(store: &Store) -> Vec<String> {
        let entries = fs::read_dir(&store.folder).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn saved_whole_and_read_without_a_lock() {
        let (_root, store) = store();
        assert_eq!(store.peek("id").unwrap(), None);
        saved(&store);
        let guard = store.try_lock("id", 0).unwrap().unwrap();
        assert_eq!(store.peek("id").unwrap().as_ref(), Some(&guard.record));
        assert!(store.try_lock("id", 0).unwrap().is_none(), "one writer at a time");
        assert_eq!(names(&store), ["id.json", "id.lock"]);
        assert_eq!(store.ids().unwrap(), ["id"]);
    }

    #[test]
    fn a_use_is_noted_once_an_hour_and_a_look_never() {
        let (_root, store) = store();
        saved(&store);
        let saved_at = store.stored("id").unwrap().changed_at;
        let used = |at: Timestamp| {
            let Found::Record(kept) = store.read("id").unwrap() else { panic!("it is there") };
            kept.used(at);
            store.peek("id").unwrap();
            store.stored("id").unwrap().changed_at - saved_at
        };
        assert_eq!(used(saved_at + 3_500), 0);
        assert_eq!(used(saved_at + 3_700), 3_700);
        assert_eq!(used(saved_at + 7_200), 3_700);
        assert_eq!(used(saved_at - 9_000), 3_700, "a clock that was set back");
    }

    #[test]
    fn a_reservation_that_is_not_used_leaves_nothing() {
        let (_root, store) = store();
        let mut guard = store.try_lock("id", 0).unwrap().unwrap();
        guard.reserve().unwrap();
        drop(guard);
        assert_eq!(names(&store), ["id.lock"]);
    }

    #[cfg(unix)]
    #[test]
    fn two_who_hold_locks_of_one_name_save_whole_records() {
        let (_root, store) = store();
        let mut first = store.try_lock("id", 0).unwrap().unwrap();
        first.reserve().unwrap();
        fs::remove_file(store.path("id", "lock")).unwrap();
        let mut second = store.try_lock("id", 0).unwrap().unwrap();
        second.reserve().unwrap();
        first.record.refresh_token = Some(Secret::new("rt_1"));
        first.save().unwrap();
        assert_eq!(store.peek("id").unwrap(), Some(first.record.clone()));
        second.record.refresh_token = Some(Secret::new("rt_2"));
        second.save().unwrap();
        assert_eq!(store.peek("id").unwrap(), Some(second.record.clone()));
        drop((first, second));
        assert_eq!(names(&store), ["id.json", "id.lock"]);
    }

    #[test]
    fn a_broken_record_is_set_aside_and_not_lost() {
        let (_root, store) = store();
        saved(&store);
        fs::write(store.path("id", "json"), "{\"version\":1,\"refresh_token\":\"rt_torn").unwrap();
        assert_eq!(store.peek("id").unwrap(), None);
        let mut guard = store.try_lock("id", 77).unwrap().unwrap();
        let told = guard.set_aside().unwrap();
        assert!(told.contains("id.broken-77") && !told.contains("rt_torn"), "{told}");
        assert_eq!(guard.record, Record::default());
        assert!(fs::read_to_string(store.path("id", "broken-77")).unwrap().contains("rt_torn"));
    }

    #[test]
    fn a_record_in_anothers_place_and_one_with_impossible_times_are_set_aside() {
        let (_root, store) = store();
        let of_another = r#"{"version":1,"token_endpoint":"https://other.dev/token","refresh_token":"rt"}"#;
        let of_no_time = format!(r#"{{"version":1,"refresh_token":"rt","signed_in_at":{}}}"#, i64::MIN);
        let patient = format!(r#"{{"version":1,"refresh_token":"rt","retry_at":{}}}"#, i64::MAX);
        for (text, why) in [
            (&of_another.to_owned(), Some("it is of another server, client or account")),
            (&of_no_time, Some("its times are none")),
            (&patient, None),
        ] {
            saved(&store);
            fs::write(store.path("id", "json"), text).unwrap();
            assert_eq!(store.peek("id").unwrap().is_some(), why.is_none(), "{text}");
            let told = store.try_lock("id", 77).unwrap().unwrap().set_aside();
            assert_eq!(told.is_some(), why.is_some(), "{text}");
            assert!(told.unwrap_or_default().contains(why.unwrap_or_default()));
        }
    }

    #[test]
    fn a_newer_version_is_left_alone() {
        let (_root, store) = store();
        saved(&store);
        fs::write(store.path("id", "json"), "{\"version\":2}").unwrap();
        assert!(store.peek("id").unwrap_err().text().contains("newer keyfob"));
        assert!(store.try_lock("id", 0).is_err());
        assert_eq!(fs::read_to_string(store.path("id", "json")).unwrap(), "{\"version\":2}");
    }

    #[cfg(unix)]
    #[test]
    fn what_others_could_have_touched_is_refused() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let (root, store) = store();
        saved(&store);
        let path = store.path("id", "json");
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&store.folder).unwrap().permissions().mode() & 0o777, 0o700);
        mode(&path, 0o640);
        assert!(store.peek("id").unwrap_err().text().ends_with("can be read by others"));
        mode(&path, 0o600);
        mode(&store.folder, 0o755);
        assert!(store.peek("id").unwrap().is_some(), "a hit needs the file alone");
        assert!(store.try_lock("id", 0).unwrap_err().text().ends_with("is open to others"));
        mode(&store.folder, 0o700);
        let elsewhere = root.path().join("elsewhere");
        fs::rename(&path, &elsewhere).unwrap();
        symlink(&elsewhere, &path).unwrap();
        assert!(store.peek("id").unwrap_err().text().contains("symbolic link"));
        fs::remove_file(store.path("id", "lock")).unwrap();
        symlink(&elsewhere, store.path("id", "lock")).unwrap();
        assert!(store.try_lock("id", 0).unwrap_err().text().contains("symbolic link"));
    }

    #[test]
    fn where_nothing_can_be_written_a_guard_knows_why() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("state"), "a file where a folder should be").unwrap();
        let store = Store { folder: root.path().join("state").join("sessions") };
        let mut guard = store.try_lock("id", 0).unwrap().unwrap();
        assert!(guard.reserve().unwrap_err().text().starts_with("cannot write "));
        assert!(guard.save().is_err());
    }
}
