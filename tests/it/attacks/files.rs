//! What stands in other programs' files, or in the place of them, while `keyfob setup` changes them.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::*;
use crate::support::system::has;

const SECRET: &str = "s3cret-of-another-program";

fn home() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.configure(
        "[profile.acme]\nprovider = \"workos\"\nclient_id = \"c\"\nhosts = [\"git.acme.dev\"]\nclusters = [\"https://k8s.acme.dev\"]\n",
    );
    sandbox
}

fn pipe(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// A device or a pipe stays what it is, and nobody waits for it: `GIT_CONFIG_GLOBAL=/dev/null` is a common word for "none".
#[test]
fn what_is_no_plain_file_is_not_replaced_by_one() {
    let sandbox = home();
    let path = sandbox.home().join("there").join("config.json");
    pipe(&path);
    let folder = path.parent().unwrap().display().to_string();
    let at = path.display().to_string();
    for (args, name, value) in [
        (&["setup", "git"][..], "GIT_CONFIG_GLOBAL", &at),
        (&["setup", "docker"], "DOCKER_CONFIG", &folder),
        (&["setup", "docker", "--all"], "DOCKER_CONFIG", &folder),
        (&["setup", "docker"], "REGISTRY_AUTH_FILE", &at),
        (&["setup", "kubectl", "--user", "ann"], "KUBECONFIG", &at),
        (&["setup", "git", "--undo"], "GIT_CONFIG_GLOBAL", &at),
    ] {
        let mut command = sandbox.command("timeout");
        command.arg("20").arg(crate::support::sandbox::keyfob()).args(args).env(name, value);
        let done = run(command, "");
        assert_eq!(done.code, Some(1), "{args:?} {done:?}");
        let told = format!("keyfob: cannot read {at}: it is no plain file\nkeyfob: hint: is it the right file?\n");
        assert_eq!(done.stderr, told, "{args:?}");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "{args:?}");
    }
}

