//! Is a human here to be asked? One table, read when a sign-in is needed and not before.

use crate::config::environment::{self, Interactive};
use crate::error::{Error, Kind, Result};
use crate::trace::{trace, yes};

/// What asks: each client has ways of its own to say that nobody is watching.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker {
    /// A person typed it for its own sake (`keyfob login`), and wants what follows.
    pub(crate) is_wanted: bool,
    /// Why it may never ask a person, if so.
    pub(crate) never: Option<&'static str>,
    /// The variable that says that nobody is to be asked, if one does.
    pub(crate) is_off: fn() -> Option<&'static str>,
    /// The same for a setting that costs more to look up.
    pub(crate) is_off_by_setting: fn() -> Option<&'static str>,
}

impl Asker {
    /// One that says nothing about it.
    pub(crate) const PLAIN: Self = Self { is_wanted: false, never: None, is_off: || None, is_off_by_setting: || None };
    /// A command a person typed for its own sake.
    pub(crate) const WANTED: Self = Self { is_wanted: true, ..Self::PLAIN };
}

/// Whether to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Presence {
    /// Somebody is here.
    Here,
    /// Nobody is, or wants to be asked; why, as it fits into "nobody to ask here (why)".
    Away(&'static str),
}

/// Everything that says something about it.
#[derive(Clone, Copy, Debug)]
struct Signals {
    is_wanted: bool,
    never: Option<&'static str>,
    /// What the asker's own variables say.
    off: Option<&'static str>,
    interactive: Interactive,
    terminal: bool,
    ci: bool,
}

/// The table, first line that fits. `off_by_setting` may cost a child process and is asked last.
fn decide(signals: Signals, off_by_setting: impl FnOnce() -> Option<&'static str>) -> Presence {
    use Presence::{Away, Here};
    let Signals { is_wanted, never, off, interactive, terminal, ci } = signals;
    if let Some(why) = never {
        return Away(why);
    }
    match interactive {
        Interactive::Never => return Away("KEYFOB_INTERACTIVE=never"),
        Interactive::Always => return Here,
        Interactive::Auto => {}
    }
    if is_wanted {
        // Whoever types it wants it: the prompt goes to stderr where there is no terminal.
        return Here;
    }
    if let Some(name) = off {
        return Away(name);
    }
    if ci {
        return Away("CI");
    }
    if !terminal {
        return Away("no terminal");
    }
    off_by_setting().map_or(Here, Away)
}

/// Reads the signals and decides.
pub(crate) fn presence(asker: Asker, terminal: bool) -> Result<Presence> {
    let interactive = environment::interactive().map_err(|word| {
        Error::new(Kind::Usage, format!("KEYFOB_INTERACTIVE is \"{}\"", word.escape_debug()))
            .hint("set it to auto, never or always")
    })?;
    let signals = Signals {
        is_wanted: asker.is_wanted,
        never: asker.never,
        off: (asker.is_off)(),
        interactive,
        terminal,
        ci: environment::ci(),
    };
    let presence = decide(signals, asker.is_off_by_setting);
    match &presence {
        Presence::Here => trace!("presence: somebody is here (terminal: {})", yes(terminal)),
        Presence::Away(why) => trace!("presence: nobody is here to be asked ({why})"),
    }
    Ok(presence)
}

#[cfg(test)]
mod tests {
    use super::Presence::{Away, Here};
    use super::*;

    const SEEN: Signals =
        Signals { is_wanted: false, never: None, off: None, interactive: Interactive::Auto, terminal: true, ci: false };

    #[test]
    fn the_table() {
        let nowhere = Signals { terminal: false, ci: true, off: Some("OFF"), ..SEEN };
        for (signals, setting, answer) in [
            (SEEN, None, Here),
            (SEEN, Some("a setting"), Away("a setting")),
            (Signals { terminal: false, ..SEEN }, None, Away("no terminal")),
            (Signals { ci: true, ..SEEN }, None, Away("CI")),
            (Signals { off: Some("OFF"), ..SEEN }, None, Away("OFF")),
            (Signals { interactive: Interactive::Never, ..SEEN }, None, Away("KEYFOB_INTERACTIVE=never")),
            (Signals { interactive: Interactive::Always, ..nowhere }, Some("a setting"), Here),
            (Signals { is_wanted: true, ..nowhere }, Some("a setting"), Here),
            (
                Signals { never: Some("it asks nobody"), interactive: Interactive::Always, ..SEEN },
                None,
                Away("it asks nobody"),
            ),
            (nowhere, None, Away("OFF")),
            (Signals { off: None, ..nowhere }, None, Away("CI")),
        ] {
            assert_eq!(decide(signals, || setting), answer, "{signals:?} {setting:?}");
        }
    }
}
