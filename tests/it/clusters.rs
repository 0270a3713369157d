//! Which cluster gets a profile's token: one that is told, is listed, and is reached as it is listed.

use serde_json::{Value, json};

use crate::support::provider::{Manners, Provider};
use crate::support::sandbox::{Sandbox, Transcript, run, workos};

const CLUSTER: &str = "https://k8s.acme.dev:6443";

fn signed_in(more: &str) -> (Provider, Sandbox) {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let sandbox = Sandbox::new();
    sandbox.configure(&workos(&provider, "acme", more));
    assert_eq!(sandbox.run_asking(&["login", "acme"], "").code, Some(0));
    (provider, sandbox)
}

/// What a client says that tells `cluster`; null where it could and does not.
fn info(cluster: &Value) -> String {
    let mut info = json!({ "kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1", "spec": { "interactive": false } });
    if !cluster.is_null() {
        info["spec"]["cluster"] = cluster.clone();
    }
    info.to_string()
}

fn asked(sandbox: &Sandbox, info: Option<&str>) -> Transcript {
    let mut command = sandbox.keyfob(&["kubectl"]);
    command.envs(info.map(|info| ("KUBERNETES_EXEC_INFO", info)));
    run(command, "")
}

fn assert_serves(sandbox: &Sandbox, cluster: &Value) {
    let done = asked(sandbox, Some(&info(cluster)));
    assert!(done.code == Some(0) && done.stdout.contains("\"token\":\"eyJ"), "{cluster}: {done:?}");
}

fn assert_refuses(sandbox: &Sandbox, info: Option<&str>, what: &str, hint: &str) {
    let done = asked(sandbox, info);
    assert_eq!((done.stdout.as_str(), done.code), ("", Some(1)), "{info:?}: {done:?}");
    let path = sandbox.config().display().to_string();
    assert_eq!(done.stderr.replace(&path, "CONFIG"), format!("keyfob: {what}\nkeyfob: hint: {hint}\n"), "{info:?}");
}

#[test]
fn who_does_not_tell_its_server_gets_nothing() {
    let (provider, sandbox) = signed_in(&format!("clusters = [\"{CLUSTER}\"]"));
    assert_serves(&sandbox, &json!({ "server": CLUSTER }));
    let what = "this client does not tell which server it is for, and acme answers its clusters alone";
    for silent in [
        Value::Null,
        json!({}),
        json!({ "server": "" }),
        json!({ "server": 7 }),
        json!({ "certificate-authority-data": "x" }),
    ] {
        let mend = "run: keyfob setup kubectl --profile acme --user NAME";
        assert_refuses(&sandbox, Some(&info(&silent)), what, mend);
    }
    // What a client that has no variable at all could not be set up to do.
    let mend = "it cannot tell: set bind_clusters = false in acme, or give such clients a profile of their own with it";
    for silent in [None, Some("")] {
        assert_refuses(&sandbox, silent, what, mend);
    }
    for (more, code) in [
        (format!("clusters = [\"{CLUSTER}\"]\nbind_clusters = true"), 1),
        (format!("clusters = [\"{CLUSTER}\"]\nbind_clusters = false"), 0),
        (String::new(), 0),
    ] {
        sandbox.configure(&workos(&provider, "acme", &more));
        for silent in [None, Some(info(&Value::Null))] {
            assert_eq!(asked(&sandbox, silent.as_deref()).code, Some(code), "{more}");
        }
    }
    sandbox.configure(&workos(&provider, "acme", "hosts = [\"git.acme.dev\"]\nbind_clusters = true"));
    let done = asked(&sandbox, None);
    assert!(done.stderr.contains("config.toml:6: bind_clusters: there are no clusters"), "{done:?}");
}

#[test]
fn a_server_is_worth_what_the_way_to_it_is() {
    let at = format!(
        "[profile.acme.at.\"{CLUSTER}\"]\nproxy = \"http://proxy.acme.dev:3128\"\ntls_server_name = \"API.acme.dev\"\n"
    );
    let clusters = format!("clusters = [\"{CLUSTER}\", \"https://other.acme.dev\"]");
    let (_provider, sandbox) = signed_in(&format!("{clusters}\n{at}"));
    let with = |member: &str, value: Value| json!({ "server": CLUSTER, member: value });
    for (member, value) in [
        ("proxy-url", json!("http://proxy.acme.dev:3128")),
        ("proxy-url", json!("http://ann:pw@PROXY.acme.dev:3128/")),
        ("proxy-url", json!("")),
        ("tls-server-name", json!("api.acme.dev")),
        ("tls-server-name", json!("k8s.acme.dev")),
        ("insecure-skip-tls-verify", json!(false)),
        ("certificate-authority-data", json!("QUJD")),
    ] {
        assert_serves(&sandbox, &with(member, value));
    }
    let refuses = |cluster: &Value, what: &str, hint: &str| {
        assert_refuses(&sandbox, Some(&info(cluster)), &format!("the kubeconfig {what}"), hint);
    };
    for blind in [json!(true), json!("true")] {
        refuses(
            &with("insecure-skip-tls-verify", blind),
            &format!("has whoever answers taken for {CLUSTER} (insecure-skip-tls-verify)"),
            "put certificate-authority-data of the cluster in its place",
        );
    }
    let place = format!("under [profile.acme.at.\"{CLUSTER}\"] (CONFIG:1)");
    for (told, shown, listed) in [
        ("http://evil.dev:3128", "http://evil.dev:3128", "http://evil.dev:3128"),
        ("socks5://proxy.acme.dev:3128", "socks5://proxy.acme.dev:3128", "socks5://proxy.acme.dev:3128"),
        ("http://u:s3cret@evil.dev:1", "http://...@evil.dev:1", "http://evil.dev:1"),
        ("nonsense", "nonsense", "http://HOST:PORT"),
    ] {
        refuses(
            &with("proxy-url", json!(told)),
            &format!("reaches {CLUSTER} through the proxy {shown}, which acme does not list"),
            &format!("if its tokens may go there, write proxy = \"{listed}\" {place}"),
        );
    }
    refuses(
        &with("tls-server-name", json!("evil.dev")),
        &format!("takes evil.dev for {CLUSTER} (tls-server-name), which acme does not list"),
        &format!("if its tokens may go there, write tls_server_name = \"evil.dev\" {place}"),
    );
    // What one entry lists is no other's.
    let other = json!({ "server": "https://other.acme.dev", "proxy-url": "http://proxy.acme.dev:3128" });
    let done = asked(&sandbox, Some(&info(&other)));
    assert!(done.code == Some(1) && done.stderr.contains("does not list"), "{done:?}");
    // Clusters that are reached in different ways take the same token all the same.
    let file = std::fs::read_to_string(sandbox.config()).unwrap();
    sandbox.configure(&file.replace("clusters =", "bind_clusters = false\nclusters ="));
    assert_eq!(asked(&sandbox, None).code, Some(0));
}

