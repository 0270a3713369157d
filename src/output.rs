//! What commands print: an answer on stdout, a line for a person, an error on stderr.

use std::io::{self, IsTerminal, Write};

use serde_json::{Value, json};

use crate::clock::{self, Clock as _, SystemClock};
use crate::error::{Error, Kind, Result, Waiting};
use crate::escape::{self, defuse};
use crate::mend::Place;
use crate::trace;

/// Taken off the line before it is parsed: an option that every command has would cost each hit a twentieth of its
/// instructions.
pub(crate) const EXAMPLE: &str = "Example: keyfob login acme (--verbose, with any command, traces it on stderr)";

/// Says an error on stderr. A closed stderr has nobody to tell.
pub(crate) fn report(error: &Error) {
    trace::failed(error);
    let _ = io::stderr().write_all(error.lines().as_bytes());
}

/// An error as JSON, which is a contract: `kind` says what to do next, `message` and `hint` are for people, and `run` is there
/// where the hint is one command. `file` and `line` say where something is to be edited.
pub(crate) fn failure(error: &Error) -> Value {
    let mut members = json!({ "kind": error.kind.name(), "message": error.text() });
    if let Some(mend) = error.mend() {
        members["hint"] = mend.words().into();
        if let Some(argv) = mend.argv() {
            members["run"] = json!(argv);
        }
        if let Some(Place { file, line }) = mend.place() {
            (members["file"], members["line"]) = (json!(file), json!(line));
        }
    }
    if let Some(waiting) = error.waiting() {
        members["pending"] = pending(waiting);
    }
    members
}

/// A sign-in that waits for somebody, as JSON, which is a contract: what a person is to be shown, and until when it is worth showing.
pub(crate) fn pending(waiting: &Waiting) -> Value {
    let Waiting { user_code, verification_uri, verification_uri_complete, expires_at, interval } = waiting;
    json!({
        "user_code": user_code,
        "verification_uri": verification_uri,
        "verification_uri_complete": verification_uri_complete,
        "expires_at": clock::rfc3339(*expires_at),
        "expires_in": (expires_at - SystemClock::new().now()).max(0),
        "interval": interval,
    })
}

/// Says an error on stderr, and on stdout to the program that asked for JSON.
pub(crate) fn report_as_json(error: &Error) {
    report(error);
    let _ = document(&json!({ "error": failure(error) })).and_then(|text| print(text.as_bytes()));
}

/// Says a line on stderr that is no error.
pub(crate) fn note(line: &str) {
    let _ = writeln!(io::stderr(), "keyfob: {}", defuse(line));
}

/// Stops where the answer would be a token on a screen. No client reads one from a terminal, so this is a person who tries
/// what clients run.
pub(crate) fn refuse_terminal(hint: &str) -> Result<()> {
    if io::stdout().is_terminal() {
        return Err(Error::new(Kind::Usage, "a token would stay on this terminal and in its history").hint(hint));
    }
    Ok(())
}

/// What helps somebody who runs a client's command by hand.
pub(crate) const BY_HAND: &str = "to see one, run: keyfob token --show; to try a client, run: keyfob doctor";

/// Prints to stdout. Whoever closed it has heard enough.
pub(crate) fn print(text: &[u8]) -> Result<()> {
    let mut stdout = io::stdout();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::broken("cannot write the answer", error)),
        _ => Ok(()),
    }
}

/// A JSON document as it is printed: nothing in it can act on a terminal.
pub(crate) fn document(value: &Value) -> Result<String> {
    serde_json::to_string_pretty(value)
        .map(|text| escape::json(&text) + "\n")
        .map_err(|error| Error::broken("cannot write the answer", error))
}

/// Prints a line for a person, fit to be shown.
pub(crate) fn say(line: &str) -> Result<()> {
    print(format!("{}\n", defuse(line)).as_bytes())
}
