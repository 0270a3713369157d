//! The refresh grant (RFC 6749 section 6): what is sent, and what an answer means for the token that was sent.

use super::answer::{Answer, TokenAnswer};
use super::message::{Form, Unreachable};
use crate::model::provider::Stage;
use crate::model::{Profile, Slot};
use crate::secret::Secret;

/// What became of a refresh.
#[derive(Debug, PartialEq)]
pub(crate) enum Outcome {
    /// New tokens; the refresh token in them replaces the old one at once.
    Granted(Box<TokenAnswer>),
    /// The refresh token is dead: never send it again.
    Refused(String),
    /// No words at all (HTTP 400 or 401 with nothing in it): some providers refuse so, and so does anything between here and one.
    Silent(u16),
    /// Something between here and the provider answered in its place, with that status: the token stays.
    Foreign(u16),
    /// The session was not granted the resource that was named (RFC 8707 section 2), and the refresh token may be spent.
    NotGranted(String),
    /// The provider will not do this whatever the token: the configuration or the registration is wrong. The token stays.
    Misconfigured(String),
    /// No answer: the same, with what stands in the way.
    Unreachable(Unreachable),
    /// Nobody knows what happened at the server: keep everything and send the same token again, later.
    Transient { why: String, retry_after: Option<u64> },
}

/// What the sign-in gave the session, which a refresh that says nothing else stands for.
pub(crate) struct Grounds<'a> {
    pub(crate) scopes: &'a [String],
    /// To be named for a slot without an organization, because the session has gone to another since.
    pub(crate) organization: Option<&'a str>,
}

/// The request's form for one slot of a session.
pub(crate) fn form(profile: &Profile, slot: &Slot, refresh_token: &Secret, grounds: &Grounds<'_>) -> Form {
    let mut form = Form::new(&profile.extra);
    form.push("grant_type", "refresh_token");
    form.push("client_id", &profile.client_id);
    form.push("refresh_token", refresh_token.expose());
    let Slot { organization, audience, resource, scopes, foreign: _ } = slot;
    if let Some(name) = profile.preset.organization_parameter(Stage::Refresh) {
        // Where the sign-in chose it, a refresh that names none stays with it.
        let chosen = profile.preset.organization_parameter(Stage::SignIn).is_some();
        form.push_some(name, organization.as_deref().or(grounds.organization.filter(|_| !chosen)));
    }
    form.push_some("audience", audience.as_deref());
    form.push_some("resource", resource.as_deref());
    // Left out, it means what the sign-in asked for (RFC 6749 section 6).
    if scopes != grounds.scopes {
        form.push_some("scope", Some(&scopes.join(" ")));
    }
    form
}

/// Sorts an answer by what it means for the refresh token.
pub(crate) fn outcome(answer: Answer) -> Outcome {
    match answer {
        Answer::Granted(tokens) => Outcome::Granted(tokens),
        Answer::Transient { why, retry_after } => Outcome::Transient { why, retry_after },
        Answer::Unreachable(unreachable) => Outcome::Unreachable(unreachable),
        Answer::Unusable(why) => Outcome::Misconfigured(why),
        Answer::Error(error) if error.is_foreign => Outcome::Foreign(error.status),
        // glewlwyd refuses with an empty 400.
        Answer::Error(error) if error.is_silent && matches!(error.status, 400 | 401) => Outcome::Silent(error.status),
        Answer::Error(error) if error.is_silent => Outcome::Foreign(error.status),
        Answer::Error(error) => match error.code.as_str() {
            "invalid_grant" => Outcome::Refused(error.words()),
            "invalid_target" => Outcome::NotGranted(error.words()),
            "slow_down" => Outcome::Transient { why: error.words(), retry_after: error.interval },
            _ => Outcome::Misconfigured(error.words()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::parse;
    use crate::oauth::answer;
    use crate::oauth::message::Response;

    fn profile(file: &str) -> Profile {
        parse(file, "config.toml".as_ref()).unwrap_or_else(|error| panic!("{error}")).profiles.remove(0)
    }

    #[test]
    fn workos_takes_the_organization_and_no_secret() {
        let acme = profile(
            "[profile.acme]\nprovider = \"workos\"\nclient_id = \"client_1\"\nhosts = [\"a.dev\"]\norganization = \"org_1\"\n",
        );
        let grounds = Grounds { scopes: &[], organization: None };
        assert_eq!(
            form(&acme, &acme.hosts[0].1.slot, &Secret::new("rt"), &grounds).shown(),
            [
                ("grant_type", "refresh_token"),
                ("client_id", "client_1"),
                ("refresh_token", "rt"),
                ("organization_id", "org_1"),
            ]
        );
    }

    #[test]
    fn scope_is_sent_only_to_narrow() {
        let acme = profile(
            "[profile.acme]\nprovider = \"workos-connect\"\nissuer = \"https://acme.authkit.app\"\nclient_id = \"c\"\n\
             hosts = [\"a.dev\", \"b.dev\"]\n[profile.acme.at.\"b.dev\"]\nscopes = [\"openid\"]\naudience = \"api\"\n",
        );
        let all = acme.all_scopes();
        let scope = |index: usize| {
            let grounds = Grounds { scopes: &all, organization: None };
            let form = form(&acme, &acme.hosts[index].1.slot, &Secret::new("rt"), &grounds);
            let shown = form.shown();
            shown
                .iter()
                .filter(|(name, _)| ["scope", "audience"].contains(name))
                .map(|(_, value)| (*value).to_owned())
                .collect::<Vec<_>>()
        };
        assert!(scope(0).is_empty());
        assert_eq!(scope(1), ["api", "openid"]);
    }

    #[test]
    fn what_an_answer_means_for_the_token() {
        let of = |status, body: &str| {
            let response = Response {
                status,
                date: None,
                retry_after: None,
                challenges: Vec::new(),
                body: body.as_bytes().to_vec(),
            };
            outcome(answer::read(&response, 0, 300))
        };
        assert!(matches!(of(400, r#"{"error":"invalid_grant"}"#), Outcome::Refused(_)));
        for status in [400, 401] {
            assert_eq!(of(status, " \n"), Outcome::Silent(status));
        }
        for (status, body) in [
            (403, "<html>Sign in to this network</html>"),
            (403, ""),
            (404, "<html>"),
            (400, "<html>"),
            (401, r#"{"message":"Unauthorized"}"#),
            (407, "proxy"),
            (302, ""),
        ] {
            assert_eq!(of(status, body), Outcome::Foreign(status), "{status} {body}");
        }
        for (status, body) in [
            (401, r#"{"error":"invalid_client"}"#),
            (400, r#"{"error":"invalid_scope"}"#),
            (403, r#"{"code":"sso_required","message":"x"}"#),
            (200, r#"{"access_token":"a","token_type":"DPoP"}"#),
        ] {
            assert!(matches!(of(status, body), Outcome::Misconfigured(_)), "{status} {body}");
        }
        for (status, body) in [(500, ""), (429, "{}"), (503, r#"{"error":"x"}"#), (400, r#"{"error":"slow_down"}"#)] {
            assert!(matches!(of(status, body), Outcome::Transient { .. }), "{status} {body}");
        }
    }
}