#[test]
fn clusters_are_named_as_hosts_are() {
    let (_provider, sandbox) = signed_in(
        "clusters = [\"https://rancher.acme.dev/k8s/clusters/\", \"https://*.k8s.acme.dev\", \"https://[2001:DB8:0::1]:6443\", \"dot.acme.dev.\"]",
    );
    for (server, is) in [
        ("https://rancher.acme.dev/k8s/clusters/c-abc", true),
        ("https://RANCHER.acme.dev:443/k8s/clusters/c-abc/", true),
        ("https://rancher.acme.dev/k8s/clusters", true),
        ("https://rancher.acme.dev/k8s/clusterschaft", false),
        ("https://rancher.acme.dev/k8s", false),
        ("https://rancher.acme.dev", false),
        ("https://rancher.acme.dev/k8s/clusters/../../v3", false),
        ("https://rancher.acme.dev/k8s/clusters/%2E%2e/%2e./v3", false),
        ("https://a.k8s.acme.dev", true),
        ("https://a.k8s.acme.dev.", true),
        ("https://a.b.k8s.acme.dev", false),
        ("https://k8s.acme.dev", false),
        ("https://a.k8s.acme.dev:6443", false),
        ("https://[2001:db8::1]:6443", true),
        ("https://[2001:0db8:0000:0000:0000:0000:0000:0001]:6443", true),
        ("https://[2001:db8::2]:6443", false),
        ("https://dot.acme.dev", true),
    ] {
        let done = asked(&sandbox, Some(&info(&json!({ "server": server }))));
        assert_eq!(done.code, Some(i32::from(!is)), "{server}: {done:?}");
    }
    // The closest entry says what a cluster takes, and which profile answers.
    let file = std::fs::read_to_string(sandbox.config()).unwrap();
    let exact = file.replace("acme]", "exact]").replace("clusters/\"", "clusters/c-1\"").replace("*.", "b.");
    let exact = exact.replace("client_id", "account = \"exact\"\nclient_id");
    sandbox.configure(&format!("{file}\n{exact}"));
    for (server, profile) in [
        ("https://rancher.acme.dev/k8s/clusters/c-1", "exact"),
        ("https://b.k8s.acme.dev", "exact"),
        ("https://a.k8s.acme.dev", "acme"),
    ] {
        let done = asked(&sandbox, Some(&info(&json!({ "server": server }))));
        let is_acme = done.code == Some(0);
        assert!(is_acme || done.stderr.contains("nobody is here to sign in to exact"), "{done:?}");
        assert_eq!(if is_acme { "acme" } else { "exact" }, profile, "{server}");
    }
    for (entry, what) in [
        ("https://*.dev", "clusters: \"https://*.dev\" is too wide"),
        ("http://k8s.acme.dev", "clusters: \"http://k8s.acme.dev\" is plain http"),
    ] {
        sandbox.configure(&file.replace("dot.acme.dev.", entry));
        let done = asked(&sandbox, None);
        assert!(done.stderr.contains(what), "{done:?}");
    }
    for (key, value, what) in [
        ("proxy", "proxy.acme.dev:3128", "proxy: \"proxy.acme.dev:3128\" is no proxy's address"),
        ("tls_server_name", "a b", "tls_server_name: \"a b\" has no usable host name"),
    ] {
        sandbox.configure(&format!("{file}[profile.acme.at.\"https://*.k8s.acme.dev\"]\n{key} = \"{value}\"\n"));
        let done = asked(&sandbox, None);
        assert!(done.stderr.contains(what), "{done:?}");
    }
    let host = "hosts = [\"git.acme.dev\"]\n[profile.acme.at.\"git.acme.dev\"]\nproxy = \"http://p.dev\"\n";
    sandbox.configure(&format!("{file}{host}"));
    let done = asked(&sandbox, None);
    assert!(done.stderr.contains("proxy and tls_server_name are for an entry of clusters"), "{done:?}");
}
