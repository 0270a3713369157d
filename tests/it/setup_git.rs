use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use crate::support::sandbox::{Sandbox, Transcript, begin, finish, run};

const PROFILE: &str = "[profile.acme]\nprovider = \"workos\"\nclient_id = \"c\"\n";

/// A home with the profile `acme` for these hosts.
fn home(hosts: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.configure(&format!("{PROFILE}hosts = [{hosts}]\n"));
    sandbox
}

fn gitconfig(sandbox: &Sandbox) -> PathBuf {
    sandbox.home().join(".gitconfig")
}

/// Runs `keyfob setup git` and wants it to succeed.
fn setup(sandbox: &Sandbox, args: &[&str]) -> String {
    let done = sandbox.run(&[&["setup", "git"], args].concat(), "");
    assert_eq!((done.stderr.as_str(), done.code), ("", Some(0)), "{args:?} {done:?}");
    done.stdout.replace(sandbox.home().to_str().unwrap(), "~").replace(bin(sandbox).to_str().unwrap(), "/bin")
}

/// The folder on PATH that keyfob is in.
fn bin(sandbox: &Sandbox) -> PathBuf {
    sandbox.home().parent().unwrap().join("bin")
}

/// The helper that git is given.
fn helper(sandbox: &Sandbox) -> String {
    format!("{}/keyfob git", bin(sandbox).display())
}

fn git(sandbox: &Sandbox, args: &[&str], stdin: &str) -> Transcript {
    let mut command = sandbox.command("git");
    command.args(args);
    run(command, stdin)
}

/// What git itself reads from the file: every key with its value, in order.
fn listed(sandbox: &Sandbox) -> Vec<String> {
    let done = git(sandbox, &["config", "--global", "-z", "--list"], "");
    done.stdout.split_terminator('\0').map(str::to_owned).collect()
}

/// Files that people have: odd indentation, tabs, comments, line ends, no final newline, sections of ours already.
const ODD: &[&str] = &[
    "",
    "\n\n",
    "# nothing but a comment",
    "[user]\n\tname = Ann\n",
    "[user]\n\tname = Ann",
    "\u{feff}[user]\n\tname = Ann\n",
    "[user]\r\n   name = Ann ; she\r\n\r\n",
    "  [user]   name=Ann\n\t\t\temail = \"a # b\" # c\n\n[alias]\nx = \"!f() { \\\n  echo \\\"y\\\"; \\\n}; f\"",
    "[credential]\n\thelper = store",
    "[credential \"https://git.acme.dev\"]\n\thelper = store\n\tusername = ann\n[core]\n\teditor = vi\n",
    "[credential \"https://git.acme.dev\"]\n[core]\n\teditor = vi",
    "[credential \"https://git.acme.dev\"]\n\thelper = store\n[credential]\n\thelper = cache\n",
    "[credential \"https://git.acme.dev\"] # mine\n\n\n\thelper =\n\thelper = store\n; end",
    "[CREDENTIAL \"https://other.dev\"]\n\tHELPER = \"\"\n\thelper = \"with \\\"quotes\\\"\"\n[include]\n\tpath = missing.inc\n",
];

/// Lines like ours that a person wrote are theirs, for a host that is set up as well.
#[test]
fn what_a_person_wrote_stays() {
    let text = "[credential \"https://hand.dev\"]\n\thelper = \n\thelper = keyfob\n[credential \"https://git.acme.dev\"]\n\thelper = \
                keyfob\n\tuseHttpPath = true\n[credential]\n\thelper = cache\n";
    let sandbox = home("\"git.acme.dev\", \"https://git.acme.dev/team\"");
    fs::write(gitconfig(&sandbox), text).unwrap();
    assert!(
        setup(&sandbox, &["--undo"]).starts_with("~/.gitconfig: nothing to take out\n  https://hand.dev: what names")
    );
    assert_eq!(fs::read_to_string(gitconfig(&sandbox)).unwrap(), text);
    setup(&sandbox, &[]);
    let with = fs::read_to_string(gitconfig(&sandbox)).unwrap();
    assert!(with.starts_with(text) && with.len() > text.len(), "{with}");
    fs::write(gitconfig(&sandbox), format!("{with}[user]\n\tname = Ann\n")).unwrap();
    setup(&sandbox, &["--undo"]);
    assert_eq!(fs::read_to_string(gitconfig(&sandbox)).unwrap(), format!("{text}[user]\n\tname = Ann\n"));
}

