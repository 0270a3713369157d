//! git-lfs as the client, in each version that is here: it asks by `git credential fill`, keeps what it was given in its own memory,
//! and knows in each version something else of what to do when that is refused.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::World;
use crate::support::provider::Endpoint;
use crate::support::sandbox::{Transcript, run};
use crate::{has, version};

/// Where `.ci/lfs` puts the versions of other releases, below a folder each.
const FETCHED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/git-lfs");
/// How many files there are to be transferred.
const FILES: usize = 24;
/// After how many requests that were let in a token dies, so that all of them take several lives.
const LIFE: usize = 7;

/// The versions that are here: the one on PATH (none twice), and those that were fetched.
fn versions() -> Vec<PathBuf> {
    if !has("git-lfs", (2, 0)) {
        return Vec::new();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own = std::env::split_paths(&path).map(|folder| folder.join("git-lfs")).find(|program| program.is_file());
    let fetched = std::fs::read_dir(FETCHED).into_iter().flatten().flatten();
    let fetched = fetched.map(|entry| entry.path().join("git-lfs")).filter(|program| program.is_file());
    let all: Vec<PathBuf> = own.into_iter().chain(fetched).collect();
    for wanted in [(3, 3), (3, 6), (3, 8)] {
        if !all.iter().any(|program| version(program.to_str().unwrap()) == Some(wanted)) {
            eprintln!(
                "left out: git-lfs {}.{} (.ci/lfs fetches it where Debian's packages can be had)",
                wanted.0, wanted.1
            );
        }
    }
    all
}

/// A repository with large files, cloned without them, and one of these git-lfs to fetch them.
struct Large {
    world: World,
    files: Vec<(String, Vec<u8>)>,
    /// What it says of itself, for messages.
    name: String,
}

impl Large {
    fn new(program: &PathBuf, settings: &[(&str, &str)]) -> Self {
        let world = World::approving();
        symlink(program, world.sandbox.home().join("../bin/git-lfs")).unwrap();
        let files: Vec<_> =
            (0..FILES).map(|at| (format!("{at}.bin"), format!("large file {at}\n").into_bytes())).collect();
        world.server.add_several_large("large.git", &files);
        let cloned = world.run(&["clone", "--quiet", &world.url("large.git"), "large"]);
        assert_eq!(cloned.code, Some(0), "{cloned:?}");
        let this = Self { world, files, name: format!("{} {settings:?}", program.display()) };
        for (key, value) in settings {
            this.world.quietly(&["-C", "large", "config", key, value]);
        }
        assert_eq!(this.lfs(&["install", "--local"]).code, Some(0), "{}", this.name);
        this
    }

    /// One that goes on without end is a failure, too.
    fn lfs(&self, args: &[&str]) -> Transcript {
        let git = self.world.git(&[&["-C", "large", "lfs"], args].concat());
        let mut command = self.world.sandbox.command("timeout");
        command.arg("120").arg(git.get_program()).args(git.get_args());
        let set = git.get_envs().filter_map(|(name, value)| Some((name, value?)));
        command.envs(set);
        run(command, "")
    }

    /// Everything is there and whole.
    fn is_complete(&self) {
        for (file, content) in &self.files {
            let there = std::fs::read(self.world.sandbox.home().join("large").join(file)).unwrap();
            assert!(there == *content, "{file}: {}", self.name);
        }
    }

    /// Fetches what is missing, and all of it comes.
    fn pull(&self) {
        let pulled = self.lfs(&["pull"]);
        assert_eq!(pulled.code, Some(0), "{}: {pulled:?}", self.name);
        self.is_complete();
    }

    /// Refreshes, and requests that were refused with a token, since so many lines of the server's log.
    fn counted(&self, since: usize) -> (usize, usize) {
        let log = self.world.server.log();
        let refused = log[since..].iter().filter(|line| line.ends_with(" 401") && !line.contains(" - ")).count();
        (self.world.provider.count(Endpoint::Refresh), refused)
    }
}

const ONE_AT_A_TIME: (&str, &str) = ("lfs.concurrenttransfers", "1");

/// Each token is refused once, replaced, and everything arrives; with or without git-lfs's own memory of what it was given.
#[test]
fn transfers_outlive_several_tokens() {
    for program in versions() {
        for memory in ["true", "false"] {
            let large = Large::new(&program, &[ONE_AT_A_TIME, ("lfs.cachecredentials", memory)]);
            let before = large.world.server.log().len();
            large.world.server.revoke_each(LIFE);
            large.pull();
            let (refreshes, refused) = large.counted(before);
            assert!(refreshes >= 3, "{}: {refreshes} lives", large.name);
            assert!(refused <= refreshes, "{}: {refused} refused of {refreshes} dead tokens", large.name);
            assert_eq!(large.world.provider.count(Endpoint::Start), 1, "{}", large.name);
            eprintln!("{}: {refreshes} lives, {refused} refused", large.name);
        }
    }
}

/// Several at a time are on their way when a token dies: each of them may be refused once.
#[test]
fn transfers_side_by_side_outlive_a_token() {
    for program in versions() {
        let large = Large::new(&program, &[]);
        let before = large.world.server.log().len();
        large.world.server.revoke_after(LIFE);
        large.pull();
        let (refreshes, refused) = large.counted(before);
        // Eight at a time: those that are under way, and those that begin before the first is let in again.
        assert!(refreshes == 1 && refused <= 16, "{}: {refreshes} refreshes, {refused} refused", large.name);
        assert_eq!(large.world.provider.count(Endpoint::Start), 1, "{}", large.name);
    }
}

/// What was revoked between two commands is refused once in the second.
#[test]
fn a_token_that_died_between_two_commands_is_replaced() {
    for program in versions() {
        let large = Large::new(&program, &[ONE_AT_A_TIME]);
        large.world.provider.revoke_access_tokens();
        let before = large.world.server.log().len();
        large.pull();
        assert_eq!(large.counted(before), (1, 1), "{}", large.name);
    }
}

/// A server without locks answers 404 to a question about them: nothing was refused, no token is replaced, and the upload goes on.
#[test]
fn an_upload_to_a_server_without_locks_costs_no_token() {
    for program in versions() {
        let large = Large::new(&program, &[]);
        large.pull();
        let content = b"another large file\n";
        std::fs::write(large.world.sandbox.home().join("large/0.bin"), content).unwrap();
        large.world.quietly(&["-C", "large", "commit", "--quiet", "-am", "second"]);
        let before = large.world.server.log().len();
        let pushed = large.world.run(&["-C", "large", "push", "--quiet", "origin", "HEAD:main"]);
        assert_eq!(pushed.code, Some(0), "{}: {pushed:?}", large.name);
        assert!(!pushed.stderr.contains("quit"), "{}: {pushed:?}", large.name);
        assert_eq!(large.world.server.large(content).as_deref(), Some(&content[..]), "{}", large.name);
        let log = large.world.server.log();
        assert!(log[before..].iter().any(|line| line.contains("/locks") && line.ends_with(" 404")), "{log:?}");
        assert_eq!(large.counted(before), (0, 0), "{}: {log:?}", large.name);
        let locked = large.lfs(&["locks"]);
        assert!(!locked.stderr.contains("quit"), "{}: {locked:?}", large.name);
        assert_eq!(large.counted(before), (0, 0), "{}", large.name);
    }
}

/// A server that lets nobody in any more is told so within a few requests, and the provider is left in peace.
#[test]
fn a_server_that_refuses_everybody_is_not_asked_without_end() {
    for program in versions() {
        let large = Large::new(&program, &[ONE_AT_A_TIME]);
        large.world.server.close();
        let before = large.world.server.log().len();
        let pulled = large.lfs(&["pull"]);
        assert_ne!(pulled.code, Some(0), "{}: {pulled:?}", large.name);
        let (asked, (refreshes, _)) = (large.world.server.log().len() - before, large.counted(before));
        assert!(asked <= 40 && refreshes <= 2, "{}: {asked} requests, {refreshes} refreshes", large.name);
        assert_eq!(large.world.provider.count(Endpoint::Start), 1, "{}", large.name);
        eprintln!("{}: {asked} requests, {refreshes} refreshes", large.name);
    }
}
