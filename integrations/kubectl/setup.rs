//! `keyfob setup kubectl`: kubectl writes the kubeconfig, and is let in afterwards.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::World;
use crate::support::provider::{CLIENT_ID, Endpoint, Manners};
use crate::support::sandbox::{Transcript, keyfob, run};
use crate::version;

/// A world whose kubeconfig nobody has told of keyfob; its user has what `user` says. `None` where kubectl does not know
/// the flags.
fn world(user: &str) -> Option<World> {
    let world = World::new(Manners { approves_by_itself: true, ..Manners::default() })?;
    if version("kubectl") < Some((1, 29)) {
        eprintln!("skipped: needs kubectl 1.29 or newer");
        return None;
    }
    let (url, certificate) = (world.server.url(), world.server.certificate_authority_data());
    let text = format!(
        "# mine\napiVersion: v1\nkind: Config\ncurrent-context: acme\ncontexts:\n- name: acme\n  context: {{cluster: acme, \
         user: acme}}\nclusters:\n- name: acme\n  cluster: {{server: \"{url}\", certificate-authority-data: \
         {certificate}}}\n- name: other\n  cluster: {{server: \"https://k8s.other.dev\", certificate-authority: \
         ../certs/ca.crt}}\nusers:\n{user}- name: other\n  user: {{client-certificate: ../certs/ann.crt, client-key: \
         ann.key}}\n"
    );
    fs::write(kubeconfig(&world), text).unwrap();
    Some(world)
}

