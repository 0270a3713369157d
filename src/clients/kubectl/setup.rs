//! `keyfob setup kubectl`: a user of a kubeconfig whose credential keyfob gives. kubectl itself makes the change, on a
//! copy, because a kubeconfig is YAML of its own making; what it made is put in place whole.

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use clap::Args;

use super::kubeconfig::{self, Copy, TOLD_LIMIT, View, text, too_much};
use super::wire::Version;
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::escape::escape;
use crate::mend::shell;
use crate::model::Profile;
use crate::output::say;
use crate::setup::{Done, Entries, How, change, links};
use crate::store::foreign::Foreign;

/// `keyfob setup kubectl`.
#[derive(Args, Debug)]
#[command(after_help = "Example: keyfob setup kubectl --profile acme --user acme")]
pub(crate) struct Lines {
    /// User of the kubeconfig that keyfob answers for
    #[arg(long, value_name = "NAME")]
    pub(crate) user: String,
    /// Profile that answers; the only one when left out
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Have kubectl say which cluster it asks for
    #[arg(long)]
    pub(crate) cluster_info: bool,
    /// Name keyfob without its path, for a shared file
    #[arg(long)]
    pub(crate) bare: bool,
    /// Version of the protocol, v1 or v1beta1
    #[arg(long, value_name = "V", default_value = "v1", value_parser = ["v1", "v1beta1"],
          hide_possible_values = true)]
    pub(crate) api_version: String,
}

/// What a user of a kubeconfig may have beside `exec`, and what goes before it.
pub(super) const OTHER_MEANS: &[&str] = &[
    "token",
    "tokenFile",
    "client-certificate",
    "client-certificate-data",
    "client-key",
    "client-key-data",
    "username",
    "password",
    "auth-provider",
];

pub(super) fn run(command: &Lines, how: How) -> Result<ExitCode> {
    let name = command.user.as_str();
    if name.is_empty() || name.starts_with('-') {
        return Err(
            Error::new(Kind::Usage, "that is no name for a user").hint("name it as the kubeconfig's contexts do")
        );
    }
    let path = kubeconfig::file_of(name)?;
    let file = Foreign::read(&path)?;
    let before = match file.bytes() {
        Some(bytes) => Copy::new(&path, bytes)?.view()?.user(name).cloned(),
        None => None,
    };
    let before = before.unwrap_or_default();
    // No base64 has these.
    let is_commented = file.bytes().unwrap_or_default().iter().any(|byte| matches!(byte, b'#' | b'&'));
    if how.undo {
        // What it would run is of no account.
        let plugin = Plugin::default();
        change(&path, &User { name, path: &path, plugin, before, is_commented }, how)?;
        return Ok(ExitCode::SUCCESS);
    }
    let config = Config::load()?;
    let profile = crate::setup::profile(&config, command.profile.as_deref())?;
    let cluster_info = command.cluster_info || profile.is_bound() || takes_several(profile);
    if cluster_info {
        refuse_too_much(name, profile)?;
    }
    let plugin = Plugin {
        command: if command.bare { "keyfob".to_owned() } else { links::whole_path()?.display().to_string() },
        profile: profile.title().to_owned(),
        cluster_info,
        version: Version::named(&command.api_version).unwrap_or_default(),
    };
    let user = User { name, path: &path, plugin, before, is_commented };
    let done = change(&path, &user, how)?;
    user.say_what_follows(profile, command, &done, how)?;
    Ok(ExitCode::SUCCESS)
}

/// Whether the clusters of a profile take different tokens, so that a client has to tell which it means.
fn takes_several(profile: &Profile) -> bool {
    profile.clusters.windows(2).any(|pair| !pair[0].1.takes_the_same(&pair[1].1))
}

/// A kubectl that is to tell more than a plugin can be told does not even start it.
fn refuse_too_much(user: &str, profile: &Profile) -> Result<()> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    let view = kubeconfig::effective(true)?;
    let told = view.contexts_of(user).map(|(_, cluster)| (cluster, view.told_size(cluster)));
    let Some((cluster, size)) = told.max_by_key(|(_, size)| *size).filter(|(_, size)| *size > TOLD_LIMIT) else {
        return Ok(());
    };
    let what = format!(
        "what kubectl would tell of the cluster {} ({} KB) does not reach a plugin",
        escape(cluster),
        size >> 10
    );
    Err(Error::new(Kind::Configuration, what).hint(too_much(profile)))
}

/// What the client runs for a user's credential.
#[derive(Debug, Default)]
struct Plugin {
    /// The whole path, or the bare name.
    command: String,
    profile: String,
    cluster_info: bool,
    version: Version,
}

impl Plugin {
    /// Whether an `exec` is just this one. How it is to be installed is for its reader to say.
    fn is(&self, exec: &Value) -> bool {
        let truth = |member: &str| exec.get(member).and_then(Value::as_bool).unwrap_or_default();
        let has_env = exec.get("env").and_then(Value::as_array).is_some_and(|env| !env.is_empty());
        text(exec, "apiVersion") == self.version.name()
            && text(exec, "command") == self.command
            && exec.get("args") == Some(&json!(self.args()))
            && text(exec, "interactiveMode") == "Never"
            && truth("provideClusterInfo") == self.cluster_info
            && !has_env
    }

