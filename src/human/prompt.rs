//! The words of the prompt, as pure text: what is asked, for how long, and how lines fit.

use std::fmt::Write as _;

use super::screen::{BOLD, Layout, RESET};
use super::{Prompt, qr};
use crate::clock;
use crate::escape::{defuse, escape};
use crate::oauth::device::Pending;

/// Where the time left is not rewritten, the last such seconds of it are said.
const LAST: i64 = 60;

/// Who is behind the client that asks.
#[derive(Debug, Default)]
pub(super) struct By {
    /// A program that is not the client's own.
    pub(super) program: Option<String>,
    /// A coding agent.
    pub(super) agent: Option<&'static str>,
    /// We wait for the approval while the agent looks on.
    pub(super) is_awaited: bool,
}

impl By {
    fn words(&self) -> String {
        match (self.program.as_deref().map(escape), self.agent) {
            (None, None) => String::new(),
            (Some(program), None) => format!(", run by {program}"),
            (None, Some(agent)) => format!(", run by {agent}"),
            (Some(program), Some(agent)) => format!(", run by {program} for {agent}"),
        }
    }
}

/// Rows above the prompt that a picture leaves in sight: the command, and what it has said so far.
const ABOVE: usize = 5;

/// The prompt on a terminal where its code stands already.
pub(super) fn repeated(prompt: &Prompt<'_>, layout: &Layout) -> String {
    let code = escape(&prompt.pending.user_code);
    sentence(&format!("{} as well, with the same code {code}", escape(prompt.what)), layout)
}

/// The prompt, whole.
#[inline(never)]
pub(super) fn text(prompt: &Prompt<'_>, by: &By, hostname: &str, layout: &Layout) -> String {
    let Prompt { what, profile, account, pending, opens_browser: _, is_repeated: _, now } = prompt;
    let Pending { user_code, verification_uri, verification_uri_complete, .. } = pending;
    let account = account.map(|account| format!(", account {}", escape(account))).unwrap_or_default();
    let mut text = sentence(&format!("{} ({}{account}{})", escape(what), escape(profile), by.words()), layout);
    let _ = writeln!(text, "keyfob:   open {}", defuse(verification_uri));
    let (bold, reset) = if layout.bold { (BOLD, RESET) } else { ("", "") };
    let _ = writeln!(text, "keyfob:   code {bold}{}{reset}", escape(user_code));
    if let Some(complete) = verification_uri_complete {
        let _ = writeln!(text, "keyfob:   or   {}", defuse(complete));
    }
    let mut last = format!("approve only if you just ran this on {}", escape(hostname));
    if !layout.rewrites {
        let _ = write!(last, "; {} left", clock::span(pending.expires_at - now));
    }
    let mut last = sentence(&last, layout);
    if by.is_awaited {
        last += &sentence("waiting for the approval; show this to the person", layout);
    }
    if let (Some(complete), Some((columns, rows))) = (verification_uri_complete, layout.picture) {
        // Below the prompt come the time left and the cursor.
        let below = usize::from(layout.rewrites) + 1;
        let taken = height(&text, columns) + height(&last, columns) + below + ABOVE;
        for line in qr::draw(complete, columns, rows.saturating_sub(taken)).into_iter().flatten() {
            text += &line;
            text.push('\n');
        }
    }
    text + &last
}

/// A line of ours; where the terminal is narrower, more than one, broken between words.
pub(super) fn sentence(words: &str, layout: &Layout) -> String {
    let mut text = String::from("keyfob:");
    let mut column = text.len();
    for word in words.split(' ') {
        let width = word.chars().count();
        if layout.columns.is_some_and(|columns| column + 1 + width > columns && column > "keyfob:  ".len()) {
            text += "\nkeyfob:  ";
            column = "keyfob:  ".len();
        }
        text.push(' ');
        text += word;
        column += 1 + width;
    }
    text.push('\n');
    text
}

/// The line that is rewritten while somebody waits.
pub(super) fn countdown(left: i64) -> String {
    let left = left.max(0);
    format!("keyfob: waiting, {}:{:02} left\n", left / 60, left % 60)
}

/// What is said now and then where nothing is rewritten: when half the time has passed since the prompt, which told of
/// `life` seconds, and when little is left. `before` seconds were left at the last look.
pub(super) fn reminder(user_code: &str, life: i64, before: i64, left: i64) -> Option<String> {
    let passed = |mark: i64| mark >= LAST && mark < life && left <= mark && mark < before;
    (left > 0 && (passed(life / 2) || passed(LAST)))
        .then(|| format!("code {} waits for approval; {} left", escape(user_code), clock::span(left)))
}

