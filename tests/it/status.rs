use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use crate::commands::signed_in;
use crate::support::provider::{Manners, Provider};
use crate::support::sandbox::{Sandbox, ask, open_code, workos};

/// What is wrong with a value by a schema of ours, which uses a handful of JSON Schema's keywords: another one is a mistake.
fn check(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let fail = |why: String| Err(format!("{at}: {why}"));
    for (keyword, says) in schema.as_object().expect("a schema is an object") {
        match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" => {}
            "$ref" => {
                let name = says.as_str().and_then(|name| name.strip_prefix('#')).expect("a reference into the file");
                check(root, root.pointer(name).unwrap_or_else(|| panic!("no {name}")), value, at)?;
            }
            "anyOf" => {
                let all = says.as_array().expect("a list");
                if all.iter().all(|one| check(root, one, value, at).is_err()) {
                    return fail(format!("{value} is none of {says}"));
                }
            }
            "const" if says != value => return fail(format!("{value} is not {says}")),
            "const" => {}
            "enum" if !says.as_array().expect("a list").contains(value) => {
                return fail(format!("{value} not in {says}"));
            }
            "enum" => {}
            "type" => {
                let is = match value {
                    Value::Null => "null",
                    Value::Bool(_) => "boolean",
                    Value::Number(_) => "number",
                    Value::String(_) => "string",
                    Value::Array(_) => "array",
                    Value::Object(_) => "object",
                };
                if says != is && !says.as_array().is_some_and(|types| types.contains(&json!(is))) {
                    return fail(format!("{value} is no {says}"));
                }
            }
            "format" => {
                assert_eq!(says, "date-time");
                if value.as_str().is_some_and(|text| text.len() != 20 || !text.ends_with('Z')) {
                    return fail(format!("{value} is no time"));
                }
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, says, item, &format!("{at}/{index}"))?;
                }
            }
            "required" => {
                let missing = |name: &&Value| value.get(name.as_str().expect("a name")).is_none();
                if let Some(name) = says.as_array().expect("a list").iter().find(missing) {
                    return fail(format!("{name} is missing"));
                }
            }
            "properties" => {
                let members = value.as_object().cloned().unwrap_or_else(Map::new);
                for (name, member) in &members {
                    let Some(schema) = says.get(name) else { return fail(format!("{name} is not in the schema")) };
                    check(root, schema, member, &format!("{at}/{name}"))?;
                }
            }
            // What "properties" above holds to.
            "additionalProperties" => assert_eq!(says, false),
            other => panic!("{at}: the schema says {other}, which this test does not know"),
        }
    }
    Ok(())
}

/// The inventory, held to its schema and to having no secret in it.
fn inventory(sandbox: &Sandbox, args: &[&str]) -> Value {
    let schema: Value = serde_json::from_str(include_str!("../../integrations/inventory/schema.json")).unwrap();
    let text = sandbox.run(&[&["status", "--json"], args].concat(), "").stdout;
    for secret in ["eyJ", "rt_secret", "dc_secret", "hunter2"] {
        assert!(!text.contains(secret), "{text}");
    }
    let value = serde_json::from_str(&text).unwrap();
    check(&schema, &schema, &value, "").unwrap_or_else(|why| panic!("{why} in {text}"));
    value
}

/// The text, with the times and the folder that differ from run to run replaced.
fn shown(sandbox: &Sandbox, args: &[&str]) -> String {
    let text = sandbox.run(&[&["status"], args].concat(), "").stdout;
    text.replace(sandbox.state().to_str().unwrap(), "STATE")
}

fn set_used(sandbox: &Sandbox, ago: u64) {
    let file = File::options().write(true).open(sandbox.record()).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(ago)).unwrap();
}

#[test]
fn before_during_and_after_a_sign_in() {
    let provider = Provider::with(Manners { token_life: 290, ..Manners::default() });
    let sandbox = Sandbox::signed_up(&provider);
    assert_eq!(
        shown(&sandbox, &[]),
        "PROFILE  ACCOUNT  TOKEN       RENEWS  LAST USED  HOSTS\n\
         acme     -        signed out  -       -          git.acme.dev\n\
         acme is signed out; run: keyfob login acme\n\
         nothing is kept in STATE\n"
    );
    assert_eq!(inventory(&sandbox, &[])["sessions"][0]["state"], "signed_out");
    sandbox.run(&["login", "--start"], "");
    let code = open_code(&provider);
    assert_eq!(
        shown(&sandbox, &["acme"]),
        format!(
            "PROFILE  ACCOUNT  TOKEN          RENEWS  LAST USED  HOSTS\n\
             acme     -        waits for you  -       -          git.acme.dev\n\
             acme waits for approval, 5 minutes left:\n  open  {}/device\n  code  {code}\n\
             1 session in plain text, readable by you alone, in STATE\n",
            provider.url()
        )
    );
    assert_eq!(inventory(&sandbox, &[])["sessions"][0]["pending"]["user_code"], code.as_str());
    provider.decide(&code, true);
    sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert_eq!(
        shown(&sandbox, &[]),
        "PROFILE  ACCOUNT       TOKEN           RENEWS    LAST USED  HOSTS\n\
         acme     ann@acme.dev  5 minutes left  silently  this hour  git.acme.dev\n\
         1 session in plain text, readable by you alone, in STATE\n"
    );
}