/// One that is said twice means the last to docker, and who looks finds the first.
#[test]
fn a_member_that_is_there_twice_is_neither_overlooked_nor_half_removed() {
    let sandbox = home();
    let path = sandbox.home().join(".docker/config.json");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    for (text, args) in [
        ("{\"credHelpers\":{\"git.acme.dev\":\"keyfob\",\n\"git.acme.dev\":\"ecr\"}}", &["setup", "docker"][..]),
        ("{\"credHelpers\":{\"git.acme.dev\":\"keyfob\",\n\"git.acme.dev\":\"ecr\"}}", &["setup", "docker", "--undo"]),
        ("{\"credsStore\":\"keyfob\",\n\"credsStore\":\"desktop\"}", &["setup", "docker", "--all"]),
        ("{\"credsStore\":\"keyfob\",\n\"credsStore\":\"desktop\"}", &["setup", "docker", "--all", "--undo"]),
    ] {
        fs::write(&path, text).unwrap();
        let done = sandbox.run(args, "");
        if args.contains(&"--undo") {
            // What names keyfob there was written by hand: it is not for setup to take back, once or twice.
            assert!(done.stdout.contains("is not from setup, and stays"), "{args:?} {done:?}");
        } else {
            let is_named = done.stderr.contains("config.json:2: ") && done.stderr.contains(" is there twice");
            assert!(is_named, "{args:?} {done:?}");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

/// A name becomes part of the configuration's text and of a file's name.
#[test]
fn a_name_that_would_write_more_than_itself_is_refused() {
    let sandbox = home();
    let before = fs::read_to_string(sandbox.config()).unwrap();
    for name in [
        "b]\nprovider = \"workos\"\nclient_id = \"x\"\nhosts = [\"evil.dev\"]\n[profile.a",
        "../../x",
        "a.at.\"h\"",
        "a b",
        "",
        "\u{1b}[2J",
    ] {
        for more in [&["--provider", "workos", "--client-id", "c", "--host", "h.dev"][..], &["--undo"]] {
            let done = sandbox.run(&[&["setup", "profile", name], more].concat(), "");
            assert_eq!(done.code, Some(2), "{done:?}");
            assert!(
                done.stderr.ends_with("is no name for a profile\nkeyfob: hint: use letters, digits, - and _\n"),
                "{done:?}"
            );
            assert_plain(&done);
        }
    }
    for option in ["--audience", "--account", "--scope", "--organization"] {
        let value = "x\n[store]\ngit = true\n\"\"\"";
        let args =
            ["setup", "profile", "b", "--provider", "workos", "--client-id", "c", "--host", "h.dev", option, value];
        let done = sandbox.run(&args, "");
        assert_eq!(done.code, Some(2), "{done:?}");
        assert!(done.stderr.contains("has a line end in it"), "{done:?}");
    }
    assert_eq!(fs::read_to_string(sandbox.config()).unwrap(), before);
}

/// Without `HOME` git and kubectl look nowhere; docker looks its home up, but where `HOME` is set and is none.
#[test]
fn without_a_home_nobodys_files_are_changed() {
    let sandbox = home();
    for home in [None, Some(""), Some("relative")] {
        for args in [&["setup", "git"][..], &["setup", "docker"], &["setup", "kubectl", "--user", "ann"]] {
            if args[1] == "docker" && home != Some("relative") {
                continue;
            }
            let mut command = sandbox.keyfob(&[args, &["--dry-run"]].concat());
            match home {
                None => command.env_remove("HOME"),
                Some(home) => command.env("HOME", home),
            };
            let done = run(command, "");
            assert_eq!(done.code, Some(1), "{home:?} {args:?} {done:?}");
            assert!(done.stderr.starts_with("keyfob: no home folder is known\nkeyfob: hint: set HOME"), "{done:?}");
        }
    }
}

/// A line that ends with a backslash goes on, and would swallow what is put behind it.
#[test]
fn a_line_that_goes_on_swallows_nothing() {
    let sandbox = home();
    let path = sandbox.home().join(".gitconfig");
    // Further down another helper comes back, so that ours need sections at the end.
    let text = "[credential \"https://git.acme.dev\"]\n\thelper = store\n[credential]\n\thelper = cache\n[user]\n\tname = Ann \\\n";
    fs::write(&path, text).unwrap();
    let done = sandbox.run(&["setup", "git"], "");
    assert!(done.stdout.contains("git asks keyfob alone"), "{done:?}");
    let mut git = sandbox.command("git");
    git.args(["config", "--global", "user.name"]);
    assert_eq!(run(git, "").stdout.trim(), "Ann");
    assert_eq!(sandbox.run(&["setup", "git", "--undo"], "").code, Some(0));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

/// Neither on a command line of a program that is asked, nor for a moment in a file that others can read.
#[test]
fn what_a_file_holds_stays_as_closed_as_it_is() {
    if !has(&["strace"]) {
        return;
    }
    let sandbox = home();
    let at = |name: &str| sandbox.home().join(name);
    let files: [(&str, String, &[&str]); 3] = [
        (".gitconfig", format!("[http]\n\textraHeader = \"Authorization: {SECRET}\"\n"), &["setup", "git"]),
        (".docker/config.json", format!("{{\"auths\":{{\"x\":{{\"auth\":\"{SECRET}\"}}}}}}"), &["setup", "docker"]),
        (
            ".kube/config",
            format!("apiVersion: v1\nkind: Config\nusers:\n- name: bob\n  user:\n    token: {SECRET}\n"),
            &["setup", "kubectl", "--user", "ann"],
        ),
    ];
    for (name, text, args) in files {
        if args[1] == "kubectl" && !Command::new("kubectl").arg("help").output().is_ok_and(|done| done.status.success())
        {
            continue;
        }
        fs::create_dir_all(at(name).parent().unwrap()).unwrap();
        fs::write(at(name), text).unwrap();
        fs::set_permissions(at(name), fs::Permissions::from_mode(0o600)).unwrap();
        let log: PathBuf = sandbox.home().join("strace");
        for more in [&[][..], &["--undo"]] {
            let mut command = sandbox.command("strace");
            command.args(["-f", "-s", "4096", "-e", "trace=execve,open,openat,creat,link,linkat", "-o"]).arg(&log);
            command.arg(crate::support::sandbox::keyfob()).args(args).args(more);
            let done = run(command, "");
            assert_eq!(done.code, Some(0), "{done:?}");
            assert!(!done.stdout.contains(SECRET) && !done.stderr.contains(SECRET), "{done:?}");
            let calls = String::from_utf8_lossy(&fs::read(&log).unwrap()).into_owned();
            assert!(calls.contains(&format!("{name}.lock\"")), "{calls}");
            assert!(!calls.contains(SECRET), "{calls}");
            let root = sandbox.home().parent().unwrap().display().to_string();
            let made = calls.lines().filter(|call| call.contains("O_CREAT"));
            // kubectl's lock has mode 0 and holds nothing. The mode is the call's last word: where another thread's call
            // comes between, the line ends behind it and is taken up again further down.
            let mode_of = |call: &str| {
                let words = call.split(" = ").next().unwrap().replace(" <unfinished ...>", ")");
                words.rsplit(", ").next().unwrap().trim_end().to_owned()
            };
            let open = made.filter(|call| call.contains(&root) && !["0600)", "000)"].contains(&mode_of(call).as_str()));
            assert_eq!(open.collect::<Vec<_>>(), Vec::<&str>::new(), "{args:?} {more:?}");
            let mode = fs::metadata(at(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let kept = fs::read_dir(sandbox.state().join("backups")).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(kept.filter(|name| name != "all.lock").count() == 0, "an undo leaves no copy");
    }
}

/// A trace is written to a plain file of one's own, and to nothing else.
/// Nobody waits for a pipe in the place of the configuration, and certificates that others can change are not trusted.
#[test]
fn a_configuration_that_is_a_pipe_and_certificates_of_others_are_refused() {
    let provider = approving();
    let sandbox = Sandbox::new();
    let fifo = sandbox.home().join("fifo");
    pipe(&fifo);
    let mut command = sandbox.command("timeout");
    command.arg("20").arg(crate::support::sandbox::keyfob()).args(["git", "get"]).env("KEYFOB_CONFIG", &fifo);
    let done = run(command, &ask("git.acme.dev"));
    assert!(done.stderr.contains("fifo is no plain file"), "{done:?}");

    let ca = sandbox.home().join("ca.pem");
    fs::write(&ca, crate::support::tls_server::Identity::new().pem()).unwrap();
    sandbox.configure(&workos(&provider, "acme", &format!("hosts = [\"git.acme.dev\"]\nca_file = {ca:?}")));
    for (mode, starts) in [(0o666, 0), (0o644, 1)] {
        fs::set_permissions(&ca, fs::Permissions::from_mode(mode)).unwrap();
        let done = sandbox.run(&["login", "--start"], "");
        assert_eq!(provider.count(Endpoint::Start), starts, "{mode:o}: {done:?}");
        assert_eq!(done.stderr.contains("others can write to this file"), starts == 0, "{done:?}");
    }
}

#[test]
fn a_trace_goes_to_no_pipe_link_or_shared_file() {
    let sandbox = home();
    let path = sandbox.home().join("log");
    let told = |value: &str| {
        let mut command = sandbox.command("timeout");
        command.arg("20").arg(crate::support::sandbox::keyfob()).args(["git", "get"]).env("KEYFOB_LOG", value);
        let done = run(command, &ask("other.dev"));
        assert_eq!((done.code, done.stdout.as_str()), (Some(0), ""), "{value} {done:?}");
        done.stderr
    };
    pipe(&path);
    assert!(told(path.to_str().unwrap()).starts_with("keyfob: cannot write to "));
    let reader = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    assert!(told(path.to_str().unwrap()).contains("is no plain file"));
    drop(reader);
    for link in ["/dev/stdout", "/proc/self/fd/1"] {
        assert!(told(link).contains("is a symbolic link"), "{link}");
    }
    assert!(told("/dev/null").contains("is no plain file"));
    assert!(told("log").contains("KEYFOB_LOG is \"log\""));
    fs::remove_file(&path).unwrap();
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(told(path.to_str().unwrap()).contains("can be read by others"));
}