/// How many rows of a terminal a text takes that has no escape sequences but those of a bold code.
fn height(text: &str, columns: usize) -> usize {
    let width = |line: &str| line.replace(BOLD, "").replace(RESET, "").chars().count();
    text.lines().map(|line| width(line).div_ceil(columns).max(1)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Slot;
    use crate::oauth::device;
    use crate::oauth::message::Response;

    const COMPLETE: &str = "https://acme.authkit.app/device?user_code=ABCD";

    fn pending(user_code: &str, complete: &str) -> Pending {
        let body = serde_json::json!({
            "device_code": "dc_hidden", "user_code": user_code, "expires_in": 300,
            "verification_uri": "https://acme.authkit.app/device", "verification_uri_complete": complete,
        });
        let body = body.to_string().into_bytes();
        let response = Response { status: 200, date: None, retry_after: None, challenges: Vec::new(), body };
        device::begin(&response, &Slot::default(), 1_000).unwrap()
    }

    fn shown(user_code: &str, complete: &str, layout: Layout) -> String {
        shown_to(&By::default(), user_code, complete, layout)
    }

    fn shown_to(by: &By, user_code: &str, complete: &str, layout: Layout) -> String {
        let prompt = Prompt {
            what: "git needs to sign in to git.acme.dev",
            profile: "profile acme at WorkOS AuthKit",
            account: Some("ann@acme.dev"),
            pending: &pending(user_code, complete),
            opens_browser: false,
            is_repeated: false,
            now: 1_010,
        };
        text(&prompt, by, "laptop", &layout)
    }

    #[test]
    fn who_is_behind_the_client_is_named_and_an_agent_told_what_to_do() {
        let by = |program: Option<&str>, agent, is_awaited| {
            let by = By { program: program.map(str::to_owned), agent, is_awaited };
            shown_to(&by, "ABCD", COMPLETE, Layout::default())
        };
        for (program, agent, words) in [
            (None, Some("Codex"), "run by Codex"),
            (Some("git-lfs"), None, "run by git-lfs"),
            (Some("git-lfs\u{1b}"), Some("Codex"), "run by git-lfs\\u{1b} for Codex"),
        ] {
            let first =
                "keyfob: git needs to sign in to git.acme.dev (profile acme at WorkOS AuthKit, account ann@acme.dev";
            let text = by(program, agent, false);
            assert!(text.starts_with(&format!("{first}, {words})\n")), "{text}");
        }
        let last = "keyfob: waiting for the approval; show this to the person\n";
        assert!(by(None, Some("Codex"), true).ends_with(last) && !by(None, Some("Codex"), false).contains("waiting"));
    }

    #[test]
    fn as_lines() {
        assert_eq!(
            shown("AB\u{1b}[0mCD", COMPLETE, Layout::default()),
            "keyfob: git needs to sign in to git.acme.dev (profile acme at WorkOS AuthKit, account ann@acme.dev)\n\
             keyfob:   open https://acme.authkit.app/device\n\
             keyfob:   code AB\\u{1b}[0mCD\n\
             keyfob:   or   https://acme.authkit.app/device?user_code=ABCD\n\
             keyfob: approve only if you just ran this on laptop; 5 minutes left\n"
        );
    }

    #[test]
    fn the_readme_shows_what_is_printed() {
        let complete = "https://acme.authkit.app/device?user_code=WDJB-MJHT";
        let prompt = Prompt {
            what: "git needs to sign in to git.acme.dev",
            profile: "profile acme at WorkOS AuthKit",
            account: None,
            pending: &pending("WDJB-MJHT", complete),
            opens_browser: false,
            is_repeated: false,
            now: 1_000,
        };
        assert!(include_str!("../../README.md").contains(&text(&prompt, &By::default(), "laptop", &Layout::default())));
    }

    #[test]
    fn forty_columns_cut_nothing_and_break_no_address() {
        let layout = Layout { columns: Some(40), bold: true, picture: Some((40, 12)), rewrites: true };
        assert_eq!(
            shown("ABCD", COMPLETE, layout),
            "keyfob: git needs to sign in to\n\
             keyfob:   git.acme.dev (profile acme at\n\
             keyfob:   WorkOS AuthKit, account\n\
             keyfob:   ann@acme.dev)\n\
             keyfob:   open https://acme.authkit.app/device\n\
             keyfob:   code \u{1b}[1mABCD\u{1b}[0m\n\
             keyfob:   or   https://acme.authkit.app/device?user_code=ABCD\n\
             keyfob: approve only if you just ran\n\
             keyfob:   this on laptop\n"
        );
    }

    #[test]
    fn an_address_is_never_cut() {
        let complete = format!("{COMPLETE}&hint={}", "x".repeat(1_000));
        assert!(shown("ABCD", &complete, Layout::default()).contains(&format!("keyfob:   or   {complete}\n")));
    }

    #[test]
    fn a_picture_where_the_whole_prompt_fits() {
        let rows = |columns, rows| {
            let layout = Layout { columns: Some(columns), picture: Some((columns, rows)), ..Layout::default() };
            let text = shown("ABCD", COMPLETE, layout);
            let (picture, words): (Vec<&str>, Vec<&str>) =
                text.lines().partition(|line| line.contains("\u{1b}[97;40m"));
            let taken = picture.len() + height(&words.join("\n"), columns) + 1;
            assert!(picture.is_empty() || taken + ABOVE <= rows, "the command stays in sight: {text}");
            picture.len()
        };
        assert_eq!([rows(120, 30), rows(120, 29), rows(120, 28), rows(120, 27)], [19, 17, 17, 0]);
        assert_eq!([rows(80, 31), rows(80, 29), rows(80, 28), rows(80, 24)], [19, 17, 0, 0]);
        assert_eq!([rows(40, 40), rows(36, 40), rows(32, 40)], [19, 17, 0]);
    }

    #[test]
    fn what_is_left_is_said_at_half_time_and_in_the_last_minute() {
        let said = |life: i64| -> Vec<i64> {
            (0..life).rev().filter(|left| reminder("ABCD", life, left + 1, *left).is_some()).collect()
        };
        assert_eq!(said(900), [450, 60]);
        assert_eq!(said(300), [150, 60]);
        assert_eq!(said(120), [60]);
        assert_eq!(said(90), [60]);
        assert!(said(60).is_empty());
        assert_eq!(reminder("ABCD", 300, 151, 58).unwrap(), "code ABCD waits for approval; 58 seconds left");
        assert_eq!(reminder("ABCD", 300, 61, -5), None);
        assert_eq!([countdown(272), countdown(-1)], ["keyfob: waiting, 4:32 left\n", "keyfob: waiting, 0:00 left\n"]);
    }
}