#[test]
fn the_inventory_has_everything_but_secrets() {
    let (provider, sandbox) = signed_in();
    let url = provider.url();
    let status = inventory(&sandbox, &[]);
    assert_eq!((&status["version"], &status["folder"]), (&json!(1), &json!(sandbox.sessions())));
    let session = &status["sessions"][0];
    for (key, value) in [
        ("profile", json!("acme")),
        ("provider", json!("workos")),
        ("issuer", json!("scripted")),
        ("client_id", json!("client_test")),
        ("client_type", json!("public")),
        ("token_endpoint", json!(format!("{url}/user_management/authenticate"))),
        ("account", Value::Null),
        ("state", json!("signed_in")),
        ("subject", json!("user_1")),
        ("email", json!("ann@acme.dev")),
        ("scopes", json!([])),
        ("audiences", Value::Null),
        ("has_refresh_token", json!(true)),
        ("expires_at", Value::Null),
        ("hosts", json!(["git.acme.dev"])),
        ("pending", Value::Null),
        ("last_failure", Value::Null),
        ("storage", json!({ "path": sandbox.record(), "mode": "0600", "form": "plain text, 0600" })),
        (
            "revocation",
            json!({
                "command": "keyfob logout acme", "endpoint": format!("{url}/user_management/sessions/logout"),
                "revokes": "session", "why_not": null,
            }),
        ),
    ] {
        assert_eq!(session[key], value, "{key}");
    }
    for key in ["created_at", "last_used_at", "signed_in_at"] {
        assert!(session[key].is_string(), "{key}");
    }
    assert_eq!(session["created_at"], session["signed_in_at"]);
    assert!(session["tokens"][0]["expires_at"].is_string());
}

#[test]
fn what_tokens_tell_and_what_they_were_asked_for() {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let sandbox = Sandbox::new();
    let url = provider.url();
    sandbox.configure(&format!(
        "[profile.acme]\nprovider = \"workos-connect\"\nclient_id = \"client_test\"\nissuer = \"{url}\"\n\
         hosts = [\"git.acme.dev\"]\nscopes = [\"openid\", \"offline_access\"]\naudience = \"https://api.acme.dev\"\n\
         revocation_endpoint = \"{url}/oauth2/revoke\"\n"
    ));
    assert_eq!(sandbox.run(&["login"], "").code, Some(0));
    let session = inventory(&sandbox, &[])["sessions"][0].clone();
    assert_eq!(session["issuer"], url);
    assert_eq!(session["scopes"], json!(["offline_access", "openid"]));
    assert_eq!(session["audiences"], json!(["https://api.acme.dev"]), "from the slot: the token does not say");
    assert_eq!(session["tokens"][0]["id_token_audiences"], json!(["client_test"]));
    assert_eq!(session["tokens"][0]["scopes"], json!(["offline_access", "openid"]));
    assert_eq!(session["revocation"]["revokes"], "refresh_token");
    assert_eq!(session["revocation"]["endpoint"], format!("{url}/oauth2/revoke"));
}

#[test]
fn what_is_gone_broken_or_failed_names_the_command_that_mends_it() {
    let (provider, sandbox) = signed_in();
    sandbox.edit(|record| {
        record["failure"] =
            json!({ "at": 1, "outcome": 1, "kind": "transient", "text": "no luck", "hint": "try again" });
    });
    let text = shown(&sandbox, &[]);
    assert!(text.contains(" days ago: no luck; try again\n"), "{text}");
    assert_eq!(inventory(&sandbox, &[])["sessions"][0]["last_failure"]["what"], "no luck");
    // The profile names another account now, then nobody at all.
    sandbox.configure(&workos(&provider, "acme", "account = \"bob\""));
    let text = shown(&sandbox, &["acme"]);
    assert!(text.contains("acme is an earlier session; run: keyfob logout acme\n"), "{text}");
    assert!(text.contains("acme is signed out; run: keyfob login acme\n"), "{text}");
    sandbox.configure("");
    let text = shown(&sandbox, &[]);
    assert!(text.contains("acme is of no profile any more; run: keyfob logout --all\n"), "{text}");
    let session = inventory(&sandbox, &[])["sessions"][0].clone();
    assert_eq!(session["revocation"]["why_not"], "no profile names it any more");
    assert_eq!((&session["client_type"], &session["issuer"]), (&Value::Null, &json!("scripted")));
    // A record that is none.
    sandbox.configure(&workos(&provider, "acme", ""));
    fs::write(sandbox.record(), "{\"refresh_token\":\"rt_secret").unwrap();
    let text = shown(&sandbox, &[]);
    assert!(text.contains("acme     -        unreadable  -"), "{text}");
    assert!(
        text.contains("acme cannot be read (not a record at line 1 column 27); run: keyfob login acme\n"),
        "{text}"
    );
    assert_eq!(inventory(&sandbox, &[])["sessions"][0]["state"], "broken");
}