#[test]
fn set_up_twice_and_undone_to_the_byte() {
    for text in ODD {
        let sandbox = home("\"git.acme.dev\", \"https://git.acme.dev/team\", \"*.corp.dev\"");
        fs::write(gitconfig(&sandbox), text).unwrap();
        let before = listed(&sandbox);
        let dry = setup(&sandbox, &["--dry-run"]);
        assert_eq!(fs::read_to_string(gitconfig(&sandbox)).unwrap(), *text, "a dry run changes nothing");
        assert!(!sandbox.state().exists(), "nor does it leave anything");
        let wet = setup(&sandbox, &[]);
        assert_eq!(dry.replace("would be changed", "changed"), wet, "{text:?}");
        let after = fs::read(gitconfig(&sandbox)).unwrap();
        let with_ours = listed(&sandbox);
        for theirs in &before {
            assert!(with_ours.contains(theirs), "{text:?}: {theirs}");
        }
        assert!(setup(&sandbox, &[]).contains("~/.gitconfig: nothing to change\n"), "{text:?}");
        assert_eq!(fs::read(gitconfig(&sandbox)).unwrap(), after);
        assert_eq!(setup(&sandbox, &["--undo"]), "~/.gitconfig: as it was before\n");
        assert_eq!(fs::read_to_string(gitconfig(&sandbox)).unwrap(), *text);
        assert_eq!(setup(&sandbox, &["--undo"]), "~/.gitconfig: nothing to take out\n");
    }
}

#[test]
fn what_others_change_meanwhile_stays() {
    for text in ODD {
        let sandbox = home("\"git.acme.dev\", \"https://git.acme.dev/team\"");
        fs::write(gitconfig(&sandbox), text).unwrap();
        let theirs = |sandbox: &Sandbox| {
            git(sandbox, &["config", "--global", "color.ui", "never"], "");
            git(sandbox, &["config", "--global", "--add", "credential.https://git.acme.dev.username", "bob"], "");
        };
        theirs(&sandbox);
        let wanted = listed(&sandbox);
        fs::write(gitconfig(&sandbox), text).unwrap();
        setup(&sandbox, &[]);
        theirs(&sandbox);
        setup(&sandbox, &["--undo"]);
        let mut left = listed(&sandbox);
        let mut wanted = wanted;
        left.sort();
        wanted.sort();
        assert_eq!(left, wanted, "{text:?}");
    }
}

#[test]
fn a_file_that_was_not_there_is_gone_again() {
    let sandbox = home("\"git.acme.dev\"");
    let said = setup(&sandbox, &[]);
    assert_eq!(
        said,
        "~/.gitconfig: changed\n  \
         git config --global --add credential.https://git.acme.dev.helper ''\n  \
         git config --global --add credential.https://git.acme.dev.helper '/bin/keyfob git'\n\
         https://git.acme.dev: git asks keyfob alone\n"
    );
    assert_eq!(
        fs::read_to_string(gitconfig(&sandbox)).unwrap(),
        format!("[credential \"https://git.acme.dev\"]\n\thelper = \n\thelper = {}\n", helper(&sandbox))
    );
    assert_eq!(setup(&sandbox, &["--undo"]), "~/.gitconfig: removed, as there was none before\n");
    assert!(!gitconfig(&sandbox).exists());
    let path = sandbox.home().join("deep/er/gitconfig");
    let with = |args: &[&str]| {
        let mut command = sandbox.keyfob(&[&["setup", "git"], args].concat());
        command.env("GIT_CONFIG_GLOBAL", &path);
        assert_eq!(run(command, "").code, Some(0));
    };
    with(&[]);
    assert!(path.exists());
    with(&["--undo"]);
    assert!(!sandbox.home().join("deep").exists(), "its folders as well");
}

