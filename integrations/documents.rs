//! Every command of the documents is run, by the shell, with the names that stand there: `git.acme.dev` and the others lead
//! to servers on loopback. What is under `cargo` is run by `.ci/run`, and has to stand there.
//!
//! A document is one sitting: its `sh` blocks are run in their order in one home, and each has to end well. A `toml` block
//! with a profile is what the reader writes into the configuration at that point.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::docker::{IMAGE, make_image};
use crate::kubectl::{OLDEST, kubeconfig_for};
use crate::support::api_server::ApiServer;
use crate::support::git_server::GitServer;
use crate::support::internet::{Internet, Route};
use crate::support::provider::{Manners, Provider};
use crate::support::registry::Registry;
use crate::support::sandbox::{Sandbox, run};
use crate::{has, version};

/// What a document's commands find.
struct World {
    provider: Provider,
    internet: Internet,
    sandbox: Sandbox,
    _registry: Registry,
    _files: [tempfile::TempDir; 2],
}

/// A fenced block: what it says it is, and where it begins.
struct Block {
    language: String,
    text: String,
    line: usize,
}

impl World {
    fn new() -> Self {
        let manners =
            Manners { approves_by_itself: true, clients: &["client_01HXYZ", "client_01HABC"], ..Manners::default() };
        let provider = Provider::with(manners);
        let files = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let git = GitServer::start(&provider, files[0].path());
        std::fs::create_dir(files[0].path().join("team")).unwrap();
        git.add("team/repo.git");
        let registry = Registry::start(&provider, "oauth2", files[1].path());
        let cluster = ApiServer::start_without_tls(&provider);
        let internet = Internet::start(&[
            ("api.workos.com:443", Route::Plain(provider.address)),
            ("acme.authkit.app:443", Route::Plain(provider.address)),
            ("git.acme.dev:443", Route::Plain(git.address)),
            ("registry.acme.dev:443", Route::Plain(registry.address)),
            ("k8s.acme.dev:6443", Route::Plain(cluster.address)),
        ]);
        let sandbox = Sandbox::new();
        for folder in [".kube", "run", ".cargo/bin"] {
            std::fs::create_dir_all(sandbox.home().join(folder)).unwrap();
        }
        std::fs::write(sandbox.home().join(".kube/config"), kubeconfig_for(&internet)).unwrap();
        make_image(&sandbox);
        let world = Self { provider, internet, sandbox, _registry: registry, _files: files };
        // As `cargo install` leaves it, and nothing beside it.
        crate::support::sandbox::copy_keyfob(&world.sandbox.home().join(".cargo/bin/keyfob"));
        world.fill_the_registry();
        world
    }

    /// There is something to pull, from somebody who has a password.
    fn fill_the_registry(&self) {
        let mut command = self.command("skopeo");
        command.args(["--insecure-policy", "copy", "--quiet", "--format=v2s2", "--dest-creds=alice:s3cret", IMAGE]);
        command.arg("docker://registry.acme.dev/team/app:latest");
        let done = run(command, "");
        assert_eq!(done.code, Some(0), "{done:?}");
    }

