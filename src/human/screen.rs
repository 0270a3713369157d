//! What a terminal can show, and what is made of that. Lines of text are for everybody; the rest is for terminals that
//! surely can.

use crate::config::environment;

pub(super) const BOLD: &str = "\x1b[1m";
/// The terminal's own colours and weight.
pub(super) const RESET: &str = "\x1b[0m";
/// To the beginning of the line above, with nothing left of it.
pub(super) const ERASE_ABOVE: &str = "\x1b[A\r\x1b[K";

/// Fewer columns than this are the terminal's business.
const NARROWEST: usize = 20;

/// What is known of the place a prompt goes to. Where there is no terminal, nothing is.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a signal of its own, not a state")]
pub(crate) struct Screen {
    pub(crate) terminal: bool,
    /// As the terminal tells; 0 where it does not know.
    pub(crate) columns: usize,
    /// The same.
    pub(crate) rows: usize,
    /// `TERM` names none that moves a cursor.
    pub(crate) dumb: bool,
    /// `KEYFOB_PLAIN`.
    pub(crate) plain: bool,
    /// `NO_COLOR`.
    pub(crate) no_color: bool,
    /// The locale is UTF-8.
    pub(crate) utf8: bool,
    /// A program that reads single keys owns it, and draws on all of it: k9s, lazygit, an editor.
    pub(crate) raw: bool,
    /// Nobody else writes there meanwhile, as far as can be known.
    pub(crate) ours: bool,
}

/// How a prompt is shown. The default is lines of text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Sentences are folded to so many columns.
    pub(crate) columns: Option<usize>,
    /// The code stands out.
    pub(crate) bold: bool,
    /// A QR code may be drawn, if the prompt with it fits into so many columns and rows.
    pub(crate) picture: Option<(usize, usize)>,
    /// The time left stands on a line of its own that is rewritten.
    pub(crate) rewrites: bool,
}

impl Screen {
    /// A terminal of so many columns and rows, as the environment describes it.
    pub(super) fn of((columns, rows): (usize, usize)) -> Self {
        Self {
            terminal: true,
            columns,
            rows,
            dumb: environment::is_dumb_terminal(),
            plain: environment::plain(),
            no_color: environment::no_color(),
            utf8: environment::is_utf8(),
            ..Self::default()
        }
    }

    /// A picture needs both its colours: a terminal does not tell whether it is dark or light, and a camera wants dark on
    /// light. So there is none without colours.
    pub(crate) fn layout(self) -> Layout {
        let Self { terminal, columns, rows, dumb, plain, no_color, utf8, raw, ours } = self;
        if !terminal || dumb || plain {
            return Layout::default();
        }
        let is_wide = columns >= NARROWEST;
        Layout {
            columns: is_wide.then_some(columns),
            bold: !no_color,
            picture: (is_wide && utf8 && !no_color && !raw).then_some((columns, rows)),
            rewrites: ours && is_wide && !raw,
        }
    }
}

/// Columns and rows of a terminal; 0 where nobody knows.
#[cfg(unix)]
pub(super) fn size(terminal: impl std::os::fd::AsFd) -> (usize, usize) {
    rustix::termios::tcgetwinsize(terminal).map_or((0, 0), |size| (size.ws_col.into(), size.ws_row.into()))
}

#[cfg(not(unix))]
pub(super) fn size<T>(_terminal: T) -> (usize, usize) {
    (0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        let best = Screen { terminal: true, columns: 80, rows: 24, utf8: true, ours: true, ..Screen::default() };
        let all = Layout { columns: Some(80), bold: true, picture: Some((80, 24)), rewrites: true };
        let lines = Layout::default();
        for (screen, layout) in [
            (best, all),
            (Screen { ours: false, ..best }, Layout { rewrites: false, ..all }),
            (Screen { raw: true, ..best }, Layout { picture: None, rewrites: false, ..all }),
            (Screen { utf8: false, ..best }, Layout { picture: None, ..all }),
            (Screen { no_color: true, ..best }, Layout { bold: false, picture: None, ..all }),
            (Screen { columns: 40, rows: 12, ..best }, Layout { columns: Some(40), picture: Some((40, 12)), ..all }),
            (Screen { columns: 0, rows: 0, ..best }, Layout { bold: true, ..lines }),
            (Screen { columns: 19, ..best }, Layout { bold: true, ..lines }),
            (Screen { dumb: true, ..best }, lines),
            (Screen { plain: true, ..best }, lines),
            (Screen { terminal: false, ..best }, lines),
            (Screen::default(), lines),
        ] {
            assert_eq!(screen.layout(), layout, "{screen:?}");
        }
    }
}
