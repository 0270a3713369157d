//! `keyfob status`: what is kept, for whom, until when. Never a token.

mod inventory;
mod table;

use std::process::ExitCode;

use crate::broker::discover;
use crate::cli::Status;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::desk::now;
use crate::error::{Error, Result};
use crate::escape::defuse;
use crate::human::paper::Paper;
use crate::model::Profile;
use crate::oauth::device::Pending;
use crate::output::{print, report};
use crate::store::passwords::{Listed, Passwords};
use crate::store::{Found, Record, Store, Stored};

/// A profile, a record, or both.
struct Row<'a> {
    id: String,
    profile: Option<&'a Profile>,
    /// The profile that made it, and whose token endpoint or account is another since.
    formerly: Option<&'a Profile>,
    record: Option<Record>,
    /// The record that is there cannot be read.
    broken: Option<Broken>,
    stored: Option<Stored>,
}

/// Why a record cannot be read.
enum Broken {
    /// It is none; why. Signing in sets it aside.
    NoRecord(String),
    /// Said on stderr, with what mends it.
    Said,
}

/// How a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    SignedIn,
    Waiting,
    SignedOut,
    Broken,
}

#[inline(never)]
pub(super) fn run(command: &Status) -> Result<ExitCode> {
    let config = Config::load()?;
    let store = Store::open()?;
    let mut looker = Looker { store: &store, failed: None };
    let (rows, passwords) = match &command.profile {
        Some(name) => (looker.rows_of(&config, config.named(name)?)?, Vec::new()),
        None => (looker.rows(&config)?, looker.passwords()?),
    };
    let text = if command.json {
        inventory::text(&rows, &passwords, store.folder(), looker.failed.as_ref(), now())?
    } else {
        table::text(&rows, &passwords, &config, store.folder(), &Paper::of_stdout(), now())
    };
    print(text.as_bytes())?;
    Ok(if looker.failed.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Looks at what is kept. What cannot be read is said, and the rest shown.
struct Looker<'s> {
    store: &'s Store,
    /// The first that could not be read.
    failed: Option<Error>,
}

impl Looker<'_> {
    /// Every profile, then every session whose profile is gone.
    fn rows<'a>(&mut self, config: &'a Config) -> Result<Vec<Row<'a>>> {
        let mut rows = Vec::new();
        for profile in &config.profiles {
            rows.push(self.row(discover::session(profile)?, Some(profile)));
        }
        for id in self.store.ids()? {
            if rows.iter().all(|row| row.id != id) {
                let mut row = self.row(id, None);
                let record = row.record.as_ref();
                row.formerly = config.profiles.iter().find(|profile| record.is_some_and(|r| r.is_of(profile)));
                rows.push(row);
            }
        }
        Ok(rows)
    }

    /// A profile, then every session that was its own before.
    fn rows_of<'a>(&mut self, config: &'a Config, profile: &'a Profile) -> Result<Vec<Row<'a>>> {
        let mut rows = vec![self.row(discover::session(profile)?, Some(profile))];
        for id in self.store.ids()? {
            let is_anothers = |other: &Profile| discover::session(other).is_ok_and(|known| known == id);
            if matches!(self.store.peek(&id), Ok(Some(record)) if record.is_of(profile))
                && !config.profiles.iter().any(is_anothers)
            {
                rows.push(Row { formerly: Some(profile), ..self.row(id, None) });
            }
        }
        Ok(rows)
    }

    fn row<'a>(&mut self, id: String, profile: Option<&'a Profile>) -> Row<'a> {
        let (record, broken) = match self.store.read(&id) {
            Ok(Found::Record(kept)) => (Some(kept.record), None),
            Ok(Found::Nothing) => (None, None),
            Ok(Found::Broken(why)) => (None, Some(Broken::NoRecord(why))),
            Err(error) => {
                self.say(error);
                (None, Some(Broken::Said))
            }
        };
        Row { stored: self.store.stored(&id), id, profile, formerly: None, record, broken }
    }

    fn say(&mut self, error: Error) {
        report(&error);
        self.failed.get_or_insert(error);
    }

    /// What the plain store keeps.
    fn passwords(&mut self) -> Result<Vec<Listed>> {
        let mut passwords = Vec::new();
        for listed in Passwords::open().listed()? {
            match listed {
                Ok(listed) => passwords.push(listed),
                Err(error) => self.say(error),
            }
        }
        Ok(passwords)
    }
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

    fn state(&self, now: Timestamp) -> State {
        let Some(record) = &self.record else {
            return if self.broken.is_some() { State::Broken } else { State::SignedOut };
        };
        let lives = record.tokens.values().any(|token| now < token.expires_at);
        if lives || record.refresh_token.is_some() {
            State::SignedIn
        } else if self.pending(now).is_some() {
            State::Waiting
        } else {
            State::SignedOut
        }
    }

    /// The sign-in somebody can still approve.
    fn pending(&self, now: Timestamp) -> Option<&Pending> {
        self.record.as_ref()?.pending.as_ref().filter(|pending| pending.is_live(now))
    }

    /// When it was last handed out or renewed, to within an hour; nothing where nobody is signed in.
    fn last_used_at(&self, now: Timestamp) -> Option<Timestamp> {
        let is_in = self.state(now) == State::SignedIn;
        self.stored.as_ref().filter(|_| is_in).map(|stored| stored.changed_at)
    }

    fn hosts(&self) -> Vec<String> {
        let entries = self.profile.map(|profile| profile.hosts.iter().chain(&profile.clusters));
        entries.into_iter().flatten().map(|(entry, _)| defuse(&entry.to_string())).collect()
    }

    /// The command that ends it.
    fn logout_command(&self) -> String {
        match self.profile.or(self.formerly).and_then(|profile| profile.name.as_ref()) {
            Some(name) => format!("keyfob logout {name}"),
            None => "keyfob logout --all".to_owned(),
        }
    }
}