#[test]
fn the_last_use_is_known_to_within_an_hour() {
    let (_provider, sandbox) = signed_in();
    let modified = || fs::metadata(sandbox.record()).unwrap().modified().unwrap();
    set_used(&sandbox, 3 * 3_600);
    let before = modified();
    for args in [&["status"][..], &["status", "--json"], &["docker", "list"]] {
        sandbox.run(args, "");
        assert_eq!(modified(), before, "{args:?} is no use");
    }
    assert!(shown(&sandbox, &[]).contains("  3 hours ago  "));
    let bytes = fs::read(sandbox.record()).unwrap();
    assert!(sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout.contains("password="));
    assert!(shown(&sandbox, &[]).contains("  this hour  "));
    assert_eq!(fs::read(sandbox.record()).unwrap(), bytes, "a hit writes nothing else");
    set_used(&sandbox, 3_000);
    let before = modified();
    sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert_eq!(modified(), before, "once an hour is enough");
}

#[test]
fn passwords_are_listed_without_themselves() {
    let sandbox = Sandbox::new();
    sandbox.configure("[store]\ngit = true\n");
    let login = json!({ "ServerURL": "registry.dev", "Username": "ann", "Secret": "hunter2" });
    assert_eq!(sandbox.run(&["docker", "store"], &login.to_string()).code, Some(0));
    let kept = "protocol=https\nhost=git.dev\nusername=bob\npassword=hunter2\npassword_expiry_utc=1900000000\n\n";
    sandbox.run(&["git", "store"], kept);
    let mut passwords = inventory(&sandbox, &[])["passwords"].as_array().unwrap().clone();
    passwords.sort_by_key(|password| password["host"].to_string());
    assert_eq!((&passwords[0]["host"], &passwords[0]["username"]), (&json!("git.dev"), &json!("bob")));
    assert_eq!(passwords[0]["expires_at"], "2030-03-17T17:46:40Z");
    assert_eq!((&passwords[1]["service"], &passwords[1]["username"]), (&json!("docker"), &json!("ann")));
    assert!(passwords[1]["stored_at"].is_string() && passwords[1]["expires_at"].is_null());
    assert_eq!(passwords[1]["storage"]["mode"], "0600");
    assert_eq!(shown(&sandbox, &[]), "2 passwords in plain text, readable by you alone, in STATE\n");
}

#[cfg(target_os = "linux")]
#[test]
fn a_narrow_terminal_gets_blocks_and_colours_only_who_wants_them() {
    use crate::support::sandbox::run;
    let (provider, sandbox) = signed_in();
    let hosts = "hosts = [\"git.acme.dev\", \"registry.acme.dev:5000\", \"*.corp.dev\"]";
    sandbox.configure(&[workos(&provider, "acme", hosts), workos(&provider, "beta", "account = \"bob\"")].concat());
    let screen = |columns: u32, name: &str, value: &str| {
        let mut script = sandbox.command("script");
        script.args(["-qec", &format!("stty cols {columns}; keyfob status acme; keyfob status beta"), "/dev/null"]);
        script.env("TERM", "xterm").env(name, value);
        run(script, "").stdout.replace('\r', "").replace(sandbox.state().to_str().unwrap(), "STATE")
    };
    assert_eq!(
        screen(40, "NO_COLOR", "1"),
        "acme  5 minutes left\n\
         \u{20}\u{20}account     ann@acme.dev\n\
         \u{20}\u{20}renews      silently\n\
         \u{20}\u{20}last used   this hour\n\
         \u{20}\u{20}hosts       git.acme.dev,\n\
         \u{20}\u{20}            registry.acme.dev:5000,\n\
         \u{20}\u{20}            *.corp.dev\n\
         1 session in plain text, readable by you\n\
         \u{20}\u{20}alone, in STATE\n\
         beta  signed out\n\
         \u{20}\u{20}account     bob\n\
         beta is signed out; run:\n\
         \u{20}\u{20}keyfob login beta\n\
         nothing is kept in STATE\n"
    );
    assert!(screen(84, "NO_COLOR", "1").starts_with(
        "PROFILE  ACCOUNT       TOKEN           RENEWS    LAST USED  HOSTS\n\
         acme     ann@acme.dev  5 minutes left  silently  this hour  git.acme.dev,\n\
         \u{20}                                                           registry.acme.dev:5000,\n\
         \u{20}                                                           *.corp.dev\n"
    ));
    for (name, value) in [("KEYFOB_PLAIN", "1"), ("TERM", "dumb"), ("NO_COLOR", "x")] {
        assert!(!screen(40, name, value).contains('\u{1b}'), "{name}");
    }
    for (name, value) in [("KEYFOB_PLAIN", "0"), ("TERM", "xterm"), ("NO_COLOR", "")] {
        let shown = screen(40, name, value);
        assert!(shown.contains("\u{1b}[1macme\u{1b}[0m  \u{1b}[32m5 minutes left\u{1b}[0m\n"), "{name}: {shown:?}");
    }
}
