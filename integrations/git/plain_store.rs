//! What git's own suite asks of an external helper (t0303 and the authtype checks of lib-credential.sh), asked through
//! the real `git credential fill`, `approve` and `reject`, with stdout and stderr compared whole.

use crate::has;
use crate::support::sandbox::{Sandbox, begin, finish, run};

/// A home whose git has keyfob as its helper, plain store on, and an askpass that says what it is asked.
struct Suite {
    sandbox: Sandbox,
}

const ASKED: &str = "askpass: Username for 'https://example.com': \n\
                     askpass: Password for 'https://askpass-username@example.com': \n";
const ASKPASS: &str = "protocol=https\nhost=example.com\nusername=askpass-username\npassword=askpass-password\n";

impl Suite {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.configure("[store]\ngit = true\n");
        let askpass = sandbox.home().join("askpass");
        let script = "#!/bin/sh\necho >&2 \"askpass: $*\"\nwhat=$(echo $1 | cut -d' ' -f1 | tr A-Z a-z | tr -cd a-z)\necho \"askpass-$what\"\n";
        std::fs::write(&askpass, script).unwrap();
        std::process::Command::new("chmod").arg("755").arg(&askpass).status().unwrap();
        Self { sandbox }
    }

    fn git(&self, settings: &[&str], operation: &str) -> std::process::Command {
        let mut command = self.sandbox.command("git");
        for setting in settings {
            command.args(["-c", setting]);
        }
        command.args(["-c", "credential.helper=keyfob", "credential", operation]);
        command.env("GIT_ASKPASS", self.sandbox.home().join("askpass"));
        command
    }

    /// `check operation --- input --- stdout --- stderr`, as the suite writes it.
    fn check(&self, operation: &str, input: &str, stdout: &str, stderr: &str) {
        self.check_with(&[], operation, input, stdout, stderr);
    }

    fn check_with(&self, settings: &[&str], operation: &str, input: &str, stdout: &str, stderr: &str) {
        let done = run(self.git(settings, operation), input);
        assert_eq!((done.stdout.as_str(), done.stderr.as_str()), (stdout, stderr), "{operation} {input}");
        assert_eq!(done.code, Some(0), "{operation} {input}");
    }

    fn approve(&self, input: &str) {
        self.check("approve", input, "", "");
    }

    fn reject(&self, input: &str) {
        self.check("reject", input, "", "");
    }

    /// Filled without anybody being asked.
    fn fills(&self, input: &str, stdout: &str) {
        self.check("fill", input, stdout, "");
    }

    /// Nothing is known: the askpass is asked.
    fn asks(&self, input: &str) {
        self.check("fill", input, ASKPASS, ASKED);
    }
}

const HOST: &str = "protocol=https\nhost=example.com\n";
const STORED: &str = "protocol=https\nhost=example.com\nusername=store-user\npassword=store-pass\n";

fn user(name: &str, password: &str) -> String {
    format!("{HOST}username={name}\npassword={password}\n")
}

#[test]
fn no_existing_data() {
    Suite::new().asks(HOST);
}

#[test]
fn stores_and_retrieves_a_password() {
    let suite = Suite::new();
    suite.approve(STORED);
    suite.fills(HOST, STORED);
}

#[test]
fn requires_matching_protocol() {
    let suite = Suite::new();
    suite.approve(STORED);
    suite.check(
        "fill",
        "protocol=http\nhost=example.com\n",
        "protocol=http\nhost=example.com\nusername=askpass-username\npassword=askpass-password\n",
        "askpass: Username for 'http://example.com': \naskpass: Password for 'http://askpass-username@example.com': \n",
    );
}

#[test]
fn requires_matching_host() {
    let suite = Suite::new();
    suite.approve(STORED);
    suite.check(
        "fill",
        "protocol=https\nhost=other.tld\n",
        "protocol=https\nhost=other.tld\nusername=askpass-username\npassword=askpass-password\n",
        "askpass: Username for 'https://other.tld': \naskpass: Password for 'https://askpass-username@other.tld': \n",
    );
}

#[test]
fn requires_matching_username() {
    let suite = Suite::new();
    suite.approve(STORED);
    suite.check(
        "fill",
        &format!("{HOST}username=other\n"),
        &user("other", "askpass-password"),
        "askpass: Password for 'https://other@example.com': \n",
    );
}

#[test]
fn requires_matching_path() {
    let suite = Suite::new();
    let on = ["credential.usehttppath=true"];
    let path = |path: &str, rest: &str| format!("protocol=http\nhost=path.tld\npath={path}\n{rest}");
    suite.check_with(&on, "approve", &path("foo.git", "username=user\npassword=pass\n"), "", "");
    suite.check_with(
        &on,
        "fill",
        &path("bar.git", ""),
        &path("bar.git", "username=askpass-username\npassword=askpass-password\n"),
        "askpass: Username for 'http://path.tld/bar.git': \n\
         askpass: Password for 'http://askpass-username@path.tld/bar.git': \n",
    );
    suite.check_with(&on, "fill", &path("foo.git", ""), &path("foo.git", "username=user\npassword=pass\n"), "");
}

