//! Files that are a person's own: 0600 in a 0700 folder, opened without following links and checked after opening, so that
//! nobody can swap what was checked for something else; replaced whole, by rename.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::ground;
use super::lock::{Attempt, Lock};
use crate::clock::{self, Timestamp};
use crate::error::{Error, Kind, Result};
use crate::mend::Mend;

/// No file of ours is larger; something that is, is none.
pub(super) const SIZE_LIMIT: u64 = 1 << 20;

/// How exactly the last use of a file is known: nothing is written for one that was used since.
const USE: Duration = Duration::from_hours(1);

/// `O_NOFOLLOW`, and `O_NONBLOCK`: to open a pipe that nobody has the other end of would take for ever, and to a plain file
/// it makes no difference.
#[cfg(unix)]
#[expect(clippy::cast_possible_wrap, reason = "a set of bits")]
const NO_FOLLOW: i32 = rustix::fs::OFlags::NOFOLLOW.union(rustix::fs::OFlags::NONBLOCK).bits() as i32;

/// `O_NONBLOCK`, for the same reason.
#[cfg(unix)]
#[expect(clippy::cast_possible_wrap, reason = "a set of bits")]
const NO_WAIT: i32 = rustix::fs::OFlags::NONBLOCK.bits() as i32;

/// What came of taking a lock.
#[derive(Debug)]
pub(super) enum Taken {
    Lock(Lock),
    Held,
    /// Nothing can be written here; why.
    Unwritable(String),
}

/// A file that was read, still open.
#[derive(Debug)]
pub(super) struct Opened {
    file: File,
    modified: Option<SystemTime>,
}

impl Opened {
    /// Notes a use in the file's own time, at most once an hour. That it cannot be noted changes nothing.
    pub(super) fn used(&self, now: Timestamp) {
        let now = clock::system_time(now);
        let is_old = |modified: SystemTime| now.duration_since(modified).is_ok_and(|age| age > USE);
        if self.modified.is_some_and(is_old) {
            let _ = self.file.set_modified(now);
        }
    }
}

/// How something is kept on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) path: PathBuf,
    /// The permission bits, where the system has such.
    pub(crate) mode: Option<u32>,
    pub(crate) changed_at: Timestamp,
}

/// How the file at `path` is kept, if there is one.
pub(super) fn stored(path: PathBuf) -> Option<Stored> {
    let meta = fs::symlink_metadata(&path).ok()?;
    #[cfg(unix)]
    let mode = Some(std::os::unix::fs::MetadataExt::mode(&meta) & 0o7777);
    #[cfg(not(unix))]
    let mode = None;
    Some(Stored { path, mode, changed_at: clock::timestamp(meta.modified().ok()?) })
}

/// Reads a file whole; `None` where there is none. Larger than a megabyte it comes as its first megabyte and a byte.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    read_up_to(path, SIZE_LIMIT)
}

/// The same for what is served, with the file it was read from: nobody else may be able to put another in its place.
pub(super) fn read_with_file(path: &Path) -> Result<Option<(Vec<u8>, Opened)>> {
    let read = read_open(path, SIZE_LIMIT)?;
    if read.is_some() {
        ground::refuse_changeable(path.parent().unwrap_or(path))?;
    }
    Ok(read)
}

/// Reads a file whole; `None` where there is none. Larger than `limit` it comes as that many bytes and one.
pub(super) fn read_up_to(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    Ok(read_open(path, limit)?.map(|(bytes, _)| bytes))
}

fn read_open(path: &Path, limit: u64) -> Result<Option<(Vec<u8>, Opened)>> {
    let unreadable = |error| Error::broken(format!("cannot read {}", path.display()), error);
    let file = match open(OpenOptions::new().read(true), path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) if is_link(&error) => return Err(link_error(path)),
        Err(error) => return Err(unreadable(error)),
    };
    let meta = refuse_open_file(&file, path)?;
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len().min(limit)).unwrap_or(0) + 1);
    (&file).take(limit + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(Some((bytes, Opened { file, modified: meta.modified().ok() })))
}

/// Looks at a file as [`read`] does, and reads nothing.
pub(super) fn examine(path: &Path) -> Result<()> {
    match open(OpenOptions::new().read(true), path) {
        Ok(file) => refuse_open_file(&file, path).map(drop),
        Err(error) if is_link(&error) => Err(link_error(path)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::broken(format!("cannot read {}", path.display()), error)
            .hint(Mend::run("chmod 600").with(path.display()))),
    }
}

