//! What clients call.

use clap::{Args, Parser};

use super::VERBOSE;

/// A profile spelt on the command line in place of the configuration file.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Inline {
    /// Provider, for a profile spelt here
    #[arg(long, value_name = "NAME", requires = "client_id", conflicts_with = "profile")]
    pub(crate) provider: Option<String>,
    /// Client ID at that provider
    #[arg(long, value_name = "ID", requires = "provider")]
    pub(crate) client_id: Option<String>,
    /// Issuer, where each tenant has one
    #[arg(long, value_name = "URL", requires = "provider")]
    pub(crate) issuer: Option<String>,
    /// Scope to ask for; repeatable
    #[arg(long = "scope", value_name = "SCOPE", requires = "provider")]
    pub(crate) scopes: Vec<String>,
    /// Host the tokens may go to; repeatable
    #[arg(long = "host", value_name = "HOST", requires = "provider")]
    pub(crate) hosts: Vec<String>,
}

/// `keyfob git`, also as `git-credential-keyfob`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example, in .gitconfig:\n  [credential \"https://git.acme.dev\"]\n    helper = keyfob --profile acme"
)]
pub(crate) struct Git {
    /// Answer for this profile alone
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    #[command(flatten)]
    pub(crate) inline: Inline,
    /// get, store, erase, capability; any other is ignored
    pub(crate) operation: String,
}

/// `git-credential-keyfob`: the same without the word.
#[derive(Debug, Parser)]
#[command(name = "git-credential-keyfob", version, disable_help_subcommand = true, after_help = VERBOSE, max_term_width = 80)]
pub(crate) struct GitHelper {
    #[command(flatten)]
    pub(crate) git: Git,
}

/// `keyfob kubectl`.
#[derive(Args, Debug)]
#[command(after_help = "Example: keyfob setup kubectl --profile acme --user acme")]
pub(crate) struct Kubectl {
    /// Answer for this profile
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    #[command(flatten)]
    pub(crate) inline: Inline,
}

/// `keyfob docker`, also as `docker-credential-keyfob`, which takes no options.
#[derive(Args, Debug)]
#[command(after_help = "Example: echo registry.acme.dev | docker-credential-keyfob get | jq .Username")]
pub(crate) struct Docker {
    /// What docker wants: get, store, erase, list, version
    #[arg(value_name = "OPERATION")]
    pub(crate) words: Vec<String>,
}
