//! A home of its own for each test, with nothing of the developer's environment in it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

use super::provider::{CLIENT_ID, Provider};

/// The binary under test.
pub fn keyfob() -> PathBuf {
    assert_cmd::cargo::cargo_bin!("keyfob").to_path_buf()
}

/// Puts a copy of the binary somewhere. By another process: one that this process has open for writing, if only in a child
/// of another test, is busy and cannot be run.
pub fn copy_keyfob(to: &Path) {
    assert!(Command::new("cp").arg(keyfob()).arg(to).status().unwrap().success());
}

/// A temporary home.
pub struct Sandbox {
    root: tempfile::TempDir,
}

/// All that a person or a client would notice of a run.
#[derive(Debug, PartialEq, Eq)]
pub struct Transcript {
    pub stdout: String,
    pub stderr: String,
    pub code: Option<i32>,
}

impl From<Output> for Transcript {
    fn from(output: Output) -> Self {
        Self {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code(),
        }
    }
}

impl Sandbox {
    pub fn new() -> Self {
        let root = tempfile::tempdir().expect("a temporary folder");
        for folder in ["home", "bin"] {
            fs::create_dir(root.path().join(folder)).expect("a folder in it");
        }
        let bin = root.path().join("bin");
        #[cfg(unix)]
        for name in keyfob::links().into_iter().chain(["keyfob"]) {
            std::os::unix::fs::symlink(keyfob(), bin.join(name)).expect("a link to the binary");
        }
        Self { root }
    }

    /// A sandbox with the profile `acme` for `git.acme.dev` at a provider.
    pub fn signed_up(provider: &Provider) -> Self {
        let sandbox = Self::new();
        sandbox.configure(&workos(provider, "acme", "hosts = [\"git.acme.dev\"]"));
        sandbox
    }

    /// A home that is signed in to a provider, by a profile that knows of no replay window.
    pub fn signed_in_without_window(provider: &Provider) -> Self {
        let sandbox = Self::new();
        let url = provider.url();
        sandbox.configure(&format!(
            "[profile.acme]\nprovider = \"oauth\"\nclient_id = \"{CLIENT_ID}\"\nhosts = [\"git.acme.dev\"]\n\
             device_authorization_endpoint = \"{url}/user_management/authorize/device\"\n\
             token_endpoint = \"{url}/user_management/authenticate\"\n"
        ));
        let done = sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
        assert!(done.stdout.starts_with("username="), "{done:?}");
        sandbox
    }

    pub fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    pub fn config(&self) -> PathBuf {
        self.root.path().join("config.toml")
    }

    pub fn state(&self) -> PathBuf {
        self.root.path().join("state")
    }

    pub fn sessions(&self) -> PathBuf {
        self.state().join("sessions")
    }

    /// The session's record; there must be one, and one alone.
    pub fn record(&self) -> PathBuf {
        let records = self.files(".json");
        assert_eq!(records.len(), 1, "{records:?}");
        records[0].clone()
    }