/// Whether bytes that [`read`] returned are all of a file.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    bytes.len() as u64 <= SIZE_LIMIT
}

/// Tries once to take the lock at `path`, whose folder is made where it is missing.
pub(super) fn take(path: &Path) -> Result<Taken> {
    let folder = path.parent().unwrap_or(path);
    // Before anything is made in it: run once as another user, we would leave a lock that its owner cannot open.
    if folder.exists() {
        refuse_open_folder(folder)?;
        ground::refuse_changeable(folder)?;
    } else if let Err(error) = ground::refuse_changeable_way(folder) {
        // Nothing is made there, and what a client asks for is served for this once.
        let mend = error.mend().map(Mend::words).unwrap_or_default();
        return Ok(Taken::Unwritable(format!("{}; {mend}", error.text())));
    }
    take_in_shared(path)
}

/// The same in a folder that others may look into.
pub(super) fn take_in_shared(path: &Path) -> Result<Taken> {
    let lock_file = || open(OpenOptions::new().read(true).write(true).create(true).truncate(false), path);
    match in_folder(path, lock_file).and_then(Lock::attempt) {
        // Somebody removed the file between its opening and its locking: whoever comes next would lock another.
        Ok(Attempt::Taken(lock)) if !lock.is_at(path) => Ok(Taken::Held),
        Ok(Attempt::Taken(lock)) => Ok(Taken::Lock(lock)),
        Ok(Attempt::Held) => Ok(Taken::Held),
        Err(error) if is_link(&error) => Err(link_error(path)),
        Err(error) if is_unwritable(&error) => {
            Ok(Taken::Unwritable(format!("cannot write {}: {error}", path.display())))
        }
        Err(error) => Err(Error::broken(format!("cannot lock {}", path.display()), error)),
    }
}

/// A new file at `path`. What a crash left there, or somebody planted, is removed and not written into.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let new = || open(OpenOptions::new().write(true).create_new(true), path);
    match new() {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            new()
        }
        result => result,
    }
}

/// Writes a file whose loss costs nothing: no lock, no fsync, whoever comes last wins.
pub(super) fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    in_folder(path, || open(OpenOptions::new().write(true).create(true).truncate(true), path))?.write_all(bytes)
}

/// Opens a file to add to, which is made where it is missing.
pub(crate) fn append(path: &Path) -> Result<File> {
    match open(OpenOptions::new().append(true).create(true), path) {
        Ok(file) => refuse_open_file(&file, path).map(|_| file),
        Err(error) if is_link(&error) => Err(link_error(path)),
        Err(error) => Err(Error::broken(format!("cannot write to {}", path.display()), error)),
    }
}

/// Opens a file of another program to read it, behind all links. Pipes and devices are none.
pub(crate) fn open_plain(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, NO_WAIT);
    let file = options.open(path)?;
    let kind = file.metadata()?.file_type();
    match kind.is_file() {
        true => Ok(file),
        false if kind.is_dir() => Err(ErrorKind::IsADirectory.into()),
        false => Err(io::Error::other("it is no plain file")),
    }
}

/// Makes an empty file; whether it was not there before.
pub(super) fn claim(path: &Path) -> io::Result<bool> {
    match in_folder(path, || open(OpenOptions::new().write(true).create_new(true), path)) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        file => file.map(|_| true),
    }
}

/// Opens a file, making its folder where that is missing.
fn in_folder(path: &Path, file: impl Fn() -> io::Result<File>) -> io::Result<File> {
    match file() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            make_folder(path.parent().unwrap_or(path))?;
            file()
        }
        file => file,
    }
}

/// Puts `bytes` in the place of the file at `path` so that after a crash at any moment there is the old one or the new
/// one: `file`, which is new at `temporary`, fsync, rename, fsync of the folder.
pub(super) fn replace(path: &Path, temporary: &Path, mut file: File, bytes: &[u8]) -> io::Result<()> {
    file.rewind()?;
    file.write_all(bytes)?;
    file.set_len(bytes.len() as u64)?;
    file.sync_all()?;
    drop(file);
    fs::rename(temporary, path)?;
    sync_folder(path.parent().unwrap_or(path))
}

