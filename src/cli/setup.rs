//! `keyfob setup` and what is below it.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::clients::SetUpCalled;

/// `keyfob setup`.
#[derive(Args, Debug)]
#[command(after_help = "Example: keyfob setup git --profile acme --dry-run")]
pub(crate) struct Setup {
    #[command(subcommand)]
    pub(crate) what: SetUp,
    /// Print the changes, make none
    #[arg(long, global = true, display_order = 90)]
    pub(crate) dry_run: bool,
    /// Take it back, to the byte
    #[arg(long, global = true, display_order = 91)]
    pub(crate) undo: bool,
}

/// What can be set up.
#[derive(Debug, Subcommand)]
pub(crate) enum SetUp {
    /// Write a profile, and check it against the provider
    Profile(Box<SetUpProfile>),
    /// Have a client ask keyfob
    #[command(flatten)]
    Client(SetUpCalled),
}

/// `keyfob setup profile`.
#[derive(Args, Debug)]
// So many options fit a screen only without the room between.
#[command(
    help_template = "{about}\n\n{usage-heading} {usage}\n\n{options}{after-help}",
    after_help = "Example: keyfob setup profile acme --provider workos --client-id ID --host HOST"
)]
pub(crate) struct SetUpProfile {
    /// Name of the profile
    pub(crate) name: String,
    /// See: keyfob providers
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Option<String>,
    /// Client ID at that provider
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// Host for its tokens; repeatable
    #[arg(long = "host", value_name = "HOST")]
    pub(crate) hosts: Vec<String>,
    /// API server for them; repeatable
    #[arg(long = "cluster", value_name = "URL")]
    pub(crate) clusters: Vec<String>,
    /// Issuer, where tenants have one
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,
    /// Your own server or auth domain
    #[arg(long, value_name = "URL")]
    pub(crate) base_url: Option<String>,
    /// For provider oauth
    #[arg(long, value_name = "URL")]
    pub(crate) device_authorization_endpoint: Option<String>,
    /// For provider oauth
    #[arg(long, value_name = "URL")]
    pub(crate) token_endpoint: Option<String>,
    /// Scope to ask for; repeatable
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
    /// User name told beside the token
    #[arg(long, value_name = "NAME")]
    pub(crate) username: Option<String>,
    /// Where the client's secret is
    #[arg(long, value_name = "FILE")]
    pub(crate) client_secret_file: Option<PathBuf>,
    /// kubeconfig:USER or git:URL
    #[arg(long, value_name = "SOURCE")]
    pub(crate) from: Option<String>,
}
