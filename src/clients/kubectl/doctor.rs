//! kubectl: the users of the kubeconfig that run keyfob, their entries, and each replayed as kubectl would run it.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::binding::{self, Told};
use super::kubeconfig::{TOLD_LIMIT, certificates_of, too_much};
use super::setup::OTHER_MEANS;
use super::wire::{NO_SERVER, Way};
use super::{CLIENT, Kubectl};
use crate::config::programs::{find, is_program, is_same};
use crate::config::{Config, folders, matching};
use crate::desk::setup_command;
use crate::doctor::programs::{self, Version, ask, complaint};
use crate::doctor::report::Area;
use crate::doctor::{Concerned, Visit, expected, session};
use crate::escape::escape;
use crate::mend::Mend;
use crate::model::{Destination, Location, Profile};
use crate::oauth::jwt;
use crate::process::{self, Answer, With};
use crate::redact::Secrets;
use crate::store::{self, markers::Markers};

const AREA: Area = Area::Client(CLIENT.name);
const V1BETA1: &str = "client.authentication.k8s.io/v1beta1";
/// A person's preferences are shorter, in bytes.
const KUBERC_LIMIT: u64 = 1 << 20;

/// A user of the kubeconfig that runs keyfob, with a cluster some context takes it to.
struct User<'v> {
    name: &'v str,
    /// All that the kubeconfig says of it.
    whole: &'v Value,
    exec: &'v Value,
    command: &'v str,
    cluster: &'v Value,
    server: &'v str,
}

/// Which kubectl is here, and what follows from its age.
pub(super) fn program(visit: &mut Visit<'_>) -> Option<Version> {
    let kubectl = programs::version(visit, CLIENT.name, &["version", "--client", "-o", "json", NO_SERVER]);
    if let Some((major_minor, text)) = &kubectl {
        let what = |follows: &str| format!("kubectl {text}: {follows}");
        if *major_minor < (1, 22) {
            let mend = "install kubectl 1.22 or newer, or write apiVersion: client.authentication.k8s.io/v1beta1 for its users";
            visit.report.warning(
                &Area::Programs,
                what("it runs credential plugins of version v1beta1 alone"),
                Some(mend.into()),
            );
        } else {
            visit.report.ok(&Area::Programs, what("it runs credential plugins of version v1"));
        }
    }
    kubectl.map(|(version, _)| version)
}

pub(super) fn examine<'v>(visit: &mut Visit<'v>, concerned: &Concerned<'v>) {
    // Without the configuration every profile a kubeconfig names would seem to be missing.
    let Some(version) = visit.version(CLIENT.name).filter(|_| visit.is_readable) else { return };
    let profiles = &concerned.profiles;
    let config = match ask("kubectl".as_ref(), &["config", "view", "--raw", "-o", "json", NO_SERVER], &[], b"") {
        Ok(answer) if answer.succeeded => serde_json::from_slice(answer.stdout.expose()).unwrap_or(Value::Null),
        Ok(answer) => {
            let words = String::from_utf8_lossy(answer.stderr.expose()).into_owned();
            let what = format!("kubectl cannot read its kubeconfig: {}", Secrets::default().redact(&escape(&words)));
            return visit.report.problem(&AREA, what, Mend::run("kubectl config view"));
        }
        Err(error) => {
            let what = format!("kubectl {}", programs::why(&error));
            return visit.report.problem(&AREA, what, Mend::run("kubectl config view"));
        }
    };
    let users = users(&config);
    if visit.is_about_all() {
        look_at_idle(visit, &config, &users);
    }
    let mut served = Vec::new();
    for user in &users {
        let location = Location::parse(user.server).ok();
        if visit.named.is_some() && visit.named != location.as_ref() {
            continue;
        }
        if !visit.is_about_all() && visit.named.is_none() && !is_of_the_only(visit, user, location.as_ref()) {
            continue;
        }
        let looked_at = look_at(visit, user, location.as_ref());
        if let (Some((profile, destination)), Some(location)) = (looked_at, location) {
            if let Some(meant) = of_cluster(visit.config, &location).filter(|_| profile.clusters.is_empty()) {
                let (name, own, other) = (escape(user.name), profile.title(), meant.title());
                let what = format!("user {name} takes a token of {own} to {location}, which is a cluster of {other}");
                visit.report.warning(&AREA, what, Some(user.setup(Some(meant))));
            }
            replay(visit, user, profile, destination);
            served.push(location);
        }
        if version >= (1, 35) {
            look_at_allowlist(visit, user);
        }
    }
    for profile in profiles {
        if !profile.bind_clusters && !profile.clusters.is_empty() {
            let title = profile.title();
            let what = format!(
                "{title} gives its token to clients that do not tell their server, whatever that is (bind_clusters = false)"
            );
            visit.report.warning(&AREA, what, None);
        }
        for (entry, destination) in &profile.clusters {
            let is_named = |server: &Location| entry.closeness(server).is_some();
            let is_meant = visit.named.is_none_or(is_named);
            if is_meant && !users.iter().any(|user| Location::parse(user.server).is_ok_and(|server| is_named(&server)))
            {
                let what = format!("no user of the kubeconfig runs keyfob for {}", entry.url());
                let mend = Mend::command(setup_command(&["kubectl"], profile)).with("--user").with("NAME");
                visit.report.problem(&AREA, what, mend);
            }
            if is_meant && visit.named.is_some() && !served.iter().any(is_named) {
                expected::compare_kept_for(visit, &AREA, profile, destination);
            }
        }
    }
}

