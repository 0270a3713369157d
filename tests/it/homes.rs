//! The table of homes: who runs keyfob, in whose home, against what is read, kept and said. Each row of integrations/homes/README.md is
//! run here as that user, by setpriv and unshare: nobody is locked out, no file changes its owner, and nobody is told to give away or to
//! open somebody's files.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::PathBuf;

use crate::support::provider::{Endpoint, Manners, Provider};
use crate::support::sandbox::{Sandbox, Transcript, ask, copy_keyfob, run, workos};
use crate::support::system::mode;

/// The person whose home it is. No system has the number.
const ANN: u32 = 412_345;
/// What OpenShift and its like choose: a number that no file of users has, in root's group.
const RANDOM: u32 = 1_000_680_000;

/// What comes of a sign-in by a client.
#[derive(Clone, Copy, PartialEq)]
enum Comes {
    /// It is kept below this folder, by that user, and the next call is a hit.
    Kept(&'static str, u32),
    /// The client is let in for this once, and nothing is made.
    Once,
    /// Nothing is given, nobody is asked, and nothing is made.
    Nothing,
}

struct Row {
    /// As the page has it.
    who: &'static str,
    /// How the call is made. `$T` is the folder with the homes `ann` and `root`, `"$@"` the call.
    script: &'static str,
    /// Whether there is a configuration of ann's own; else there is one of root's for everybody.
    own: bool,
    comes: Comes,
    /// What is said to the client that is not served as ever; as the page has it.
    says: &'static str,
}

const NOT_KEPT: &str = "signed in for this once";
const NOT_HERS: &str = "this file belongs to somebody else";

const ROWS: &[Row] = &[
    Row {
        who: "a person",
        script: "exec setpriv --reuid 412345 --regid 412345 --clear-groups env HOME=$T/ann \"$@\"",
        own: true,
        comes: Comes::Kept("ann/.local/state", ANN),
        says: "",
    },
    Row {
        who: "root, or `sudo -H`",
        script: "exec env HOME=$T/root \"$@\"",
        own: false,
        comes: Comes::Kept("root/.local/state", 0),
        says: "",
    },
    Row {
        who: "`sudo -E`, or a `sudo` that keeps HOME",
        script: "exec env HOME=$T/ann \"$@\"",
        own: false,
        comes: Comes::Once,
        says: NOT_KEPT,
    },
    Row {
        who: "the same where the person has a configuration",
        script: "exec env HOME=$T/ann \"$@\"",
        own: true,
        comes: Comes::Nothing,
        says: NOT_HERS,
    },
    Row {
        who: "another user with that HOME (`sudo -u`, `su` without `-`)",
        script: "exec setpriv --reuid 412346 --regid 412346 --clear-groups env HOME=$T/ann \"$@\"",
        own: false,
        comes: Comes::Once,
        says: NOT_KEPT,
    },
    Row {
        who: "no HOME (systemd, cron), a user of /etc/passwd",
        script: "mount --bind $T/passwd /etc/passwd; exec setpriv --reuid 412345 --regid 412345 --clear-groups env -u HOME \"$@\"",
        own: true,
        comes: Comes::Kept("ann/.local/state", ANN),
        says: "",
    },
    Row {
        who: "no HOME, a user that is not in /etc/passwd",
        script: "exec setpriv --reuid 1000680000 --regid 0 --clear-groups env -u HOME \"$@\"",
        own: false,
        comes: Comes::Nothing,
        says: "no home folder is known",
    },
    Row {
        who: "a HOME that is no whole path",
        script: "exec setpriv --reuid 412345 --regid 412345 --clear-groups env HOME=ann \"$@\"",
        own: false,
        comes: Comes::Nothing,
        says: "no home folder is known",
    },
    Row {
        who: "HOME=/ (a container's random user)",
        script: "exec setpriv --reuid 1000680000 --regid 0 --clear-groups env HOME=/ \"$@\"",
        own: false,
        comes: Comes::Once,
        says: NOT_KEPT,
    },
    Row {
        who: "a random user, in a home of root's that root's group can write to",
        script: "chmod 770 $T/root; exec setpriv --reuid 1000680000 --regid 0 --clear-groups env HOME=$T/root \"$@\"",
        own: false,
        comes: Comes::Kept("root/.local/state", RANDOM),
        says: "",
    },
    Row {
        who: "a container's root over a home of another owner",
        script: "exec unshare --user --map-root-user env HOME=$T/ann \"$@\"",
        own: false,
        comes: Comes::Once,
        says: NOT_KEPT,
    },
    Row {
        who: "a person in a home that is read-only",
        script: "mount --bind $T/ann $T/ann; mount -o remount,bind,ro $T/ann; \
                 exec setpriv --reuid 412345 --regid 412345 --clear-groups env HOME=$T/ann \"$@\"",
        own: true,
        comes: Comes::Once,
        says: NOT_KEPT,
    },
];

/// Two homes and what runs in them.
struct Homes {
    provider: Provider,
    sandbox: Sandbox,
    root: tempfile::TempDir,
}

impl Homes {
    fn new() -> Self {
        let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        mode(root.path(), 0o755);
        copy_keyfob(&at("keyfob"));
        for (home, owner) in [("ann", ANN), ("root", 0)] {
            fs::create_dir(at(home)).unwrap();
            mode(&at(home), 0o755);
            chown(at(home), Some(owner), Some(owner)).unwrap();
        }
        let passwd =
            format!("root:x:0:0:root:{0}/root:/bin/sh\nann:x:{ANN}:{ANN}::{0}/ann:/bin/sh\n", root.path().display());
        fs::write(at("passwd"), passwd).unwrap();
        let profile = workos(&provider, "acme", "hosts = [\"git.acme.dev\"]");
        fs::write(at("everybody.toml"), &profile).unwrap();
        mode(&at("everybody.toml"), 0o644);
        Self { provider, sandbox: Sandbox::new(), root }
    }

