//! A profile: whom to sign in to, as which client; as it is after the file was checked, so that it can hold no illegal
//! combination.

use crate::mend::Argv;
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::destination::{Destination, HostPattern, Slot};
use super::provider::{Preset, Stage};
use super::server::Server;

/// Whom to sign in to, as which client, and where the tokens may go.
#[derive(Debug)]
pub(crate) struct Profile {
    /// Its name in the file; `None` for one spelt on the command line.
    pub(crate) name: Option<String>,
    /// Where it is written: `FILE:LINE`, or the command line.
    pub(crate) written_at: String,
    pub(crate) preset: &'static Preset,
    pub(crate) client_id: String,
    /// The issuer, where the provider has one.
    pub(crate) issuer: Option<String>,
    pub(crate) server: Server,
    /// The file with the client's secret, where it has one; read when it is sent.
    pub(crate) client_secret_file: Option<PathBuf>,
    /// Who signs in, where one host has several people or roles.
    pub(crate) account: Option<String>,
    /// Who has to have signed in: an e-mail address or the provider's identifier. Another is not kept.
    pub(crate) expect: Option<String>,
    /// Chosen when nothing else decides between profiles of one host.
    pub(crate) default: bool,
    /// Certificates to trust beside the system's, PEM.
    pub(crate) ca_file: Option<PathBuf>,
    /// The resources of other profiles with the same session.
    pub(crate) shared_resources: Vec<String>,
    /// Parameters sent along with every request to the authorization server.
    pub(crate) extra: BTreeMap<String, String>,
    /// Whether a refresh token may be written to disk.
    pub(crate) keep_refresh_token: bool,
    /// The entries of `hosts` with what each destination takes.
    pub(crate) hosts: Vec<(HostPattern, Destination)>,
    /// The entries of `clusters` with what each destination takes.
    pub(crate) clusters: Vec<(HostPattern, Destination)>,
    /// Whether a client has to tell its server to get a token for one of `clusters`.
    pub(crate) bind_clusters: bool,
    /// Used for a host or cluster without an `[at]` table.
    pub(crate) plain: Destination,
}

impl Profile {
    /// What a person calls it.
    pub(crate) fn title(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.client_id)
    }

    /// Whether it answers its clusters alone, and so nobody who does not tell which server it is for.
    pub(crate) fn is_bound(&self) -> bool {
        self.bind_clusters && !self.clusters.is_empty()
    }

    /// The command that signs in to it.
    pub(crate) fn login_command(&self) -> Argv {
        match (&self.name, self.hosts.first()) {
            (Some(name), _) => vec!["keyfob".to_owned(), "login".to_owned(), name.clone()],
            (None, host) => {
                let issuer = self.issuer.iter().map(|issuer| ("--issuer", issuer.clone()));
                let host = host.into_iter().map(|(entry, _)| ("--host", entry.to_string()));
                let mut usual: Vec<&str> = self.preset.scopes.to_vec();
                usual.sort_unstable();
                let own = self.plain.slot.scopes.iter().filter(|_| self.plain.slot.scopes != usual);
                let scopes = own.map(|scope| ("--scope", scope.clone()));
                let provider = [("--provider", self.preset.name.to_owned()), ("--client-id", self.client_id.clone())];
                let options = provider.into_iter().chain(issuer).chain(scopes).chain(host);
                let words = options.flat_map(|(option, value)| [option.to_owned(), value]);
                ["keyfob", "login"].map(str::to_owned).into_iter().chain(words).collect()
            }
        }
    }

    /// Every resource (RFC 8707) that any destination of the session wants: a sign-in names them all, and each refresh one.
    pub(crate) fn all_resources(&self) -> Vec<String> {
        let own = self.destinations().filter_map(|destination| destination.slot.resource.clone());
        let mut resources: Vec<String> = own.chain(self.shared_resources.iter().cloned()).collect();
        resources.sort_unstable();
        resources.dedup();
        resources
    }

    /// The resources that a sign-in for a slot names: where a refresh token is kept, those of every destination.
    pub(crate) fn asked_resources(&self, asked: &Slot) -> Vec<String> {
        if self.keep_refresh_token { self.all_resources() } else { asked.resource.iter().cloned().collect() }
    }

    /// Every scope any destination of the profile wants: what a sign-in asks for, so that one approval serves them all.
    pub(crate) fn all_scopes(&self) -> Vec<String> {
        let mut scopes: Vec<String> = self.destinations().flat_map(|d| d.slot.scopes.iter().cloned()).collect();
        scopes.sort();
        scopes.dedup();
        scopes
    }

    /// The slot that a sign-in for `wanted` asks for. Without a refresh token to narrow it later, no more is asked than
    /// the one destination needs. Where an organization is chosen on refresh, the sign-in knows none.
    pub(crate) fn asked_slot(&self, wanted: &Slot) -> Slot {
        let scopes = if self.keep_refresh_token { self.all_scopes() } else { wanted.scopes.clone() };
        let organization =
            wanted.organization.clone().filter(|_| self.preset.organization_parameter(Stage::SignIn).is_some());
        Slot { organization, scopes, ..wanted.clone() }
    }

    fn destinations(&self) -> impl Iterator<Item = &Destination> {
        self.hosts.iter().chain(&self.clusters).map(|(_, destination)| destination).chain([&self.plain])
    }
}
