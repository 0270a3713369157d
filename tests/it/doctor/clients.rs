use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::{Value, json};

use super::{CLUSTER, Home, one, run_mend};
use crate::support::provider::CLIENT_ID;
use crate::support::sandbox::workos;

#[test]
fn other_helpers_get_the_tokens() {
    let home = Home::signed_out();
    let url = "credential.https://git.acme.dev.helper";
    let generic = |value| ("credential.helper", value);
    home.git(&[
        generic("cache"),
        (url, "keyfob"),
        generic("store --file /s3cret"),
        generic("!f() { echo s3cret; }; f"),
    ]);
    let mend = "run: git config --global --remove-section credential.https://git.acme.dev && \
                git config --global --add credential.https://git.acme.dev.helper '' && \
                git config --global --add credential.https://git.acme.dev.helper keyfob";
    let problem = |what: &str| (what.to_owned(), mend.to_owned());
    assert_eq!(
        home.problems(&["git.acme.dev"]),
        [
            problem(
                "git asks cache before keyfob for git.acme.dev (/R/home/.gitconfig), and hands it every token that works"
            ),
            problem("git hands store every token that works at git.acme.dev (/R/home/.gitconfig)"),
            problem("git hands a shell command every token that works at git.acme.dev (/R/home/.gitconfig)"),
        ]
    );
    home.git(&[generic("store")]);
    assert_eq!(
        home.problems(&["git.acme.dev"]),
        one(
            "neither git nor docker asks keyfob for git.acme.dev (git asks store)",
            "run: keyfob setup git git.acme.dev --profile acme"
        )
    );
    let nowhere = home.bin().join("gone").display().to_string();
    home.git(&[(url, &format!("!{nowhere}/keyfob git"))]);
    assert_eq!(
        home.problems(&["git.acme.dev"]),
        one(
            "/R/bin/gone/keyfob (/R/home/.gitconfig) is no program that can be run",
            "run: keyfob setup git git.acme.dev --profile acme"
        )
    );
    // keyfob, but bound to somebody else.
    home.git(&[(url, "keyfob --profile nobody")]);
    assert_eq!(
        home.problems(&["git.acme.dev"]),
        one(
            "keyfob in /R/home/.gitconfig: no profile is called \"nobody\"",
            "run: keyfob setup git git.acme.dev --profile acme"
        )
    );
    home.configure("[profile.acme.at.\"git.acme.dev\"]\nusername = \"ann\"\n");
    let file =
        fs::read_to_string(home.sandbox.config()).unwrap().replace("\"git.acme.dev\",", "\"git.acme.dev/team\",");
    home.sandbox.configure(&file.replace("at.\"git.acme.dev\"", "at.\"git.acme.dev/team\""));
    home.git(&[(url, ""), (url, "keyfob")]);
    assert_eq!(
        home.problems(&["https://git.acme.dev/team/repo"]),
        one(
            "git does not tell the path at https://git.acme.dev, so that entries of hosts with a path never fit",
            "run: git config --global credential.https://git.acme.dev.useHttpPath true"
        )
    );
}

#[test]
fn links_are_missing() {
    let home = Home::new();
    home.git(&[("credential.https://git.acme.dev.helper", ""), ("credential.https://git.acme.dev.helper", "keyfob")]);
    home.kubectl(|exec| exec["command"] = json!("keyfob"));
    let said = home.doctor(&[]).stdout;
    for (client, name, mend) in [
        ("git", "git-credential-keyfob", "keyfob setup git git.acme.dev --profile acme"),
        ("kubectl", "keyfob", "keyfob setup kubectl --profile acme --user ann"),
    ] {
        let warning = format!(
            "  warning  {client} runs {name} without its path; started by a desktop or by cron it does not find it\n           run: {mend}\n"
        );
        assert!(said.contains(&warning), "{warning}{said}");
    }
    for (name, client) in [("git-credential-keyfob", "git.acme.dev"), ("docker-credential-keyfob", "registry.acme.dev")]
    {
        let link = home.bin().join(name);
        let what = format!("{name} is not on PATH, and so nobody finds keyfob under that name");
        fs::remove_file(&link).unwrap();
        let mend = format!("run: ln -s /R/bin/keyfob /R/bin/{name}");
        assert_eq!(home.problems(&[client]), one(&what, &mend));
        run_mend(&home, &mend);
        assert_eq!(home.problems(&[client]), []);
        // One that leads nowhere, and one that leads elsewhere.
        fs::remove_file(&link).unwrap();
        symlink("/nowhere/keyfob", &link).unwrap();
        let mend = format!("run: ln -sf /R/bin/keyfob /R/bin/{name}");
        assert_eq!(home.problems(&[client]), one(&what, &mend));
        fs::remove_file(&link).unwrap();
        home.program(name, "echo something else");
        assert_eq!(home.problems(&[client]), one(&format!("/R/bin/{name} is no keyfob"), &mend));
        run_mend(&home, &mend);
        assert_eq!(home.problems(&[client]), []);
    }
    fs::remove_file(home.bin().join("keyfob")).unwrap();
    let found = home.problems(&[CLUSTER]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, "user ann of the kubeconfig runs keyfob, which is not on PATH");
    assert!(found[0].1.starts_with("run: ln -s ") && found[0].1.ends_with("/keyfob"), "{found:?}");
}

