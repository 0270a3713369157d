//! A git server on loopback: the real `git http-backend` behind a check of the token, as a company's own would be.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use ring::digest::{SHA256, digest};

use super::http::{self, Reply, Request};
use super::provider::Provider;

/// So many requests, and so many each time afterwards.
type Countdown = (usize, Option<usize>);

/// Serves every repository below a folder to whoever brings a live token of the provider.
#[derive(Clone)]
pub struct GitServer {
    pub address: SocketAddr,
    root: PathBuf,
    /// How each request came out: method, path, user name (`-` for none), status.
    log: Arc<Mutex<Vec<String>>>,
    /// After so many more requests that are let in, every access token dies; and then after so many again, if they do.
    revoke_after: Arc<Mutex<Option<Countdown>>>,
    /// Lets nobody in, whatever they bring.
    closed: Arc<AtomicBool>,
    /// The one scheme that is taken and offered, `bearer` or `basic`; both where there is none.
    alone: Arc<Mutex<Option<&'static str>>>,
}

impl GitServer {
    pub fn start(provider: &Provider, root: &Path) -> Self {
        let log = Arc::new(Mutex::new(Vec::new()));
        let (revoke_after, closed) = (Arc::new(Mutex::new(None::<Countdown>)), Arc::new(AtomicBool::new(false)));
        let (served, seen, provider) = (root.to_owned(), Arc::clone(&log), provider.clone());
        let (countdown, shut) = (Arc::clone(&revoke_after), Arc::clone(&closed));
        let alone = Arc::new(Mutex::new(None));
        let taken = Arc::clone(&alone);
        let address = http::serve(move |request| {
            let (user, token) = credential(&request);
            let alone: Option<&str> = *taken.lock().expect("no handler panics");
            let is_seen = alone.is_none_or(|alone| (alone == "bearer") == (user == "bearer"));
            let allowed = is_seen && provider.accepts(&token) && !shut.load(Ordering::SeqCst);
            let reply = match (allowed, request.path.split_once("/lfs/")) {
                (false, _) if alone == Some("basic") => challenge("Basic realm=\"strict\""),
                (false, _) if alone == Some("bearer") && !is_seen => challenge("Bearer realm=\"strict\""),
                (false, _) if alone == Some("bearer") => challenge("Bearer error=\"invalid_token\""),
                (false, _) => refuse(),
                (true, Some((_, rest))) => large_file(&served, &request, rest),
                (true, None) => backend(&served, &request),
            };
            if allowed {
                let mut left = countdown.lock().expect("no handler panics");
                if let Some((more, again)) = left.take() {
                    *left = if more > 1 { Some((more - 1, again)) } else { again.map(|more| (more, again)) };
                    if more <= 1 {
                        provider.revoke_access_tokens();
                    }
                }
            }
            let status = if let Reply::Answer { status, .. } = &reply { *status } else { 0 };
            let line = format!("{} {} {user} {status}", request.method, request.path);
            seen.lock().expect("no handler panics").push(line);
            reply
        });
        Self { address, root: root.to_owned(), log, revoke_after, closed, alone }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn log(&self) -> Vec<String> {
        self.log.lock().expect("no handler panics").clone()
    }

    /// Kills every access token after `requests` more that are let in.
    pub fn revoke_after(&self, requests: usize) {
        *self.revoke_after.lock().expect("no handler panics") = Some((requests, None));
    }

    /// Kills every access token each time `requests` more have been let in.
    pub fn revoke_each(&self, requests: usize) {
        *self.revoke_after.lock().expect("no handler panics") = Some((requests, Some(requests)));
    }

    /// Takes and offers that scheme alone from now on: `bearer`, or `basic`.
    pub fn take_alone(&self, scheme: &'static str) {
        *self.alone.lock().expect("no handler panics") = Some(scheme);
    }

    /// Lets nobody in any more.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Makes a repository whose one commit has others of this server as submodules.
    pub fn add_with_submodules(&self, name: &str, submodules: &[&str]) {
        self.add_commit(name, |seed| {
            let mut modules = String::new();
            for submodule in submodules {
                let folder = submodule.trim_end_matches(".git");
                modules.push_str(&format!("[submodule \"{folder}\"]\n\tpath = {folder}\n\turl = ../{submodule}\n"));
                let head = output(&self.root.join(submodule), &["rev-parse", "main"]);
                let link = format!("160000,{},{folder}", head.trim());
                git(seed, &["update-index", "--add", "--cacheinfo", &link]);
            }
            std::fs::write(seed.join(".gitmodules"), modules).expect("a file in the seed");
            git(seed, &["add", ".gitmodules"]);
        });
    }

    /// Makes a repository with one commit.
    pub fn add(&self, name: &str) {
        self.add_commit(name, |seed| {
            std::fs::write(seed.join("README"), format!("{name}\n")).expect("a file in the seed");
            git(seed, &["add", "README"]);
        });
    }

    /// Makes a repository whose one file is kept in Git LFS, and the file.
    pub fn add_large(&self, name: &str, file: &str, content: &[u8]) {
        self.add_several_large(name, &[(file.to_owned(), content.to_vec())]);
    }

    /// The same with several files.
    pub fn add_several_large(&self, name: &str, files: &[(String, Vec<u8>)]) {
        self.add_commit(name, |seed| {
            let mut attributes = String::new();
            for (file, content) in files {
                let (id, size) = (large_id(content), content.len());
                let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{id}\nsize {size}\n");
                std::fs::write(seed.join(file), pointer).expect("a file in the seed");
                attributes.push_str(&format!("{file} filter=lfs diff=lfs merge=lfs -text\n"));
            }
            std::fs::write(seed.join(".gitattributes"), attributes).expect("a file in the seed");
            git(
                seed,
                &[
                    "-c",
                    "filter.lfs.required=false",
                    "-c",
                    "filter.lfs.process=",
                    "-c",
                    "filter.lfs.clean=",
                    "add",
                    ".",
                ],
            );
        });
        for (_, content) in files {
            std::fs::write(self.root.join(large_id(content)), content).expect("a file in the root");
        }
    }

    /// A large file that is kept here.
    pub fn large(&self, content: &[u8]) -> Option<Vec<u8>> {
        std::fs::read(self.root.join(large_id(content))).ok()
    }

    fn add_commit(&self, name: &str, fill: impl FnOnce(&Path)) {
        let bare = self.root.join(name);
        let seed = self.root.join(format!("{name}.seed"));
        git(&self.root, &["init", "--quiet", "--bare", "-b", "main", path(&bare)]);
        git(&bare, &["config", "http.receivepack", "true"]);
        git(&self.root, &["init", "--quiet", "-b", "main", path(&seed)]);
        fill(&seed);
        git(&seed, &["commit", "--quiet", "-m", "first"]);
        git(&seed, &["push", "--quiet", path(&bare), "main"]);
        std::fs::remove_dir_all(&seed).expect("the seed is ours");
    }
}

/// Runs git away from any configuration of the person's.
pub fn git(folder: &Path, args: &[&str]) {
    output(folder, args);
}

/// The same, and what it printed.
fn output(folder: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(args)
        .current_dir(folder)
        .envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null")])
        .envs([("GIT_AUTHOR_NAME", "a"), ("GIT_AUTHOR_EMAIL", "a@b.c")])
        .envs([("GIT_COMMITTER_NAME", "a"), ("GIT_COMMITTER_EMAIL", "a@b.c")])
        .output()
        .expect("git is installed");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn path(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}

/// The name that Git LFS has for a file.
fn large_id(content: &[u8]) -> String {
    digest(&SHA256, content).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The two requests of Git LFS that a download or an upload takes (its batch API): where is it, and give it me, or have it. Locks are
/// something it does not have, as many servers do not.
fn large_file(root: &Path, request: &Request, rest: &str) -> Reply {
    if let Some(id) = rest.strip_prefix("files/") {
        let plain = id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if plain && request.method == "PUT" {
            std::fs::write(root.join(id), &request.body).expect("a file in the root");
            return Reply::new(200, "text/plain", "");
        }
        return match std::fs::read(root.join(id)) {
            Ok(content) if plain => Reply::new(200, "application/octet-stream", content),
            _ => Reply::new(404, "text/plain", "no such file"),
        };
    }
    if rest.starts_with("locks") {
        return Reply::new(404, "application/vnd.git-lfs+json", "{\"message\":\"no locks here\"}");
    }
    let asked: serde_json::Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let operation = asked["operation"].as_str().unwrap_or("download");
    let (here, _) = request.path.split_once("/lfs/").unwrap_or_default();
    let base = format!("http://{}{here}/lfs/files", request.headers.get("host").cloned().unwrap_or_default());
    let objects: Vec<_> = asked["objects"].as_array().into_iter().flatten().map(|object| {
        let href = format!("{base}/{}", object["oid"].as_str().unwrap_or_default());
        serde_json::json!({ "oid": object["oid"], "size": object["size"], "actions": { operation: { "href": href } } })
    }).collect();
    let answer = serde_json::json!({ "transfer": "basic", "objects": objects });
    Reply::new(200, "application/vnd.git-lfs+json", answer.to_string())
}

/// User name and token, from Basic or Bearer.
fn credential(request: &Request) -> (String, String) {
    let bearer = request.bearer().map(|token| ("bearer".to_owned(), token.to_owned()));
    bearer.or_else(|| request.basic()).unwrap_or_else(|| ("-".to_owned(), String::new()))
}

fn challenge(header: &str) -> Reply {
    Reply::new(401, "text/plain", "a token, please\n").with("WWW-Authenticate", header)
}

fn refuse() -> Reply {
    challenge("Basic realm=\"playground\"").with("WWW-Authenticate", "Bearer error=\"invalid_token\"")
}

/// CGI (RFC 3875) as `git http-backend` wants it.
fn backend(root: &Path, request: &Request) -> Reply {
    let header = |name: &str| request.headers.get(name).cloned().unwrap_or_default();
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", request.path.replace("%20", " "))
        .env("QUERY_STRING", &request.query)
        .env("REQUEST_METHOD", &request.method)
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .env("REMOTE_USER", "playground")
        .envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("git http-backend is installed");
    let mut stdin = child.stdin.take().expect("piped");
    let body = request.body.clone();
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&body);
    });
    let output = child.wait_with_output().expect("it ends");
    let _ = writer.join();
    let split = output.stdout.windows(4).position(|window| window == b"\r\n\r\n");
    let Some(split) = split else { return Reply::new(500, "text/plain", "no answer from git") };
    let mut status = 200;
    let mut headers = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout[..split]).lines() {
        match line.split_once(": ") {
            Some(("Status", code)) => status = code[..3].parse().unwrap_or(500),
            Some((name, value)) => headers.push((name.to_owned(), value.to_owned())),
            None => {}
        }
    }
    Reply::Answer { status, headers, body: output.stdout[split + 4..].to_vec() }
}