/// Each user that runs keyfob, once for each cluster it is taken to.
fn users(config: &Value) -> Vec<User<'_>> {
    let list = |name: &str| config[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let named = |name: &str, wanted: &Value| list(name).iter().find(|item| item["name"] == *wanted);
    let mut users: Vec<User<'_>> = Vec::new();
    for context in list("contexts") {
        let context = &context["context"];
        let (Some(user), Some(cluster)) = (named("users", &context["user"]), named("clusters", &context["cluster"]))
        else {
            continue;
        };
        let (exec, cluster) = (&user["user"]["exec"], &cluster["cluster"]);
        let (name, command, server) = (user["name"].as_str(), exec["command"].as_str(), cluster["server"].as_str());
        let (Some(name), Some(command), Some(server)) = (name, command, server) else { continue };
        let file = Path::new(command).file_name().unwrap_or_default().to_string_lossy();
        if file.strip_suffix(".exe").unwrap_or(&file) != "keyfob" {
            continue;
        }
        if !users.iter().any(|known| (known.name, known.server) == (name, server)) {
            users.push(User { name, whole: &user["user"], exec, command, cluster, server });
        }
    }
    users
}

impl User<'_> {
    fn args(&self) -> Vec<String> {
        let args = self.exec["args"].as_array().into_iter().flatten();
        args.map(|arg| arg.as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The program it runs, where that is this one or the keyfob on PATH.
    fn program(&self) -> Option<PathBuf> {
        let known = [find("keyfob"), process::executable().ok()].into_iter().flatten();
        let mut known =
            known.filter(|known| !self.command.contains(['/', '\\']) || is_same(known, self.command.as_ref()));
        known.next()
    }

    /// Writes the entry anew.
    fn setup(&self, profile: Option<&Profile>) -> Mend {
        let mend = self.setup_without_cluster(profile);
        // Where a profile is bound, it is told without being asked for.
        let is_bound = profile.is_some_and(Profile::is_bound);
        if self.tells_cluster() && !is_bound { mend.with("--cluster-info") } else { mend }
    }

    /// Writes it anew, without the cluster.
    fn setup_without_cluster(&self, profile: Option<&Profile>) -> Mend {
        let any = || Mend::run("keyfob setup kubectl --profile P");
        let mend = profile.map_or_else(any, |profile| Mend::command(setup_command(&["kubectl"], profile)));
        let args = self.args();
        let version = args.iter().skip_while(|arg| *arg != "--api-version").nth(1);
        let mend = version.map_or(mend.clone(), |version| mend.with("--api-version").with(version));
        mend.with("--user").with(self.name)
    }

    fn tells_cluster(&self) -> bool {
        self.exec["provideClusterInfo"] == true
    }

    /// What kubectl puts into `KUBERNETES_EXEC_INFO`. Of a certificate in a file it would send what is in it; here its size
    /// stands for it, which is all that matters.
    /// `tells`: as if it told its cluster.
    fn info(&self, tells: bool) -> (Value, usize) {
        let mut spec = json!({ "interactive": false });
        let mut more = 0;
        if tells {
            let members =
                ["server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data", "proxy-url"];
            spec["cluster"] = members
                .into_iter()
                .filter_map(|name| Some((name.to_owned(), self.cluster.get(name)?.clone())))
                .collect::<serde_json::Map<_, _>>()
                .into();
            more = certificates_of(self.cluster);
        }
        let info = json!({ "kind": "ExecCredential", "apiVersion": self.exec["apiVersion"], "spec": spec });
        let size = info.to_string().len() + more;
        (info, size)
    }
}

/// The profile that names a cluster.
fn of_cluster<'a>(config: &'a Config, server: &Location) -> Option<&'a Profile> {
    binding::of_cluster(config, Some(server)).first().copied()
}