    fn args(&self) -> Vec<&str> {
        // A client that does not say which version it reads compares the answer's with the kubeconfig's.
        let version = match self.version {
            Version::V1 => &[][..],
            Version::V1Beta1 => &["--api-version", "v1beta1"],
        };
        [&["kubectl"], version, &["--profile", &self.profile]].concat()
    }
}

/// A user of the kubeconfig at `path`.
struct User<'a> {
    name: &'a str,
    path: &'a Path,
    plugin: Plugin,
    /// What the kubeconfig says of this user now; null where it says nothing.
    before: Value,
    /// Whether there may be comments or anchors in it.
    is_commented: bool,
}

impl Entries for User<'_> {
    fn put_in(&self, file: Option<&[u8]>) -> Result<(Vec<u8>, Vec<String>)> {
        let bytes = file.unwrap_or_default();
        let copy = Copy::new(self.path, bytes)?;
        let view = copy.view()?;
        if view.user(self.name).and_then(|user| user.get("exec")).is_some_and(|exec| self.plugin.is(exec)) {
            return Ok((bytes.to_vec(), Vec::new()));
        }
        // `kubectl config` has no word for the hint.
        let Plugin { command, profile, version, .. } = &self.plugin;
        let hint = if command == "keyfob" {
            format!("keyfob signs you in to this cluster. Put it on the PATH, then run: keyfob login {profile}")
        } else {
            let again = shell(&self.setup_again());
            format!("keyfob signs you in to this cluster, and is not where it was. Install it, then run: {again}")
        };
        copy.put_exec(view, self.name, &json!({ "apiVersion": version.name(), "command": "", "installHint": hint }))?;
        let args = self.set_credentials();
        copy.kubectl(&args.iter().map(String::as_str).collect::<Vec<_>>())?;
        Ok((copy.bytes()?, vec![self.name.to_owned()]))
    }

    fn take_back(&self, file: &[u8], before: &[u8], names: &[String]) -> Result<Vec<u8>> {
        let before = Copy::new(self.path, before)?.view()?;
        let copy = Copy::new(self.path, file)?;
        let mut is_changed = false;
        for name in names {
            let view = copy.view()?;
            let (now, earlier) = (view.user(name), before.user(name));
            let exec = now.and_then(|user| user.get("exec"));
            let earlier_exec = earlier.and_then(|user| user.get("exec"));
            if exec.is_some_and(|exec| !is_ours(exec)) || exec == earlier_exec {
                continue;
            }
            is_changed = true;
            if let (Some(exec), Some(earlier)) = (earlier_exec.filter(|exec| exec.is_object()), earlier) {
                copy.give_back(view, name, exec, earlier)?;
            } else if let Some(user) = now {
                copy.kubectl(&removal(name, user, earlier.is_some()).each_ref().map(String::as_str))?;
            }
        }
        if is_changed { copy.bytes() } else { Ok(file.to_vec()) }
    }

    fn ours(&self, file: &[u8]) -> Result<Vec<String>> {
        let view = Copy::new(self.path, file)?.view()?;
        let ours = view.users().filter(|(_, user)| user.get("exec").is_some_and(is_ours));
        Ok(ours.map(|(name, _)| name.to_owned()).collect())
    }

    fn is_nothing(&self, file: &[u8]) -> Result<bool> {
        Ok(Copy::new(self.path, file)?.view()?.is_empty())
    }

    fn picks(&self, name: &str) -> bool {
        name == self.name
    }

    fn lines(&self, _names: &[String], undo: bool) -> Vec<String> {
        if undo {
            return vec![format!("without keyfob for user {}", escape(self.name))];
        }
        let other = self.before.get("exec").is_some_and(Value::is_object);
        let unset =
            other.then(|| command_line(&["config".into(), "unset".into(), format!("users.{}.exec", self.name)]));
        unset.into_iter().chain([command_line(&self.set_credentials())]).collect()
    }

    fn is_private(&self) -> bool {
        true
    }
}