    /// Gives ann a configuration of her own, as she would have it.
    fn configure_own(&self) {
        let folders = [".config", ".config/keyfob"].map(|folder| self.root.path().join("ann").join(folder));
        let file = folders[1].join("config.toml");
        folders.iter().for_each(|folder| fs::create_dir(folder).unwrap());
        fs::copy(self.root.path().join("everybody.toml"), &file).unwrap();
        for (path, bits) in folders.iter().map(|folder| (folder, 0o755)).chain([(&file, 0o644)]) {
            mode(path, bits);
            chown(path, Some(ANN), Some(ANN)).unwrap();
        }
    }

    fn call(&self, row: &Row, interactive: &str, args: &[&str], stdin: &str) -> Transcript {
        let mut command = self.sandbox.command("unshare");
        command.args(["--mount", "sh", "-ec", row.script, "sh"]).arg(self.root.path().join("keyfob")).args(args);
        for name in ["HOME", "KEYFOB_CONFIG", "KEYFOB_STATE_DIR", "CI"] {
            command.env_remove(name);
        }
        command.env("T", self.root.path()).env("KEYFOB_INTERACTIVE", interactive).current_dir(self.root.path());
        if !row.own {
            command.env("KEYFOB_CONFIG", self.root.path().join("everybody.toml"));
        }
        run(command, stdin)
    }

    /// Every file with its owner and group.
    fn owners(&self) -> BTreeMap<PathBuf, (u32, u32)> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.root.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let (path, meta) = entry.map(|entry| (entry.path(), entry.metadata().unwrap())).unwrap();
                if meta.is_dir() {
                    folders.push(path.clone());
                }
                found.insert(path, (meta.uid(), meta.gid()));
            }
        }
        found
    }
}

const LOGIN: &str = r#"{"ServerURL":"other.dev","Username":"ann","Secret":"hunter2"}"#;

fn can_be_run() -> bool {
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let tries =
        [&["unshare", "--mount", "--user", "--map-root-user", "true"][..], &["setpriv", "--reuid", "1", "true"]];
    let runs = |words: &&[&str]| {
        std::process::Command::new(words[0]).args(&words[1..]).output().is_ok_and(|output| output.status.success())
    };
    if is_root && tries.iter().all(runs) {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "needs root, setpriv, and unshare with namespaces");
    eprintln!("skipped: needs root, setpriv, and unshare with namespaces");
    false
}

fn assert_harmless(row: &Row, done: &Transcript) {
    // That of the program itself, which the doctor wants on PATH, is nobody's home.
    for bad in ["chown", "chmod", "make the folder writable", "panicked", "rt_secret"] {
        assert!(!done.stderr.contains(bad) && !done.stdout.contains(bad), "{}: {done:?}", row.who);
    }
}

