//! Who else is in a group, by the system's own files: its user database is asked by plug-ins (NSS), which crash a static program.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Whether a group is its owner's alone: the one that many systems make for each user (umask 002 then lets "the group" write). It is the
/// primary group of that user and of nobody else, and lists no other member. Where the files do not tell, it is not.
fn is_of_one_alone(owner: u32, group: u32) -> bool {
    let read = |path: &str| fs::read_to_string(Path::new(path)).unwrap_or_default();
    is_alone(&read("/etc/passwd"), &read("/etc/group"), owner, group)
}

/// Whether somebody else than its owner may write to a file or folder.
pub(crate) fn others_can_write(meta: &fs::Metadata) -> bool {
    let mode = meta.mode();
    mode & 0o002 != 0 || (mode & 0o020 != 0 && !is_of_one_alone(meta.uid(), meta.gid()))
}

/// The home folder of the user who runs us, as programs look it up where `HOME` does not tell.
pub(super) fn home() -> Option<std::path::PathBuf> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    home_of(&passwd, rustix::process::getuid().as_raw()).map(std::path::PathBuf::from)
}

/// The first line that has the number counts (`getpwuid`(3)).
fn home_of(passwd: &str, user: u32) -> Option<&str> {
    let mut lines = passwd.lines().map(|line| line.split(':'));
    let mut fields = lines.find(|fields| fields.clone().nth(2).and_then(|number| number.parse().ok()) == Some(user))?;
    fields.nth(5).filter(|home| Path::new(home).is_absolute())
}

/// passwd(5) `name:password:UID:GID:...`, group(5) `name:password:GID:members`.
fn is_alone(passwd: &str, groups: &str, owner: u32, group: u32) -> bool {
    let field = |line: &str, index: usize| line.split(':').nth(index).map(str::to_owned).unwrap_or_default();
    let number = |line: &str, index: usize| field(line, index).parse::<u32>().ok();
    let users: Vec<&str> = passwd.lines().filter(|line| number(line, 3) == Some(group)).collect();
    let [only] = users[..] else { return false };
    let mut named = groups.lines().filter(|line| number(line, 2) == Some(group)).peekable();
    let name = field(only, 0);
    number(only, 2) == Some(owner)
        && named.peek().is_some()
        && named.all(|line| field(line, 3).split(',').all(|member| member.is_empty() || member == name))
}

#[cfg(test)]
mod tests {
    use super::{home_of, is_alone};

    #[test]
    fn a_home_is_the_sixth_field_of_the_first_line_with_the_number() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\n\nann:x:1000:1000:Ann,,,:/home/ann:/bin/sh\nalso:x:1000:1:::\n\
                      no:x:5:5::nowhere:\nshort:x:6\n";
        for (user, home) in [(0, Some("/root")), (1000, Some("/home/ann")), (5, None), (6, None), (7, None)] {
            assert_eq!(home_of(passwd, user), home, "{user}");
        }
    }

    #[test]
    fn a_group_is_its_owners_alone_where_nobody_else_is_in_it() {
        let passwd = "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\nbob:x:1001:1001::/:/bin/sh\n";
        let groups = "root:x:0:\nann:x:1000:ann\nbob:x:1001:ann\nusers:x:100:\n";
        for (owner, group, is) in
            [(1000, 1000, true), (1001, 1001, false), (1000, 1001, false), (1000, 100, false), (7, 7, false)]
        {
            assert_eq!(is_alone(passwd, groups, owner, group), is, "{owner} {group}");
        }
        assert!(!is_alone(&passwd.replace("1001:1001", "1001:1000"), groups, 1000, 1000), "another has it as well");
        assert!(!is_alone(passwd, "", 1000, 1000) && !is_alone("", groups, 1000, 1000), "nothing tells");
    }
}
