//! `keyfob setup`, a walk of edits by the programs whose files those are, and `setup --undo`. Every walk is done twice, in two homes that
//! begin the same: one has keyfob set up for a while, the other never has. Afterwards both say the same: what was there before is there
//! again, and what others did stays.

mod edits;

use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::has;
use crate::support::http::{self, Reply};
use crate::support::random::Random;
use crate::support::sandbox::{Sandbox, run};
use edits::Edit;

/// How many walks `cargo test` makes; `.ci/walk` makes more.
const WALKS: u64 = 6;
/// How many edits there are in each.
const EDITS: usize = 10;

/// The choices of one walk.
struct Dice(Random);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.0.below(end as u64)).expect("it is less than one")
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }
}

/// The files that are set up, below a home.
const FILES: [&str; 4] = [".gitconfig", ".docker/config.json", ".config/containers/auth.json", ".kube/config"];

/// What may stand in each before; an empty text stands for no file.
const GITCONFIGS: &[&str] = &[
    "",
    "# mine\n[user]\n\tname = Ann\n\temail = ann@acme.dev\n",
    "[credential]\n\thelper = cache\n[user]\n\tname = Ann\n[credential \"https://git.acme.dev\"]\n\thelper = store\n\tusername = ann\n",
    "[credential \"https://hand.dev\"]\n\thelper = \n\thelper = keyfob\n[core]\n\teditor = vi ; always\n",
    "[credential \"https://git.acme.dev\"]\n\thelper = keyfob\n[user]\n\tname = Ann\n[credential]\n\thelper = cache\n",
    "[user]\r\n    name = Ann\r\n[credential \"https://git.acme.dev/team\"]\r\n    helper = store\r\n    useHttpPath = true\r\n",
];
const DOCKERS: &[&str] = &[
    "{\"auths\":{\"other.dev\":{\"auth\":\"YW5uOnB3\"}}}",
    "{\n\t\"auths\": {\n\t\t\"other.dev\": {\n\t\t\t\"auth\": \"YW5uOnB3\"\n\t\t}\n\t},\n\t\"credHelpers\": {\n\t\t\"r.acme.dev\": \"ecr-login\"\n\t},\n\t\"psFormat\": \"table\"\n}\n",
    "{\n  \"credHelpers\": { \"hand.dev\": \"keyfob\", \"gcr.io\": \"gcloud\" },\n  \"auths\": {\"other.dev\": {\"auth\": \"YW5uOnB3\"}},\n  \"HttpHeaders\": {\"X\": \"y\"}\n}",
    "{\n  \"auths\": {\"other.dev\": {\"auth\": \"YW5uOnB3\"}, \"r.acme.dev\": {\"auth\": \"YW5uOnB3\"}},\n  \"credHelpers\": { \"r.acme.dev\": \"keyfob\" }\n}",
];
const CONTAINERS: &[&str] =
    &["", "{\"auths\": {\"q.io\": {\"auth\": \"YW5uOnB3\"}}}", "{\"credHelpers\": {\"r.acme.dev\": \"pass\"}}\n"];
const KUBECONFIGS: &[&str] = &[
    "",
    "# mine\napiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster: {server: \"https://k8s.acme.dev:6443\"}\nusers:\n- name: ann\n  \
     user: {token: s3cret}\ncontexts:\n- name: c\n  context: {cluster: c, user: ann}\ncurrent-context: c\n",
    "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster: {server: \"https://k8s.acme.dev:6443\"}\nusers:\n- name: acme\n  user: {exec: \
     {apiVersion: client.authentication.k8s.io/v1beta1, command: aws, args: [eks, get-token, --cluster-name, prod], env: [{name: AWS_PROFILE, \
     value: prod}], interactiveMode: IfAvailable}}\n- name: a@b.dev\n  user: {token: s3cret}\ncontexts:\n- name: c\n  context: {cluster: c, user: acme}\n",
    "apiVersion: v1\nkind: Config\nusers:\n- name: hand\n  user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: keyfob, args: \
     [kubectl, --profile, acme], interactiveMode: Never}}\n- name: acme\n  user: {token: s3cret, exec: {apiVersion: \
     client.authentication.k8s.io/v1, command: keyfob, args: [kubectl, --profile, other], interactiveMode: Never}}\n",
];