#[test]
fn overwrites_on_store_and_erases_with_the_right_password() {
    let suite = Suite::new();
    suite.approve(&user("user-overwrite", "pass1"));
    suite.approve(&user("user-overwrite", "pass2"));
    suite.fills(&format!("{HOST}username=user-overwrite\n"), &user("user-overwrite", "pass2"));
    suite.reject(&user("user-overwrite", "pass2"));
    suite.check(
        "fill",
        &format!("{HOST}username=user-overwrite\n"),
        &user("user-overwrite", "askpass-password"),
        "askpass: Password for 'https://user-overwrite@example.com': \n",
    );
}

#[test]
fn can_forget_a_host() {
    let suite = Suite::new();
    suite.approve(STORED);
    suite.reject(HOST);
    suite.asks(HOST);
}

#[test]
fn can_store_multiple_users_and_forget_one() {
    let suite = Suite::new();
    suite.approve(&user("user1", "pass1"));
    suite.approve(&user("user2", "pass2"));
    suite.fills(&format!("{HOST}username=user1\n"), &user("user1", "pass1"));
    suite.fills(&format!("{HOST}username=user2\n"), &user("user2", "pass2"));
    suite.reject(&format!("{HOST}username=user1\n"));
    suite.check(
        "fill",
        &format!("{HOST}username=user1\n"),
        &user("user1", "askpass-password"),
        "askpass: Password for 'https://user1@example.com': \n",
    );
    suite.fills(&format!("{HOST}username=user2\n"), &user("user2", "pass2"));
}

#[test]
fn does_not_erase_a_password_distinct_from_input() {
    let suite = Suite::new();
    suite.approve(&user("user-distinct-pass", "pass1"));
    suite.reject(&user("user-distinct-pass", "pass2"));
    suite.fills(&format!("{HOST}username=user-distinct-pass\n"), &user("user-distinct-pass", "pass1"));
}

#[test]
fn remembers_an_empty_username_and_password() {
    let suite = Suite::new();
    suite.approve(&user("", ""));
    suite.fills(HOST, &user("", ""));
    suite.fills(&format!("{HOST}username=\n"), &user("", ""));
}

#[test]
fn erases_all_matching_credentials() {
    let suite = Suite::new();
    suite.approve(&user("user-a", "pass1"));
    suite.approve(&user("user-b", "pass2"));
    suite.reject(HOST);
    suite.asks(HOST);
}

#[test]
fn is_not_confused_by_a_long_header() {
    let suite = Suite::new();
    suite.approve("protocol=https\nhost=victim.example.com\nusername=user\npassword=to-be-stolen\n");
    for length in [1_024, 4_096, 16_384, 65_000] {
        let padding = "a".repeat(length - "wwwauth[]=".len());
        let input = format!("protocol=https\nhost=badguy.example.com\nwwwauth[]={padding}host=victim.example.com\n");
        let done = run(suite.git(&[], "fill"), &input);
        assert!(done.stdout.contains("password=askpass-password\n"), "{}", done.stderr);
        assert!(!done.stdout.contains("to-be-stolen"));
    }
}

#[test]
fn stores_and_overwrites_an_expiry() {
    let suite = Suite::new();
    let with = |at: &str| format!("{}password_expiry_utc={at}\n", user("user-expiry", "pass"));
    suite.approve(&with("9999999998"));
    suite.fills(&format!("{HOST}username=user-expiry\n"), &with("9999999998"));
    suite.approve(&with("9999999999"));
    suite.fills(&format!("{HOST}username=user-expiry\n"), &with("9999999999"));
}

#[test]
fn an_expired_password_is_not_used() {
    let suite = Suite::new();
    // git itself stores nothing that has expired: the helper is told by hand.
    let store = format!("{}password_expiry_utc=5\noauth_refresh_token=keep\n\n", user("old", "gone"));
    assert_eq!(run(suite.sandbox.keyfob(&["git", "store"]), &store).stderr, "");
    let done = run(suite.git(&[], "fill"), &format!("{HOST}username=old\n"));
    assert!(done.stdout.contains("password=askpass-password\n") && !done.stdout.contains("gone"), "{}", done.stdout);
}

#[test]
fn stores_another_helpers_refresh_token() {
    let suite = Suite::new();
    let with = |token: &str| format!("{}oauth_refresh_token={token}\n", user("user-oauth", "pass"));
    suite.approve(&with("refresh-1"));
    suite.fills(&format!("{HOST}username=user-oauth\n"), &with("refresh-1"));
    suite.approve(&with("refresh-2"));
    suite.fills(&format!("{HOST}username=user-oauth\n"), &with("refresh-2"));
}

