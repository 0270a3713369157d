//! A strict authorization server: refresh tokens rotate, one that comes back revokes its family (RFC 9700 section 4.14.2),
//! device codes are good for one grant, early polls are told to slow down.

use super::world::{Message, Name, Reply, Span};

/// Seconds a device code lives: long enough for two polls.
pub(super) const CODE_LIFE: Span = 15;
/// Seconds between polls.
pub(super) const INTERVAL: Span = 5;
/// Seconds a spent refresh token is answered with its successor again, where the provider does that.
pub(super) const WINDOW: Span = 30;
/// Long ago.
const PAST: Span = -1_000;

/// The refresh tokens that came of one sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Family {
    /// The one that is good.
    pub(super) generation: u8,
    /// When the one before it was spent, and the one before that.
    pub(super) spent: [Span; 2],
    pub(super) revoked: bool,
    /// For the properties: nobody is left who could save the newest.
    pub(super) lost: bool,
    /// For the properties: somebody has been told that it is over.
    pub(super) retired: bool,
}

/// What has become of a device code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Status {
    Open,
    Approved,
    Denied,
    /// Exchanged for tokens of that family.
    Spent(u8),
}

/// A device code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Code {
    pub(super) status: Status,
    pub(super) expires: Span,
    /// When it was last asked for.
    pub(super) polled: Span,
    pub(super) interval: Span,
    /// For the properties: somebody has seen it.
    pub(super) shown: bool,
}

/// The server's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Provider {
    pub(super) has_window: bool,
    pub(super) families: [Option<Family>; 5],
    pub(super) codes: [Option<Code>; 6],
}

/// What the properties want to know of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noticed {
    Nothing,
    Rotated,
    Replayed,
    /// A spent refresh token came back: `excused` where no window was open and its successor was lost, or the request of a
    /// dead caller is late.
    Reused {
        excused: bool,
    },
    Dead,
    SlowedDown,
    Granted,
    /// A spent device code came back: `excused` where its tokens were lost, or where the request of a dead caller is late.
    PolledAgain {
        excused: bool,
    },
}

impl Provider {
    pub(super) fn new(has_window: bool) -> Self {
        Self { has_window, families: [None; 5], codes: [None; 6] }
    }

    pub(super) fn family(&mut self, name: u8) -> &mut Family {
        self.families[usize::from(name)].as_mut().expect("a family the provider began")
    }

    pub(super) fn code(&mut self, name: u8) -> &mut Code {
        self.codes[usize::from(name)].as_mut().expect("a code the provider gave")
    }

    /// A new sign-in's tokens.
    pub(super) fn begin_family(&mut self) -> Name {
        let free = self.families.iter().position(Option::is_none).expect("more sign-ins than the budgets allow");
        let family = Family { generation: 0, spent: [PAST; 2], revoked: false, lost: false, retired: false };
        self.families[free] = Some(family);
        Name { family: u8::try_from(free).expect("few"), generation: 0 }
    }

    /// A new code.
    pub(super) fn begin_code(&mut self) -> u8 {
        let free = self.codes.iter().position(Option::is_none).expect("more codes than callers can want");
        let code = Code { status: Status::Open, expires: CODE_LIFE, polled: 0, interval: INTERVAL, shown: false };
        self.codes[free] = Some(code);
        u8::try_from(free).expect("few")
    }

    /// Does what is asked. `awaited` is whether the one who asked is still there.
    pub(super) fn process(&mut self, message: Message, awaited: bool) -> (Reply, Noticed) {
        match message {
            Message::Refresh(name) => self.refresh(name, awaited),
            Message::Poll(code) => self.poll(code, awaited),
            Message::Start => (Reply::Started(self.begin_code()), Noticed::Nothing),
        }
    }

    fn refresh(&mut self, name: Name, awaited: bool) -> (Reply, Noticed) {
        let has_window = self.has_window;
        let family = self.family(name.family);
        if family.revoked {
            return (Reply::InvalidGrant, Noticed::Dead);
        }
        if name.generation == family.generation {
            family.generation += 1;
            family.spent = if has_window { [0, family.spent[0]] } else { [PAST; 2] };
            family.lost = !awaited;
            let successor = Name { generation: family.generation, ..name };
            return (Reply::Granted(successor), Noticed::Rotated);
        }
        let age = usize::from(family.generation - name.generation - 1);
        let is_open = has_window && family.spent.get(age).is_some_and(|spent| -spent <= WINDOW);
        if is_open {
            return (Reply::Granted(Name { generation: name.generation + 1, ..name }), Noticed::Replayed);
        }
        let excused = !is_open && (family.lost || !awaited);
        family.revoked = true;
        (Reply::InvalidGrant, Noticed::Reused { excused })
    }

    fn poll(&mut self, name: u8, awaited: bool) -> (Reply, Noticed) {
        let code = *self.code(name);
        let is_early = -code.polled < code.interval;
        self.code(name).polled = 0;
        match code.status {
            Status::Spent(family) => {
                let family = self.family(family);
                let excused = family.lost || !awaited;
                family.revoked = true;
                (Reply::InvalidGrant, Noticed::PolledAgain { excused })
            }
            _ if code.expires <= 0 => (Reply::Expired, Noticed::Nothing),
            Status::Denied => (Reply::Denied, Noticed::Nothing),
            _ if is_early => {
                self.code(name).interval += 5;
                (Reply::SlowDown, Noticed::SlowedDown)
            }
            Status::Open => (Reply::Pending, Noticed::Nothing),
            Status::Approved => {
                let granted = self.begin_family();
                self.family(granted.family).lost = !awaited;
                self.code(name).status = Status::Spent(granted.family);
                (Reply::Granted(granted), Noticed::Granted)
            }
        }
    }

    /// Codes that somebody has seen and that could still bring in tokens.
    pub(super) fn shown_and_live(&self) -> usize {
        let is_live =
            |code: &&Code| code.shown && code.expires > 0 && matches!(code.status, Status::Open | Status::Approved);
        self.codes.iter().flatten().filter(is_live).count()
    }

    /// The next moment at which it would answer otherwise, in seconds from now.
    pub(super) fn moment(&self) -> Option<Span> {
        let spent = self.families.iter().flatten().filter(|_| self.has_window).flat_map(|family| family.spent);
        let windows = spent.map(|spent| spent + WINDOW + 1);
        let codes = self.codes.iter().flatten().filter(|code| matches!(code.status, Status::Open | Status::Approved));
        let codes = codes.flat_map(|code| [code.expires, code.polled + code.interval]);
        windows.chain(codes).filter(|moment| *moment > 0).min()
    }

    /// Time has passed. What can no longer be told apart is made the same.
    pub(super) fn later(&mut self, span: Span) {
        let has_window = self.has_window;
        for family in self.families.iter_mut().flatten() {
            family.spent = family.spent.map(|spent| {
                let spent = spent - span;
                if has_window && -spent <= WINDOW { spent } else { PAST }
            });
        }
        for code in self.codes.iter_mut().flatten() {
            code.expires = (code.expires - span).max(0);
            let polled = code.polled - span;
            code.polled = if -polled < code.interval { polled } else { PAST };
            if code.expires == 0 {
                // Nobody can approve it any more, and whatever it was it brings nothing in.
                code.polled = PAST;
            }
        }
    }
}
