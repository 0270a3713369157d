//! git as the client.

#[cfg(unix)]
mod doctor;
mod lfs;
mod plain_store;
mod sessions;
mod set_up;

use std::process::Command;

use crate::support::git_server::GitServer;
use crate::support::provider::{Manners, Provider};
use crate::support::sandbox::{Sandbox, Transcript, run, workos};

/// A git server that takes a provider's tokens, and a home with this folder's snippet in its `.gitconfig`.
struct World {
    provider: Provider,
    server: GitServer,
    sandbox: Sandbox,
    _repositories: tempfile::TempDir,
}

impl World {
    fn new(manners: Manners) -> Self {
        let provider = Provider::with(manners);
        let repositories = tempfile::tempdir().unwrap();
        let server = GitServer::start(&provider, repositories.path());
        server.add("one.git");
        let sandbox = Sandbox::new();
        sandbox.configure(&workos(&provider, "acme", &format!("hosts = [\"{}\"]", server.url())));
        let snippet = include_str!("gitconfig").replace("https://git.acme.dev", &server.url());
        std::fs::write(sandbox.home().join(".gitconfig"), snippet).unwrap();
        Self { provider, server, sandbox, _repositories: repositories }
    }

    /// One where approvals come by themselves.
    fn approving() -> Self {
        Self::new(Manners { approves_by_itself: true, ..Manners::default() })
    }

    fn url(&self, repository: &str) -> String {
        format!("{}/{repository}", self.server.url())
    }

    fn git(&self, args: &[&str]) -> Command {
        let mut command = self.sandbox.command("git");
        command.args(["-c", "user.name=a", "-c", "user.email=a@b.c"]).args(args);
        command.env("KEYFOB_INTERACTIVE", "always").env("GIT_TERMINAL_PROMPT", "0");
        command
    }

    fn run(&self, args: &[&str]) -> Transcript {
        run(self.git(args), "")
    }

    /// Runs git and wants it to succeed in silence.
    fn quietly(&self, args: &[&str]) {
        let done = self.run(args);
        assert_eq!((done.stderr.as_str(), done.code), ("", Some(0)), "git {args:?}");
    }

    /// Signs in and clones `one.git` into `one`.
    fn clone_one(&self) {
        let done = self.run(&["clone", "--quiet", &self.url("one.git"), "one"]);
        assert_eq!(done.code, Some(0), "{done:?}");
    }
}