impl User<'_> {
    /// The command that writes this user anew, with the path that keyfob has then.
    fn setup_again(&self) -> Vec<String> {
        let words = ["keyfob", "setup", "kubectl", "--profile", &self.plugin.profile, "--user", self.name];
        words.map(str::to_owned).to_vec()
    }

    fn set_credentials(&self) -> Vec<String> {
        let Plugin { command, cluster_info, version, .. } = &self.plugin;
        let mut args = vec!["config".to_owned(), "set-credentials".to_owned(), self.name.to_owned()];
        args.push(format!("--exec-api-version={}", version.name()));
        args.push(format!("--exec-command={command}"));
        args.extend(self.plugin.args().into_iter().map(|arg| format!("--exec-arg={arg}")));
        args.push("--exec-interactive-mode=Never".to_owned());
        args.push(format!("--exec-provide-cluster-info={cluster_info}"));
        args
    }

    fn say_what_follows(&self, profile: &Profile, command: &Lines, done: &Done, how: How) -> Result<()> {
        let name = self.name;
        if let Some(exec) = self.before.get("exec").filter(|exec| exec.is_object() && !is_ours(exec))
            && *done != Done::Nothing
        {
            say(&format!("user {name} ran {} until now; --undo brings it back", program(exec)))?;
        }
        if self.is_commented && *done != Done::Nothing {
            say(
                "kubectl writes the file anew, without the comments and anchors in it; --undo brings them back, unless others change it too",
            )?;
        }
        for means in OTHER_MEANS.iter().filter(|means| self.before.get(means).is_some()) {
            let unset = command_line(&["config".into(), "unset".into(), format!("users.{name}.{means}")]);
            say(&format!("user {name} has {means} as well, which goes first; to be rid of it: {unset}"))?;
        }
        if profile.is_bound() {
            say("kubectl tells its server (provideClusterInfo): those in clusters of the profile get the token")?;
        } else if self.plugin.cluster_info && !command.cluster_info {
            say(
                "the clusters of this profile take different tokens: kubectl tells which it means (provideClusterInfo)",
            )?;
        } else if !self.plugin.cluster_info && !profile.clusters.is_empty() {
            say("any cluster this user is taken to gets the token; with --cluster-info only those of the profile")?;
        }
        let view = kubeconfig::effective(false)?;
        let contexts: Vec<&str> = view.contexts_of(name).map(|(context, _)| context).collect();
        match &contexts[..] {
            [] => say(&format!("no context has user {name} yet; run: {}", self.set_context(&view)))?,
            [one] => say(&format!("context {one} has this user"))?,
            several => say(&format!("contexts {} have this user", several.join(", ")))?,
        }
        let entry = format!("--allowlist-entry=command={}", self.plugin.command);
        let kuberc =
            ["kuberc", "set", "--section", "credentialplugin", "--policy=Allowlist", &entry].map(str::to_owned);
        say("only where kubectl (1.35 or newer) has an allowlist of plugins:")?;
        say(&format!("  {}", command_line(&kuberc)))?;
        if !how.dry_run {
            say(&format!("next: {}", shell(&profile.login_command())))?;
        }
        Ok(())
    }

    /// The command that has kubectl use this user.
    fn set_context(&self, view: &View) -> String {
        let user = format!("--user={}", self.name);
        let words = if view.current_context().is_empty() {
            vec!["config", "set-context", self.name, "--cluster=NAME", &user]
        } else {
            vec!["config", "set-context", "--current", &user]
        };
        command_line(&words.into_iter().map(str::to_owned).collect::<Vec<_>>())
    }
}

/// kubectl's arguments that take our part of a user out; one that nobody had before and that has nothing else goes.
fn removal(name: &str, user: &Value, is_old: bool) -> [String; 3] {
    let alone = user.as_object().is_none_or(|user| user.keys().all(|key| key == "exec"));
    let [verb, what] = if alone && !is_old {
        ["delete-user".to_owned(), name.to_owned()]
    } else {
        ["unset".to_owned(), format!("users.{name}.exec")]
    };
    ["config".to_owned(), verb, what]
}

/// Whether an `exec` runs keyfob.
pub(super) fn is_ours(exec: &Value) -> bool {
    let program = Path::new(text(exec, "command")).file_stem().unwrap_or_default();
    program == "keyfob" && exec.get("args").and_then(|args| args.get(0)) == Some(&json!("kubectl"))
}

/// What an `exec` runs, without arguments that could be secrets: `kubectl oidc-login`.
fn program(exec: &Value) -> String {
    let verb = exec.get("args").and_then(|args| args.get(0)).and_then(Value::as_str);
    let verb = verb
        .filter(|verb| verb.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') && !verb.starts_with('-'));
    [Some(text(exec, "command")), verb].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// A kubectl command as a shell takes it.
fn command_line(args: &[String]) -> String {
    shell(&[&["kubectl".to_owned()], args].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_by_whatever_path() {
        let exec = |command: &str, arg: &str| json!({ "command": command, "args": [arg] });
        assert!(is_ours(&exec("keyfob", "kubectl")) && is_ours(&exec("/home/ann/bin/keyfob", "kubectl")));
        assert!(!is_ours(&exec("keyfob", "token")) && !is_ours(&exec("kubelogin", "kubectl")));
        assert_eq!(program(&exec("kubectl", "oidc-login")), "kubectl oidc-login");
        assert_eq!(program(&exec("x", "--oidc-client-secret=s3cret")), "x");
        assert_eq!(program(&json!({ "command": "x", "args": null })), "x");
    }

    #[test]
    fn a_user_with_other_means_stays() {
        assert_eq!(removal("a", &json!({ "exec": {} }), false), ["config", "delete-user", "a"]);
        assert_eq!(removal("a", &json!({ "exec": {} }), true), ["config", "unset", "users.a.exec"]);
        assert_eq!(removal("a", &json!({ "exec": {}, "token": "t" }), false), ["config", "unset", "users.a.exec"]);
    }
}
