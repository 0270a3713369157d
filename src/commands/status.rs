//! `keyfob status`: what is kept, for whom, until when. Never a token.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::{now, print, report};
use crate::broker::discover;
use crate::cli::Status;
use crate::clock::{self, Timestamp, rfc3339};
use crate::config::{Config, Profile};
use crate::error::{Error, Result};
use crate::human::escape::{self, defuse, escape};
use crate::store::{Record, Store};

/// A profile, a record, or both.
struct Row<'a> {
    id: String,
    profile: Option<&'a Profile>,
    record: Option<Record>,
}

pub(super) fn run(command: &Status) -> Result<ExitCode> {
    let config = Config::load()?;
    let store = Store::open()?;
    let mut well = true;
    let rows = match &command.profile {
        Some(name) => {
            let profile = config.named(name)?;
            let id = discover::session(profile)?;
            vec![Row { record: store.peek(&id)?, id, profile: Some(profile) }]
        }
        None => all(&config, &store, &mut well)?,
    };
    let text = if command.json { as_json(&rows, &store)? } else { as_table(&rows, &config) };
    print(text.as_bytes())?;
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Every profile, then every session whose profile is gone. A record that cannot be read is said, and the others shown.
fn all<'a>(config: &'a Config, store: &Store, well: &mut bool) -> Result<Vec<Row<'a>>> {
    let mut peek = |id: &str| {
        store.peek(id).unwrap_or_else(|error| {
            report(&error);
            *well = false;
            None
        })
    };
    let mut rows = Vec::new();
    for profile in &config.profiles {
        let id = discover::session(profile)?;
        rows.push(Row { record: peek(&id), id, profile: Some(profile) });
    }
    for id in store.ids()? {
        if rows.iter().all(|row| row.id != id) {
            rows.push(Row { record: peek(&id), id, profile: None });
        }
    }
    Ok(rows)
}

impl Row<'_> {
    fn name(&self) -> String {
        let of_record =
            || self.record.as_ref().map(|record| record.profile.clone().unwrap_or(record.client_id.clone()));
        self.profile.map(|profile| profile.title().to_owned()).or_else(of_record).unwrap_or_else(|| self.id.clone())
    }

    fn account(&self) -> Option<&str> {
        let record = self.record.as_ref();
        let known = record.and_then(|record| record.email.as_deref().or(record.subject.as_deref()));
        known.or_else(|| self.profile?.account.as_deref())
    }

    fn state(&self, now: Timestamp) -> &'static str {
        let Some(record) = &self.record else { return "signed out" };
        let lives = record.tokens.values().any(|token| now < token.expires_at);
        if lives || record.refresh_token.is_some() {
            "signed in"
        } else if record.pending.as_ref().is_some_and(|pending| pending.is_live(now)) {
            "waiting"
        } else {
            "signed out"
        }
    }

    fn hosts(&self) -> Vec<String> {
        let entries = self.profile.map(|profile| profile.hosts.iter().chain(&profile.clusters));
        entries.into_iter().flatten().map(|(entry, _)| entry.to_string()).collect()
    }
}

fn as_table(rows: &[Row<'_>], config: &Config) -> String {
    if rows.is_empty() {
        return format!("nothing is kept; {}\n", config.choices());
    }
    let now = now();
    let mut lines = vec![["PROFILE", "ACCOUNT", "STATE", "TOKEN", "HOSTS"].map(str::to_owned)];
    for row in rows {
        let end = row.record.as_ref().and_then(|record| record.tokens.values().map(|token| token.expires_at).max());
        let token = match end {
            Some(end) if end > now => format!("{} left", clock::span(end - now)),
            Some(_) => "expired".to_owned(),
            None => "-".to_owned(),
        };
        let (account, hosts) = (row.account().map_or_else(|| "-".to_owned(), escape), row.hosts().join(", "));
        let hosts = if hosts.is_empty() { "-".to_owned() } else { hosts };
        lines.push([escape(&row.name()), account, row.state(now).to_owned(), token, defuse(&hosts)]);
    }
    let mut widths = [0; 5];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    for row in rows {
        let pending = row.record.as_ref().and_then(|record| record.pending.as_ref()).filter(|p| p.is_live(now));
        if let Some(pending) = pending {
            let (uri, code) = (escape(&pending.verification_uri), escape(&pending.user_code));
            let left = clock::span(pending.expires_at - now);
            let _ = writeln!(text, "{} waits for approval: open {uri}, code {code}, {left} left", escape(&row.name()));
        }
    }
    text
}

fn as_json(rows: &[Row<'_>], store: &Store) -> Result<String> {
    let now = now();
    let sessions: Vec<Value> = rows.iter().map(|row| session(row, now)).collect();
    let value = json!({ "version": 1, "folder": store.folder(), "sessions": sessions });
    serde_json::to_string_pretty(&value)
        .map(|text| escape::json(&text) + "\n")
        .map_err(|error| Error::broken("cannot write the answer", error))
}

/// One session, field by field: a new member of the record is not shown before somebody has thought about it.
fn session(row: &Row<'_>, now: Timestamp) -> Value {
    let at = |at: Option<Timestamp>| at.and_then(rfc3339);
    let record = row.record.as_ref();
    let tokens = record.map(|record| {
        let token = |(slot, token): (&String, &crate::store::Token)| {
            json!({
                "slot": slot,
                "has_id_token": token.id_token.is_some(),
                "received_at": rfc3339(token.received_at),
                "expires_at": rfc3339(token.expires_at),
                "expired": token.expires_at <= now,
            })
        };
        record.tokens.iter().map(token).collect::<Vec<_>>()
    });
    let pending = record.and_then(|record| record.pending.as_ref()).filter(|pending| pending.is_live(now));
    json!({
        "id": row.id,
        "profile": row.profile.and_then(|profile| profile.name.as_ref()).or(record.and_then(|r| r.profile.as_ref())),
        "provider": row.profile.map(|profile| profile.preset.name).or(record.map(|record| record.provider.as_str())),
        "client_id": row.profile.map(|profile| &profile.client_id).or(record.map(|record| &record.client_id)),
        "token_endpoint": record.map(|record| record.token_endpoint.as_str()).or(row.profile.map(|profile| profile.server.name())),
        "account": row.profile.and_then(|profile| profile.account.as_ref()),
        "subject": record.and_then(|record| record.subject.as_ref()),
        "email": record.and_then(|record| record.email.as_ref()),
        "organization": record.and_then(|record| record.organization.as_ref()),
        "hosts": row.hosts(),
        "state": row.state(now).replace(' ', "_"),
        "signed_in_at": at(record.and_then(|record| record.signed_in_at)),
        "refreshed_at": at(record.and_then(|record| record.refreshed_at)),
        "has_refresh_token": record.is_some_and(|record| record.refresh_token.is_some()),
        "tokens": tokens.unwrap_or_default(),
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
    })
}
