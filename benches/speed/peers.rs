//! What else answers a client today, each with a credential it has at hand.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::measure::Call;

const HOST: &str = "git.example.com";
const SECRET: &str = "s3cret";

/// A program to compare with, or why it is left out.
pub struct Peer {
    pub name: &'static str,
    pub ready: Result<Ready, String>,
}

/// One that has answered.
pub struct Ready {
    pub call: Call,
    /// What it needs running; ended when this is dropped.
    pub keeper: Option<Keeper>,
}

/// A command that ends a helper's daemon.
pub struct Keeper(Command);

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.0.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

type Found = Result<(Call, Option<Keeper>), String>;

pub fn all(folder: &Path) -> Vec<Peer> {
    let ask = file(folder, "ask", &format!("protocol=https\nhost={HOST}\n\n"));
    let peers: [(&'static str, Found); 13] = [
        ("git-credential-cache", git_cache(folder, &ask)),
        ("git-credential-libsecret", git_libsecret(folder, &ask)),
        ("git-credential-oauth", git_oauth(folder)),
        ("gh auth git-credential", gh(folder)),
        ("docker-credential-pass", docker_pass(folder)),
        ("docker-credential-secretservice", docker_secretservice(folder)),
        ("docker-credential-ecr-login", docker_ecr(folder)),
        ("gke-gcloud-auth-plugin", gke(folder)),
        ("an empty program in C", empty_c(folder, "empty-c", &[])),
        ("an empty program in C, static", empty_c(folder, "empty-c-static", &["-static"])),
        ("an empty program in Rust", empty_rust(folder, "empty-rust", "-crt-static")),
        ("an empty program in Rust, static", empty_rust(folder, "empty-rust-static", "+crt-static")),
        ("/bin/true", Ok((Call::new("/bin/true", &[], &ask), None))),
    ];
    let ready = |found: Found| found.map(|(call, keeper)| Ready { call, keeper });
    peers.into_iter().map(|(name, found)| Peer { name, ready: ready(found) }).collect()
}

/// git's own helper with so many entries, the last of which is asked for.
pub fn git_store(folder: &Path, entries: usize) -> Call {
    let ask = file(folder, "ask", &format!("protocol=https\nhost={HOST}\n\n"));
    let others: String =
        (1..entries).map(|number| format!("https://user:{SECRET}@host{number}.example.com\n")).collect();
    let kept = file(folder, &format!("store-{entries}"), &format!("{others}https://user:{SECRET}@{HOST}\n"));
    let call = Call::new(git_core("git-credential-store"), &["--file", &text(&kept), "get"], &ask).env("HOME", folder);
    assert!(call.answer().contains(SECRET), "git-credential-store answers");
    call
}

fn git_cache(folder: &Path, ask: &Path) -> Found {
    let program = git_core("git-credential-cache");
    let sockets = folder.join("cache");
    fs::create_dir_all(&sockets).map_err(|error| error.to_string())?;
    fs::set_permissions(&sockets, std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .map_err(|error| error.to_string())?;
    let socket = text(&sockets.join("s"));
    feed(
        Command::new(&program).args(["--socket", &socket, "store"]),
        &format!("protocol=https\nhost={HOST}\nusername=user\npassword={SECRET}\n\n"),
    )?;
    let mut exit = Command::new(&program);
    exit.args(["--socket", &socket, "exit"]);
    answering(Call::new(program, &["--socket", &socket, "get"], ask).env("HOME", folder), Some(Keeper(exit)))
}

fn git_libsecret(folder: &Path, ask: &Path) -> Found {
    let built = git_core("git-credential-libsecret");
    let program = if built.exists() { built } else { find("git-credential-libsecret")? };
    let bus = bus()?;
    let kept = format!("protocol=https\nhost={HOST}\nusername=user\npassword={SECRET}\n\n");
    feed(Command::new(&program).arg("store"), &kept)?;
    let mut erase = Command::new("sh");
    erase.args(["-c", &format!("printf '{}' | {} erase", kept.replace('\n', "\\n"), program.display())]);
    let call = Call::new(program, &["get"], ask).env("HOME", folder).env("DBUS_SESSION_BUS_ADDRESS", bus);
    answering(call, Some(Keeper(erase)))
}

/// It keeps nothing itself: asked for a host it does not know it looks up its settings and gives up.
fn git_oauth(folder: &Path) -> Found {
    let ask = file(folder, "ask-nobody", "protocol=https\nhost=nobody.invalid\n\n");
    Ok((Call::new(find("git-credential-oauth")?, &["get"], &ask).env("HOME", folder), None))
}

fn gh(folder: &Path) -> Found {
    let settings = folder.join("gh");
    fs::create_dir_all(&settings).map_err(|error| error.to_string())?;
    file(
        &settings,
        "hosts.yml",
        &format!("github.com:\n    user: user\n    oauth_token: {SECRET}\n    git_protocol: https\n"),
    );
    let ask = file(folder, "ask-github", "protocol=https\nhost=github.com\n\n");
    let call = Call::new(find("gh")?, &["auth", "git-credential", "get"], &ask).env("HOME", folder);
    answering(call.env("GH_CONFIG_DIR", settings), None)
}

fn docker_pass(folder: &Path) -> Found {
    let program = find("docker-credential-pass")?;
    let (pass, gpg) = (find("pass")?, find("gpg")?);
    let (keys, store) = (folder.join("gnupg"), folder.join("pass"));
    fs::create_dir_all(&keys).map_err(|error| error.to_string())?;
    fs::set_permissions(&keys, std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .map_err(|error| error.to_string())?;
    let with = |program: &Path| {
        let mut command = Command::new(program);
        command.env("GNUPGHOME", &keys).env("PASSWORD_STORE_DIR", &store).env("HOME", folder);
        command
    };
    feed(with(&gpg).args(["--batch", "--passphrase", "", "--quick-gen-key", "bench@example.com"]), "")?;
    let mut end = with(Path::new("gpgconf"));
    end.args(["--kill", "all"]);
    let keeper = Keeper(end);
    feed(with(&pass).args(["init", "bench@example.com"]), "")?;
    feed(with(&program).arg("store"), &docker_login())?;
    let ask = file(folder, "ask-docker", &format!("https://{HOST}"));
    let call = Call::new(program, &["get"], &ask).env("HOME", folder);
    answering(call.env("GNUPGHOME", keys).env("PASSWORD_STORE_DIR", store), Some(keeper))
}

fn docker_secretservice(folder: &Path) -> Found {
    let program = find("docker-credential-secretservice")?;
    let bus = bus()?;
    feed(Command::new(&program).arg("store"), &docker_login())?;
    let ask = file(folder, "ask-docker", &format!("https://{HOST}"));
    let mut erase = Command::new("sh");
    erase.args(["-c", &format!("printf https://{HOST} | {} erase", program.display())]);
    let call = Call::new(program, &["get"], &ask).env("HOME", folder).env("DBUS_SESSION_BUS_ADDRESS", bus);
    answering(call, Some(Keeper(erase)))
}

fn docker_ecr(folder: &Path) -> Found {
    let program = find("docker-credential-ecr-login")?;
    // Its cache (0.6.0) goes by region, a checksum of the access key that is the key itself before the MD5 of nothing, and
    // account.
    let account = "123456789012";
    let registry = format!("{account}.dkr.ecr.us-east-1.amazonaws.com");
    let entry = serde_json::json!({
        "AuthorizationToken": "QVdTOnMzY3JldA==",
        "RequestedAt": "2026-01-01T00:00:00Z", "ExpiresAt": "2126-01-01T00:00:00Z",
        "ProxyEndpoint": format!("https://{registry}"), "Service": "ecr",
    });
    let empty_md5 = [0xd4, 0x1d, 0x8c, 0xd9, 0x8f, 0x00, 0xb2, 0x04, 0xe9, 0x80, 0x09, 0x98, 0xec, 0xf8, 0x42, 0x7e];
    let sum = [b"AKIDEXAMPLE".as_slice(), &empty_md5].concat();
    let sum = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, sum);
    let cache = serde_json::json!({ "Version": "1.0", "Registries": { format!("us-east-1-{sum}-{account}"): entry } });
    let settings = folder.join(".ecr");
    fs::create_dir_all(&settings).map_err(|error| error.to_string())?;
    file(&settings, "cache.json", &cache.to_string());
    let ask = file(folder, "ask-ecr", &registry);
    let call = Call::new(program, &["get"], &ask).env("HOME", folder).env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE");
    let call = call.env("AWS_SECRET_ACCESS_KEY", "x").env("AWS_EC2_METADATA_DISABLED", "true");
    // Nobody is asked where the cache does not serve.
    answering(call.env("HTTPS_PROXY", "http://127.0.0.1:1"), None)
}

fn gke(folder: &Path) -> Found {
    let program = find("gke-gcloud-auth-plugin")?;
    let settings = folder.join(".kube");
    fs::create_dir_all(&settings).map_err(|error| error.to_string())?;
    file(
        &settings,
        "config",
        "apiVersion: v1\nkind: Config\ncurrent-context: bench\ncontexts:\n- name: bench\n  context:\n    cluster: bench\n    user: bench\n",
    );
    let cache = serde_json::json!({
        "current_context": "bench", "access_token": SECRET, "token_expiry": "2126-01-01T00:00:00Z", "extra_args": "",
    });
    file(&settings, "gke_gcloud_auth_plugin_cache", &cache.to_string());
    let call = Call::new(program, &[], Path::new("/dev/null")).env("HOME", folder);
    answering(call.env("KUBECONFIG", settings.join("config")), None)
}

fn empty_c(folder: &Path, name: &str, args: &[&str]) -> Found {
    let source = file(folder, "empty.c", "int main(void) { return 0; }\n");
    let program = folder.join(name);
    feed(Command::new(find("cc")?).args(["-O2", "-s"]).args(args).arg(source).arg("-o").arg(&program), "")?;
    Ok((Call::new(program, &[], Path::new("/dev/null")), None))
}

fn empty_rust(folder: &Path, name: &str, feature: &str) -> Found {
    let source = file(folder, "empty.rs", "fn main() {}\n");
    let program = folder.join(name);
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let feature = format!("target-feature={feature}");
    let args = ["-O", "-C", "panic=abort", "-C", "strip=symbols", "-C", &feature, "-o", &text(&program)];
    feed(Command::new(rustc).args(args).arg(source), "")?;
    Ok((Call::new(program, &[], Path::new("/dev/null")), None))
}

/// A call that gives its secret, else why not.
fn answering(call: Call, keeper: Option<Keeper>) -> Found {
    if call.answer().contains(SECRET) { Ok((call, keeper)) } else { Err("it does not answer here".to_owned()) }
}

fn docker_login() -> String {
    format!(r#"{{"ServerURL":"https://{HOST}","Username":"user","Secret":"{SECRET}"}}"#)
}

fn bus() -> Result<std::ffi::OsString, String> {
    std::env::var_os("DBUS_SESSION_BUS_ADDRESS").ok_or_else(|| "no desktop session".to_owned())
}

fn git_core(name: &str) -> PathBuf {
    let output = Command::new("git").arg("--exec-path").output().expect("git is there");
    Path::new(String::from_utf8_lossy(&output.stdout).trim()).join(name)
}

fn find(name: &str) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    found
        .ok_or_else(|| if name.contains('-') { "not installed".to_owned() } else { format!("{name} is not installed") })
}

/// Runs a command to its end with this on stdin.
fn feed(command: &mut Command, input: &str) -> Result<(), String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    let done = child.wait().map_err(|error| error.to_string())?;
    if done.success() { Ok(()) } else { Err(format!("{} fails here", command.get_program().display())) }
}

fn file(folder: &Path, name: &str, content: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, content).expect("writable");
    path
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