/// Whether a user is of the profile a person asked about.
fn is_of_the_only(visit: &Visit<'_>, user: &User<'_>, server: Option<&Location>) -> bool {
    let asked = Kubectl::read(&user.args()).and_then(|command| command.profile);
    binding::profile(visit.config, asked.as_deref(), server).is_ok_and(|profile| visit.is_about(profile))
}

/// Users that run keyfob and that no context has.
fn look_at_idle(visit: &mut Visit<'_>, config: &Value, users: &[User<'_>]) {
    for user in config["users"].as_array().into_iter().flatten() {
        let (Some(name), exec) = (user["name"].as_str(), &user["user"]["exec"]) else { continue };
        if super::setup::is_ours(exec) && !users.iter().any(|known| known.name == name) {
            let what = format!("user {} of the kubeconfig runs keyfob, and no context has it", escape(name));
            let mend = Mend::run("kubectl config set-context --current").with(format!("--user={name}"));
            visit.report.warning(&AREA, what, Some(mend.lead("where the current cluster is meant,")));
        }
    }
}

/// Looks at an entry; the profile and what the cluster gets, where it can be replayed.
fn look_at<'a>(
    visit: &mut Visit<'a>,
    user: &User<'_>,
    server: Option<&Location>,
) -> Option<(&'a Profile, &'a Destination)> {
    let name = escape(user.name);
    let Some(command) = Kubectl::read(&user.args()) else {
        let what = format!("keyfob does not understand the args of user {name} in the kubeconfig");
        visit.report.problem(&AREA, what, user.setup(None));
        return None;
    };
    // A profile spelt in the args has no file to compare with.
    let Kubectl { profile: asked, inline, .. } = &command;
    if inline.provider.is_some() {
        visit.report.ok(&AREA, format!("user {name} runs keyfob with a profile of its own, which is not looked at"));
        return None;
    }
    let config = visit.config;
    let profile = match binding::profile(config, asked.as_deref(), server) {
        Ok(profile) => profile,
        Err(error) => {
            let what = format!("user {name} of the kubeconfig: {}", error.text());
            let meant = server.and_then(|server| of_cluster(config, server)).or(config.profiles.first());
            visit.report.problem(&AREA, what, user.setup(meant));
            return None;
        }
    };
    let faults = faults(visit, user, profile);
    for (what, mend) in &faults {
        visit.report.problem(&AREA, format!("user {name} of the kubeconfig {what}"), mend);
    }
    // As if it told its server: that it does not is a fault of its own.
    let way = Way::of(Some(user.cluster));
    match binding::destination(profile, &Told { server, way: &way, could_tell: true }) {
        Ok(destination) if faults.is_empty() => Some((profile, destination)),
        Ok(_) => None,
        Err(error) => {
            let what = format!("user {name} of the kubeconfig: {}", error.text());
            let is_listed = server.is_some_and(|server| matching::closest(&profile.clusters, server).is_some());
            let mend = error.mend().cloned().filter(|_| is_listed).unwrap_or_else(|| {
                let (server, profile) = (escape(user.server), crate::doctor::written(profile));
                format!("add \"{server}\" to clusters of {profile}, if its tokens may go there").into()
            });
            visit.report.problem(&AREA, what, mend);
            None
        }
    }
}