fn kubeconfig(world: &World) -> PathBuf {
    world.sandbox.home().join(".kube/config")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// Runs `keyfob setup kubectl --user acme`.
fn setup(world: &World, more: &[&str]) -> Transcript {
    world.sandbox.run(&[&["setup", "kubectl", "--user", "acme"], more].concat(), "")
}

/// The whole output of a set-up that worked.
fn said(done: Transcript) -> String {
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    done.stdout
}

/// The path that keyfob is run by.
fn program(world: &World) -> String {
    world.sandbox.home().parent().unwrap().join("bin/keyfob").display().to_string()
}

/// What kubectl reads in a kubeconfig.
fn view(world: &World, path: &Path) -> serde_json::Value {
    let path = path.to_str().unwrap();
    let args = ["--context=none", "--kubeconfig", path, "config", "view", "--raw", "-o", "json"];
    serde_json::from_str(&world.quietly(&args)).unwrap()
}

/// Nothing but these is left in the folder of the kubeconfig.
fn files(world: &World) -> Vec<String> {
    let entries = fs::read_dir(world.sandbox.home().join(".kube")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != "cache");
    names.sort();
    names
}

const COMMAND: &str = "kubectl config set-credentials acme --exec-api-version=client.authentication.k8s.io/v1 \
                       --exec-command=keyfob --exec-arg=kubectl --exec-arg=--profile --exec-arg=acme \
                       --exec-interactive-mode=Never --exec-provide-cluster-info=true";
const ALLOWLIST: &str = "only where kubectl (1.35 or newer) has an allowlist of plugins:\n  kubectl kuberc set --section \
                         credentialplugin --policy=Allowlist --allowlist-entry=command=keyfob\n";

/// What ran before comes back whatever else has changed meanwhile, and also after another set-up in between.
#[test]
fn an_earlier_plugin_comes_back_after_other_changes() {
    let aws = "- name: acme\n  user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: aws, args: [eks, get-token, \
               --cluster-name, prod], env: [{name: AWS_PROFILE, value: prod}], interactiveMode: IfAvailable}}\n";
    let Some(world) = world(aws) else { return };
    let path = kubeconfig(&world);
    let exec = |of: &serde_json::Value| {
        let users = of["users"].as_array().unwrap().clone();
        users.into_iter().find(|user| user["name"] == "acme").expect("the user is there")["user"]["exec"].clone()
    };
    let before = exec(&view(&world, &path));
    for again in [false, true] {
        said(setup(&world, &["--profile", "acme"]));
        assert_eq!(exec(&view(&world, &path))["command"], program(&world));
        // Without a context kubectl asks no server what it can do, and so nobody for a token.
        let kubectl = |args: &[&str]| {
            let file = ["--context=none", "--kubeconfig", path.to_str().unwrap(), "config"];
            world.quietly(&[&file, args].concat());
        };
        kubectl(&["set-context", "acme", &format!("--namespace=n{again}")]);
        if again {
            said(setup(&world, &["--profile", "acme", "--cluster-info"]));
            kubectl(&["use-context", "acme"]);
        }
        said(setup(&world, &["--undo"]));
        let after = view(&world, &path);
        assert_eq!(exec(&after), before, "{again}");
        let text = read(&path);
        assert!(text.starts_with("apiVersion: v1\n") && !text.contains("keyfob"), "as kubectl writes it: {text}");
        assert_eq!(after["contexts"][0]["context"]["namespace"], format!("n{again}"), "what others did stays");
    }
}

/// An earlier user comes back whole where somebody has deleted it since; a plugin that somebody chose since stays.
#[test]
fn an_earlier_user_comes_back_and_a_later_plugin_stays() {
    let aws = "- name: acme\n  user: {token: s3cret, exec: {apiVersion: client.authentication.k8s.io/v1, command: aws, args: [eks], \
               interactiveMode: IfAvailable}}\n";
    let Some(world) = world(aws) else { return };
    let path = kubeconfig(&world);
    let user = || {
        let users = view(&world, &path)["users"].as_array().unwrap().clone();
        users.into_iter().find(|user| user["name"] == "acme").map(|user| user["user"].clone())
    };
    let kubectl = |args: &[&str]| {
        let file = ["--context=none", "--kubeconfig", path.to_str().unwrap(), "config"];
        world.quietly(&[&file, args].concat());
    };
    let before = user();
    said(setup(&world, &[]));
    kubectl(&["delete-user", "acme"]);
    said(setup(&world, &["--undo"]));
    assert_eq!(user(), before);
    said(setup(&world, &[]));
    kubectl(&[
        "set-credentials",
        "acme",
        "--exec-command=kubelogin",
        "--exec-api-version=client.authentication.k8s.io/v1",
    ]);
    assert!(said(setup(&world, &["--undo"])).ends_with(": nothing to take out\n"));
    assert_eq!(user().unwrap()["exec"]["command"], "kubelogin");
}

/// A user that a person wrote runs keyfob with `--undo` as without.
#[test]
fn a_user_that_a_person_wrote_stays() {
    let hand = "- name: acme\n  user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: keyfob, args: [kubectl, --profile, \
                acme], interactiveMode: Never, provideClusterInfo: true}}\n";
    let Some(world) = world(hand) else { return };
    let before = read(&kubeconfig(&world));
    assert!(said(setup(&world, &["--bare"])).contains(": nothing to change\n"));
    let undone = said(setup(&world, &["--undo"]));
    assert!(
        undone.ends_with(": nothing to take out\n  acme: what names keyfob there is not from setup, and stays\n"),
        "{undone}"
    );
    // Of another shape it is changed, and is as it was afterwards, whatever else has changed.
    said(setup(&world, &["--profile", "acme"]));
    assert_eq!(view(&world, &kubeconfig(&world))["users"][0]["user"]["exec"]["command"], program(&world));
    said(setup(&world, &["--undo"]));
    assert_eq!(read(&kubeconfig(&world)), before);
}

#[test]
fn set_up_let_in_and_undone() {
    let Some(world) = world("") else { return };
    let path = kubeconfig(&world);
    let before = read(&path);
    let shown = path.display().to_string();
    let follows = format!(
        "kubectl writes the file anew, without the comments and anchors in it; --undo brings them back, unless others change it \
         too\nkubectl tells its server (provideClusterInfo): those in clusters of the profile get the token\ncontext acme has this \
         user\n{ALLOWLIST}"
    );

    // By name as a shared file wants it, and else by its path.
    let bare = said(setup(&world, &["--bare", "--dry-run"]));
    assert_eq!(bare, format!("{shown}: would be changed\n  {COMMAND}\n{follows}"));
    let program = program(&world);
    let by_path = |text: &str| text.replace("command=keyfob", &format!("command={program}"));
    let dry = said(setup(&world, &["--dry-run"]));
    assert_eq!(dry, by_path(&bare));
    assert_eq!(read(&path), before);

    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let wet = format!("{shown}: changed\n  {COMMAND}\n{follows}next: keyfob login acme\n");
    assert_eq!(said(setup(&world, &[])), by_path(&wet));
    assert_eq!(mode(&path), 0o640);
    assert_eq!(files(&world), ["config"], "no copy and no lock is left");
    let after = view(&world, &path);
    assert_eq!(
        after["users"][0]["user"]["exec"],
        serde_json::json!({
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": program,
            "args": ["kubectl", "--profile", "acme"],
            "env": null,
            "installHint": "keyfob signs you in to this cluster, and is not where it was. Install it, then run: keyfob setup kubectl \
                            --profile acme --user acme",
            "interactiveMode": "Never",
            "provideClusterInfo": true,
        })
    );
    let whole = read(&path);
    assert!(whole.starts_with("apiVersion: v1\n"), "it is as kubectl writes it: {whole}");

    let again = said(setup(&world, &[]));
    assert!(again.starts_with(&format!("{shown}: nothing to change\n")) && !again.contains("comments"), "{again}");
    assert_eq!(read(&path), whole);

    world.sign_in();
    assert!(world.quietly(&["get", "pods"]).contains("\nhello "));
    assert_eq!(world.asked(), (1, 0));

    assert_eq!(said(setup(&world, &["--undo"])), format!("{shown}: as it was before\n"));
    assert_eq!((read(&path), mode(&path)), (before, 0o640));
    assert_eq!(said(setup(&world, &["--undo"])), format!("{shown}: nothing to take out\n"));
}

#[test]
fn everybody_else_keeps_what_they_had_also_when_the_file_has_changed_since() {
    let Some(world) = world("") else { return };
    let path = kubeconfig(&world);
    let before = view(&world, &path);
    said(setup(&world, &[]));
    world.quietly(&["--context=none", "config", "set-context", "later", "--cluster=other", "--user=other"]);
    let mut with = view(&world, &path);
    let of = |view: &serde_json::Value, user: &str| {
        view["users"].as_array().unwrap().iter().find(|known| known["name"] == user).cloned()
    };
    assert_eq!(of(&with, "other"), of(&before, "other"), "relative paths are the same");
    assert_eq!(with["clusters"], before["clusters"]);

    let done = said(setup(&world, &["--undo"]));
    assert_eq!(done, format!("{}: changed\n  without keyfob for user acme\n", path.display()));
    with["users"].as_array_mut().unwrap().retain(|user| user["name"] != "acme");
    assert_eq!(view(&world, &path), with);
}

#[test]
fn another_helper_is_replaced_and_comes_back() {
    let Some(world) = world(
        "- name: acme\n  user: {exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: kubectl, args: \
         [oidc-login, get-token, --oidc-client-secret=s3cret], env: [{name: A, value: b}]}}\n",
    ) else {
        return;
    };
    let before = read(&kubeconfig(&world));
    let done = said(setup(&world, &[]));
    assert!(!done.contains("s3cret"), "{done}");
    assert!(
        done.contains("\n  kubectl config unset users.acme.exec\n  kubectl config set-credentials acme "),
        "{done}"
    );
    assert!(done.contains("\nuser acme ran kubectl oidc-login until now; --undo brings it back\n"), "{done}");
    let exec = &view(&world, &kubeconfig(&world))["users"][0]["user"]["exec"];
    assert_eq!(
        (&exec["env"], &exec["apiVersion"]),
        (&serde_json::Value::Null, &"client.authentication.k8s.io/v1".into())
    );
    world.sign_in();
    said(setup(&world, &["--undo"]));
    assert_eq!(read(&kubeconfig(&world)), before);
}

#[test]
fn what_goes_first_is_told() {
    let Some(world) = world("- name: acme\n  user: {token: s3cret, client-certificate: ../certs/acme.crt}\n") else {
        return;
    };
    let done = said(setup(&world, &[]));
    assert!(!done.contains("s3cret"), "{done}");
    for means in ["token", "client-certificate"] {
        let line = format!(
            "\nuser acme has {means} as well, which goes first; to be rid of it: kubectl config unset users.acme.{means}\n"
        );
        assert!(done.contains(&line), "{done}");
    }
    let path = kubeconfig(&world);
    // kubectl writes the whole path, of the same file.
    let certificate = view(&world, &path)["users"][0]["user"]["client-certificate"].as_str().unwrap().to_owned();
    assert_eq!(Path::new(&certificate), world.sandbox.home().join("certs/acme.crt"));
    world.quietly(&["--context=none", "config", "unset", "users.acme.token"]);
    let undone = said(setup(&world, &["--undo"]));
    assert!(undone.ends_with("\n  without keyfob for user acme\n"), "{undone}");
    let user = &view(&world, &path)["users"][0]["user"];
    assert_eq!(*user, serde_json::json!({ "client-certificate": certificate }));
}

#[test]
fn the_file_that_kubectl_would_write() {
    let Some(world) = world("") else { return };
    let home = world.sandbox.home();
    let [none, first, second] = ["none", "first", "second"].map(|name| home.join(name));
    let empty = "apiVersion: v1\nkind: Config\n";
    fs::write(&first, empty).unwrap();
    fs::copy(kubeconfig(&world), &second).unwrap();
    let list = std::env::join_paths([&none, &first, &second]).unwrap();
    let setup = |more: &[&str]| {
        let mut command = world.sandbox.keyfob(&["setup", "kubectl", "--profile", "acme", "--user"]);
        command.args(more).env("KUBECONFIG", &list);
        said(run(command, ""))
    };
    assert!(setup(&["acme"]).starts_with(&format!("{}: changed\n", first.display())));
    assert!(setup(&["acme", "--undo"]).starts_with(&format!("{}: as it was before\n", first.display())));
    assert_eq!(read(&first), empty);
    assert!(setup(&["other"]).starts_with(&format!("{}: changed\n", second.display())));
    fs::remove_file(&first).unwrap();
    fs::remove_file(&second).unwrap();
    // As people write it in a shell: below the folder they are in.
    let list = std::env::join_paths(["none", "second"]).unwrap();
    let setup = |more: &[&str]| {
        let mut command = world.sandbox.keyfob(&["setup", "kubectl", "--profile", "acme", "--user"]);
        command.args(more).env("KUBECONFIG", &list);
        said(run(command, ""))
    };
    assert!(setup(&["acme"]).starts_with(&format!("{}: changed\n", second.display())));
    assert_eq!(fs::metadata(&second).unwrap().permissions().mode() & 0o777, 0o600);
    setup(&["acme", "--undo"]);
    assert!(!second.exists());
}

#[test]
fn behind_a_link_and_without_a_kubeconfig() {
    let Some(world) = world("") else { return };
    let (link, real) = (kubeconfig(&world), world.sandbox.home().join("dotfiles/kube"));
    fs::create_dir(real.parent().unwrap()).unwrap();
    fs::rename(&link, &real).unwrap();
    symlink(&real, &link).unwrap();
    let before = read(&real);
    said(setup(&world, &[]));
    assert!(link.is_symlink() && read(&real) != before);
    world.sign_in();
    said(setup(&world, &["--undo"]));
    assert_eq!((link.is_symlink(), read(&real)), (true, before));

    fs::remove_dir_all(link.parent().unwrap()).unwrap();
    said(setup(&world, &["--dry-run"]));
    assert!(!link.parent().unwrap().exists());
    let done = said(setup(&world, &[]));
    assert!(
        done.contains(
            "\nno context has user acme yet; run: kubectl config set-context acme --cluster=NAME --user=acme\n"
        )
    );
    said(setup(&world, &["--undo"]));
    assert!(!link.parent().unwrap().exists());
}

#[test]
fn clusters_that_take_different_tokens_are_told_apart() {
    let Some(world) = world("") else { return };
    let cluster = world.server.url();
    world.connect(&format!("[profile.acme.at.\"{cluster}\"]\ntoken = \"id\"\n"));
    let text = read(&world.sandbox.config()).replace("clusters = [", "clusters = [\"https://k8s.other.dev\", ");
    world.sandbox.configure(&text);
    let bound = read(&world.sandbox.config());
    world.sandbox.configure(&bound.replace("clusters = [", "bind_clusters = false\nclusters = ["));
    let done = said(setup(&world, &[]));
    assert!(done.contains(" --exec-provide-cluster-info=true\n"), "{done}");
    assert!(
        done.contains("\nthe clusters of this profile take different tokens: kubectl tells which it means"),
        "{done}"
    );
    world.sign_in();
    assert_eq!(world.last(), "GET /version id 200");
}

/// Cluster information above 90 KB does not reach a plugin: kubectl would not even start it.
#[test]
fn what_does_not_reach_a_plugin_is_measured() {
    let Some(world) = world("") else { return };
    let path = kubeconfig(&world);
    let ca = path.with_file_name("ca.crt");
    fs::write(&ca, world.server.certificate().repeat((91 << 10) / world.server.certificate().len() + 1)).unwrap();
    let small = format!("certificate-authority-data: {}", world.server.certificate_authority_data());
    let text = read(&path).replace(&small, "certificate-authority: ca.crt");
    fs::write(&path, &text).unwrap();
    let done = setup(&world, &[]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""), "{done:?}");
    assert!(done.stderr.starts_with("keyfob: what kubectl would tell of the cluster acme ("), "{done:?}");
    assert!(done.stderr.contains(" KB) does not reach a plugin\nkeyfob: hint: above 90 KB"), "{done:?}");
    assert!(done.stderr.contains("set bind_clusters = false in acme"), "{done:?}");
    assert_eq!(read(&path), text);
    let bound = read(&world.sandbox.config());
    world.sandbox.configure(&bound.replace("clusters = [", "bind_clusters = false\nclusters = ["));
    let done = said(setup(&world, &[]));
    assert!(done.contains(" --exec-provide-cluster-info=false\n"), "{done}");
    assert!(done.contains("\nany cluster this user is taken to gets the token; with --cluster-info"), "{done}");
    world.sign_in();
    assert_eq!(world.last(), "GET /version access 200");
}

