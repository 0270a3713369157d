//! What is known of registries: the user name each wants beside an OAuth token, and those that take none. Data, with its
//! sources.

use crate::model::Location;

/// A row: which registries, and how they take a token.
struct Convention {
    /// A host, or `*.` and a domain for everything below it.
    host: &'static str,
    takes: Takes,
}

/// How a registry takes an OAuth token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// As the password beside this user name.
    Beside(&'static str),
    /// Not at all; why, and what it takes instead.
    Nothing(&'static str),
}

// Sources: cloud.google.com/artifact-registry/docs/docker/authentication, docs.gitlab.com/user/packages/container_registry,
// docs.docker.com/security/access-tokens, azure.github.io/acr/AAD-OAuth.html, docs.quay.io (OAuth tokens).
static CONVENTIONS: &[Convention] = &[
    Convention { host: "*.pkg.dev", takes: Takes::Beside("oauth2accesstoken") },
    Convention { host: "gcr.io", takes: Takes::Beside("oauth2accesstoken") },
    Convention { host: "*.gcr.io", takes: Takes::Beside("oauth2accesstoken") },
    Convention { host: "quay.io", takes: Takes::Beside("$oauthtoken") },
    Convention {
        host: "index.docker.io",
        takes: Takes::Nothing("Docker Hub takes personal access tokens and no OAuth token"),
    },
    Convention {
        host: "registry.gitlab.com",
        takes: Takes::Nothing("GitLab's registry takes personal, deploy and job tokens and no OAuth token"),
    },
    Convention {
        host: "*.azurecr.io",
        takes: Takes::Nothing("Azure's registry takes a token of its own, which az acr login gets, and no OAuth token"),
    },
];

/// What is known of a registry.
pub(crate) fn takes(location: &Location) -> Option<Takes> {
    let fits = |row: &&Convention| match row.host.strip_prefix("*.") {
        Some(domain) => location.host.strip_suffix(domain).is_some_and(|label| label.ends_with('.')),
        None => location.host == row.host,
    };
    CONVENTIONS.iter().find(fits).map(|row| row.takes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_and_unknown() {
        let of = |host: &str| takes(&Location::parse(host).unwrap());
        assert_eq!(of("europe-docker.pkg.dev"), Some(Takes::Beside("oauth2accesstoken")));
        assert_eq!(of("eu.gcr.io"), Some(Takes::Beside("oauth2accesstoken")));
        assert!(matches!(of("index.docker.io"), Some(Takes::Nothing(_))));
        assert_eq!(of("evilgcr.io"), None);
        assert_eq!(of("pkg.dev"), None);
        assert_eq!(of("registry.acme.dev"), None);
    }
}
