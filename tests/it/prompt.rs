//! Whole screens of a real terminal (`script` has one), at several sizes and with several wishes.

use std::process::Child;

use crate::support::provider::{Endpoint, Provider};
use crate::support::sandbox::{Sandbox, ask, begin, finish, open_code, wait_for};

/// The sequences in use: bold, own colours back, a picture's colours, and the line above taken away.
const BOLD: &str = "\u{1b}[1m";
const RESET: &str = "\u{1b}[0m";
const PICTURE: &str = "\u{1b}[97;40m";
const ERASE_ABOVE: &str = "\u{1b}[A\r\u{1b}[K";

/// A terminal of so many columns and rows, with a person at it who has a TERM and a UTF-8 locale.
fn begin_on(sandbox: &Sandbox, columns: usize, rows: usize, set: &[(&str, &str)], line: &str) -> Child {
    let mut command = sandbox.command("script");
    command.args(["-qec", &format!("stty cols {columns} rows {rows}; {line}"), "/dev/null"]);
    command.env_remove("CI").env("TERM", "xterm-256color").env("LANG", "C.UTF-8").envs(set.iter().copied());
    begin(command, "")
}

/// `keyfob login` whose code is approved before it polls for it; the code, and all that was written to the terminal.
fn login(columns: usize, rows: usize, set: &[(&str, &str)]) -> (Provider, String, String) {
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    let child = begin_on(&sandbox, columns, rows, set, "exec keyfob login");
    let code = open_code(&provider);
    assert!(provider.decide(&code, true));
    (provider, code, finish(child).stdout)
}

/// What is left standing when all of it was written.
fn standing(written: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for (at, piece) in written.split(ERASE_ABOVE).enumerate() {
        if at > 0 {
            assert_eq!(lines.pop().as_deref(), Some(""), "the cursor is on a line of its own");
            lines.last_mut().unwrap().clear();
        }
        for (at, line) in piece.split("\r\n").enumerate() {
            if at > 0 {
                lines.push(String::new());
            }
            *lines.last_mut().unwrap() += line;
        }
    }
    assert_eq!(lines.pop().as_deref(), Some(""));
    lines
}

fn hostname() -> String {
    String::from_utf8(std::process::Command::new("uname").arg("-n").output().unwrap().stdout).unwrap().trim().to_owned()
}

/// What a phone's camera reads off the lines of a picture.
fn scan(picture: &[&String]) -> String {
    let rows: Vec<Vec<char>> = picture
        .iter()
        .map(|line| line.strip_prefix(PICTURE).unwrap().strip_suffix(RESET).unwrap().chars().collect())
        .collect();
    let scale = 4;
    let (width, height) = (rows[0].len() * scale, rows.len() * 2 * scale);
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| {
        let upper = y / scale % 2 == 0;
        match rows[y / scale / 2][x / scale] {
            '\u{2588}' => 255,
            '\u{2580}' if upper => 255,
            '\u{2584}' if !upper => 255,
            _ => 0,
        }
    });
    image.detect_grids()[0].decode().unwrap().1
}

/// A picture would push the command away.
#[test]
fn eighty_by_twenty_four_has_no_room_for_a_picture() {
    let (_provider, code, written) = login(80, 24, &[]);
    assert!(!written.contains(PICTURE) && written.contains(&code), "{written}");
    assert!(standing(&written).len() < 24 - 5, "{written}");
}

#[test]
fn eighty_by_thirty() {
    let (provider, code, written) = login(80, 30, &[]);
    let url = provider.url();
    let lines = standing(&written);
    let (picture, words): (Vec<&String>, Vec<&String>) = lines.iter().partition(|line| line.starts_with(PICTURE));
    assert_eq!(
        words,
        [
            "keyfob: sign in to acme (profile acme at WorkOS AuthKit)",
            &format!("keyfob:   open {url}/device"),
            &format!("keyfob:   code {BOLD}{code}{RESET}"),
            &format!("keyfob:   or   {url}/device?user_code={code}"),
            &format!("keyfob: approve only if you just ran this on {}", hostname()),
            "keyfob: signed in to acme as ann@acme.dev",
        ]
    );
    assert!(lines[4].starts_with(PICTURE), "below the address it is a picture of");
    assert!(words.len() + picture.len() <= 29 - 5, "the command, and the cursor: {}", picture.len());
    assert_eq!(scan(&picture), format!("{url}/device?user_code={code}"));
    // The first poll is due after two seconds.
    assert!(written.matches("keyfob: waiting, ").count() >= 2, "{written}");
    assert_eq!(written.matches("keyfob: waiting, ").count(), written.matches(ERASE_ABOVE).count(), "{written}");
}