/// What the page says of a row.
fn documented(row: &Row) -> String {
    let read = match (row.own, row.says) {
        (_, NOT_HERS) => "nothing",
        (true, _) => "the own configuration",
        (false, _) => "what is for everybody",
    };
    let kept = match row.comes {
        Comes::Kept(..) => "in that home",
        Comes::Once => "nothing; served for this once",
        Comes::Nothing => "nothing; not served",
    };
    let said = if row.says.is_empty() { "-" } else { row.says };
    format!("| {} | {read} | {kept} | {said} |", row.who)
}

#[test]
fn the_page_has_the_rows() {
    let page = include_str!("../../integrations/homes/README.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).skip(2).collect();
    assert_eq!(rows, ROWS.iter().map(documented).collect::<Vec<_>>());
}

#[test]
fn every_row_of_the_table_of_homes() {
    if !can_be_run() {
        return;
    }
    for row in ROWS {
        let homes = Homes::new();
        if row.own {
            homes.configure_own();
        }
        let before = homes.owners();
        let who = row.who;
        let served = |done: &Transcript| done.stdout.starts_with("username=");
        let git = |interactive: &str| homes.call(row, interactive, &["git", "get"], &ask("git.acme.dev"));

        // Whoever wants to be signed in is told before anybody is asked.
        let login = homes.call(row, "always", &["login", "acme"], "");
        let is_kept = matches!(row.comes, Comes::Kept(..));
        assert_eq!(
            (login.code == Some(0), homes.provider.count(Endpoint::Start)),
            (is_kept, usize::from(is_kept)),
            "{who}: {login:?}"
        );
        // A client is served where that can be.
        let first = git("always");
        assert_eq!(served(&first), row.comes != Comes::Nothing, "{who}: {first:?}");
        assert!(first.stderr.contains(row.says) && first.stderr.is_empty() == row.says.is_empty(), "{who}: {first:?}");
        let second = git("never");
        assert_eq!(served(&second), is_kept, "{who}: {second:?}");
        // What clients hand over, for a registry without a profile, and asking for what nobody has.
        let kept = homes.call(row, "never", &["docker", "store"], LOGIN);
        assert_eq!(kept.code == Some(0), is_kept, "{who}: {kept:?}");
        let given = homes.call(row, "never", &["docker", "get"], "other.dev");
        assert_eq!(given.stdout.contains("hunter2"), is_kept, "{who}: {given:?}");
        if row.says != NOT_HERS {
            let other = homes.call(row, "never", &["docker", "get"], "nobodys.dev");
            assert_eq!(other.stdout, "credentials not found in native keychain\n", "{who}: {other:?}");
        }
        let setup = homes.call(row, "never", &["setup", "git", "git.acme.dev", "--dry-run"], "");
        let doctor = homes.call(row, "never", &["doctor"], "");
        let status = homes.call(row, "never", &["status"], "");
        if row.says != NOT_KEPT {
            assert_harmless(row, &doctor);
        } else if row.comes == Comes::Once && !row.own {
            // What is root's, or a person's, is theirs to open; a folder of one's own may be opened.
            assert!(doctor.stdout.contains("point KEYFOB_STATE_DIR to a folder of your own"), "{who}: {doctor:?}");
            assert_harmless(row, &doctor);
        }
        for done in [setup, status, login, first, second, kept, given] {
            assert_harmless(row, &done);
        }

        let after = homes.owners();
        for (path, owners) in &before {
            assert_eq!(after.get(path), Some(owners), "{who}: {}", path.display());
        }
        let made: Vec<_> = after.iter().filter(|(path, _)| !before.contains_key(*path)).collect();
        match row.comes {
            Comes::Kept(below, owner) => {
                let below = homes.root.path().join(below).join("keyfob");
                assert!(after.contains_key(&below.join("sessions")), "{who}: {made:?}");
                assert!(
                    made.iter().all(
                        |(path, owners)| owners.0 == owner && (path.starts_with(&below) || below.starts_with(path))
                    ),
                    "{who}: {made:?}"
                );
            }
            Comes::Once | Comes::Nothing => assert!(made.is_empty(), "{who}: {made:?}"),
        }
        // Nobody is locked out: the person signs in afterwards, and logs in to a registry, as if nothing had been.
        let person = &Row { own: row.own, ..ROWS[0] };
        let signed_in = homes.call(person, "always", &["git", "get"], &ask("git.acme.dev"));
        assert!(
            served(&signed_in) && signed_in.stderr.lines().all(|line| !line.contains("cannot")),
            "{who}: {signed_in:?}"
        );
        assert_eq!(homes.call(person, "never", &["docker", "store"], LOGIN).code, Some(0), "{who}");
    }
}