#[test]
fn the_other_file_of_gits_where_it_is_the_only_one() {
    let sandbox = home("\"git.acme.dev\"");
    let other = sandbox.home().join(".config/git/config");
    fs::create_dir_all(other.parent().unwrap()).unwrap();
    fs::write(&other, "[user]\n\tname = Ann\n").unwrap();
    assert!(setup(&sandbox, &[]).starts_with("~/.config/git/config: changed\n"));
    assert!(!gitconfig(&sandbox).exists());
}

#[test]
fn behind_links_and_with_its_mode() {
    let sandbox = home("\"git.acme.dev\"");
    let real = sandbox.home().join("dotfiles/git");
    fs::create_dir(real.parent().unwrap()).unwrap();
    fs::write(&real, "[user]\n\tname = Ann").unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("dotfiles/git", gitconfig(&sandbox)).unwrap();
    setup(&sandbox, &[]);
    assert!(gitconfig(&sandbox).is_symlink());
    assert!(fs::read_to_string(&real).unwrap().ends_with("/keyfob git\n"));
    setup(&sandbox, &["--undo"]);
    assert!(gitconfig(&sandbox).is_symlink());
    assert_eq!(fs::read_to_string(&real).unwrap(), "[user]\n\tname = Ann");
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn two_hosts_one_after_the_other() {
    for (first, second) in [("a.dev", "b.dev"), ("b.dev", "a.dev")] {
        let sandbox = home("\"a.dev\", \"b.dev\"");
        fs::write(gitconfig(&sandbox), "[user]\n\tname = Ann").unwrap();
        setup(&sandbox, &["a.dev"]);
        setup(&sandbox, &["b.dev"]);
        setup(&sandbox, &["--undo", first]);
        let left = fs::read_to_string(gitconfig(&sandbox)).unwrap();
        assert!(left.contains(second) && !left.contains(first), "{left}");
        setup(&sandbox, &["--undo", second]);
        assert_eq!(fs::read_to_string(gitconfig(&sandbox)).unwrap(), "[user]\n\tname = Ann");
    }
}

/// Whom git asks and what it tells them is seen from git itself.
#[test]
fn git_asks_keyfob_alone_and_tells_the_path_where_it_counts() {
    let sandbox = home("\"git.acme.dev\", \"https://git.acme.dev/team\", \"*.corp.dev\"");
    // Others before and after, and one that a person put below ours.
    let spy = sandbox.home().join("spy");
    fs::write(&spy, "#!/bin/sh\necho \"spy $1\" >&2\n").unwrap();
    fs::set_permissions(&spy, fs::Permissions::from_mode(0o755)).unwrap();
    let other = format!("[credential]\n\thelper = {}\n", spy.display());
    fs::write(gitconfig(&sandbox), &other).unwrap();
    setup(&sandbox, &[]);
    let text = fs::read_to_string(gitconfig(&sandbox)).unwrap();
    fs::write(gitconfig(&sandbox), format!("{text}{other}")).unwrap();
    let fill = |url: &str| {
        let mut command = sandbox.command("git");
        command.args(["credential", "fill"]).env("GIT_TRACE", "1").env("GIT_TERMINAL_PROMPT", "0");
        run(command, &format!("url={url}\n\n")).stderr
    };
    assert!(fill("https://other.dev/x").contains("spy get"));
    assert!(setup(&sandbox, &[]).contains("as sections of their own at its end"));
    for url in ["https://git.acme.dev/x", "https://git.acme.dev/team/x", "https://a.corp.dev/x"] {
        let seen = fill(url);
        assert!(seen.contains(&format!("{} get", helper(&sandbox))), "{seen}");
        assert!(!seen.contains("spy get"), "{url}: {seen}");
    }
    let key = |url: &str| git(&sandbox, &["config", "--get-urlmatch", "credential.useHttpPath", url], "").stdout;
    assert_eq!(key("https://git.acme.dev/team/x"), "true\n");
    assert_eq!(key("https://git.acme.dev/x"), "");
    setup(&sandbox, &["--undo"]);
    assert_eq!(fs::read_to_string(gitconfig(&sandbox)).unwrap(), format!("{other}{other}"));
}

#[test]
fn a_repository_that_brings_another_helper_back_is_told() {
    let sandbox = home("\"git.acme.dev\"");
    fs::write(gitconfig(&sandbox), "[credential]\n\thelper = \"!f() { echo password=hunter2; }; f\"\n").unwrap();
    git(&sandbox, &["init", "--quiet", "."], "");
    git(&sandbox, &["config", "credential.helper", "store --file x"], "");
    for args in [&["--dry-run"][..], &[]] {
        let said = setup(&sandbox, args);
        let end = said.split_once("https://git.acme.dev: git asks").unwrap().1;
        assert_eq!(
            end,
            " keyfob, and no longer a shell command (~/.gitconfig)\n\
             https://git.acme.dev: store sees the token as well, because .git/config names it after keyfob\n  \
             to keep the token from it: git config --file .git/config --add credential.https://git.acme.dev.helper '' \
             && git config --file .git/config --add credential.https://git.acme.dev.helper '/bin/keyfob git'\n"
        );
    }
    let mend = ["config", "--file", ".git/config", "--add", "credential.https://git.acme.dev.helper"];
    git(&sandbox, &[&mend[..], &[""]].concat(), "");
    git(&sandbox, &[&mend[..], &[helper(&sandbox).as_str()]].concat(), "");
    assert!(setup(&sandbox, &[]).contains("git asks keyfob alone, and no longer"));
}

#[test]
fn hosts_that_nobody_answers_for_are_refused() {
    let sandbox = home("\"git.acme.dev\", \"https://x.dev/team\", \"*.corp.dev\"");
    let config = sandbox.config().display().to_string();
    for (host, shown) in [
        ("github.com", "github.com"),
        ("x.dev", "x.dev"),
        ("a.b.corp.dev", "a.b.corp.dev"),
        ("*.acme.dev", "*.acme.dev"),
    ] {
        let done = sandbox.run(&["setup", "git", host], "");
        assert_eq!(done.code, Some(1), "{done:?}");
        assert_eq!(
            done.stderr,
            format!(
                "keyfob: no profile answers for {shown}\n\
                 keyfob: hint: add \"{shown}\" to hosts of [profile.acme] in {config}\n"
            )
        );
    }
    assert!(!gitconfig(&sandbox).exists());
    for host in ["git.acme.dev", "a.corp.dev", "*.corp.dev", "https://x.dev/team/deep"] {
        setup(&sandbox, &[host]);
    }
    sandbox.configure(&format!("{PROFILE}hosts = [\"a.dev\"]\n{}", PROFILE.replace("acme", "other")));
    assert!(sandbox.run(&["setup", "git"], "").stderr.starts_with("keyfob: which profile?\n"));
    let done = sandbox.run(&["setup", "git", "a.dev", "--profile", "other"], "");
    assert!(done.stderr.starts_with("keyfob: the profile other does not answer for a.dev\n"), "{done:?}");
    let done = sandbox.run(&["setup", "git", "--profile", "other"], "");
    assert!(done.stderr.starts_with("keyfob: the profile other has no hosts\n"), "{done:?}");
}

#[test]
fn a_folder_or_a_file_that_cannot_be_written_is_told() {
    let sandbox = home("\"git.acme.dev\"");
    fs::write(gitconfig(&sandbox), "[user]\n\tname = Ann\n").unwrap();
    let lock = sandbox.home().join(".gitconfig.lock");
    fs::write(&lock, "").unwrap();
    let done = sandbox.run(&["setup", "git"], "");
    let home = sandbox.home().display().to_string();
    assert_eq!(
        (done.code, done.stderr.as_str()),
        (
            Some(1),
            &*format!(
                "keyfob: another program edits {home}/.gitconfig\n\
                 keyfob: hint: wait for it; if none does, run: rm {home}/.gitconfig.lock\n"
            )
        )
    );
    fs::remove_file(&lock).unwrap();
    fs::write(gitconfig(&sandbox), "[user\n").unwrap();
    let done = sandbox.run(&["setup", "git"], "");
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.starts_with("keyfob: git's configuration cannot be read from line 1 on\n"), "{done:?}");
    assert_eq!(fs::read_to_string(gitconfig(&sandbox)).unwrap(), "[user\n");
    // A folder that takes no new file, for root as well.
    let path = PathBuf::from("/proc/keyfob/config");
    let mut command = sandbox.keyfob(&["setup", "git"]);
    command.env("GIT_CONFIG_GLOBAL", &path);
    let done = run(command, "");
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.starts_with("keyfob: cannot write /proc/keyfob/config: "), "{done:?}");
    assert!(done.stderr.contains("what --dry-run prints"), "{done:?}");
}