#[test]
fn a_kubeconfig_is_wrong() {
    let home = Home::signed_out();
    let setup = "run: keyfob setup kubectl --profile acme --user ann";
    let cases: Vec<(&str, Value, &str, &str)> = vec![
        (
            "apiVersion",
            json!("client.authentication.k8s.io/v1alpha1"),
            "user ann of the kubeconfig has the apiVersion \"client.authentication.k8s.io/v1alpha1\", which kubectl does not know",
            setup,
        ),
        ("interactiveMode", Value::Null, "user ann of the kubeconfig has no interactiveMode, and is not run", setup),
        (
            "command",
            json!("/nowhere/keyfob"),
            "user ann of the kubeconfig runs /nowhere/keyfob, which is no program that can be run",
            setup,
        ),
        (
            "args",
            json!(["kubectl", "--profile", "nobody"]),
            "user ann of the kubeconfig: no profile is called \"nobody\"",
            setup,
        ),
        (
            "args",
            json!(["kubectl", "--s3cret"]),
            "keyfob does not understand the args of user ann in the kubeconfig",
            "run: keyfob setup kubectl --profile P --user ann --cluster-info",
        ),
    ];
    for (member, value, what, mend) in cases {
        home.kubectl(|exec| exec[member] = value);
        assert_eq!(home.problems(&[]), one(what, mend));
    }
    home.kubectl(|_| {});
    let file = fs::read_to_string(home.sandbox.config()).unwrap();
    home.sandbox.configure(&file.replace(CLUSTER, "https://other.acme.dev"));
    assert_eq!(
        home.problems(&[]),
        [
            (
                format!("user ann of the kubeconfig: the server {CLUSTER} is none of the clusters of acme"),
                format!(
                    "add \"{CLUSTER}\" to clusters of [profile.acme], /R/config.toml:1, if its tokens may go there"
                ),
            ),
            (
                "no user of the kubeconfig runs keyfob for https://other.acme.dev".to_owned(),
                "run: keyfob setup kubectl --profile acme --user NAME".to_owned(),
            ),
        ]
    );
    // The allowlist of kubectl 1.35 and newer.
    home.sandbox.configure(&file);
    home.program(
        "kubectl",
        "case $1 in version) echo '{\"gitVersion\":\"v1.36.4\"}';; config) cat \"$HOME/kube.json\";; esac",
    );
    fs::create_dir(home.sandbox.home().join(".kube")).unwrap();
    fs::write(
        home.sandbox.home().join(".kube/kuberc"),
        "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist:\n- command: other\n",
    )
    .unwrap();
    let done = home.doctor(&[]);
    assert!(
        done.stdout.contains(
            "  warning  /R/home/.kube/kuberc may keep kubectl from running /R/bin/keyfob\n           run: kubectl kuberc set --section \
             credentialplugin --policy=Allowlist --allowlist-entry=command=/R/bin/keyfob\n"
        ),
        "{}",
        done.stdout
    );
}

