//! Looks for what tells whether somebody is here; presence.rs makes something of it.

use std::io::{self, IsTerminal};

use super::presence::{self, Asker, Presence, Signs, Stream};
use crate::config::environment;
use crate::error::{Error, Kind, Result};
use crate::trace::{trace, yes};

/// Where our stderr goes.
#[inline(never)]
pub(super) fn stderr() -> Stream {
    if io::stderr().is_terminal() {
        Stream::Terminal
    } else if is_thrown_away() {
        Stream::Nowhere
    } else {
        Stream::Captured
    }
}

/// A device that is no terminal keeps nothing: the null device, which also stands for a stream that was closed.
#[cfg(unix)]
fn is_thrown_away() -> bool {
    use rustix::fs::{FileType, fstat};
    fstat(io::stderr()).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice)
}

/// Not told.
#[cfg(not(unix))]
fn is_thrown_away() -> bool {
    false
}

/// The agent that runs us, where one is marked and does not just show us its terminal: then that terminal is not ours to write to.
#[inline(never)]
pub(super) fn is_relayed() -> bool {
    environment::agent().is_some() && stderr() != Stream::Terminal
}

/// Looks and decides.
#[inline(never)]
pub(super) fn presence(asker: Asker, terminal: bool) -> Result<Presence> {
    let interactive = environment::interactive().map_err(|word| {
        Error::new(Kind::Usage, format!("KEYFOB_INTERACTIVE is \"{}\"", word.escape_debug()))
            .hint("set it to auto, never or always")
    })?;
    let signs = Signs {
        is_wanted: asker.is_wanted,
        never: asker.never,
        off: (asker.is_off)(),
        interactive,
        terminal,
        stderr: stderr(),
        agent: environment::agent().is_some(),
        ci: environment::ci(),
    };
    let presence = presence::presence(signs, asker.is_off_by_setting);
    match &presence {
        Presence::Here => trace!("presence: somebody is here (terminal: {})", yes(terminal)),
        Presence::Relayed => trace!("presence: an agent shows its person what is said"),
        Presence::Away(why) => trace!("presence: nobody is here to be asked ({})", why),
    }
    Ok(presence)
}
