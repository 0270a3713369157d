//! Who could put something else in the place of a folder: whoever can write to one above it renames what is below. A session is
//! served from nowhere like that, and kept nowhere like that.

use std::path::Path;

use crate::error::Result;

/// Refuses a folder that is a link, and one that others could change or put another in the place of.
#[cfg_attr(not(unix), expect(clippy::unnecessary_wraps, reason = "there is nothing to refuse there"))]
pub(super) fn refuse_changeable(folder: &Path) -> Result<()> {
    #[cfg(unix)]
    unix::refuse_changeable(folder, false)?;
    let _ = folder;
    Ok(())
}

/// The same where a person may have linked it: the folder counts and every one above it, up to the root, and where links lead elsewhere
/// on the way, all above that as well. What is not there yet counts as well kept.
///
/// # Errors
///
/// The folder that is open, with what closes it.
#[cfg_attr(not(unix), expect(clippy::unnecessary_wraps, reason = "there is nothing to refuse there"))]
pub(super) fn refuse_changeable_way(folder: &Path) -> Result<()> {
    #[cfg(unix)]
    unix::refuse_changeable(folder, true)?;
    // On Windows the folder is below the person's own profile, whose access list the system keeps.
    let _ = folder;
    Ok(())
}

#[cfg(unix)]
mod unix {
    use std::fs::{self, Metadata};
    use std::os::unix::fs::MetadataExt;
    use std::path::{Component, Path, absolute};

    use crate::config::accounts;
    use crate::error::{Error, Kind, Result};
    use crate::mend::Mend;
    use crate::store::private::{AS_OWNER, link_error};

    /// Whom the kernel shows as the owner of what is nobody's inside a user namespace, root's files among them.
    const OVERFLOW: u32 = 65_534;

    /// `may_be_linked`: the folder itself may be a link, and not only those above it.
    pub(super) fn refuse_changeable(folder: &Path, may_be_linked: bool) -> Result<()> {
        let whole;
        let folder = if folder.is_absolute() {
            folder
        } else {
            whole = absolute(folder).unwrap_or_else(|_| folder.to_owned());
            &whole
        };
        if !walk(folder, may_be_linked)? {
            return Ok(());
        }
        // A person may have linked what is above it: where that leads counts as well.
        folder.canonicalize().map_or(Ok(()), |real| walk(&real, true).map(drop))
    }

    /// Looks at a folder and all above it, as they are named; whether a link or `..` is among them.
    fn walk(folder: &Path, may_be_linked: bool) -> Result<bool> {
        let me = rustix::process::geteuid().as_raw();
        let mut is_led_elsewhere = folder.components().any(|part| part == Component::ParentDir);
        let mut below = me;
        for step in folder.ancestors() {
            let Ok(meta) = fs::symlink_metadata(step) else { continue };
            if meta.is_symlink() {
                if !may_be_linked && step == folder {
                    return Err(link_error(folder));
                }
                is_led_elsewhere = true;
            } else {
                refuse(step, &meta, below, me)?;
            }
            below = meta.uid();
        }
        Ok(is_led_elsewhere)
    }

    /// `below` is the owner of what stands in it: where the sticky bit is set (`/tmp`), nobody else renames that.
    fn refuse(folder: &Path, meta: &Metadata, below: u32, me: u32) -> Result<()> {
        let error = |what: &str| {
            let what = format!("the folder {} {what}, who could put another session there", folder.display());
            Error::new(Kind::Broken, what)
        };
        if !is_trusted(meta.uid(), me) {
            return Err(error(&format!("belongs to another user (number {})", meta.uid())).hint(AS_OWNER));
        }
        let is_sticky = meta.mode() & 0o1000 != 0 && is_trusted(below, me);
        if is_sticky || !is_open(meta) {
            return Ok(());
        }
        let mend = Mend::run("chmod go-w").with(folder.display());
        let mend = if meta.uid() == me {
            mend
        } else {
            mend.lead("as its owner,").tail("; or point KEYFOB_STATE_DIR to a folder that others cannot change")
        };
        Err(error("can be changed by others").hint(mend))
    }

    /// Root's own group is as good as root.
    fn is_open(meta: &Metadata) -> bool {
        let is_roots_group_alone = meta.mode() & 0o002 == 0 && meta.gid() == 0;
        !is_roots_group_alone && accounts::others_can_write(meta)
    }

    /// Root and oneself; and inside a user namespace the one that root outside is shown as.
    fn is_trusted(owner: u32, me: u32) -> bool {
        owner == me || owner == 0 || owner == OVERFLOW && is_in_user_namespace()
    }

    /// Outside of any, every number is itself (`user_namespaces`(7)).
    fn is_in_user_namespace() -> bool {
        let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        !map.is_empty() && map.split_whitespace().ne(["0", "0", "4294967295"])
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use crate::store::ground::refuse_changeable;
        use std::os::unix::fs::{PermissionsExt, symlink};

        fn mode(path: &Path, mode: u32) {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }

        #[test]
        fn each_folder_on_the_way_counts_and_where_links_lead() {
            let root = tempfile::tempdir().unwrap();
            let at = |name: &str| root.path().join(name);
            let folder = at("a/b/sessions");
            fs::create_dir_all(&folder).unwrap();
            fs::create_dir_all(at("data/b/sessions")).unwrap();
            let told = |folder: &Path| refuse_changeable(folder).err().map(|error| error.text().clone());
            assert_eq!(told(&folder), None);
            assert_eq!(told(&at("not/there/yet")), None);
            for open in ["a", "a/b", "a/b/sessions"] {
                mode(&at(open), 0o777);
                let words = format!("the folder {} can be changed by others", at(open).display());
                assert!(told(&folder).unwrap().starts_with(&words));
                mode(&at(open), 0o1777);
                assert_eq!(told(&folder), None, "nobody else renames what is ours");
                mode(&at(open), 0o755);
            }
            symlink(at("data"), at("led")).unwrap();
            let led = at("led/b/sessions");
            assert_eq!(told(&led), None);
            mode(&at("data"), 0o777);
            assert!(told(&led).unwrap().contains("/data can be changed"));
            mode(&at("data"), 0o755);
            assert!(told(&at("a/../data/b/sessions")).is_none());
            symlink(at("data/b/sessions"), at("a/sessions")).unwrap();
            assert!(told(&at("a/sessions")).unwrap().contains("is a symbolic link"));
        }
    }
}
