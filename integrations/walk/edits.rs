//! Ten kinds of edits, as people and programs make them.

use std::fs;
use std::net::SocketAddr;

use super::{Dice, Home};

/// An edit that is the same in both homes.
#[derive(Clone, Debug)]
pub enum Edit {
    /// A program, its words and what it reads.
    Run(Vec<String>, &'static str),
    /// An editor, and what becomes of a file.
    Write(&'static str, Rewrite),
}

/// What an editor does.
#[derive(Clone, Copy, Debug)]
pub enum Rewrite {
    /// Lines at the end.
    Append(&'static str),
    /// Lines at the beginning.
    Prepend(&'static str),
    /// Other indentation.
    Reindent,
    /// Other line ends.
    OtherEnds,
    /// JSON, on lines or on one.
    Json { pretty: bool },
}

impl Edit {
    /// The next one.
    pub fn draw(dice: &mut Dice, registry: SocketAddr) -> Self {
        let registry = registry.to_string();
        let run = |words: &[&str]| Self::Run(words.iter().map(|word| (*word).to_owned()).collect(), "s3cret");
        let git = |words: &[&str]| run(&[&["git", "config", "--global"], words].concat());
        let kubectl = |words: &[&str]| run(&[&["kubectl", "config"], words].concat());
        match dice.below(10) {
            // git, of itself.
            0 => {
                let key = dice.of(&["user.email", "core.pager", "alias.st", "http.https://git.acme.dev.proxy"]);
                git(&[key, dice.of(&["one", "two", "a \"b\" # c"])])
            }
            // git, beside our entries.
            1 => {
                let url = dice.of(&["https://git.acme.dev", "https://r.acme.dev", "https://other.dev"]);
                let (key, value) = dice.of(&[("helper", "store"), ("username", "ann"), ("useHttpPath", "true")]);
                git(&["--add", &format!("credential.{url}.{key}"), value])
            }
            // git, taking away.
            2 => {
                let [verb, name] = dice.of(&[
                    ["--unset-all", "user.name"],
                    ["--unset-all", "credential.helper"],
                    ["--remove-section", "user"],
                    ["--unset-all", "credential.https://git.acme.dev.username"],
                    ["--remove-section", "core"],
                ]);
                git(&[verb, name])
            }
            // kubectl, contexts and clusters.
            3 => kubectl(&dice.of(&[
                vec!["set-context", "d", "--cluster=c", "--user=acme"],
                vec!["use-context", "c"],
                vec!["set-cluster", "e", "--server=https://e.dev"],
                vec!["set-context", "c", "--namespace=n"],
            ])),
            // kubectl, users, among them those that are set up.
            4 => {
                let user = dice.of(&["acme", "ann", "a@b.dev", "new"]);
                kubectl(&["set-credentials", user, dice.of(&["--token=t", "--username=u"])])
            }
            // kubectl, taking away.
            5 => kubectl(&dice.of(&[
                vec!["delete-context", "d"],
                vec!["delete-cluster", "c"],
                vec!["unset", "users.ann"],
                vec!["unset", "users.acme.token"],
                vec!["unset", "current-context"],
            ])),
            // docker, a login that its file keeps.
            6 => run(&["docker", "login", "-u", dice.of(&["ann", "bob"]), "--password-stdin", &registry]),
            // docker, and out again.
            7 => run(&["docker", "logout", &dice.of(&[registry, "nowhere.dev".to_owned()])]),
            // An editor that adds.
            8 => {
                let (file, rewrite) = dice.of(&[
                    (".gitconfig", Rewrite::Append("[alias]\n\tlg = log # short\n[http]\n\tversion = HTTP/1.1\n")),
                    (".gitconfig", Rewrite::Append("[credential \"https://later.dev\"]\n\thelper = store\n")),
                    (".gitconfig", Rewrite::Prepend("; first\n[init]\n\tdefaultBranch = main\n")),
                    (".kube/config", Rewrite::Append("# last\n")),
                    (".kube/config", Rewrite::Prepend("# first\n\n")),
                ]);
                Self::Write(file, rewrite)
            }
            // An editor that puts in order.
            _ => {
                let (file, rewrite) = dice.of(&[
                    (".gitconfig", Rewrite::Reindent),
                    (".gitconfig", Rewrite::OtherEnds),
                    (".docker/config.json", Rewrite::Json { pretty: true }),
                    (".docker/config.json", Rewrite::Json { pretty: false }),
                    (".config/containers/auth.json", Rewrite::Json { pretty: true }),
                ]);
                Self::Write(file, rewrite)
            }
        }
    }

    /// The file that it is about.
    pub fn file(&self) -> &'static str {
        match self {
            Self::Run(words, _) => match words[0].as_str() {
                "git" => ".gitconfig",
                "kubectl" => ".kube/config",
                _ => ".docker/config.json",
            },
            Self::Write(file, _) => file,
        }
    }

    /// Makes it in a home; whether there was something to make it of.
    pub fn run(&self, home: &Home) -> bool {
        match self {
            Self::Run(words, stdin) => home.run(&words.iter().map(String::as_str).collect::<Vec<_>>(), stdin),
            Self::Write(file, rewrite) => {
                let text = home.read(file).unwrap_or_default();
                let is_more = matches!(rewrite, Rewrite::Append(_) | Rewrite::Prepend(_));
                if text.is_empty() && !is_more {
                    return false;
                }
                fs::write(home.path(file), rewrite.of(&text)).unwrap();
                true
            }
        }
    }
}

impl Rewrite {
    fn of(self, text: &str) -> String {
        match self {
            Self::Append(more) if text.is_empty() || text.ends_with('\n') => format!("{text}{more}"),
            Self::Append(more) => format!("{text}\n{more}"),
            Self::Prepend(more) => format!("{more}{text}"),
            Self::Reindent => text.replace('\t', "        "),
            Self::OtherEnds if text.contains("\r\n") => text.replace("\r\n", "\n"),
            Self::OtherEnds => text.replace('\n', "\r\n"),
            Self::Json { pretty } => {
                let value: serde_json::Value = serde_json::from_str(text).unwrap();
                if pretty { format!("{value:#}\n") } else { value.to_string() }
            }
        }
    }
}
