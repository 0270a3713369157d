//! Where a profile's provider is, and whether a client of it may have a secret: what the preset says and what the file adds.

use toml::Spanned;

use super::written::{RawProfile, Source};
use crate::error::{Error, Result};
use crate::model::provider::{Base, ClientSecret, Preset, SignOut};
use crate::model::{Endpoints, Server, SpeltEndpoints};

/// A secret stands only where the provider knows clients with one.
pub(super) fn refuse_secret(
    raw: &RawProfile,
    preset: &Preset,
    source: &Source<'_>,
    missing: &dyn Fn(&str, String) -> Error,
) -> Result<()> {
    match (preset.secret, &raw.client_secret_file) {
        (ClientSecret::Refused, Some(file)) => Err(source
            .error(Some(file.span()), "client_secret_file is of no use with this provider")
            .hint("register keyfob as a public client, which has no secret, and remove the line")),
        (ClientSecret::Needed, None) => Err(missing(
            "client_secret_file",
            format!(
                "{} wants a secret even of such clients: write it to a file of mode 0600 and name that",
                preset.title
            ),
        )),
        _ => Ok(()),
    }
}

/// Where the provider is, as preset and profile say between them.
pub(super) fn server(
    raw: &RawProfile,
    preset: &Preset,
    source: &Source<'_>,
    missing: &dyn Fn(&str, String) -> Error,
) -> Result<Server> {
    let spelt =
        |key: &str, url: &Option<Spanned<String>>| url.as_ref().map(|url| source.endpoint(key, url)).transpose();
    let issuer = spelt("issuer", &raw.issuer)?;
    let base_url = spelt("base_url", &raw.base_url)?;
    let own = SpeltEndpoints {
        device_authorization: spelt("device_authorization_endpoint", &raw.device_authorization_endpoint)?,
        token: spelt("token_endpoint", &raw.token_endpoint)?,
        revocation: spelt("revocation_endpoint", &raw.revocation_endpoint)?,
    };
    let no_issuer = || {
        let (_, example) = preset.needs.iter().find(|(key, _)| *key == "issuer").unwrap_or(&("", "https://..."));
        missing("issuer", format!("add issuer = \"{example}\", which is another for each customer of {}", preset.title))
    };
    let base = match preset.base {
        Base::Fixed(base) => Some(base_url.unwrap_or_else(|| base.to_owned())),
        Base::Issuer => Some(base_url.or(issuer).ok_or_else(no_issuer)?),
        Base::Discovery if own.device_authorization.is_none() || own.token.is_none() => {
            if let Some(url) = &raw.base_url {
                let what = format!("base_url is of no use with provider \"{}\"", preset.name);
                return Err(source.error(Some(url.span()), what).hint("write it as issuer"));
            }
            return Ok(Server::Described { issuer: issuer.ok_or_else(no_issuer)?, spelt: own });
        }
        Base::Discovery | Base::Given => None,
    };
    let base = base.as_deref().map(|base| base.trim_end_matches('/'));
    let below = |path: &str| base.map(|base| format!("{base}{path}"));
    let or_below = |key: &str, spelt: Option<String>, path: &str| {
        spelt.or_else(|| below(path)).ok_or_else(|| {
            missing(key, format!("add {key} = \"https://...\"; provider \"{}\" knows none", preset.name))
        })
    };
    let (revocation, session_logout) = match preset.sign_out {
        SignOut::SessionId(path) => (None, below(path)),
        SignOut::Revocation(path) => (below(path), None),
        SignOut::FromMetadata => (None, None),
    };
    Ok(Server::Known(Endpoints {
        device_authorization: or_below(
            "device_authorization_endpoint",
            own.device_authorization,
            preset.device_authorization,
        )?,
        token: or_below("token_endpoint", own.token, preset.token)?,
        revocation: own.revocation.or(revocation),
        session_logout,
        secret_by: preset.secret_by,
        code_challenge_s256: false,
    }))
}
