//! A trace of what is asked, decided and sent, for a bug report. Off unless `KEYFOB_LOG` or `--verbose` wants it; a line that
//! nobody wants is not even put together.
//!
//! It can be pasted anywhere, so: no secret of ours, the client's or the server's, no user code, of a URL neither who nor the
//! values of a query, of an answer nothing but what is known to be harmless. stdout belongs to the client and gets nothing.

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Kind, Result};
use crate::escape::defuse;

/// Stands for what is left out.
pub(crate) const HIDDEN: &str = "<hidden>";

/// Where a trace goes (`KEYFOB_LOG`).
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Log {
    Off,
    Stderr,
    File(PathBuf),
    /// Neither of these; the word.
    Unusable(String),
}

/// Where lines go, once that is known.
static TRACE: OnceLock<Trace> = OnceLock::new();

struct Trace {
    to_stderr: bool,
    file: Option<File>,
    clock: SystemClock,
}

/// Writes a line, put together only where somebody wants it.
macro_rules! trace {
    ($($words:tt)+) => {
        if $crate::trace::is_on() {
            $crate::trace::write(format_args!($($words)+));
        }
    };
}
pub(crate) use trace;

/// Begins a trace, if one is wanted; `append` opens its file. One that cannot be written is said on stderr and holds nothing up.
pub(crate) fn begin(verbose: bool, log: Log, append: fn(&Path) -> Result<File>) {
    let (to_stderr, file) = match log {
        Log::Off => (verbose, None),
        Log::Stderr => (true, None),
        Log::File(path) => match append(&path) {
            Ok(file) => (verbose, Some(file)),
            Err(error) => {
                complain(&error);
                (verbose, None)
            }
        },
        Log::Unusable(word) => {
            let what = format!("KEYFOB_LOG is \"{}\"", word.escape_debug());
            complain(&Error::new(Kind::Usage, what).hint("set it to 1 for stderr, or to the whole path of a file"));
            (verbose, None)
        }
    };
    if to_stderr || file.is_some() {
        let _ = TRACE.set(Trace { to_stderr, file, clock: SystemClock::new() });
    }
}

/// Whether it is seen on stderr.
pub(crate) fn is_on_stderr() -> bool {
    TRACE.get().is_some_and(|trace| trace.to_stderr)
}

fn complain(error: &Error) {
    let _ = io::stderr().write_all(error.lines().as_bytes());
}

/// Whether anybody wants lines.
pub(crate) fn is_on() -> bool {
    TRACE.get().is_some()
}

/// Writes a line; see the macro [`trace`].
pub(crate) fn write(words: fmt::Arguments<'_>) {
    let Some(trace) = TRACE.get() else { return };
    let (own, elapsed) = (std::process::id(), trace.clock.elapsed().as_secs_f64());
    // One write a line: several processes share a file.
    let line = format!("keyfob[{own}] +{elapsed:.3}s {}\n", defuse(&words.to_string()));
    if trace.to_stderr {
        let _ = io::stderr().write_all(line.as_bytes());
    }
    if let Some(mut file) = trace.file.as_ref() {
        let _ = file.write_all(line.as_bytes());
    }
}

/// An error, without the words that name a code.
pub(crate) fn failed(error: &Error) {
    match error.kind {
        Kind::HumanNeeded => trace!("failed: only a human can go on"),
        kind => trace!("failed ({kind:?}): {error}"),
    }
}

/// A URL, or a path with what may follow it, without user name, password and the values of its query.
pub(crate) fn url(text: &str) -> String {
    // A stray `?` or `#` in a password would end the place before its `@`.
    if let Some((scheme, rest)) = text.split_once("://") {
        let authority = rest.split('/').next().unwrap_or_default();
        if authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(['?', '#'])) {
            return format!("{scheme}://{HIDDEN}");
        }
    }
    let text = text.split('#').next().unwrap_or_default();
    let (place, query) = text.split_once('?').map_or((text, None), |(place, query)| (place, Some(query)));
    let mut shown = match place.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
            let host = authority.rsplit_once('@').map(|(_, host)| format!("{HIDDEN}@{host}"));
            format!("{scheme}://{}{path}", host.as_deref().unwrap_or(authority))
        }
        None => place.to_owned(),
    };
    for (index, pair) in query.into_iter().flat_map(|query| query.split('&')).enumerate() {
        let lead = if index == 0 { '?' } else { '&' };
        // Without an equals sign it may be a value as well as a name.
        let _ = match pair.split_once('=') {
            Some((name, _)) => write!(shown, "{lead}{name}={HIDDEN}"),
            None => write!(shown, "{lead}{HIDDEN}"),
        };
    }
    shown
}

/// Yes or no, for a line.
pub(crate) fn yes(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_url_only_the_place_is_shown() {
        for (text, shown) in [
            ("https://a.dev/x/y", "https://a.dev/x/y"),
            ("https://ann:pw@a.dev:8443/x@y", "https://<hidden>@a.dev:8443/x@y"),
            ("https://pw@with@ats@a.dev", "https://<hidden>@a.dev"),
            ("https://ann:p?w@a.dev/x", "https://<hidden>"),
            ("https://ann:p#w@a.dev/x", "https://<hidden>"),
            ("https://a.dev/x?to=ann@b.dev#c@d", "https://a.dev/x?to=<hidden>"),
            ("https://a.dev/x?code=1&b=2&c#frag", "https://a.dev/x?code=<hidden>&b=<hidden>&<hidden>"),
            ("team/x.git?private_token=1", "team/x.git?private_token=<hidden>"),
        ] {
            assert_eq!(url(text), shown);
        }
    }
}