#[test]
fn several_at_once_lose_nothing() {
    let hosts: Vec<String> = (0..8).map(|number| format!("h{number}.dev")).collect();
    let sandbox = home(&hosts.iter().map(|host| format!("\"{host}\"")).collect::<Vec<_>>().join(", "));
    fs::write(gitconfig(&sandbox), "[user]\n\tname = Ann").unwrap();
    // Each twice: what the other has put there already is not put there again.
    let children: Vec<_> =
        hosts.iter().chain(&hosts).map(|host| begin(sandbox.keyfob(&["setup", "git", host]), "")).collect();
    for child in children {
        let done = finish(child);
        assert_eq!(done.code, Some(0), "{done:?}");
    }
    let text = fs::read_to_string(gitconfig(&sandbox)).unwrap();
    for host in &hosts {
        assert_eq!(
            text.matches(&format!("\"https://{host}\"]\n\thelper = \n\thelper = {}\n", helper(&sandbox))).count(),
            1,
            "{text}"
        );
    }
    assert_eq!(text.matches("keyfob").count(), hosts.len(), "{text}");
    setup(&sandbox, &["--undo"]);
    assert_eq!(fs::read_to_string(gitconfig(&sandbox)).unwrap(), "[user]\n\tname = Ann");
}

#[test]
fn the_link_is_made_beside_the_program_and_taken_back() {
    let sandbox = home("\"git.acme.dev\"");
    let bin = bin(&sandbox);
    let link = bin.join("git-credential-keyfob");
    // One that was there before is not ours to take away.
    setup(&sandbox, &["--bare"]);
    setup(&sandbox, &["--undo"]);
    assert!(link.exists());
    fs::remove_file(&link).unwrap();
    // Only the bare name needs it.
    setup(&sandbox, &[]);
    setup(&sandbox, &["--undo"]);
    assert!(!link.is_symlink());
    let dry = setup(&sandbox, &["--bare", "--dry-run"]);
    assert!(dry.contains("  ln -s keyfob /bin/git-credential-keyfob\n") && dry.contains(".helper keyfob\n"), "{dry}");
    assert!(!link.is_symlink());
    assert!(setup(&sandbox, &["--bare"]).starts_with("/bin/git-credential-keyfob: made\n"));
    assert_eq!(fs::read_link(&link).unwrap(), PathBuf::from("keyfob"));
    assert!(fs::read_to_string(gitconfig(&sandbox)).unwrap().ends_with("helper = keyfob\n"));
    assert!(setup(&sandbox, &["--undo"]).ends_with("/bin/git-credential-keyfob: removed\n"));
    assert!(!link.is_symlink() && bin.join("keyfob").exists());
    // Another program of that name stays, and is told.
    fs::write(&link, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&link, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(setup(&sandbox, &["--bare"]).starts_with("/bin/git-credential-keyfob is another program than this one"));
    setup(&sandbox, &["--undo"]);
    assert_eq!(fs::read_to_string(&link).unwrap(), "#!/bin/sh\n");
}

/// What an earlier set-up wrote by name is written with its path by the next, also where others have changed the file since; and
/// whoever wants the bare name gets it back.
#[test]
fn set_up_again_an_earlier_entry_is_mended() {
    for others in ["", "[alias]\n\tst = status\n"] {
        let sandbox = home("\"git.acme.dev\", \"https://git.acme.dev/team\"");
        fs::write(gitconfig(&sandbox), "[user]\n\tname = Ann\n").unwrap();
        setup(&sandbox, &["--bare"]);
        let text = fs::read_to_string(gitconfig(&sandbox)).unwrap();
        fs::write(gitconfig(&sandbox), format!("{text}{others}")).unwrap();
        let dry = setup(&sandbox, &["--dry-run"]);
        assert!(dry.contains("  without what an earlier setup put there for https://git.acme.dev\n"), "{dry}");
        assert_eq!(setup(&sandbox, &[]), dry.replace("would be changed", "changed"));
        let text = fs::read_to_string(gitconfig(&sandbox)).unwrap();
        assert_eq!(
            (text.matches(&helper(&sandbox)).count(), text.matches("helper = keyfob").count()),
            (2, 0),
            "{text}"
        );
        assert!(setup(&sandbox, &[]).starts_with("~/.gitconfig: nothing to change\n"));
        setup(&sandbox, &["--bare"]);
        let text = fs::read_to_string(gitconfig(&sandbox)).unwrap();
        assert_eq!(
            (text.matches(&helper(&sandbox)).count(), text.matches("helper = keyfob").count()),
            (0, 2),
            "{text}"
        );
        setup(&sandbox, &["--undo"]);
        assert_eq!(fs::read_to_string(gitconfig(&sandbox)).unwrap(), format!("[user]\n\tname = Ann\n{others}"));
    }
}

/// The link stays where it is when a newer version takes the place of what it leads to.
#[test]
fn the_path_is_that_of_the_link() {
    let sandbox = home("\"git.acme.dev\"");
    let bin = bin(&sandbox);
    let versioned = bin.parent().unwrap().join("keyfob-1.2.3");
    fs::create_dir(&versioned).unwrap();
    crate::support::sandbox::copy_keyfob(&versioned.join("keyfob"));
    fs::remove_file(bin.join("keyfob")).unwrap();
    symlink(versioned.join("keyfob"), bin.join("keyfob")).unwrap();
    let set_up_as = |path: &str, program: &std::path::Path| {
        let mut command = sandbox.command(program);
        command.args(["setup", "git"]).env("PATH", path);
        let done = run(command, "");
        assert_eq!((done.stderr.as_str(), done.code), ("", Some(0)), "{done:?}");
        let key = "credential.https://git.acme.dev.helper";
        git(&sandbox, &["config", "--global", "--get-all", key], "").stdout
    };
    let path = format!("{}:/usr/bin:/bin", bin.display());
    assert_eq!(set_up_as(&path, &versioned.join("keyfob")), format!("\n{}\n", helper(&sandbox)));
    assert_eq!(set_up_as("/usr/bin:/bin", &bin.join("keyfob")), format!("\n{}\n", helper(&sandbox)));
    // Without a link there is the file alone.
    let itself = format!("\n{}/keyfob git\n", versioned.display());
    assert_eq!(set_up_as("/usr/bin:/bin", &versioned.join("keyfob")), itself);
    // git runs it with the PATH that cron has.
    let mut fill = sandbox.command("git");
    fill.args(["credential", "fill"]).env("GIT_TERMINAL_PROMPT", "0").env("PATH", "/usr/bin:/bin");
    let done = run(fill, "url=https://git.acme.dev/x\n\n");
    assert!(done.stderr.starts_with("keyfob: nobody is here to sign in to acme"), "{done:?}");
}

#[test]
fn without_a_place_for_the_link_git_gets_the_whole_path() {
    let sandbox = home("\"git.acme.dev\"");
    let folder = sandbox.home().join("no place");
    fs::create_dir(&folder).unwrap();
    let program = folder.join("keyfob");
    crate::support::sandbox::copy_keyfob(&program);
    let bin = sandbox.home().join("../bin");
    fs::remove_dir_all(&bin).unwrap();
    let run_there = |args: &[&str]| {
        let mut command = sandbox.command(&program);
        command.args(["setup", "git"]).args(args);
        let done = run(command, "");
        assert_eq!((done.stderr.as_str(), done.code), ("", Some(0)), "{done:?}");
        done.stdout
    };
    let said = run_there(&["--bare"]);
    assert!(said.starts_with("git-credential-keyfob is not on PATH, and keyfob is not either\n"), "{said}");
    let value =
        git(&sandbox, &["config", "--global", "--get-all", "credential.https://git.acme.dev.helper"], "").stdout;
    assert_eq!(value, format!("\n!'{}' git\n", program.display()));
    let mut fill = sandbox.command("git");
    fill.args(["credential", "fill"]).env("GIT_TERMINAL_PROMPT", "0");
    let done = run(fill, "url=https://git.acme.dev/x\n\n");
    assert!(done.stderr.starts_with("keyfob: nobody is here to sign in to acme"), "{done:?}");
    run_there(&["--undo"]);
    assert!(!gitconfig(&sandbox).exists());
}
