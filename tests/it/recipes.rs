//! integrations/agents/README.md: its script is run as an agent runs it, and its lines as Claude Code and Codex were seen to run
//! theirs (2.1.197 and 0.169.0).

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::provider::{Endpoint, Manners, Provider};
use crate::support::sandbox::{Sandbox, Transcript, begin, finish, keyfob, run, wait_for, workos};

fn page() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("integrations/agents/README.md")).unwrap()
}

/// The page's only block in a language.
fn block(language: &str) -> String {
    let page = page();
    let fence = format!("```{language}\n");
    let mut blocks = page.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap());
    let block = blocks.next().unwrap().to_owned();
    assert_eq!(blocks.next(), None, "one block of {language}");
    block
}

#[test]
fn ten_lines_sign_in_through_an_agent() {
    let script = block("shell");
    assert!(script.lines().count() <= 10, "{script}");
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    let path = sandbox.home().join("with-acme");
    std::fs::write(&path, script).unwrap();
    // No terminal, output captured until the end, and the marks of an agent.
    let agent = |patience: &str| {
        let mut command = sandbox.command("sh");
        command.arg(&path).args(["sh", "-c", "printf %s \"$ACME_TOKEN\" >token"]);
        command.env_remove("CI").env("AI_AGENT", "test").env("CLAUDECODE", "1").env("PATIENCE", patience);
        command
    };
    let run = |patience: &str| run(agent(patience), "");
    let first = run("0s");
    assert_eq!(first.code, Some(3), "{first:?}");
    // What the agent shows the person, who opens the page and approves.
    let code = provider.open_codes().pop().expect("a code");
    let message = format!(
        "to sign in to acme, open {}/device?user_code={code} and approve the code {code} within 5 minutes\n",
        provider.url()
    );
    assert_eq!(first.stdout, message);
    assert_eq!(run("1s").code, Some(3), "not yet");
    // Now it is waited for, also by an agent, since it is said for how long.
    let polls = provider.count(Endpoint::Poll);
    let waiting = begin(agent("60s"), "");
    wait_for("two polls", || (provider.count(Endpoint::Poll) > polls + 1).then_some(()));
    provider.decide(&code, true);
    let done = finish(waiting);
    assert_eq!((done.stdout.as_str(), done.code), ("", Some(0)), "{done:?}");
    let token = std::fs::read_to_string(sandbox.home().join("token")).unwrap();
    assert!(provider.accepts(&token));
    assert!(![&done.stdout, &done.stderr].iter().any(|said| said.contains(&token)), "it is in no transcript");
    assert_eq!(provider.count(Endpoint::Start), 1);
    assert_eq!(run("0s").code, Some(0), "and again, with nobody asked");
    let read = by_agent(&sandbox, &["token", "acme"]);
    assert_eq!(read.stdout.trim_end(), token);
    let note = "keyfob: what an agent reads is kept; a command gets the token unseen by: keyfob run --env NAME=acme -- COMMAND\n";
    assert_eq!(read.stderr, note);
    assert_eq!(by_agent(&sandbox, &["token", "acme", "--json"]).stderr, "", "what is read by a program is none of its");
}

fn by_agent(sandbox: &Sandbox, args: &[&str]) -> Transcript {
    let mut command = sandbox.keyfob(args);
    command.env("CODEX_CI", "1");
    run(command, "")
}

/// Signed in for the server of the page, with the configuration where it is without variables.
fn home() -> (Provider, Sandbox) {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let sandbox = Sandbox::new();
    sandbox.configure(&workos(&provider, "acme", "hosts = [\"git.acme.dev\", \"mcp.acme.dev\"]"));
    let folder = sandbox.home().join(".config/keyfob");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(sandbox.config(), folder.join("config.toml")).unwrap();
    let done = helper(&sandbox, "keyfob login acme", &[]);
    assert_eq!(done.code, Some(0), "{done:?}");
    (provider, sandbox)
}

/// Runs a line of the page by a shell, with HOME and PATH and nothing else but what is given.
fn helper(sandbox: &Sandbox, line: &str, more: &[(&str, &str)]) -> Transcript {
    let folder = keyfob().parent().unwrap().to_owned();
    let mut command = Command::new("setsid");
    let path = std::env::join_paths([folder.as_path(), Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
    command.args(["sh", "-c", line]).env_clear().env("HOME", sandbox.home()).env("PATH", path);
    command.envs(more.iter().copied()).current_dir(sandbox.home()).stdin(Stdio::null());
    command.output().unwrap().into()
}

/// What both make of an answer: every member is a header, and all have to be strings. None where it would go on without.
fn headers(done: &Transcript) -> Option<Vec<(String, String)>> {
    let value: Value = serde_json::from_str(&done.stdout).ok().filter(|_| done.code == Some(0))?;
    value.as_object()?.iter().map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

/// The one header that lets in.
fn is_let_in(provider: &Provider, done: &Transcript) -> bool {
    let headers = headers(done).unwrap_or_default();
    let token = match &headers[..] {
        [(name, value)] if name == "Authorization" => value.strip_prefix("Bearer "),
        _ => None,
    };
    token.is_some_and(|token| provider.accepts(token))
}

#[test]
fn claude_code_connects_by_the_pages_line() {
    let entry: Value = serde_json::from_str(&block("json")).unwrap();
    let server = &entry["mcpServers"]["acme"];
    let (line, url) = (server["headersHelper"].as_str().unwrap(), server["url"].as_str().unwrap());
    let (provider, sandbox) = home();
    let told = |url: &str| {
        helper(&sandbox, line, &[("CLAUDE_CODE_MCP_SERVER_URL", url), ("CLAUDE_CODE_MCP_SERVER_NAME", "acme")])
    };
    let done = told(url);
    assert!(is_let_in(&provider, &done), "{done:?}");
    assert_eq!(headers(&told("https://elsewhere.dev/mcp")), None, "no header for a server of nobody's");
    // Less is left than a connection needs.
    sandbox_expires_soon(&sandbox);
    let done = told(url);
    assert!(is_let_in(&provider, &done), "{done:?}");
    assert_eq!(provider.count(Endpoint::Refresh), 1);
}

#[test]
fn codex_connects_by_the_pages_line() {
    let config: toml::Value = toml::from_str(&block("toml")).unwrap();
    let server = &config["mcp_servers"]["acme"];
    let (provider, sandbox) = home();
    let line = server["http_headers_helper"].as_str().unwrap();
    assert!(line.contains(server["url"].as_str().unwrap()));
    let done = helper(&sandbox, line, &[("TERM", "xterm"), ("PWD", "/"), ("LC_ALL", "C.UTF-8")]);
    assert!(is_let_in(&provider, &done), "{done:?}");
    let logout = helper(&sandbox, "keyfob logout acme", &[]);
    assert_eq!(logout.code, Some(0), "{logout:?}");
    let done = helper(&sandbox, line, &[]);
    assert_eq!((headers(&done), done.code), (None, Some(3)), "nobody is asked: {done:?}");
    assert_eq!(provider.count(Endpoint::Start), 1);
}

/// Makes most of the token's life pass.
fn sandbox_expires_soon(sandbox: &Sandbox) {
    let folder = sandbox.home().join(".local/state/keyfob/sessions");
    let files = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    for path in files.filter(|path| path.extension().is_some_and(|end| end == "json")) {
        let mut record: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        for (_, token) in record["tokens"].as_object_mut().unwrap() {
            for moment in ["received_at", "expires_at"] {
                token[moment] = (token[moment].as_i64().unwrap() - 200).into();
            }
        }
        std::fs::write(&path, record.to_string()).unwrap();
    }
}