#[test]
fn forty_by_twelve() {
    let (provider, code, written) = login(40, 12, &[]);
    let url = provider.url();
    let [standing, hostname] = [standing(&written).join("\n"), hostname()];
    let prompt = format!(
        "keyfob: sign in to acme (profile acme at\n\
         keyfob:   WorkOS AuthKit)\n\
         keyfob:   open {url}/device\n\
         keyfob:   code {BOLD}{code}{RESET}\n\
         keyfob:   or   {url}/device?user_code={code}\n\
         keyfob: approve only if you just ran\n"
    );
    assert!(standing.starts_with(&prompt), "{standing}");
    let rest = standing[prompt.len()..].replace("\nkeyfob:  ", "");
    assert_eq!(
        rest,
        format!("keyfob:   this on {hostname}\nkeyfob: signed in to acme as\nkeyfob:   ann@acme.dev")
            .replace("\nkeyfob:  ", "")
    );
}

/// Lines of text, in the order they come, and nothing but text.
fn assert_lines(set: &[(&str, &str)]) {
    let (provider, code, written) = login(80, 60, set);
    let (url, hostname) = (provider.url(), hostname());
    assert_eq!(
        written.replace("\r\n", "\n"),
        format!(
            "keyfob: sign in to acme (profile acme at WorkOS AuthKit)\n\
             keyfob:   open {url}/device\n\
             keyfob:   code {code}\n\
             keyfob:   or   {url}/device?user_code={code}\n\
             keyfob: approve only if you just ran this on {hostname}; 5 minutes left\n\
             keyfob: signed in to acme as ann@acme.dev\n"
        ),
        "{set:?}"
    );
}

#[test]
fn a_dumb_terminal_gets_lines() {
    assert_lines(&[("TERM", "dumb")]);
}

#[test]
fn whoever_wants_it_plain_gets_lines() {
    assert_lines(&[("KEYFOB_PLAIN", "1")]);
}

#[test]
fn no_color_takes_the_colours_and_the_picture_and_nothing_else() {
    let (_provider, code, written) = login(80, 60, &[("NO_COLOR", "1")]);
    assert!(written.contains(ERASE_ABOVE), "{written}");
    let standing = standing(&written).join("\n");
    assert!(standing.contains(&format!("keyfob:   code {code}\n")) && !standing.contains('\u{1b}'), "{standing}");
    let (_provider, code, written) = login(80, 60, &[("NO_COLOR", ""), ("KEYFOB_PLAIN", "0")]);
    assert!(
        written.contains(&format!("{BOLD}{code}{RESET}")) && written.contains(PICTURE),
        "empty is unset: {written}"
    );
}

#[test]
fn without_utf8_there_is_no_picture() {
    let (_provider, code, written) = login(80, 60, &[("LC_ALL", "C")]);
    assert!(written.is_ascii() && written.contains(&format!("{BOLD}{code}{RESET}")), "{written}");
}

/// Its progress and its other children write to the same terminal.
#[test]
fn under_git_no_line_is_rewritten() {
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    std::fs::write(sandbox.home().join("ask"), ask("git.acme.dev")).unwrap();
    let child = begin_on(&sandbox, 80, 60, &[], "exec keyfob git get <ask >answer");
    let code = open_code(&provider);
    provider.decide(&code, true);
    let written = finish(child).stdout;
    assert!(!written.contains(ERASE_ABOVE) && !written.contains("waiting"), "{written}");
    assert!(written.contains(&format!("just ran this on {}; 5 minutes left\r\n", hostname())), "{written}");
    assert!(written.contains(PICTURE), "{written}");
}

/// k9s and its like draw on all of the screen, and have the terminal take line feeds as they are.
#[test]
fn under_a_program_that_owns_the_screen_there_are_a_few_whole_lines() {
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    let child = begin_on(&sandbox, 80, 60, &[], "stty raw; exec keyfob kubectl >answer");
    let code = open_code(&provider);
    provider.decide(&code, true);
    let written = finish(child).stdout;
    assert!(written.contains(&format!("\r\nkeyfob:   code {BOLD}{code}{RESET}\r\n")), "{written}");
    assert!(!written.contains(PICTURE) && !written.contains(ERASE_ABOVE), "{written}");
    assert_eq!(written.matches('\n').count(), written.matches("\r\n").count(), "{written}");
}

