//! The status as a document for programs: an inventory of every session and password kept here, and never a secret. Its
//! schema is integrations/inventory/schema.json; a member is added there first.

use std::path::Path;

use serde_json::{Value, json};

use super::{Row, State};
use crate::broker::discover;
use crate::clock::{Timestamp, rfc3339};
use crate::error::{Error, Result};
use crate::model::{Slot, Token};
use crate::oauth::jwt::{self, Claims};
use crate::oauth::revoke::{self, SignedOut, Way};
use crate::output::{document, failure};
use crate::secret::{Secret, SecretBytes};
use crate::store::passwords::Listed;
use crate::store::{Record, Stored};

/// Raised when a member is taken away or means something else; added ones leave it.
const VERSION: u32 = 1;

/// The whole document.
pub(super) fn text(
    rows: &[Row<'_>],
    passwords: &[Listed],
    folder: &Path,
    failed: Option<&Error>,
    now: Timestamp,
) -> Result<String> {
    let sessions: Vec<Value> = rows.iter().map(|row| session(row, now)).collect();
    let passwords: Vec<Value> = passwords.iter().map(password).collect();
    let mut value = json!({ "version": VERSION, "folder": folder, "sessions": sessions, "passwords": passwords });
    if let Some(error) = failed {
        value["error"] = failure(error);
    }
    document(&value)
}

/// One session, field by field: a new member of the record is not shown before somebody has thought about it.
fn session(row: &Row<'_>, now: Timestamp) -> Value {
    let at = |at: Option<Timestamp>| at.and_then(rfc3339);
    let record = row.record.as_ref();
    let profile = row.profile;
    let claims = record.map(newest_claims).unwrap_or_default();
    let tokens: Vec<Value> =
        record.iter().flat_map(|record| &record.tokens).map(|(slot, held)| token(slot, held, now)).collect();
    let mut audiences: Vec<&Value> =
        tokens.iter().filter_map(|token| token["audiences"].as_array()).flatten().collect();
    audiences.sort_by_key(|audience| audience.as_str());
    audiences.dedup();
    let ends = |record: &Record| record.tokens.values().map(|token| token.expires_at).max();
    let pending = row.pending(now);
    json!({
        "id": row.id,
        "profile": profile.and_then(|profile| profile.name.as_ref()).or(record.and_then(|r| r.profile.as_ref())),
        "provider": profile.map(|profile| profile.preset.name).or(record.map(|record| record.provider.as_str())),
        "issuer": profile
            .and_then(|profile| profile.issuer.clone())
            .or(record.and_then(|record| record.issuer.clone()))
            .or(claims.iss),
        "client_id": profile.map(|profile| &profile.client_id).or(record.map(|record| &record.client_id)),
        "client_type": profile.map(|profile| match profile.client_secret_file {
            Some(_) => "confidential",
            None => "public",
        }),
        "token_endpoint": record.map(|record| record.token_endpoint.as_str()).or(profile.map(|profile| profile.server.name())),
        "account": profile.map_or(record.and_then(|record| record.account.as_ref()), |profile| profile.account.as_ref()),
        "subject": record.and_then(|record| record.subject.as_ref()),
        "email": record.and_then(|record| record.email.as_ref()),
        "organization": record.and_then(|record| record.organization.as_ref()),
        "scopes": record.and_then(|record| record.scopes.as_ref()),
        "audiences": if audiences.is_empty() { Value::Null } else { json!(audiences) },
        "hosts": row.hosts(),
        "state": match row.state(now) {
            State::SignedIn => "signed_in",
            State::Waiting => "waiting",
            State::SignedOut => "signed_out",
            State::Broken => "broken",
        },
        "signed_in_at": at(record.and_then(|record| record.signed_in_at)),
        "created_at": at(record.and_then(|record| record.signed_in_at)),
        "refreshed_at": at(record.and_then(|record| record.refreshed_at)),
        "last_used_at": at(row.last_used_at(now)),
        "expires_at": at(record.filter(|record| record.refresh_token.is_none()).and_then(ends)),
        "has_refresh_token": record.is_some_and(|record| record.refresh_token.is_some()),
        "tokens": tokens,
        "pending": pending.map(|pending| json!({
            "user_code": pending.user_code,
            "verification_uri": pending.verification_uri,
            "verification_uri_complete": pending.verification_uri_complete,
            "expires_at": rfc3339(pending.expires_at),
        })),
        "last_failure": record.and_then(|record| record.failure.as_ref()).map(|failure| json!({
            "at": rfc3339(failure.at),
            "what": failure.text,
        })),
        "storage": row.stored.as_ref().map(storage),
        "revocation": record.filter(|record| record.signed_in_at.is_some()).map(|record| revocation(row, record)),
    })
}

/// What one slot holds, without it.
fn token(slot: &Slot, token: &Token, now: Timestamp) -> Value {
    let wanted = slot.clone();
    let access = claims(&token.access_token);
    let of_id = token.id_token.as_ref().map(claims).unwrap_or_default();
    let or_none = |texts: Vec<String>| Some(texts).filter(|texts| !texts.is_empty());
    json!({
        "slot": slot,
        "organization": access.org_id.or(wanted.organization),
        "scopes": or_none(access.scopes).or(or_none(wanted.scopes)),
        "audiences": or_none(access.aud).or(wanted.audience.or(wanted.resource).map(|audience| vec![audience])),
        "has_id_token": token.id_token.is_some(),
        "id_token_audiences": or_none(of_id.aud),
        "received_at": rfc3339(token.received_at),
        "expires_at": rfc3339(token.expires_at),
        "expired": token.expires_at <= now,
        "id_expires_at": token.id_expires_at.and_then(rfc3339),
        "refused": token.refused,
    })
}

/// The claims of the session's newest token: the ID token's where there is one.
fn newest_claims(record: &Record) -> Claims {
    let newest = record.tokens.values().max_by_key(|token| token.received_at);
    newest.map(|token| claims(token.id_token.as_ref().unwrap_or(&token.access_token))).unwrap_or_default()
}

/// An opaque token tells nothing.
fn claims(token: &Secret) -> Claims {
    jwt::claims(token.expose()).unwrap_or_default()
}

/// How it would be ended at the provider, by the rules `logout` goes by.
fn revocation(row: &Row<'_>, record: &Record) -> Value {
    let profile = row.profile.or(row.formerly);
    let present = profile.and_then(|profile| discover::known_endpoints(profile).ok().flatten());
    let (session, unnamed) = (record.approved(), || "no profile names it any more".to_owned());
    let way = profile.map_or_else(
        || Err(unnamed()),
        |profile| {
            revoke::way(profile, present.as_deref(), &session).map_err(|why| match why {
                SignedOut::Ended(why) | SignedOut::NoWay(why) | SignedOut::Failed(why) => why,
            })
        },
    );
    json!({
        "command": row.logout_command(),
        "endpoint": way.as_ref().ok().map(Way::endpoint),
        "revokes": way.as_ref().ok().map(|way| match way {
            Way::Revocation(..) => "refresh_token",
            Way::SessionId(..) => "session",
        }),
        "why_not": way.err(),
    })
}

/// One entry of the plain store. The time is its file's, which entries of one place share.
fn password(listed: &Listed) -> Value {
    let Listed { service, place, entry, stored } = listed;
    let text = |bytes: &SecretBytes| String::from_utf8_lossy(bytes.expose()).into_owned();
    let place = text(place);
    let host = place.split_once("://").map_or(place.as_str(), |(_, host)| host);
    let expiry = entry.password_expiry_utc.as_ref().and_then(|at| text(at).trim().parse::<Timestamp>().ok());
    json!({
        "service": service,
        "host": host,
        "path": entry.path.as_ref().map(text),
        "username": entry.username.as_ref().map(text),
        "stored_at": stored.as_ref().and_then(|stored| rfc3339(stored.changed_at)),
        "expires_at": expiry.and_then(rfc3339),
        "storage": stored.as_ref().map(storage),
    })
}

fn storage(stored: &Stored) -> Value {
    let Stored { path, mode, changed_at: _ } = stored;
    let mode = mode.map(|mode| format!("{mode:04o}"));
    let form = mode.as_ref().map_or_else(|| "plain text".to_owned(), |mode| format!("plain text, {mode}"));
    json!({ "path": path, "mode": mode, "form": form })
}