/// What keeps kubectl from running an entry, to be put after its user's name, and the mends. What only could be better is
/// said on the way.
fn faults(visit: &mut Visit<'_>, user: &User<'_>, profile: &Profile) -> Vec<(String, Mend)> {
    let name = escape(user.name);
    let mut faults = Vec::new();
    let setup = user.setup(Some(profile));
    for means in OTHER_MEANS.iter().filter(|means| user.whole.get(means).is_some()) {
        let what = format!("has {means} as well, which kubectl sends before it asks keyfob");
        let mend = Mend::run("kubectl config unset").with(format!("users.{}.{means}", user.name));
        if means.starts_with("client-") {
            visit.report.warning(&AREA, format!("user {name} of the kubeconfig {what}"), Some(mend));
        } else {
            faults.push((what, mend));
        }
    }
    match user.exec["apiVersion"].as_str().unwrap_or_default() {
        "client.authentication.k8s.io/v1" => {}
        V1BETA1 if user.args().iter().any(|arg| arg == "--api-version") => {}
        V1BETA1 => {
            let what = format!("user {name} of the kubeconfig speaks v1beta1, which was for kubectl before 1.22");
            visit.report.warning(&AREA, what, Some(setup.clone()));
        }
        other => {
            let what = format!("has the apiVersion \"{}\", which kubectl does not know", escape(other));
            faults.push((what, setup.clone()));
        }
    }
    match user.exec["interactiveMode"].as_str() {
        Some("Never") => {}
        Some("Always") => {
            let what = "has interactiveMode Always, and is not run without a terminal";
            faults.push((what.to_owned(), setup.clone()));
        }
        // v1beta1 does without; a kubectl that knows nothing newer does not even show it.
        None if user.exec["apiVersion"] == V1BETA1 => {}
        None => faults.push(("has no interactiveMode, and is not run".to_owned(), setup.clone())),
        Some(other) => {
            let what = format!("user {name} of the kubeconfig has interactiveMode {}, and needs Never", escape(other));
            visit.report.warning(&AREA, what, Some(setup.clone()));
        }
    }
    let path = Path::new(user.command);
    if !user.command.contains(['/', '\\']) {
        programs::by_name(visit, &AREA, CLIENT.name, user.command, setup.clone());
        if find(user.command).is_none() {
            let what = "runs keyfob, which is not on PATH";
            faults.push((what.to_owned(), programs::link_command("keyfob", None)));
        }
    } else if path.is_relative() {
        let what = format!("runs {}, which depends on where the kubeconfig is", escape(user.command));
        faults.push((what, setup.clone()));
    } else if !is_program(path) {
        let what = format!("runs {}, which is no program that can be run", escape(user.command));
        faults.push((what, programs::link_at(path, &setup)));
    }
    let size = user.info(true).1;
    if size > TOLD_LIMIT && cfg!(target_os = "linux") {
        if user.tells_cluster() && !profile.is_bound() {
            let what = "is told the server's certificates, which are more than Linux lets a program be told";
            faults.push((what.to_owned(), user.setup_without_cluster(Some(profile))));
        } else if profile.is_bound() {
            let what = format!("is for a cluster whose particulars ({} KB) do not reach a plugin", size >> 10);
            faults.push((what, too_much(profile)));
        }
    } else if profile.is_bound() && !user.tells_cluster() {
        let what = format!(
            "does not tell its server (provideClusterInfo), and {} answers its clusters alone",
            profile.title()
        );
        faults.push((what, user.setup(Some(profile))));
    }
    faults
}