/// A rename or a removal is on the disk once its folder is.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Said when something cannot be saved.
pub(super) fn cannot_save(folder: &Path, error: io::Error) -> Error {
    Error::broken("cannot save", anyhow::Error::new(error).context(format!("in {}", folder.display())))
        .hint(Mend::make_room())
}

fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600).custom_flags(NO_FOLLOW);
    }
    options.open(path)
}

/// What somebody does who is not the owner: nobody is told to give away or to take over another's files.
#[cfg(unix)]
pub(super) const AS_OWNER: &str =
    "run keyfob as its owner (not by sudo), or point KEYFOB_STATE_DIR to a folder of your own";

/// Makes a folder that is nobody else's, with whatever is missing above it. Never below one of somebody else (`sudo` with a
/// person's HOME): they could not open what is theirs to use.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        let me = rustix::process::geteuid().as_raw();
        if let Some(owner) = owner_above(folder).filter(|owner| *owner != me && *owner != 0) {
            let what = format!("it would be made in a folder of another user (number {owner})");
            return Err(io::Error::new(ErrorKind::PermissionDenied, what));
        }
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Who owns a folder, or the first above it that is there.
#[cfg(unix)]
fn owner_above(folder: &Path) -> Option<u32> {
    let meta = folder.ancestors().find_map(|above| above.metadata().ok())?;
    Some(std::os::unix::fs::MetadataExt::uid(&meta))
}

/// What makes a folder fit to be written to, for its owner alone: of somebody else's nobody is told to open it.
pub(super) fn make_writable(folder: &Path) -> Mend {
    #[cfg(unix)]
    if owner_above(folder) != Some(rustix::process::geteuid().as_raw()) {
        return AS_OWNER.into();
    }
    Mend::run("chmod u+rwx").with(folder.display()).lead("make room or make the folder writable:")
}

fn is_unwritable(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::StorageFull
            | ErrorKind::QuotaExceeded
            | ErrorKind::NotADirectory
            | ErrorKind::AlreadyExists
    )
}

#[cfg(unix)]
fn is_link(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

#[cfg(not(unix))]
fn is_link(_error: &io::Error) -> bool {
    false
}

pub(super) fn link_error(path: &Path) -> Error {
    Error::new(Kind::Broken, format!("{} is a symbolic link, and keyfob follows none there", path.display()))
        .hint(Mend::run("rm").with(path.display()))
}

/// Checks an open file: a plain one of ours that nobody else can read. Returns what the system knows of it.
fn refuse_open_file(file: &File, path: &Path) -> Result<fs::Metadata> {
    let meta = file.metadata().map_err(|error| Error::broken(format!("cannot look at {}", path.display()), error))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let refuse = |what: &str, mend: Mend| {
            let what = format!("{} {what}", path.display());
            Err(Error::new(Kind::Broken, what).hint(mend))
        };
        if !meta.is_file() {
            return refuse("is no plain file", format!("remove {}", path.display()).into());
        }
        let me = rustix::process::geteuid().as_raw();
        if meta.uid() != me {
            return refuse("belongs to somebody else", AS_OWNER.into());
        }
        if meta.mode() & 0o077 != 0 {
            return refuse("can be read by others", Mend::run("chmod 600").with(path.display()));
        }
    }
    // On Windows the folder is below the person's own profile, whose access list the system keeps.
    Ok(meta)
}

/// A folder of ours that is closed to everybody else.
#[cfg_attr(not(unix), expect(clippy::unnecessary_wraps, reason = "there is nothing to refuse there"))]
pub(super) fn refuse_open_folder(folder: &Path) -> Result<()> {
    #[cfg(unix)]
    refuse_folder(folder)?;
    let _ = folder;
    Ok(())
}

#[cfg(unix)]
fn refuse_folder(folder: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let meta = fs::symlink_metadata(folder)
        .map_err(|error| Error::broken(format!("cannot look at {}", folder.display()), error))?;
    if meta.is_symlink() {
        return Err(link_error(folder));
    }
    let error = |what: &str| Error::new(Kind::Broken, format!("the folder {} {what}", folder.display()));
    let me = rustix::process::geteuid().as_raw();
    if meta.uid() != me {
        return Err(error("belongs to somebody else").hint(AS_OWNER));
    }
    if meta.mode() & 0o077 != 0 {
        return Err(error("is open to others").hint(Mend::run("chmod 700").with(folder.display())));
    }
    Ok(())
}