const AUTHTYPE: &str = "capability[]=authtype\n";

fn bearer(username: Option<&str>) -> String {
    let username = username.map(|name| format!("username={name}\n")).unwrap_or_default();
    format!("{AUTHTYPE}authtype=Bearer\ncredential=random-token\n{HOST}{username}")
}

#[test]
fn stores_and_retrieves_authtype() {
    if !has("git", (2, 46)) {
        return;
    }
    let suite = Suite::new();
    suite.approve(&bearer(None));
    suite.fills(&format!("{AUTHTYPE}{HOST}"), &bearer(None));
}

#[test]
fn gets_authtype_only_if_it_asked_for_it() {
    if !has("git", (2, 46)) {
        return;
    }
    let suite = Suite::new();
    suite.approve(&bearer(None));
    suite.asks(HOST);
    let raw = run(suite.sandbox.keyfob(&["git", "get"]), &format!("{HOST}\n"));
    assert_eq!(raw.stdout, "", "not even to be dropped by git");
}

#[test]
fn stores_and_retrieves_authtype_with_a_username() {
    if !has("git", (2, 46)) {
        return;
    }
    let suite = Suite::new();
    suite.approve(&bearer(Some("user")));
    suite.fills(&format!("{AUTHTYPE}{HOST}"), &bearer(Some("user")));
    suite.fills(&format!("{AUTHTYPE}{HOST}username=user\n"), &bearer(Some("user")));
    suite.check(
        "fill",
        &format!("{AUTHTYPE}{HOST}username=other\n"),
        &user("other", "askpass-password"),
        "askpass: Password for 'https://other@example.com': \n",
    );
}

#[test]
fn does_not_store_ephemeral_credentials() {
    if !has("git", (2, 46)) {
        return;
    }
    let suite = Suite::new();
    suite.approve(&format!("{}ephemeral=1\n", bearer(None)));
    let asked = format!("{AUTHTYPE}{HOST}");
    suite.check("fill", &asked, ASKPASS, ASKED);
    suite.approve(&format!("{AUTHTYPE}ephemeral=1\n{STORED}"));
    suite.check("fill", &asked, ASKPASS, ASKED);
}

#[test]
fn a_hundred_at_once_are_all_kept() {
    let suite = Suite::new();
    let stores: Vec<_> = (0..100)
        .map(|n| {
            let host = n % 10;
            let input = format!("protocol=https\nhost=h{host}.example.com\nusername=u{n}\npassword=p{n}\n\n");
            begin(suite.sandbox.keyfob(&["git", "store"]), &input)
        })
        .collect();
    for store in stores {
        let done = finish(store);
        assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("", ""));
    }
    for n in 0..100 {
        let host = n % 10;
        let input = format!("protocol=https\nhost=h{host}.example.com\nusername=u{n}\n\n");
        let done = run(suite.sandbox.keyfob(&["git", "get"]), &input);
        assert_eq!(done.stdout, format!("username=u{n}\npassword=p{n}\n"));
    }
}

#[test]
fn off_by_default_and_never_for_a_host_with_a_profile() {
    let suite = Suite::new();
    suite.sandbox.configure("");
    suite.approve(STORED);
    suite.asks(HOST);
    assert!(!suite.sandbox.state().exists());
    suite.sandbox.configure(
        "[store]\ngit = true\n[profile.acme]\nprovider = \"workos\"\nclient_id = \"c\"\nhosts = [\"example.com\"]\naccount = \"ann\"\n",
    );
    suite.approve(STORED);
    assert!(!suite.sandbox.state().exists());
    let other = run(suite.sandbox.keyfob(&["git", "get"]), &format!("{HOST}username=bob\n\n"));
    assert_eq!((other.stdout.as_str(), other.stderr.as_str()), ("", ""));
}

#[test]
fn nothing_is_said_to_a_pattern_without_a_place() {
    let suite = Suite::new();
    suite.approve(STORED);
    for input in
        ["protocol=https\n\n", "host=example.com\n\n", "username=store-user\n\n", "\n", "protocol=https\nhost=\n\n"]
    {
        for operation in ["get", "erase", "store"] {
            let done = run(suite.sandbox.keyfob(&["git", operation]), input);
            assert_eq!(
                (done.stdout.as_str(), done.stderr.as_str(), done.code),
                ("", "", Some(0)),
                "{operation} {input}"
            );
        }
    }
    suite.fills(HOST, STORED);
}

#[test]
fn the_capability_operation_has_its_own_form() {
    let suite = Suite::new();
    let done = run(suite.sandbox.keyfob(&["git", "capability"]), "");
    assert_eq!(done.stdout, "version 0\ncapability authtype\ncapability state\n");
}
