use crate::support::sandbox::Sandbox;

#[test]
fn the_table() {
    let done = Sandbox::new().run(&["providers"], "");
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    assert_eq!(done.stdout, include_str!("providers.txt"));
}

#[test]
fn what_each_needs() {
    let sandbox = Sandbox::new();
    let names = ["workos", "workos-connect", "github", "gitlab", "google", "entra", "okta", "auth0", "keycloak", "dex"];
    let more = ["authentik", "zitadel", "huggingface", "hydra", "oidc", "oauth"];
    let none = ["gitea", "forgejo", "bitbucket", "dockerhub"];
    let mut all = String::new();
    for name in [&names[..], &more, &none].concat() {
        let done = sandbox.run(&["providers", name], "");
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{name}");
        all.push_str(&format!("$ keyfob providers {name}\n{}\n", done.stdout));
    }
    assert_eq!(all, include_str!("providers_each.txt"));
}

#[test]
fn an_unknown_one_lists_the_known() {
    let done = Sandbox::new().run(&["providers", "nope"], "");
    assert_eq!(
        (done.code, done.stderr.as_str()),
        (
            Some(2),
            "keyfob: no provider is called \"nope\"\nkeyfob: hint: use one of workos, workos-connect, github, gitlab, \
             google, entra, okta, auth0, keycloak, dex, authentik, zitadel, huggingface, hydra, oidc, oauth\n"
        )
    );
}
