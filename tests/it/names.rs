//! How a static program finds addresses: never by the C library's own plug-ins, which crash it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::support::http::{Reply, Request};
use crate::support::sandbox::{Sandbox, Transcript, ask, keyfob, run};
use crate::support::tls_server::{self, Identity};

/// Only `getent` knows it.
const NAME: &str = "auth.keyfob.invalid";

/// A sandbox with a profile at a name.
fn sandbox() -> Sandbox {
    let identity = Identity::named(&[NAME]);
    let reached = |_: Request| Reply::json(400, r#"{"error":"invalid_client","error_description":"reached"}"#);
    let address = tls_server::serve(&identity, reached);
    let sandbox = Sandbox::new();
    let ca = sandbox.home().join("ca.pem");
    fs::write(&ca, identity.pem()).unwrap();
    sandbox.configure(&format!(
        "[profile.acme]\nprovider = \"workos\"\nclient_id = \"client_1\"\nhosts = [\"git.acme.dev\"]\n\
         base_url = \"https://{NAME}:{}\"\nca_file = \"{}\"\n",
        address.port(),
        ca.display()
    ));
    sandbox
}

/// Has `getent` answer so in a sandbox.
fn getent(sandbox: &Sandbox, script: &str) {
    let path = sandbox.home().with_file_name("bin").join("getent");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn sign_in(mut command: Command) -> Transcript {
    command.env("KEYFOB_INTERACTIVE", "always");
    run(command, &ask("git.acme.dev"))
}

#[test]
fn the_system_is_asked_for_a_name_and_its_addresses_are_tried_in_turn() {
    let sandbox = sandbox();
    getent(
        &sandbox,
        "echo \"$@\" >\"$HOME/asked\"\nprintf '127.0.0.9 STREAM x\\n127.0.0.9 DGRAM\\n127.0.0.1 STREAM\\n'",
    );
    let done = sign_in(sandbox.keyfob(&["git", "get"]));
    assert!(done.stderr.contains("invalid_client: reached"), "{done:?}");
    assert_eq!(fs::read_to_string(sandbox.home().join("asked")).unwrap(), format!("ahosts {NAME}\n"));
}

#[test]
fn without_getent_it_says_what_to_install() {
    let sandbox = sandbox();
    let mut command = sandbox.command("env");
    command.arg(format!("PATH={}", sandbox.home().display())).arg(keyfob()).args(["git", "get"]);
    let done = sign_in(command);
    assert_eq!(done.stdout, "quit=1\n");
    assert!(done.stderr.contains(&format!("cannot look up {NAME}:")), "{done:?}");
    assert!(done.stderr.contains(": there is no getent to look names up with\nkeyfob: hint: install it: "), "{done:?}");
}

#[test]
fn a_name_that_has_no_address_is_called_that() {
    let sandbox = sandbox();
    getent(&sandbox, "exit 2");
    let done = sign_in(sandbox.keyfob(&["git", "get"]));
    assert!(done.stderr.contains(NAME) && done.stderr.contains(" has no address\n"), "{done:?}");
}

/// With plug-ins first that crash a static program when the C library looks something up.
#[test]
fn the_systems_plug_ins_are_never_loaded() {
    let plug_in = |name: &str| {
        let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64"];
        folders.iter().any(|folder| Path::new(folder).join(format!("libnss_{name}.so.2")).exists())
    };
    let namespaces = Command::new("unshare").args(["--mount", "true"]).output();
    if !plug_in("myhostname") || !namespaces.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("CI").is_none(), "this wants root, unshare and libnss-myhostname");
        eprintln!("skipped: this wants root, unshare and libnss-myhostname");
        return;
    }
    let sandbox = sandbox();
    let settings = sandbox.home().join("nsswitch.conf");
    fs::write(&settings, "passwd: systemd files\nhosts: myhostname files\n").unwrap();
    let hosts = sandbox.home().join("hosts");
    fs::write(&hosts, format!("127.0.0.1 {NAME}\n")).unwrap();
    let passwd = sandbox.home().join("passwd");
    fs::write(&passwd, format!("root:x:0:0:root:{}:/bin/sh\n", sandbox.home().display())).unwrap();
    let elsewhere = |args: &[&str]| {
        let mut command = sandbox.command("unshare");
        let mounts = "mount --bind \"$1\" /etc/nsswitch.conf && mount --bind \"$2\" /etc/hosts && mount --bind \"$3\" /etc/passwd && shift 3 && \
             exec \"$@\"";
        command.args(["--mount", "sh", "-c", mounts, "sh"]).arg(&settings).arg(&hosts).arg(&passwd).args(args);
        command
    };
    let done = sign_in(elsewhere(&["keyfob", "git", "get"]));
    assert!(done.stderr.contains("invalid_client: reached"), "{done:?}");
    // Who runs us is looked up in the file of users alone.
    let mut homeless = elsewhere(&["keyfob", "status"]);
    homeless.env_remove("HOME").env_remove("KEYFOB_CONFIG").env_remove("KEYFOB_STATE_DIR");
    let done = run(homeless, "");
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{done:?}");
}