#[test]
fn a_kubeconfig_names_a_profile_of_other_places() {
    let home = Home::signed_out();
    let file = fs::read_to_string(home.sandbox.config()).unwrap();
    let other = workos(&home.provider, "aaa", "hosts = [\"other.acme.dev\"]");
    home.sandbox.configure(&format!("{other}\n{file}"));
    let mend = "run: keyfob setup kubectl --profile acme --user ann";
    home.kubectl(|exec| exec["args"] = json!(["kubectl", "--profile", "conect"]));
    let what = "user ann of the kubeconfig: no profile is called \"conect\"".to_owned();
    assert!(home.problems(&[]).contains(&(what, mend.to_owned())), "not the first profile, but the cluster's own");
    home.kubectl(|exec| exec["args"] = json!(["kubectl", "--profile", "aaa"]));
    let said = home.doctor(&[]).stdout;
    let what = format!("user ann takes a token of aaa to {CLUSTER}, which is a cluster of acme");
    assert!(said.contains(&format!("  warning  {what}\n           {mend}\n")), "{said}");
}

/// An entry from before clusters were binding, what does not reach a plugin, and a way that is not listed.
#[test]
fn a_kubeconfig_is_not_bound_to_its_cluster() {
    let home = Home::signed_out();
    let setup = "run: keyfob setup kubectl --profile acme --user ann";
    let untold =
        "user ann of the kubeconfig does not tell its server (provideClusterInfo), and acme answers its clusters alone";
    home.kubectl(|exec| exec["provideClusterInfo"] = json!(false));
    assert_eq!(home.problems(&[]), one(untold, setup));
    home.configure("bind_clusters = false\n");
    let done = home.doctor(&[]);
    let warning = "  warning  acme gives its token to clients that do not tell their server, whatever that is (bind_clusters = false)\n";
    assert!(done.stdout.contains(warning) && done.code == Some(0), "{}", done.stdout);
    home.configure("");

    let path = home.sandbox.home().join("kube.json");
    let with = |member: &str, value: Value| {
        home.kubectl(|_| {});
        let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        config["clusters"][0]["cluster"][member] = value;
        fs::write(&path, config.to_string()).unwrap();
        home.problems(&[])
    };
    for (member, value, what, mend) in [
        (
            "insecure-skip-tls-verify",
            json!(true),
            format!("has whoever answers taken for {CLUSTER} (insecure-skip-tls-verify)"),
            "put certificate-authority-data of the cluster in its place".to_owned(),
        ),
        (
            "proxy-url",
            json!("http://p.dev:1"),
            format!("reaches {CLUSTER} through the proxy http://p.dev:1, which acme does not list"),
            format!(
                "if its tokens may go there, write proxy = \"http://p.dev:1\" under [profile.acme.at.\"{CLUSTER}\"] (/R/config.toml:1)"
            ),
        ),
    ] {
        assert_eq!(with(member, value), one(&format!("user ann of the kubeconfig: the kubeconfig {what}"), &mend));
    }
    let (ca, data) = (home.sandbox.home().join("ca.crt"), |kilobytes: usize| "QUJD".repeat(kilobytes << 8));
    let mend = "above 90 KB of certificates set bind_clusters = false in acme (/R/config.toml:1), or give that cluster a profile of its \
                own with it";
    fs::write(&ca, "x".repeat(91 << 10)).unwrap();
    let folder = home.sandbox.home().join(".kube");
    fs::create_dir(&folder).unwrap();
    for (member, value) in [
        ("certificate-authority-data", json!(data(121))),
        ("certificate-authority", json!(ca)),
        ("certificate-authority", json!("../ca.crt")),
    ] {
        let found = with(member, value);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].0.ends_with(" KB) do not reach a plugin") && found[0].1 == mend, "{found:?}");
    }
    fs::write(&ca, "x".repeat(89 << 10)).unwrap();
    for (member, value) in [("certificate-authority-data", json!(data(118))), ("certificate-authority", json!(ca))] {
        assert_eq!(with(member, value), []);
    }
}

#[test]
fn podman_and_skopeo_have_files_of_their_own() {
    let home = Home::signed_out();
    home.docker(&json!({ "credsStore": "keyfob" }));
    home.program("skopeo", "");
    let warning = "  warning  podman, skopeo and buildah do not read credsStore, and do not ask keyfob\n           \
                   run: keyfob setup docker --all\n";
    let said = home.doctor(&[]).stdout;
    assert!(said.contains(warning), "{said}");
    run_mend(&home, "run: keyfob setup docker --all");
    let said = home.doctor(&[]).stdout;
    assert!(!said.contains("credsStore"), "{said}");
}