/// Runs the entry as kubectl would, and looks at what the token says of itself. Whatever else a kubeconfig names stays
/// kubectl's to run, for the contexts that a person uses: nobody calls a doctor to run what came in a file.
fn replay<'a>(visit: &mut Visit<'a>, user: &User<'_>, profile: &'a Profile, destination: &Destination) {
    let (name, server) = (escape(user.name), escape(user.server));
    if !visit.is_signed_in(profile) {
        return visit
            .report
            .ok(&AREA, format!("user {name} runs keyfob for {server}, not tried, as there is no token yet"));
    }
    let Some(program) = user.program() else {
        let what =
            format!("user {name} runs {}, which is another keyfob than this one; not tried", escape(user.command));
        return visit.report.warning(&AREA, what, Some(user.setup(Some(profile))));
    };
    // They can make any program run another (LD_PRELOAD), and send ours anywhere (HTTPS_PROXY, KEYFOB_CONFIG).
    if user.exec["env"].as_array().is_some_and(|env| !env.is_empty()) {
        let what = format!("user {name} runs keyfob for {server}; not tried, because its env sets variables");
        return visit.report.ok(&AREA, what);
    }
    let environment = [
        ("KUBERNETES_EXEC_INFO".to_owned(), user.info(user.tells_cluster()).0.to_string()),
        ("KEYFOB_INTERACTIVE".to_owned(), "never".to_owned()),
    ];
    let with = With { environment: &environment, ..With::default() };
    let answer = process::ask(program, user.args(), &with);
    // A client that asks twice for a token that lives is taken for one that was refused: we are no such client.
    if let (Ok(markers), Some(this)) = (Markers::open(), process::this()) {
        markers.forget(&this.id);
    }
    match answer {
        Ok(answer) if answer.succeeded => look_at_answer(visit, user, profile, destination, &answer),
        Ok(answer) => {
            let error = complaint(profile, destination, &answer);
            visit.report.error_in(&AREA, &format!("user {name} gets no token for {server}"), &error);
        }
        Err(error) => {
            let what = format!("{} {}", escape(user.command), programs::why(&error));
            visit.report.problem(&AREA, what, user.setup(Some(profile)));
        }
    }
}

fn look_at_answer(
    visit: &mut Visit<'_>,
    user: &User<'_>,
    profile: &Profile,
    destination: &Destination,
    answer: &Answer,
) {
    let (name, server) = (escape(user.name), escape(user.server));
    let answered: Value = serde_json::from_slice(answer.stdout.expose()).unwrap_or(Value::Null);
    let Some(token) = answered["status"]["token"].as_str().filter(|token| !token.is_empty()) else {
        let what = format!("user {name} gets an answer for {server} that is no ExecCredential with a token");
        return visit.report.problem(&AREA, what, user.setup(Some(profile)));
    };
    let claims = jwt::claims(token);
    let said = session::said(claims.as_ref());
    visit.report.ok(&AREA, format!("user {name} gets a token for {server}: {said}"));
    expected::compare_claims(visit, &AREA, profile, destination, claims.as_ref());
}

/// kubectl 1.35 and newer run no plugin that their file of preferences does not name, where it names any. Its text is only
/// searched: whether the command stands in it to the letter, which is how kubectl compares.
fn look_at_allowlist(visit: &mut Visit<'_>, user: &User<'_>) {
    let path: Option<PathBuf> = folders::kuberc();
    let mut text = String::new();
    if let Some(file) = path.as_ref().and_then(|path| store::open_plain(path).ok()) {
        let _ = file.take(KUBERC_LIMIT).read_to_string(&mut text);
    }
    let (Some(path), true) = (path, text.contains("credentialPluginPolicy")) else { return };
    let is_restricted = text.contains("Allowlist") || text.contains("DenyAll");
    if is_restricted && !text.contains(user.command) {
        let what = format!("{} may keep kubectl from running {}", path.display(), escape(user.command));
        let mend = Mend::run("kubectl kuberc set --section credentialplugin --policy=Allowlist")
            .with(format!("--allowlist-entry=command={}", user.command));
        visit.report.warning(&AREA, what, Some(mend));
    }
}