/// What an earlier keyfob wrote is one command from what is bound.
#[test]
fn an_entry_that_does_not_tell_is_mended_by_one_command() {
    let Some(world) = world(
        "- name: acme\n  user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: keyfob, args: [kubectl, --profile, \
         acme], interactiveMode: Never}}\n",
    ) else {
        return;
    };
    let done = world.run(&["get", "--raw", "/version"]);
    let mend = "run: keyfob setup kubectl --profile acme --user NAME\n";
    assert!(done.code == Some(1) && done.stderr.contains(mend), "{done:?}");
    said(setup(&world, &["--profile", "acme"]));
    world.sign_in();
    assert_eq!(world.last(), "GET /version access 200");
}

#[test]
fn a_kubeconfig_that_kubectl_refuses_is_left_alone() {
    let Some(world) = world("") else { return };
    let path = kubeconfig(&world);
    fs::write(&path, "users: [s3cret\n").unwrap();
    let done = setup(&world, &[]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
    let begins = format!("keyfob: kubectl refuses: error loading config file \"{}\": yaml: ", path.display());
    assert!(done.stderr.starts_with(&begins) && !done.stderr.contains("s3cret"), "{done:?}");
    assert_eq!((read(&path).as_str(), files(&world)), ("users: [s3cret\n", vec!["config".to_owned()]));

    let mut command = std::process::Command::new(keyfob());
    command.args(["setup", "kubectl", "--user", "acme"]).env_clear();
    for (name, path) in
        [("PATH", world.sandbox.home()), ("HOME", world.sandbox.home()), ("KEYFOB_CONFIG", world.sandbox.config())]
    {
        command.env(name, path);
    }
    let done = run(command, "");
    let error = "keyfob: kubectl is not on the PATH\nkeyfob: hint: install it, or correct PATH\n";
    assert_eq!((done.code, done.stderr.as_str()), (Some(1), error));
}

#[test]
fn an_entry_of_kubelogin_becomes_a_profile_that_gets_in() {
    let Some(world) = world("") else { return };
    let (issuer, cluster) = (world.provider.url(), world.server.url());
    let arg = |name: &str, value: &str| format!("--exec-arg=--{name}={value}");
    world.quietly(&[
        "--context=none",
        "config",
        "set-credentials",
        "acme",
        "--exec-api-version=client.authentication.k8s.io/v1beta1",
        "--exec-command=kubectl",
        "--exec-arg=oidc-login",
        "--exec-arg=get-token",
        &arg("oidc-issuer-url", &issuer),
        &arg("oidc-client-id", CLIENT_ID),
    ]);
    world.sandbox.configure("");
    // The provider of these tests describes itself to nobody: it is WorkOS Connect, whose endpoints are known.
    let args = ["setup", "profile", "acme", "--from", "kubeconfig:acme", "--provider", "workos-connect"];
    let done = said(world.sandbox.run(&args, ""));
    assert!(done.contains("\n  keyfob setup kubectl --profile acme --user acme\n"), "{done}");
    let table = read(&world.sandbox.config());
    for line in
        [format!("issuer = \"{issuer}\" "), format!("clusters = [\"{cluster}\"] "), "token = \"id\" ".to_owned()]
    {
        assert!(table.contains(&format!("\n{line}")), "{line}: {table}");
    }
    said(setup(&world, &[]));
    world.sign_in();
    assert_eq!(world.last(), "GET /version id 200");
    assert_eq!(world.provider.count(Endpoint::Start), 2, "one to check the profile, one to sign in");
}