/// What ends it takes the place of the time left.
#[test]
fn a_denial_and_an_interruption_leave_whole_lines() {
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    let child = begin_on(&sandbox, 100, 24, &[("NO_COLOR", "1")], "exec keyfob login");
    let code = open_code(&provider);
    provider.decide(&code, false);
    let lines = standing(&finish(child).stdout);
    assert_eq!(
        lines[5..],
        [
            "keyfob: the sign-in to acme was denied: The person said no",
            "keyfob: hint: to try again, run: keyfob login acme"
        ]
    );
    // ^C, as the terminal's driver sends it.
    let before = provider.count(Endpoint::Poll);
    let line = "sh -c 'echo $$ >pid; exec keyfob login'; echo ended";
    let child = begin_on(&sandbox, 100, 24, &[("NO_COLOR", "1")], line);
    wait_for("poll", || (provider.count(Endpoint::Poll) > before).then_some(()));
    let pid = std::fs::read_to_string(sandbox.home().join("pid")).unwrap();
    assert!(std::process::Command::new("kill").args(["-INT", pid.trim()]).status().unwrap().success());
    let lines = standing(&finish(child).stdout);
    assert!(lines[5].starts_with("keyfob: waiting, ") && lines[5].ends_with(" left"), "{lines:?}");
    assert_eq!(lines.last().unwrap(), "ended");
}

/// The time left is said again where a line cannot be rewritten.
#[test]
fn what_is_left_is_said_again() {
    let provider = Provider::start();
    // The first poll is due after the last minute has begun, at whichever part of a second.
    provider.change(|manners| (manners.code_life, manners.interval) = (62, Some(3)));
    let sandbox = Sandbox::signed_up(&provider);
    let child = begin_on(&sandbox, 80, 24, &[("KEYFOB_PLAIN", "1")], "exec keyfob login");
    let code = open_code(&provider);
    provider.decide(&code, true);
    let written = finish(child).stdout;
    let said: Vec<&str> = written.lines().filter(|line| line.contains("waits for approval")).collect();
    let [line] = said[..] else { panic!("{written}") };
    assert!([60, 59].iter().any(|left| line == format!("keyfob: code {code} waits for approval; {left} seconds left")));
}

#[test]
fn three_terminals_show_one_code_and_all_are_told() {
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    let first = begin_on(&sandbox, 80, 24, &[], "exec keyfob login");
    let code = open_code(&provider);
    let second = begin_on(&sandbox, 80, 24, &[("KEYFOB_PLAIN", "1")], "keyfob login; echo exit $?");
    let third = begin_on(&sandbox, 80, 24, &[], "exec keyfob login");
    let markers = sandbox.state().join("parents");
    wait_for("code on all", || (std::fs::read_dir(&markers).ok()?.count() == 3).then_some(()));
    provider.decide(&code, true);
    let [first, second, third] = [first, second, third].map(|child| finish(child).stdout);
    assert!(first.contains(&format!("{BOLD}{code}{RESET}")), "{first}");
    assert!(second.contains(&format!("keyfob:   code {code}\r\n")), "{second}");
    assert!(first.ends_with("keyfob: signed in to acme as ann@acme.dev\r\n"), "{first}");
    assert!(second.ends_with("keyfob: signed in to acme as ann@acme.dev\r\nexit 0\r\n"), "{second}");
    assert!(third.ends_with("keyfob: signed in to acme as ann@acme.dev\r\n"), "{third}");
    // Whoever waits for another counts the same time down.
    let left: Vec<&str> =
        third.split("keyfob: waiting, ").skip(1).map(|line| line.split(':').next().unwrap()).collect();
    assert!(!left.is_empty() && left.iter().all(|minutes| ["5", "4"].contains(minutes)), "{third}");
    assert_eq!(provider.count(Endpoint::Start), 1);
}

/// A session that nothing renews says how long it is good for.
#[test]
fn without_a_refresh_token_the_end_is_told() {
    let provider = Provider::start();
    let sandbox = Sandbox::new();
    let more = "hosts = [\"git.acme.dev\"]\nkeep_refresh_token = false";
    sandbox.configure(&crate::support::sandbox::workos(&provider, "acme", more));
    let child = begin_on(&sandbox, 80, 24, &[("KEYFOB_PLAIN", "1")], "exec keyfob login");
    provider.decide(&open_code(&provider), true);
    let written = finish(child).stdout;
    assert!(written.ends_with("keyfob: signed in to acme as ann@acme.dev for 5 minutes\r\n"), "{written}");
}