    /// A command of somebody at a terminal, with the configuration where it is without variables.
    fn command(&self, program: &str) -> Command {
        let home = self.sandbox.home();
        let mut command = self.sandbox.command(program);
        for name in ["KEYFOB_CONFIG", "KEYFOB_STATE_DIR", "CI"] {
            command.env_remove(name);
        }
        let path = std::env::var_os("PATH").unwrap();
        let path = std::iter::once(home.join(".cargo/bin")).chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(path).unwrap());
        command.env("KEYFOB_INTERACTIVE", "always").env("XDG_RUNTIME_DIR", home.join("run"));
        self.internet.lead(&self.sandbox, &mut command);
        command
    }

    fn configuration(&self) -> PathBuf {
        self.sandbox.home().join(".config/keyfob/config.toml")
    }

    fn write_configuration(&self, text: &str) {
        let path = self.configuration();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The documents: those at the top, and every page of the folders here.
fn documents() -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        ["README.md", "SECURITY.md"].map(|name| root().join(name)).into_iter().filter(|path| path.exists()).collect();
    let folders = std::fs::read_dir(root().join("integrations")).unwrap();
    for folder in folders.flatten().filter(|entry| entry.path().is_dir()) {
        let pages = std::fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.path());
        paths.extend(pages.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    paths.sort();
    paths
}

/// The fenced blocks of a page, without the indentation of a list they may stand in.
fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(Block, usize)> = None;
    for (at, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (None, Some(language)) => {
                let block = Block { language: language.trim().to_owned(), text: String::new(), line: at + 2 };
                open = Some((block, indent));
            }
            (Some(_), Some(_)) => blocks.extend(open.take().map(|(block, _)| block)),
            (Some((block, depth)), None) => {
                block.text.push_str(line.get(*depth..).unwrap_or_default());
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block without an end");
    blocks
}

/// The commands of a block: its lines without what is said about them.
fn commands(block: &Block) -> Vec<&str> {
    let lines = block.text.lines().map(|line| line.split(" # ").next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

#[test]
fn every_command_of_the_documents_works() {
    let tools =
        [("kubectl", OLDEST), ("skopeo", (1, 9)), ("docker-registry", (2, 8)), ("umoci", (0, 4)), ("jq", (1, 5))];
    if tools.map(|(tool, version)| has(tool, version)).contains(&false) {
        return;
    }
    if version("kubectl") < Some((1, 29)) {
        eprintln!("skipped: a kubectl before 1.29 has no words for what `setup kubectl` writes");
        return;
    }
    let ci = std::fs::read_to_string(root().join(".ci/run")).unwrap();
    let mut run_here = 0;
    for path in documents() {
        let page = path.strip_prefix(root()).unwrap().display().to_string();
        let blocks = blocks(&std::fs::read_to_string(&path).unwrap());
        let mut world = None;
        for block in &blocks {
            let place = format!("{page}:{}", block.line);
            match block.language.as_str() {
                "toml" if !blocks.iter().any(|block| block.language == "sh") => {
                    let sandbox = Sandbox::new();
                    sandbox.configure(&block.text);
                    let done = sandbox.run(&["status"], "");
                    assert_eq!((done.stderr.as_str(), done.code), ("", Some(0)), "{place}");
                }
                "toml" if block.text.contains("[profile.") || block.text.contains("[store]") => {
                    let world = world.get_or_insert_with(World::new);
                    world.write_configuration(&block.text);
                    let mut status = world.command("keyfob");
                    status.arg("status");
                    let done = run(status, "");
                    assert_eq!(done.code, Some(0), "{place}: {done:?}");
                }
                "json" => drop(serde_json::from_str::<serde_json::Value>(&block.text).expect(&place)),
                "sh" => {
                    let (cargo, ours): (Vec<_>, Vec<_>) =
                        commands(block).into_iter().partition(|line| line.contains("cargo "));
                    for line in cargo {
                        assert!(ci.contains(line), "{place}: .ci/run does not run: {line}");
                    }
                    if !ours.is_empty() {
                        let world = world.get_or_insert_with(World::new);
                        let mut shell = world.command("bash");
                        shell.args(["-euo", "pipefail", "-c", &ours.join("\n")]);
                        let done = run(shell, "");
                        assert_eq!(done.code, Some(0), "{place}: {}\n{}{}", block.text, done.stdout, done.stderr);
                        run_here += ours.len();
                    }
                }
                _ => {}
            }
        }
        if let Some(world) = world {
            let codes = world.provider.open_codes();
            assert_eq!(codes, Vec::<String>::new(), "{page}: somebody was asked and did not have to be");
        }
    }
    assert!(run_here > 0, "no command was found");
}