    /// The files of the store that end so.
    pub fn files(&self, ending: &str) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.sessions()) else { return Vec::new() };
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
        paths.retain(|path| path.to_string_lossy().ends_with(ending));
        paths.sort();
        paths
    }

    /// The record as JSON, to look at or to change.
    pub fn edit(&self, change: impl FnOnce(&mut serde_json::Value)) {
        let path = self.record();
        let mut value = serde_json::from_slice(&fs::read(&path).expect("readable")).expect("a record is JSON");
        change(&mut value);
        fs::write(&path, value.to_string()).expect("writable");
    }

    /// Lets every access token run out, as time would.
    pub fn expire(&self) {
        self.edit(|record| {
            for (_, token) in record["tokens"].as_object_mut().expect("tokens") {
                for time in ["received_at", "expires_at", "id_expires_at"] {
                    if let Some(at) = token[time].as_i64() {
                        token[time] = (at - 100_000).into();
                    }
                }
            }
        });
    }

    /// Makes so many seconds pass for the failure that is remembered.
    pub fn forget_failure(&self) {
        self.edit(|record| {
            for moment in ["at", "until"] {
                let before = record["failure"][moment].as_i64().expect("a failure is remembered");
                record["failure"][moment] = (before - 30).into();
            }
        });
    }

    pub fn configure(&self, text: &str) {
        fs::write(self.config(), text).expect("writable");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(self.config(), fs::Permissions::from_mode(0o600)).expect("ours");
        }
    }

    /// A command with this home and nothing else. Nobody is there to be asked.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        // Away from the terminal that the tests may have been started from: nothing of theirs is to be written there. And whoever
        // started them may ignore a signal (nohup), which children inherit.
        let mut command = if cfg!(target_os = "linux") { Command::new("env") } else { Command::new(program.as_ref()) };
        if cfg!(target_os = "linux") {
            command.args(["--default-signal", "setsid"]).arg(program.as_ref());
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path =
            std::env::join_paths(std::iter::once(self.root.path().join("bin")).chain(std::env::split_paths(&path)))
                .expect("a PATH");
        command
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.home())
            .env("KEYFOB_CONFIG", self.config())
            .env("KEYFOB_STATE_DIR", self.state())
            .env("CI", "true")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .current_dir(self.home());
        command
    }

    pub fn keyfob(&self, args: &[&str]) -> Command {
        let mut command = self.command(keyfob());
        command.args(args);
        command
    }

    /// Runs keyfob with no human about.
    pub fn run(&self, args: &[&str], stdin: &str) -> Transcript {
        run(self.keyfob(args), stdin)
    }

    /// Runs keyfob as git's own http transport does, by a process of that name; which process that is only Linux tells.
    #[cfg(target_os = "linux")]
    pub fn run_in_transport(&self, args: &[&str], stdin: &str, interactive: &str) -> Transcript {
        let transport = self.root.path().join("git-remote-https");
        if !transport.exists() {
            std::os::unix::fs::symlink("/bin/sh", &transport).expect("a link");
        }
        let mut command = self.command(&transport);
        // Not its last word, or the shell would become keyfob.
        command.args(["-c", "\"$@\"; exit $?", "sh"]).arg(keyfob()).args(args).env("KEYFOB_INTERACTIVE", interactive);
        run(command, stdin)
    }

    /// Runs keyfob with somebody who reads stderr.
    pub fn run_asking(&self, args: &[&str], stdin: &str) -> Transcript {
        let mut command = self.keyfob(args);
        command.env("KEYFOB_INTERACTIVE", "always");
        run(command, stdin)
    }

    /// Begins a run with somebody who reads stderr.
    pub fn begin_asking(&self, args: &[&str], stdin: &str) -> Child {
        let mut command = self.keyfob(args);
        command.env("KEYFOB_INTERACTIVE", "always");
        begin(command, stdin)
    }
}

/// A shell by another name, which is what its children see that they are run by.
#[cfg(target_os = "linux")]
pub fn shell_called(name: &str, folder: &Path) -> PathBuf {
    let path = folder.join(name);
    std::os::unix::fs::symlink("/bin/sh", &path).expect("a link");
    path
}

/// Begins a command and hands it its stdin.
pub fn begin(mut command: Command, stdin: &str) -> Child {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    // It may end without having read all of it.
    let _ = child.stdin.take().expect("piped").write_all(stdin.as_bytes());
    child
}

/// Runs a command to its end.
pub fn run(command: Command, stdin: &str) -> Transcript {
    finish(begin(command, stdin))
}

/// Waits for the end of a command.
pub fn finish(child: Child) -> Transcript {
    child.wait_with_output().expect("it ends").into()
}

/// A WorkOS profile at a provider on loopback.
pub fn workos(provider: &Provider, name: &str, more: &str) -> String {
    let url = provider.url();
    format!("[profile.{name}]\nprovider = \"workos\"\nclient_id = \"{CLIENT_ID}\"\nbase_url = \"{url}\"\n{more}\n")
}

/// Unix seconds.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock after 1970");
    since.as_secs().try_into().expect("a clock before the end of time")
}

/// What a git before 2.46 asks.
pub fn ask(host: &str) -> String {
    format!("protocol=https\nhost={host}\n\n")
}

/// What git asks since.
pub fn ask_with_state(host: &str) -> String {
    format!("capability[]=authtype\ncapability[]=state\n{}", ask(host))
}

/// Waits for something another process or thread brings about.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "no {what} within a minute");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits for a code that wants approval.
pub fn open_code(provider: &Provider) -> String {
    wait_for("code", || provider.open_codes().pop())
}
