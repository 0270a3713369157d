//! kubectl as the client.

// Python's clients.
mod clients;
mod doctor;
mod refusals;
mod sessions;
#[cfg(unix)]
mod setup;

use std::process::Command;

use crate::support::api_server::ApiServer;
use crate::support::internet::Internet;
use crate::support::provider::{CLIENT_ID, Endpoint, Manners, Provider};
use crate::support::sandbox::{Sandbox, Transcript, run, workos};
use crate::{has, version};

/// An API server that takes a provider's tokens, and a home with this folder's snippet as its kubeconfig.
struct World {
    provider: Provider,
    server: ApiServer,
    sandbox: Sandbox,
}

impl World {
    /// `None` where there is no kubectl.
    fn new(manners: Manners) -> Option<Self> {
        if !has("kubectl", OLDEST) {
            return None;
        }
        let provider = Provider::with(manners);
        let server = ApiServer::start(&provider);
        let sandbox = Sandbox::new();
        sandbox.configure(&workos(&provider, "acme", &format!("clusters = [\"{}\"]", server.url())));
        std::fs::create_dir(sandbox.home().join(".kube")).unwrap();
        std::fs::write(sandbox.home().join(".kube/config"), kubeconfig(&server)).unwrap();
        Some(Self { provider, server, sandbox })
    }

    /// One where approvals come by themselves.
    fn approving() -> Option<Self> {
        Self::new(Manners { approves_by_itself: true, ..Manners::default() })
    }

    /// Has WorkOS Connect, which gives ID tokens too.
    fn connect(&self, more: &str) {
        let (url, cluster) = (self.provider.url(), self.server.url());
        self.sandbox.configure(&format!(
            "[profile.acme]\nprovider = \"workos-connect\"\nclient_id = \"{CLIENT_ID}\"\nissuer = \"{url}\"\n\
             clusters = [\"{cluster}\"]\n{more}\n"
        ));
    }

    /// Changes a line of the kubeconfig.
    fn edit(&self, from: &str, to: &str) {
        let path = self.sandbox.home().join(".kube/config");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from:?} in {text}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }

    fn kubectl(&self, args: &[&str]) -> Command {
        let mut command = self.sandbox.command("kubectl");
        command.args(args).env("KEYFOB_INTERACTIVE", "always");
        command
    }

    fn run(&self, args: &[&str]) -> Transcript {
        run(self.kubectl(args), "")
    }

    /// What the API server was brought last.
    fn last(&self) -> String {
        self.server.log().pop().unwrap_or_default()
    }

    /// Runs kubectl and wants it to succeed in silence.
    fn quietly(&self, args: &[&str]) -> String {
        let done = self.run(args);
        assert_eq!((done.stderr.as_str(), done.code), ("", Some(0)), "kubectl {args:?}: {done:?}");
        done.stdout
    }

    /// Runs one command with a sign-in that nobody has to wait for.
    fn sign_in(&self) {
        let done = self.run(&["get", "--raw", "/version"]);
        assert_eq!(done.code, Some(0), "{done:?}");
    }

    /// Device authorizations and refreshes so far.
    fn asked(&self) -> (usize, usize) {
        (self.provider.count(Endpoint::Start), self.provider.count(Endpoint::Refresh))
    }
}

/// The two versions of the protocol, as they stand in a kubeconfig.
const V1: &str = "client.authentication.k8s.io/v1\n";
const V1BETA1: &str = "client.authentication.k8s.io/v1beta1\n";

/// The first that can tell a plugin the cluster's server.
pub const OLDEST: (u32, u32) = (1, 20);

/// A cluster of the documents, and no user that could get in.
pub fn kubeconfig_for(internet: &Internet) -> String {
    let certificate = internet.certificate_authority_data();
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: acme\n\
         contexts:\n- name: acme\n  context:\n    cluster: acme\n    user: acme\n\
         clusters:\n- name: acme\n  cluster:\n    server: https://k8s.acme.dev:6443\n    \
         certificate-authority-data: {certificate}\nusers: []\n"
    )
}

/// This folder's kubeconfig, for a server of ours. A kubectl before 1.22 knows the older version of the protocol alone.
pub fn kubeconfig(server: &ApiServer) -> String {
    let certificate = server.certificate_authority_data();
    let server = format!("server: {}\n    certificate-authority-data: {certificate}", server.url());
    let snippet = include_str!("kubeconfig");
    assert!(snippet.contains("server: https://k8s.acme.dev:6443\n"));
    let kubeconfig = snippet.replace("server: https://k8s.acme.dev:6443", &server);
    if version("kubectl") < Some((1, 22)) { kubeconfig.replace(V1, V1BETA1) } else { kubeconfig }
}
