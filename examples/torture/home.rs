//! A throw-away home: keyfob by all its names, a configuration and a state folder.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

#[derive(Clone)]
pub(crate) struct Home {
    root: Arc<tempfile::TempDir>,
}

impl Home {
    pub(crate) fn new(config: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        for name in keyfob::links().into_iter().chain(["keyfob"]) {
            let name = root.path().join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
            fs::hard_link(std::env::current_exe().unwrap(), &name)
                .or_else(|_| fs::copy(std::env::current_exe().unwrap(), &name).map(drop))
                .unwrap();
        }
        fs::write(root.path().join("config.toml"), config).unwrap();
        Self { root: Arc::new(root) }
    }

    /// keyfob, by one of its names; whoever reads its stderr may be asked.
    fn command(&self, name: &str, args: &[&str]) -> Command {
        let root = self.root.path();
        let mut command = Command::new(root.join(name));
        command.args(args).env_clear().current_dir(root);
        command.env("KEYFOB_CONFIG", root.join("config.toml")).env("KEYFOB_STATE_DIR", root.join("state"));
        command.env("KEYFOB_INTERACTIVE", "always").env("HOME", root);
        command
    }

    /// The same, begun with this on stdin; what it says is kept to be read.
    pub(crate) fn begin(&self, name: &str, args: &[&str], input: &str) -> Child {
        let mut command = self.command(name, args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // It may have been ended already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child
    }

    /// What is kept of the sessions.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.root.path().join("state").join("sessions")).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}
