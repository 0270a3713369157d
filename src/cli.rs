//! The command line: clap's types and nothing else of ours.

use std::ffi::OsString;

use clap::{Args, Parser, Subcommand};

/// Taken off the line before it is parsed: an option that every command has would cost each hit a twentieth of its
/// instructions.
const VERBOSE: &str = "With any command, --verbose says on stderr what is decided and sent; never a secret";

/// Signs you in once, in your browser, and lets git, kubectl and docker in from then on.
#[derive(Debug, Parser)]
#[command(name = "keyfob", version, disable_help_subcommand = true, max_term_width = 100, after_help = VERBOSE)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Answer git as its credential helper (git runs this)
    Git(Git),
    /// Answer Kubernetes clients as their exec credential plugin (kubectl runs this)
    Kubectl(Kubectl),
    /// Answer docker, podman and skopeo as their credential helper (docker runs this)
    Docker(Docker),
    /// Sign in now
    Login(Login),
    /// Revoke at the provider where possible, forget here always
    Logout(Logout),
    /// Show what is kept, for whom, until when; never a token
    Status(Status),
    /// Print a token, for scripts
    Token(Token),
    /// Make a profile, or tell git, docker or kubectl to ask keyfob; and undo it
    Setup(Setup),
    /// Find what is wrong, and say the command that mends it
    Doctor(Doctor),
    /// List the providers keyfob knows, or show what one needs
    Providers(Providers),
    /// Print completions for a shell
    Completions(Completions),
    /// Print the manual page
    Man,
}

/// A profile spelt on the command line in place of the configuration file.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Inline {
    /// Provider of a profile spelt here instead of in the configuration
    #[arg(long, value_name = "NAME", requires = "client_id", conflicts_with = "profile")]
    pub(crate) provider: Option<String>,
    /// Client ID under which the provider knows this program
    #[arg(long, value_name = "ID", requires = "provider")]
    pub(crate) client_id: Option<String>,
    /// Issuer, for providers that have one for each tenant
    #[arg(long, value_name = "URL", requires = "provider")]
    pub(crate) issuer: Option<String>,
    /// Scope to ask for; may be given several times
    #[arg(long = "scope", value_name = "SCOPE", requires = "provider")]
    pub(crate) scopes: Vec<String>,
    /// Host the tokens may go to; may be given several times
    #[arg(long = "host", value_name = "HOST", requires = "provider")]
    pub(crate) hosts: Vec<String>,
}

/// `keyfob git`, also as `git-credential-keyfob`.
#[derive(Args, Debug)]
pub(crate) struct Git {
    /// Answer for this profile alone
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    #[command(flatten)]
    pub(crate) inline: Inline,
    /// What git wants: get, store, erase, capability; anything else is ignored
    pub(crate) operation: String,
}

/// `git-credential-keyfob`: the same without the word.
#[derive(Debug, Parser)]
#[command(name = "git-credential-keyfob", version, disable_help_subcommand = true, after_help = VERBOSE)]
pub(crate) struct GitHelper {
    #[command(flatten)]
    pub(crate) git: Git,
}

/// `keyfob kubectl`.
#[derive(Args, Debug)]
pub(crate) struct Kubectl {
    /// Answer for this profile
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    #[command(flatten)]
    pub(crate) inline: Inline,
}

/// `keyfob docker`, also as `docker-credential-keyfob`, which takes no options.
#[derive(Args, Debug)]
pub(crate) struct Docker {
    /// What docker wants: get, store, erase, list, version
    #[arg(value_name = "OPERATION")]
    pub(crate) words: Vec<String>,
}

/// What `login`, `logout` and `token` are about.
#[derive(Args, Debug)]
pub(crate) struct Subject {
    /// Profile, URL or host; the only profile when left out
    #[arg(value_name = "PROFILE|URL", id = "profile")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) inline: Inline,
}

