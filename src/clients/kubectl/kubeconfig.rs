//! Kubeconfigs, through kubectl: it alone reads and writes them, so that what is YAML stays its business.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::wire::NO_SERVER;
use crate::config::{environment, folders, programs};
use crate::error::{Error, Kind, Result};
use crate::escape::escape;
use crate::mend::Mend;
use crate::model::Profile;
use crate::process::With;
use crate::redact::Secrets;
use crate::store::foreign::Foreign;
use crate::store::scratch::Scratch;

/// kubectl needs a twentieth of a second for what it is asked here.
const PATIENCE: Duration = Duration::from_secs(20);

/// Linux gives one variable of the environment no more than 128 KiB: 90 KB of certificates, as base64, and room for the rest.
pub(crate) const TOLD_LIMIT: usize = 120 << 10;

/// What the file of a cluster's certificates comes to where it is told: base64 of it, in bytes. The data itself counts where it stands.
/// kubectl shows a path as it is written, which is beside the kubeconfig that has it; of several the largest counts.
pub(crate) fn certificates_of(cluster: &Value) -> usize {
    let name = text(cluster, "certificate-authority");
    if name.is_empty() {
        return 0;
    }
    let files = environment::kubeconfig();
    let files = if files.is_empty() { folders::kubeconfig().into_iter().collect() } else { files };
    let beside = files.iter().filter_map(|file| file.parent()).map(|folder| folder.join(name));
    let size = beside.filter_map(|path| path.metadata().ok()).map(|meta| meta.len()).max().unwrap_or_default();
    usize::try_from(size).unwrap_or(usize::MAX / 8) / 3 * 4
}

/// What lets clients in whose cluster's particulars do not reach a plugin.
pub(crate) fn too_much(profile: &Profile) -> Mend {
    let at = &profile.written_at;
    format!("above 90 KB of certificates set bind_clusters = false in {} ({at}), or give that cluster a profile of its own with it", profile.title())
        .into()
}

/// What a kubeconfig says.
#[derive(Debug)]
pub(crate) struct View(Value);

impl View {
    /// The user of that name.
    pub(crate) fn user(&self, name: &str) -> Option<&Value> {
        self.users().find(|(known, _)| *known == name).map(|(_, user)| user)
    }

    /// All users by name.
    pub(crate) fn users(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.named("users", "user")
    }

    /// The contexts that a user is used by, each with its cluster.
    pub(crate) fn contexts_of<'a>(&'a self, user: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let contexts = self.named("contexts", "context").filter(move |(_, context)| text(context, "user") == user);
        contexts.map(|(name, context)| (name, text(context, "cluster")))
    }

    /// What is told of the cluster of that name, in bytes.
    pub(crate) fn told_size(&self, cluster: &str) -> usize {
        let mut clusters = self.named("clusters", "cluster");
        let found = clusters.find(|(name, _)| *name == cluster);
        found.map_or(0, |(_, cluster)| cluster.to_string().len() + certificates_of(cluster))
    }

    /// The server of the cluster of that name.
    pub(crate) fn server(&self, cluster: &str) -> Option<&str> {
        let mut clusters = self.named("clusters", "cluster");
        clusters.find(|(name, _)| *name == cluster).map(|(_, cluster)| text(cluster, "server"))
    }

    /// Whether it names nothing.
    pub(crate) fn is_empty(&self) -> bool {
        let has_none = |list: &str| self.0[list].as_array().is_none_or(Vec::is_empty);
        ["users", "contexts", "clusters"].into_iter().all(has_none) && self.current_context().is_empty()
    }

    pub(crate) fn current_context(&self) -> &str {
        text(&self.0, "current-context")
    }

    /// The same with another `exec` for a user; where there is none of that name, with `new`, who has that `exec` as well.
    fn with_exec(mut self, name: &str, exec: &Value, new: &Value) -> Value {
        if !self.0["users"].is_array() {
            self.0["users"] = json!([]);
        }
        if let Some(users) = self.0["users"].as_array_mut() {
            let at = users.iter().position(|user| text(user, "name") == name).unwrap_or(users.len());
            if at == users.len() {
                users.push(json!({ "name": name, "user": new }));
            }
            users[at]["user"]["exec"] = exec.clone();
        }
        self.0
    }

    fn named(&self, list: &str, member: &'static str) -> impl Iterator<Item = (&str, &Value)> {
        let entries = self.0.get(list).and_then(Value::as_array).into_iter().flatten();
        entries.filter_map(move |entry| Some((text(entry, "name"), entry.get(member)?)))
    }
}

/// A member that is text; without it, nothing.
pub(crate) fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// A context that is there for a moment.
const PASSING: &str = "keyfob-was-here";

/// A private copy of a kubeconfig, which kubectl changes.
pub(crate) struct Copy<'a> {
    /// The kubeconfig itself.
    path: &'a Path,
    scratch: Scratch,
}

