//! The status a person reads at once: a table, or, where the terminal is too narrow for it, a block for each profile; then
//! what wants doing, each with the command that does it; at last where it is all kept.

use std::fmt::Write as _;
use std::path::Path;

use super::{Broken, Row, State};
use crate::clock::{self, Timestamp};
use crate::config::Config;
use crate::escape::{defuse, escape};
use crate::human::paper::{Ink, Paper, folded};
use crate::mend::shell;
use crate::store::passwords::Listed;

const HEADINGS: [&str; 6] = ["PROFILE", "ACCOUNT", "TOKEN", "RENEWS", "LAST USED", "HOSTS"];
/// The one whose colour says how the session stands.
const TOKEN: usize = 2;
/// The one that is a list.
const HOSTS: usize = 5;

/// The whole text.
pub(super) fn text(
    rows: &[Row<'_>],
    passwords: &[Listed],
    config: &Config,
    folder: &Path,
    paper: &Paper,
    now: Timestamp,
) -> String {
    if rows.is_empty() && passwords.is_empty() {
        return format!("nothing is kept; {}\n", config.choices().words());
    }
    let lines: Vec<_> = rows.iter().map(|row| (cells(row, now), ink(row.state(now)))).collect();
    let mut text = String::new();
    if !rows.is_empty() {
        text = table(&lines, paper).unwrap_or_else(|| blocks(&lines, paper));
    }
    for row in rows {
        remarks(&mut text, row, paper, now);
    }
    let state = folder.parent().unwrap_or(folder).display();
    let sessions = rows.iter().filter(|row| row.stored.is_some()).count();
    let kept: Vec<String> = [(sessions, "session"), (passwords.len(), "password")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| counted(count, what))
        .collect();
    let last = match kept.join(" and ") {
        none if none.is_empty() => format!("nothing is kept in {state}"),
        kept => format!("{kept} in plain text, readable by you alone, in {state}"),
    };
    paragraph(&mut text, paper, &last);
    text
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn ink(state: State) -> Ink {
    match state {
        State::SignedIn => Ink::Well,
        State::Waiting | State::SignedOut => Ink::Wanting,
        State::Broken => Ink::Broken,
    }
}

/// What stands in a row, under [`HEADINGS`].
fn cells(row: &Row<'_>, now: Timestamp) -> [String; 6] {
    let nothing = || "-".to_owned();
    let state = row.state(now);
    let end = row.record.as_ref().and_then(|record| record.tokens.values().map(|token| token.expires_at).max());
    let token = match (state, end) {
        (State::Waiting, _) => "waits for you".to_owned(),
        (State::SignedOut, _) => "signed out".to_owned(),
        (State::Broken, _) => "unreadable".to_owned(),
        (State::SignedIn, Some(end)) if end > now => format!("{} left", clock::span(end - now)),
        (State::SignedIn, Some(_)) => "ended".to_owned(),
        (State::SignedIn, None) => "none yet".to_owned(),
    };
    let renews = match (&row.record, state) {
        (Some(record), State::SignedIn) if record.refresh_token.is_some() => "silently".to_owned(),
        (Some(_), State::SignedIn) => "asks you".to_owned(),
        _ => nothing(),
    };
    let used = row.last_used_at(now).map_or_else(nothing, |at| match now - at {
        ..3_600 => "this hour".to_owned(),
        age => format!("{} ago", clock::span(age)),
    });
    let hosts = row.hosts().join(", ");
    let hosts = if hosts.is_empty() { nothing() } else { hosts };
    [escape(&row.name()), row.account().map_or_else(nothing, escape), token, renews, used, hosts]
}

/// The table, if the paper is wide enough for it; hosts go on below each other.
fn table(lines: &[([String; 6], Ink)], paper: &Paper) -> Option<String> {
    let mut widths = HEADINGS.map(length);
    for (cells, _) in lines {
        for (width, cell) in widths.iter_mut().zip(&cells[..HOSTS]) {
            *width = (*width).max(length(cell));
        }
    }
    let before_hosts = widths[..HOSTS].iter().map(|width| width + 2).sum::<usize>();
    let room = paper.width.map_or(Some(usize::MAX), |width| width.checked_sub(before_hosts))?;
    let hosts: Vec<_> = lines.iter().map(|(cells, _)| folded(&cells[HOSTS], room)).collect();
    if hosts.iter().flatten().map(|line| length(line)).max() > Some(room) || length(HEADINGS[HOSTS]) > room {
        return None;
    }
    // Not behind the last: a line that ends in blanks is copied with them.
    widths[HOSTS] = 0;
    let padded = |cell: &str, at: usize| format!("{cell:width$}", width = widths[at]);
    let headings = HEADINGS.iter().enumerate().map(|(at, cell)| paper.paint(Ink::Heading, &padded(cell, at)));
    let mut text = headings.collect::<Vec<_>>().join("  ") + "\n";
    for ((cells, ink), hosts) in lines.iter().zip(hosts) {
        for (at, cell) in cells[..HOSTS].iter().enumerate() {
            let cell = padded(cell, at);
            let cell = if at == TOKEN { paper.paint(*ink, &cell) } else { cell };
            let _ = write!(text, "{cell}  ");
        }
        let _ = writeln!(text, "{}", hosts.join(&format!("\n{:before_hosts$}", "")));
    }
    Some(text)
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// A block for each profile: its name, and below it what there is to say.
fn blocks(lines: &[([String; 6], Ink)], paper: &Paper) -> String {
    let mut text = String::new();
    for (cells, ink) in lines {
        let [name, _, token, ..] = cells;
        let _ = writeln!(text, "{}  {}", paper.paint(Ink::Heading, name), paper.paint(*ink, token));
        for (heading, cell) in HEADINGS.iter().zip(cells).skip(1).filter(|(_, cell)| *cell != token && *cell != "-") {
            let _ = writeln!(text, "{}", paper.fold(14, &format!("  {:10}  {cell}", heading.to_ascii_lowercase())));
        }
    }
    text
}

/// What wants doing about a session, with the command that does it.
fn remarks(text: &mut String, row: &Row<'_>, paper: &Paper, now: Timestamp) {
    let name = escape(&row.name());
    if let Some(pending) = row.pending(now) {
        let left = clock::span(pending.expires_at - now);
        paragraph(text, paper, &format!("{name} waits for approval, {left} left:"));
        // Whole, on lines of their own: they are copied.
        let _ = writeln!(text, "  open  {}", escape(&pending.verification_uri));
        let _ = writeln!(text, "  code  {}", escape(&pending.user_code));
    }
    let login = row.profile.map(|profile| defuse(&shell(&profile.login_command())));
    match (row.state(now), login) {
        (State::SignedOut, Some(login)) => advice(text, paper, &format!("{name} is signed out"), &login),
        (State::Broken, login) => {
            if let Some(Broken::NoRecord(why)) = &row.broken {
                let mend = login.unwrap_or_else(|| row.logout_command());
                advice(text, paper, &format!("{name} cannot be read ({})", defuse(why)), &mend);
            }
        }
        (_, None) => {
            let what = if row.formerly.is_some() { "is an earlier session" } else { "is of no profile any more" };
            advice(text, paper, &format!("{name} {what}"), &row.logout_command());
        }
        (State::SignedIn | State::Waiting, Some(_)) => {}
    }
    if let Some(failure) = row.record.as_ref().and_then(|record| record.failure.as_ref()) {
        let error = failure.error();
        let ago = clock::span(now - failure.at);
        paragraph(text, paper, &format!("{name} failed {ago} ago: {}", error.line().trim_end()));
    }
}

/// What is so, and the command that changes it: whole, to be copied, on a line of its own where both do not fit on one.
fn advice(text: &mut String, paper: &Paper, what: &str, command: &str) {
    let line = format!("{what}; run: {command}");
    if paper.width.is_some_and(|width| line.chars().count() > width) {
        paragraph(text, paper, &format!("{what}; run:"));
        let _ = writeln!(text, "  {command}");
    } else {
        let _ = writeln!(text, "{line}");
    }
}

fn paragraph(text: &mut String, paper: &Paper, words: &str) {
    let _ = writeln!(text, "{}", paper.fold(2, words));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kept_whole_and_lines_within_the_width() {
        let narrow = Paper { width: Some(20), ..Paper::NONE };
        let mut text = String::new();
        advice(&mut text, &narrow, "beta is signed out", "keyfob login beta");
        paragraph(&mut text, &narrow, "see https://a.very.long.address.dev/that/stays/whole now");
        assert_eq!(
            text,
            "beta is signed out;\n  run:\n  keyfob login beta\n\
             see\n  https://a.very.long.address.dev/that/stays/whole\n  now\n"
        );
        assert_eq!(narrow.fold(9, "  hosts  a.acme.dev, b.acme.dev"), "  hosts  a.acme.dev,\n         b.acme.dev");
    }
}