/// One of the two homes.
struct Home {
    sandbox: Sandbox,
}

impl Home {
    fn new(texts: [&str; 4]) -> Self {
        let sandbox = Sandbox::new();
        // A provider that answers at once, with nothing.
        sandbox.configure(
            "[profile.acme]\nprovider = \"workos\"\nclient_id = \"c\"\nbase_url = \"http://127.0.0.1:9\"\nhosts = [\"git.acme.dev\", \
             \"https://git.acme.dev/team\", \"r.acme.dev\", \"q.acme.dev:5000\"]\nclusters = [\"https://k8s.acme.dev:6443\"]\n",
        );
        let home = Self { sandbox };
        for (file, text) in FILES.into_iter().zip(texts) {
            fs::create_dir_all(home.path(file).parent().unwrap()).unwrap();
            if !text.is_empty() {
                fs::write(home.path(file), text).unwrap();
            }
        }
        home
    }

    fn path(&self, file: &str) -> PathBuf {
        self.sandbox.home().join(file)
    }

    fn read(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.path(file)).ok()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.sandbox.command(words[0]);
        if words[0] == "kubectl" {
            // Without a context it asks no server what it can do, and so nobody for a token.
            command.args(["--context=none", "--kubeconfig"]).arg(self.path(".kube/config"));
        }
        command.args(&words[1..]).env("XDG_RUNTIME_DIR", self.path("run"));
        command
    }

    /// Runs a program of others; whether it worked.
    fn run(&self, words: &[&str], stdin: &str) -> bool {
        run(self.command(words), stdin).code == Some(0)
    }

    fn setup(&self, words: &[&str], log: &mut String) {
        let done = run(self.sandbox.keyfob(&[&["setup"], words].concat()), "");
        writeln!(log, "keyfob setup {}: {done:?}", words.join(" ")).unwrap();
        assert_eq!(done.code, Some(0), "{log}");
    }

    /// What a program makes of its file: in git's order for each variable, and whatever means nothing left out.
    fn meaning(&self, file: &str) -> Value {
        let Some(text) = self.read(file) else { return json!(null) };
        match file {
            ".gitconfig" => {
                let path = self.path(file).display().to_string();
                let done = run(self.command(&["git", "config", "--file", &path, "--list"]), "");
                assert_eq!(done.code, Some(0), "{text}");
                let mut lines: Vec<_> = done.stdout.lines().map(str::to_owned).collect();
                lines.sort_by_key(|line| line.split('=').next().map(str::to_owned));
                if lines.is_empty() { json!(null) } else { json!(lines) }
            }
            ".kube/config" => {
                let done = run(self.command(&["kubectl", "config", "view", "--raw", "-o", "json"]), "");
                assert_eq!(done.code, Some(0), "{text}\n{done:?}");
                let mut value: Value = serde_json::from_str(&done.stdout).unwrap();
                // One that somebody emptied since is no user that anybody had.
                if let Some(users) = value["users"].as_array_mut() {
                    users.retain(|user| user["user"] != json!({}));
                }
                without_empty(&mut value);
                value
            }
            _ => {
                let mut value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
                without_empty(&mut value);
                value
            }
        }
    }

    /// Everything else below the home, to see what is left lying about. An edit makes a file where there is none, and what is in it may be
    /// lost on kubectl (comments): whether there is a file that says nothing is nobody's concern.
    fn files(&self) -> Vec<String> {
        let done = run(self.command(&["find", ".", "-type", "f", "-not", "-path", "*/cache/*"]), "");
        let mut files: Vec<_> = done.stdout.lines().map(str::to_owned).collect();
        files.retain(|file| !FILES.iter().any(|known| file.strip_prefix("./") == Some(known)));
        files.sort();
        files
    }
}

