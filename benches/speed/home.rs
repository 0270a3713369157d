//! A signed-in home, and the three ways to ask it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::measure::Call;
use crate::support::provider::{Endpoint, Manners, Provider};
use crate::support::sandbox::{Sandbox, ask, ask_with_state, keyfob, workos};

pub const HOST: &str = "git.acme.dev";
pub const REGISTRY: &str = "registry.acme.dev";
pub const CLUSTER: &str = "https://k8s.acme.dev:6443";

/// A home with a living session.
pub struct Home {
    pub sandbox: Sandbox,
    pub provider: Provider,
}

impl Home {
    /// Signs in, with `records` sessions in the store and tokens as long as WorkOS' are.
    pub fn with(records: usize) -> Self {
        let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
        let sandbox = Sandbox::new();
        let places = format!("hosts = [\"{HOST}\", \"{REGISTRY}\"]\nclusters = [\"{CLUSTER}\"]");
        sandbox.configure(&workos(&provider, "acme", &places));
        sandbox.run_asking(&["git", "get"], &ask(HOST));
        assert_eq!(provider.count(Endpoint::Poll), 1, "signed in");
        sandbox.edit(|record| {
            for (_, token) in record["tokens"].as_object_mut().expect("tokens") {
                token["access_token"] = "eyJhbGciOiJSUzI1NiJ9".repeat(45).into();
                token["expires_at"] = (token["expires_at"].as_i64().expect("a time") + 100_000).into();
            }
        });
        let home = Self { sandbox, provider };
        let (record, text) = (home.sandbox.record(), fs::read(home.sandbox.record()).expect("readable"));
        for number in 1..records {
            fs::write(record.with_file_name(format!("{number:032x}.json")), &text).expect("writable");
        }
        home
    }

    /// What git asks, through the name git runs.
    pub fn git(&self) -> Call {
        self.call(&self.named("git-credential-keyfob"), &["get"], &ask_with_state(HOST))
    }

    /// What docker asks, through the name docker runs.
    pub fn docker(&self) -> Call {
        self.call(&self.named("docker-credential-keyfob"), &["get"], REGISTRY)
    }

    /// What kubectl asks, each time another kubectl.
    pub fn kubectl(&self) -> Call {
        let info = format!(
            r#"{{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":{{"cluster":{{"server":"{CLUSTER}"}},"interactive":true}}}}"#
        );
        let call = self.call(&keyfob(), &["kubectl"], "").env("KUBERNETES_EXEC_INFO", info);
        Call { forgets: Some(self.sandbox.state().join("parents")), ..call }
    }

    fn call(&self, program: &Path, args: &[&str], input: &str) -> Call {
        call(&self.sandbox, program, args, input)
    }

    fn named(&self, name: &str) -> PathBuf {
        self.sandbox.home().with_file_name("bin").join(name)
    }
}

/// A program run in a sandbox, and nobody there to be asked.
pub fn call(sandbox: &Sandbox, program: &Path, args: &[&str], input: &str) -> Call {
    let file = sandbox.home().join(format!("asked-{}", input.len()));
    fs::write(&file, input).expect("writable");
    Call::new(program, args, &file)
        .env("HOME", sandbox.home())
        .env("KEYFOB_CONFIG", sandbox.config())
        .env("KEYFOB_STATE_DIR", sandbox.state())
        .env("KEYFOB_INTERACTIVE", "never")
}