impl<'a> Copy<'a> {
    pub(crate) fn new(path: &'a Path, bytes: &[u8]) -> Result<Self> {
        Ok(Self { path, scratch: Scratch::beside(path, bytes)? })
    }

    pub(crate) fn view(&self) -> Result<View> {
        parse(&self.kubectl(&["config", "view", "--raw", "-o", "json"])?)
    }

    /// Runs kubectl on it and returns what it printed.
    pub(crate) fn kubectl(&self, args: &[&str]) -> Result<Vec<u8>> {
        let copy = self.scratch.path().to_string_lossy();
        let args: Vec<&str> = ["--kubeconfig", &copy].iter().chain(args).copied().collect();
        // Its errors are about the file that people know.
        run(&args, |words| words.replace(&*copy, &self.path.to_string_lossy()))
    }

    /// Puts in an `exec` that kubectl's commands cannot write. JSON is YAML: kubectl reads it, and writes YAML with its
    /// next change.
    pub(crate) fn put_exec(&self, view: View, user: &str, exec: &Value) -> Result<()> {
        self.scratch.fill(view.with_exec(user, exec, &json!({})).to_string().as_bytes())
    }

    /// Gives a user back the `exec` that they had when they were `earlier`, who comes back where they are gone.
    pub(crate) fn give_back(&self, view: View, user: &str, exec: &Value, earlier: &Value) -> Result<()> {
        self.scratch.fill(view.with_exec(user, exec, earlier).to_string().as_bytes())?;
        // A change and its opposite have kubectl write the file in its own way; what an `exec` holds goes on no command line.
        self.kubectl(&["config", "set-context", PASSING])?;
        self.kubectl(&["config", "delete-context", PASSING]).map(drop)
    }

    pub(crate) fn bytes(&self) -> Result<Vec<u8>> {
        self.scratch.bytes()
    }
}

/// What kubectl goes by where it is run as we are: all its files in one. `raw`: with the secrets.
pub(crate) fn effective(raw: bool) -> Result<View> {
    let args = ["config", "view", "-o", "json", "--raw"];
    parse(&run(if raw { &args } else { &args[..4] }, str::to_owned)?)
}

/// The file that kubectl writes a user to: the one that has it, else the first of `KUBECONFIG` that is there, else the
/// last of them; `~/.kube/config` where it is not set (client-go, `PathOptions`). The whole path.
pub(crate) fn file_of(user: &str) -> Result<PathBuf> {
    let files: Vec<PathBuf> = environment::kubeconfig()
        .iter()
        .map(std::path::absolute)
        .collect::<Result<_, _>>()
        .map_err(|error| Error::broken("cannot tell where KUBECONFIG is", error))?;
    let Some(last) = files.last() else {
        return folders::kubeconfig()
            .ok_or_else(|| Error::new(Kind::Broken, "no home folder is known").hint("set HOME, or KUBECONFIG"));
    };
    if files.len() > 1 {
        for file in &files {
            if let Some(bytes) = Foreign::read(file)?.bytes()
                && Copy::new(file, bytes)?.view()?.user(user).is_some()
            {
                return Ok(file.clone());
            }
        }
    }
    Ok(files.iter().find(|file| file.exists()).unwrap_or(last).clone())
}

/// What `kubectl config view` prints as JSON.
pub(crate) fn parse(json: &[u8]) -> Result<View> {
    serde_json::from_slice(json).map(View).map_err(|error| Error::broken("kubectl's answer is not understood", error))
}

fn run(args: &[&str], reword: impl Fn(&str) -> String) -> Result<Vec<u8>> {
    let args: Vec<&str> = [NO_SERVER].iter().chain(args).copied().collect();
    let output =
        programs::ask("kubectl", &args, &With { patience: PATIENCE, ..With::default() }).map_err(
            |error| match error.kind() {
                ErrorKind::NotFound => {
                    Error::new(Kind::Broken, "kubectl is not on the PATH").hint("install it, or correct PATH")
                }
                ErrorKind::TimedOut => {
                    Error::new(Kind::Transient, "kubectl does not answer").hint("run the command again")
                }
                _ => Error::broken("cannot run kubectl", error),
            },
        )?;
    if output.succeeded {
        return Ok(output.stdout.expose().to_vec());
    }
    let words = reword(&String::from_utf8_lossy(output.stderr.expose()));
    let words = words.lines().next().unwrap_or("no reason given");
    let words = words.strip_prefix("error: ").or(words.strip_prefix("Error: ")).unwrap_or(words);
    let hint = if words.contains("unknown flag") {
        "install kubectl 1.29 or newer, or write the user by hand, as integrations/kubectl shows"
    } else {
        "see what it says to: kubectl config view"
    };
    Err(Error::new(Kind::Broken, format!("kubectl refuses: {}", Secrets::default().redact(&escape(words)))).hint(hint))
}