#[test]
fn a_login_is_kept_beside_keyfob() {
    let home = Home::signed_out();
    let kept = json!({ "auth": "c2VjcmV0" });
    let named = |auths: Value| json!({ "auths": auths, "credHelpers": { "registry.acme.dev": "keyfob" } });
    home.docker(&named(json!({ "registry.acme.dev": {}, "other.dev": kept })));
    let said = home.doctor(&[]).stdout;
    assert!(!said.contains("logout"), "{said}");
    home.docker(&named(json!({ "https://registry.acme.dev": kept })));
    let said = home.doctor(&[]).stdout;
    let warning = "  warning  /R/home/.docker/config.json has a login for registry.acme.dev too, which docker sends where keyfob refuses\n           \
                   run: docker logout https://registry.acme.dev\n";
    assert!(said.contains(warning) && !said.contains("c2VjcmV0"), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_login_goes_before_keyfob() {
    let home = Home::signed_out();
    home.docker(&json!({ "credHelpers": { "registry.acme.dev": "keyfob" } }));
    let folder = home.sandbox.home().join("run/containers");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("auth.json"), "{\"auths\":{\"registry.acme.dev\":{\"auth\":\"c2VjcmV0\"}}}").unwrap();
    let runtime = home.sandbox.home().join("run").display().to_string();
    let said = home.doctor_with(&[], &[("XDG_RUNTIME_DIR", &runtime)]).stdout;
    let warning = "  warning  /R/home/run/containers/auth.json has a login for registry.acme.dev, which podman, skopeo and \
                   buildah send before they ask keyfob\n           run: ";
    assert!(said.contains(warning) && said.contains(" logout registry.acme.dev\n"), "{said}");
}

#[test]
fn a_docker_configuration_is_wrong() {
    let home = Home::signed_out();
    home.docker(&json!({ "credHelpers": { "https://registry.acme.dev": "keyfob" } }));
    assert_eq!(
        home.problems(&["registry.acme.dev"]),
        one(
            "docker looks for \"registry.acme.dev\" in credHelpers, and /R/home/.docker/config.json has \"https://registry.acme.dev\"",
            "run: keyfob setup docker registry.acme.dev --profile acme"
        )
    );
    fs::write(home.sandbox.home().join(".docker/config.json"), "{\n \"auths\": \"s3cret\",\n}").unwrap();
    let found = home.problems(&[]);
    assert_eq!(
        found[1],
        (
            "/R/home/.docker/config.json is no JSON at line 3, and docker goes on without it".to_owned(),
            "correct it, or run: mv /R/home/.docker/config.json /R/home/.docker/config.json.old".to_owned()
        ),
        "{found:?}"
    );
}

#[test]
fn old_programs_and_secrets_in_files() {
    let home = Home::signed_out();
    for (version, level, follows) in [
        ("2.45.1.windows.1", "warning", "git 2.45.1: a refused token fails one command, and the next is let in"),
        (
            "2.39.5 (Apple Git-154)",
            "warning",
            "git 2.39.5: it is not told when a token ends, and a refused one fails one command",
        ),
        (
            "2.25.1",
            "problem",
            "git 2.25.1: it has holes through which a repository gets other hosts' tokens (CVE-2020-5260)",
        ),
    ] {
        home.program(
            "git",
            &format!("test $1 = version && echo 'git version {version}'; test $1 = config && cat \"$HOME/git\""),
        );
        let done = home.doctor(&[]);
        assert!(
            done.stdout.contains(&format!("  {level:<7}  {follows}\n           install git 2.46 or newer")),
            "{}",
            done.stdout
        );
    }
    let secret = home.sandbox.home().join("secret");
    fs::write(&secret, "s3cret\n").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    let url = home.provider.url();
    home.sandbox.configure(&format!(
        "[profile.g]\nprovider = \"google\"\nclient_id = \"{CLIENT_ID}\"\nbase_url = \"{url}\"\nclient_secret_file = \"{}\"\n",
        secret.display()
    ));
    assert_eq!(
        home.problems(&[])[1],
        ("/R/home/secret can be read by others".to_owned(), "run: chmod 600 /R/home/secret".to_owned())
    );
    run_mend(&home, "run: chmod 600 /R/home/secret");
    let done = home.doctor(&[]);
    assert!(done.stdout.contains("  warning  g keeps a client's secret in /R/home/secret\n"), "{}", done.stdout);
}

/// Somebody may have sent the kubeconfig: what came in it is kubectl's to run, where a person uses it, and not the doctor's.
#[test]
fn nothing_is_run_because_a_kubeconfig_names_it() {
    let home = Home::new();
    let mark = home.sandbox.home().join("it-was-run");
    let evil = home.bin().parent().unwrap().join("evil");
    fs::create_dir(&evil).unwrap();
    let script = format!("#!/bin/sh\ntouch '{}'\n", mark.display());
    for name in ["keyfob", "getent"] {
        fs::write(evil.join(name), &script).unwrap();
        fs::set_permissions(evil.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let evil = evil.display().to_string();
    let command = |command: &str| home.kubectl(|exec| exec["command"] = json!(command));
    command(&format!("{evil}/keyfob"));
    let said = home.doctor(&[]);
    assert!(
        said.stdout.contains(
            "  warning  user ann runs /R/evil/keyfob, which is another keyfob than this one; not tried\n           \
             run: keyfob setup kubectl --profile acme --user ann\n"
        ),
        "{said:?}"
    );
    for relative in ["../evil/keyfob", "./keyfob"] {
        command(relative);
        assert!(home.doctor(&[]).stdout.contains("which depends on where the kubeconfig is"), "{relative}");
    }
    // The path of this very program, by whatever links, is tried.
    symlink(home.bin().join("keyfob"), home.sandbox.home().join("keyfob")).unwrap();
    command(home.sandbox.home().join("keyfob").to_str().unwrap());
    let tried = format!("user ann gets a token for {CLUSTER}");
    let said = home.doctor(&[]);
    assert!(said.stdout.contains(&tried), "{said:?}");
    for (name, value) in [("PATH", evil.as_str()), ("LD_PRELOAD", "/tmp/evil.so"), ("HTTPS_PROXY", "http://evil.dev:1")]
    {
        home.kubectl(|exec| exec["env"] = json!([{ "name": name, "value": value }]));
        let said = home.doctor(&[]);
        let not = format!("  ok       user ann runs keyfob for {CLUSTER}; not tried, because its env sets variables\n");
        assert!(said.stdout.contains(&not) && !said.stdout.contains(&tried), "{said:?}");
    }
    assert!(!mark.exists());
}

/// Files that never end, and words that move the cursor.
#[test]
fn whatever_clients_and_their_files_say_is_bounded_and_escaped() {
    let home = Home::new();
    let pipe = home.sandbox.home().join("pipes/config.json");
    fs::create_dir(pipe.parent().unwrap()).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    home.program(
        "kubectl",
        "case $1 in version) echo '{\"gitVersion\":\"v1.35.0\"}';; config) cat \"$HOME/kube.json\";; esac",
    );
    let environment = [("DOCKER_CONFIG", pipe.parent().unwrap()), ("KUBERC", &pipe)]
        .map(|(name, path)| (name, path.to_str().unwrap()));
    let said = home.doctor_with(&[], &environment);
    assert!(said.stdout.contains("/config.json cannot be read (it is no plain file), and docker goes on"), "{said:?}");
    let evil = "\u{1b}[2J\r\n\u{202e}\u{9b}31m";
    home.kubectl(|exec| exec["args"] = json!(["kubectl", evil]));
    home.docker(&json!({ "credHelpers": { "registry.acme.dev": evil } }));
    home.git(&[(&format!("credential.https://git.acme.dev.{evil}helper"), evil), ("credential.helper", evil)]);
    for args in [&[][..], &["git.acme.dev"], &["registry.acme.dev"], &["--json"]] {
        let said = home.doctor(args);
        assert!(said.stdout.lines().count() > 5, "{said:?}");
        assert!(!said.stdout.chars().any(|c| c != '\n' && c.is_control() || c == '\u{202e}'), "{said:?}");
    }
    home.program("kubectl", "case $1 in version) echo '{\"gitVersion\":\"v1.32.4\"}';; config) yes s3cret;; esac");
    home.program("git", "yes \u{1b}[2Js3cret");
    let said = home.doctor(&[]);
    assert!(said.stdout.contains("git does not tell its version"), "{said:?}");
}
