use crate::docker::{IMAGE, REGISTRIES_CONF, make_image, registries_conf};
use crate::has;
use crate::kubectl::{OLDEST, kubeconfig};
use crate::support::api_server::ApiServer;
use crate::support::git_server::GitServer;
use crate::support::provider::{CLIENT_ID, Endpoint, Provider};
use crate::support::registry::Registry;
use crate::support::sandbox::{Sandbox, begin, finish, open_code, run};

/// One profile: git and the registry take the access token, the cluster the ID token.
#[test]
fn one_approval_opens_all_three() {
    let tools = [("kubectl", OLDEST), ("skopeo", (1, 9)), ("docker-registry", (2, 8)), ("umoci", (0, 4))];
    if tools.map(|(tool, version)| has(tool, version)).contains(&false) {
        return;
    }
    let provider = Provider::start();
    let (repositories, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let git = GitServer::start(&provider, repositories.path());
    git.add("one.git");
    let cluster = ApiServer::start(&provider);
    let registry = Registry::start(&provider, "oauth2", files.path());
    let sandbox = Sandbox::new();
    sandbox.configure(&format!(
        "[profile.acme]\nprovider = \"workos-connect\"\nclient_id = \"{CLIENT_ID}\"\nissuer = \"{}\"\n\
         hosts = [\"{}\", \"{}\"]\nclusters = [\"{cluster}\"]\n[profile.acme.at.\"{cluster}\"]\ntoken = \"id\"\n",
        provider.url(),
        git.url(),
        registry.host(),
        cluster = cluster.url(),
    ));
    let gitconfig = include_str!("git/gitconfig").replace("https://git.acme.dev", &git.url());
    for (path, text) in
        [(".gitconfig", gitconfig), (".kube/config", kubeconfig(&cluster)), (REGISTRIES_CONF, registries_conf())]
    {
        let path = sandbox.home().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    std::fs::create_dir(sandbox.home().join("run")).unwrap();
    make_image(&sandbox);
    let command = |words: &[&str]| {
        let mut command = sandbox.command(words[0]);
        command.args(&words[1..]).env("KEYFOB_INTERACTIVE", "always");
        command.env("XDG_RUNTIME_DIR", sandbox.home().join("run"));
        command
    };
    let (from, to) = (format!("{}/one.git", git.url()), format!("docker://{}/team/one:latest", registry.host()));
    let clone = ["git", "clone", "--quiet", &from];
    let copy = ["skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false", IMAGE, &to];
    let list = ["kubectl", "get", "pods"];

    let children = [&clone as &[_], &copy, &list].map(|words| begin(command(words), ""));
    provider.decide(&open_code(&provider), true);
    let [cloned, copied, answered] = children.map(finish);
    assert_eq!(cloned.code, Some(0), "{cloned:?}");
    assert_eq!(copied.code, Some(0), "{copied:?}");
    assert_eq!(answered.code, Some(0), "{answered:?}");
    assert!(cluster.log().iter().all(|line| line.ends_with(" id 200")), "{:?}", cluster.log());

    let before = provider.seen().len();
    for words in [&["git", "-C", "one", "fetch", "--quiet"] as &[_], &copy, &list] {
        let done = run(command(words), "");
        assert_eq!((done.stderr.as_str(), done.code), ("", Some(0)), "{words:?}");
    }
    assert_eq!(provider.seen().len(), before, "then nothing but the file");
    let counts = [Endpoint::Start, Endpoint::Refresh, Endpoint::SignOut].map(|endpoint| provider.count(endpoint));
    assert_eq!(counts, [1, 0, 0]);
    assert!(git.log().iter().all(|line| !line.contains(" oauth2 401")), "{:?}", git.log());
}