/// `keyfob login`.
#[derive(Args, Debug)]
pub(crate) struct Login {
    #[command(flatten)]
    pub(crate) subject: Subject,
    /// Do not open a browser
    #[arg(long)]
    pub(crate) no_browser: bool,
    /// Print address and code and exit; the next command redeems the approval
    #[arg(long)]
    pub(crate) start: bool,
    /// With --start: print JSON
    #[arg(long, requires = "start")]
    pub(crate) json: bool,
}

/// `keyfob logout`.
#[derive(Args, Debug)]
pub(crate) struct Logout {
    #[command(flatten)]
    pub(crate) subject: Subject,
    /// Every session there is
    #[arg(long, conflicts_with_all = ["profile", "provider"])]
    pub(crate) all: bool,
}

/// `keyfob status`.
#[derive(Args, Debug)]
pub(crate) struct Status {
    /// Only this profile
    pub(crate) profile: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `keyfob token`.
#[derive(Args, Debug)]
pub(crate) struct Token {
    #[command(flatten)]
    pub(crate) subject: Subject,
    /// Print it as an Authorization header
    #[arg(long)]
    pub(crate) header: bool,
    /// The ID token instead of the destination's
    #[arg(long)]
    pub(crate) id: bool,
    /// Print it even to a terminal
    #[arg(long)]
    pub(crate) show: bool,
}

/// `keyfob doctor`.
#[derive(Args, Debug)]
pub(crate) struct Doctor {
    /// Look at this host, registry or cluster alone
    #[arg(value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// The issuer (iss) that the server at URL expects of a token
    #[arg(long, value_name = "ISS", requires = "url")]
    pub(crate) issuer: Option<String>,
    /// The audience (aud) that the server at URL expects of a token
    #[arg(long, value_name = "AUD", requires = "url")]
    pub(crate) audience: Option<String>,
}

/// `keyfob providers`.
#[derive(Args, Debug)]
pub(crate) struct Providers {
    /// What to register there, and a profile to begin with
    pub(crate) name: Option<String>,
}

/// `keyfob setup`.
#[derive(Args, Debug)]
pub(crate) struct Setup {
    #[command(subcommand)]
    pub(crate) what: SetUp,
    /// Print the exact changes and make none
    #[arg(long, global = true)]
    pub(crate) dry_run: bool,
    /// Take it back: the file as it was, or without our entries where it has changed since
    #[arg(long, global = true)]
    pub(crate) undo: bool,
}

/// What can be set up.
#[derive(Debug, Subcommand)]
pub(crate) enum SetUp {
    /// Write a profile into the configuration, and check it against the provider
    Profile(Box<SetUpProfile>),
    /// Name keyfob in git's configuration, for hosts of a profile
    Git(SetUpGit),
    /// Name keyfob in docker's configuration, and in podman's and skopeo's
    Docker(SetUpDocker),
    /// Name keyfob in a kubeconfig, as a user
    Kubectl(SetUpKubectl),
}

/// `keyfob setup profile`.
#[derive(Args, Debug)]
pub(crate) struct SetUpProfile {
    /// Name of the profile
    pub(crate) name: String,
    /// Provider (see: keyfob providers)
    #[arg(long, value_name = "PROVIDER")]
    pub(crate) provider: Option<String>,
    /// Client ID under which the provider knows this program
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// Host the tokens may go to; may be given several times
    #[arg(long = "host", value_name = "HOST")]
    pub(crate) hosts: Vec<String>,
    /// Kubernetes API server the tokens may go to; may be given several times
    #[arg(long = "cluster", value_name = "URL")]
    pub(crate) clusters: Vec<String>,
    /// Issuer, for providers that have one for each tenant
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,
    /// Where the provider is, for your own server or a custom domain
    #[arg(long, value_name = "URL")]
    pub(crate) base_url: Option<String>,
    /// Where a code is asked for, for provider oauth
    #[arg(long, value_name = "URL")]
    pub(crate) device_authorization_endpoint: Option<String>,
    /// Where the code becomes a token, for provider oauth
    #[arg(long, value_name = "URL")]
    pub(crate) token_endpoint: Option<String>,
    /// Scope to ask for; may be given several times
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// Organization the tokens are for
    #[arg(long, value_name = "ID")]
    pub(crate) organization: Option<String>,
    /// Audience of the tokens
    #[arg(long, value_name = "AUDIENCE")]
    pub(crate) audience: Option<String>,
    /// Who signs in, where several do
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) account: Option<String>,
    /// User name that hosts are told beside the token
    #[arg(long, value_name = "NAME")]
    pub(crate) username: Option<String>,
    /// File with the client's secret, where the provider wants one
    #[arg(long, value_name = "FILE")]
    pub(crate) client_secret_file: Option<std::path::PathBuf>,
    /// Take over what another helper is configured with
    #[arg(long, value_name = "kubeconfig:USER|git:URL")]
    pub(crate) from: Option<String>,
}

