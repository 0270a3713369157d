//! A real authorization server: npm's oidc-provider, in server.mjs.

mod browser;
mod sessions;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use crate::has;
use crate::support::sandbox::{Sandbox, now};

/// What the server is made of.
const FILES: [(&str, &str); 3] = [
    ("package.json", include_str!("package.json")),
    ("package-lock.json", include_str!("package-lock.json")),
    ("server.mjs", include_str!("server.mjs")),
];

/// The folder with the server and its packages, installed once; `None` where that cannot be.
fn installed() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    let install = || {
        if [has("node", (20, 0)), has("npm", (9, 0))].contains(&false) {
            return None;
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("oidc");
        fs::create_dir_all(&folder).unwrap();
        let done = folder.join("installed");
        let lock = FILES[1].1;
        let is_current = fs::read_to_string(&done).is_ok_and(|installed| installed == lock);
        for (name, text) in FILES {
            fs::write(folder.join(name), text).unwrap();
        }
        if !is_current {
            let output = Command::new("npm")
                .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
                .current_dir(&folder)
                .stdin(Stdio::null())
                .output()
                .expect("npm is there");
            if !output.status.success() {
                let reason = format!("npm ci failed: {}", String::from_utf8_lossy(&output.stderr));
                assert!(std::env::var_os("CI").is_none(), "{reason}");
                eprintln!("skipped: {reason}");
                return None;
            }
            fs::write(&done, lock).unwrap();
        }
        Some(folder)
    };
    FOLDER.get_or_init(install).as_deref()
}

/// The server, and a home with a profile for it.
struct World {
    sandbox: Sandbox,
    issuer: String,
    server: Child,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl World {
    /// `None` where there is no node. `code_life` in seconds.
    fn new(code_life: u32) -> Option<Self> {
        let mut server = Command::new("node")
            .arg("server.mjs")
            .current_dir(installed()?)
            .env("CODE_TTL", code_life.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node is there");
        let stdout = BufReader::new(server.stdout.take().expect("piped"));
        let mut lines = stdout.lines().map_while(Result::ok);
        let issuer = lines.find(|line| line.starts_with("http://127.0.0.1:")).expect("it says where it listens");
        // It goes on talking, and would die of a closed pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let sandbox = Sandbox::new();
        sandbox.configure(&format!(
            "[profile.acme]\nprovider = \"oauth\"\nclient_id = \"cli\"\nscopes = [\"openid\", \"offline_access\", \"email\"]\n\
             device_authorization_endpoint = \"{issuer}/device/auth\"\ntoken_endpoint = \"{issuer}/token\"\n\
             revocation_endpoint = \"{issuer}/token/revocation\"\nhosts = [\"git.acme.dev\", \"b.acme.dev\", \"c.acme.dev\"]\n\
             [profile.acme.at.\"b.acme.dev\"]\nresource = \"urn:b\"\n\
             [profile.acme.at.\"c.acme.dev\"]\nresource = \"https://c.acme.dev\"\n",
        ));
        Some(Self { sandbox, issuer, server })
    }

    /// Asks for a code, for a host.
    fn start(&self, host: &str) -> String {
        let done = self.sandbox.run(&["login", &format!("https://{host}"), "--start", "--json"], "");
        let told: serde_json::Value = serde_json::from_str(&done.stdout).unwrap_or_else(|_| panic!("{done:?}"));
        assert_eq!(told["verification_uri"], format!("{}/device", self.issuer));
        told["user_code"].as_str().unwrap().to_owned()
    }

    /// Makes the next poll due: this server names no interval and minds no haste.
    fn due(&self) {
        self.sandbox.edit(|record| record["pending"]["next_poll_at"] = now().into());
    }

    /// Signs in for a host, without a wait.
    fn sign_in(&self, host: &str) -> String {
        let code = self.start(host);
        browser::decide(&self.issuer, &code, true);
        self.due();
        self.get(host)
    }

    /// The password git gets for a host.
    fn get(&self, host: &str) -> String {
        let done = self.sandbox.run(&["git", "get"], &crate::support::sandbox::ask(host));
        let password = done.stdout.lines().find_map(|line| line.strip_prefix("password="));
        password.unwrap_or_else(|| panic!("{done:?}")).to_owned()
    }

    fn refresh_token(&self) -> String {
        let mut token = String::new();
        self.sandbox.edit(|record| token = record["refresh_token"].as_str().unwrap_or_default().to_owned());
        token
    }
}