/// To docker and kubectl nothing, null and an empty object or list are the same, and so are no file and one that only says what it is.
fn without_empty(value: &mut Value) {
    let empty = [json!(null), json!({}), json!([]), json!("")];
    let members = value.as_object_mut().expect("an object");
    members.retain(|name, member| !empty.contains(member) && !["apiVersion", "kind"].contains(&name.as_str()));
    if members.is_empty() {
        *value = json!(null);
    }
}

/// One walk, as its seed has it.
fn walk(seed: u64, registry: SocketAddr) {
    let mut dice = Dice(Random::new(seed, 0));
    let texts = [dice.of(GITCONFIGS), dice.of(DOCKERS), dice.of(CONTAINERS), dice.of(KUBECONFIGS)];
    let (with, without) = (Home::new(texts), Home::new(texts));
    let mut log = format!("walk {seed}\n");
    // A helper for every registry keeps logins in the place of docker; what is compared then is for whom there is one.
    let all = dice.below(4) == 0;
    let docker: &[&str] = if all { &["docker", "--all"] } else { &["docker"] };
    let setups = [&["git"][..], docker, &["kubectl", "--user", "acme"], &["kubectl", "--user", "a@b.dev"]];
    let first = dice.below(setups.len());
    for at in 0..3 {
        with.setup(setups[(first + at) % setups.len()], &mut log);
    }
    let mut touched = Vec::new();
    for _ in 0..EDITS {
        let edit = Edit::draw(&mut dice, registry);
        writeln!(log, "{edit:?}: {}", edit.run(&with)).unwrap();
        // What cannot be done in one home, because there is nothing yet to do it to, means nothing in the other.
        edit.run(&without);
        touched.push(edit.file());
        // Others are not the only ones who come back to a file.
        match dice.below(8) {
            0 => with.setup(dice.of(&setups), &mut log),
            1 => with.setup(&["docker", "--undo", "r.acme.dev"], &mut log),
            2 => with.setup(&["git", "--undo", "https://git.acme.dev/team"], &mut log),
            _ => {}
        }
    }
    let undos = [&["git"][..], &["docker"], &["kubectl", "--user", "acme"], &["kubectl", "--user", "a@b.dev"]];
    let first = dice.below(undos.len());
    for at in 0..undos.len() {
        with.setup(&[undos[(first + at) % undos.len()], &["--undo"]].concat(), &mut log);
    }

    for (file, text) in FILES.into_iter().zip(texts) {
        let (is, was) = (with.read(file).unwrap_or_default(), without.read(file).unwrap_or_default());
        if !touched.contains(&file) {
            assert_eq!(is, text, "{file} to the byte\n{log}");
        }
        let [mut is_said, mut was_said] = [&with, &without].map(|home| home.meaning(file));
        if all && file == ".docker/config.json" {
            for said in [&mut is_said, &mut was_said] {
                if let Some(auths) = said.get_mut("auths").and_then(Value::as_object_mut) {
                    auths.values_mut().for_each(|login| *login = json!({}));
                }
            }
        }
        assert_eq!(is_said, was_said, "{file}\n--- is\n{is}\n--- would be\n{was}\n{log}");
    }
    let left: Vec<_> = fs::read_dir(with.sandbox.state().join("backups"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".backup"))
        .collect();
    assert!(left.is_empty(), "nothing is kept of what is back: {left:?}\n{log}");
    assert_eq!(with.files(), without.files(), "{log}");
}

#[test]
fn what_was_there_comes_back_and_what_others_did_stays() {
    // Each of them, so that all that is missing is said.
    let tools = [("git", (2, 46)), ("docker", (20, 10)), ("kubectl", (1, 29))];
    if tools.map(|(tool, version)| has(tool, version)).contains(&false) {
        return;
    }
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let (walks, seed): (u64, u64) = (number("WALKS").unwrap_or(WALKS), number("WALK_SEED").unwrap_or(1));
    let registry = http::serve(|_| Reply::json(200, "{}").with("Docker-Distribution-Api-Version", "registry/2.0"));
    // Two at a time: most of it is waiting for other programs.
    std::thread::scope(|scope| {
        for half in 0..2 {
            scope.spawn(move || {
                (seed..seed + walks).filter(|seed| seed % 2 == half).for_each(|seed| walk(seed, registry))
            });
        }
    });
}