/// `keyfob setup git`.
#[derive(Args, Debug)]
pub(crate) struct SetUpGit {
    /// Hosts or URLs; all of the profile when left out
    #[arg(value_name = "HOST")]
    pub(crate) hosts: Vec<String>,
    /// Profile that answers for them; the only one when left out
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
}

/// `keyfob setup docker`.
#[derive(Args, Debug)]
pub(crate) struct SetUpDocker {
    /// Registries; all hosts of the profile when left out
    #[arg(value_name = "REGISTRY")]
    pub(crate) registries: Vec<String>,
    /// Every registry, also those without a profile (credsStore)
    #[arg(long, conflicts_with = "registries")]
    pub(crate) all: bool,
    /// Profile that answers for them; the only one when left out
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
}

/// `keyfob setup kubectl`.
#[derive(Args, Debug)]
pub(crate) struct SetUpKubectl {
    /// User of the kubeconfig that keyfob answers for
    #[arg(long, value_name = "NAME")]
    pub(crate) user: String,
    /// Profile that answers; the only one when left out
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Have kubectl say which cluster it asks for, so that the profile's overrides for it count
    #[arg(long)]
    pub(crate) cluster_info: bool,
}

/// `keyfob completions`.
#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// Which shell
    pub(crate) shell: clap_complete::Shell,
}

/// A client's call, read by the lines of its own command alone: git, kubectl and Docker's helpers run us for everything
/// they do, and should not pay each time for building the commands of people. `None` where the whole has to look at it.
pub(crate) fn of_client(args: &[OsString]) -> Option<Command> {
    match args.get(1)?.to_str()? {
        "git" => alone(args).map(Command::Git),
        "kubectl" => alone(args).map(Command::Kubectl),
        "docker" => alone(args).map(Command::Docker),
        _ => None,
    }
}

fn alone<A: Args>(args: &[OsString]) -> Option<A> {
    let command = A::augment_args(clap::Command::new("keyfob"));
    A::from_arg_matches(&command.try_get_matches_from(&args[1..]).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
        super::GitHelper::command().debug_assert();
    }

    #[test]
    fn a_clients_call_means_the_same_to_its_own_lines_as_to_the_whole() {
        let inline = "--provider workos --client-id c --scope a --scope=b --host git.acme.dev";
        for line in [
            "git get",
            "git --profile acme get",
            "git get --profile=acme",
            "git -- get",
            &format!("git {inline} get"),
            "kubectl",
            "kubectl --profile acme",
            &format!("kubectl {inline}"),
            "docker get",
            "docker",
            // For the whole to refuse, or to answer:
            "git",
            "git get more",
            "git --provider workos get",
            "git --help",
            "git --version",
            "kubectl get",
            "docker get --verbose",
            "docker --help",
            "status",
            "",
        ] {
            let args: Vec<OsString> =
                std::iter::once("keyfob").chain(line.split_whitespace()).map(Into::into).collect();
            let whole = Cli::try_parse_from(&args).map(|cli| format!("{:?}", cli.command));
            match of_client(&args) {
                Some(command) => assert_eq!(Ok(format!("{command:?}")), whole.map_err(|error| error.to_string())),
                None => assert!(whole.is_err() || line == "status", "{line}"),
            }
        }
    }
}
