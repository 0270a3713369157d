//! What a state of the world is: the record on disk, three callers, the provider, what is still on the wire, and how much
//! may yet go wrong. Small and comparable, so that a state that was seen before is known again.

use super::provider::Provider;
use super::records::RecordId;

/// How many callers there are.
pub(super) const CALLERS: usize = 3;

/// Seconds from now; the past is negative.
pub(super) type Span = i16;

/// One of the provider's tokens: which sign-in began its family, and how many refreshes ago. An access token is called as
/// the refresh token that came with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) family: u8,
    pub(super) generation: u8,
}

/// Which command a caller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Role {
    /// git or docker with a person before it.
    Get,
    /// The same without a terminal.
    Headless,
    /// A destination with a slot of its own.
    Other,
    /// A client whose server refused the token that the scenario began with.
    Heal,
    /// kubectl, which asks again for that token.
    Suspect,
    /// `keyfob login`.
    Login,
    /// `keyfob login --start`.
    Start,
}

/// What a caller asks of the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Message {
    Refresh(Name),
    Poll(u8),
    Start,
}

/// What comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Reply {
    Granted(Name),
    InvalidGrant,
    /// A failure that says nothing, or that asks for patience.
    Transient {
        patience: bool,
    },
    Pending,
    SlowDown,
    Denied,
    Expired,
    Started(u8),
}

/// What a caller does next. A move of the caller takes it from one to the next; the names are those of the broker's
/// functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Step {
    /// `obtain`: the first look, without a lock.
    Peek,
    /// `obtain`: the look after a redemption was tried.
    PeekAgain,
    /// `obtain`: take the record's lock, read again, decide.
    Lock { waited: bool },
    /// `mark_refused`: save.
    MarkSave,
    /// `refresh`: send the refresh token.
    Send,
    /// A request is on its way to the provider.
    Wire(Message),
    /// The provider has answered: for anything but a refresh, take the record's lock for what it says.
    Answered(Message, Reply),
    /// `renewed`: save, then answer.
    RenewedSave,
    /// `refused`: save the retirement.
    RefusedSave,
    /// `or_living`: save the failure.
    FailedSave,
    /// `lock_login`: try for the login lock, or show the code of its holder.
    LoginLock,
    /// `turn`: take the record's lock, read again, decide.
    Turn { waited: bool },
    /// `turn`: save the next poll's time.
    TurnSave,
    /// `start`: ask for a code.
    StartSend,
    /// `start`: save.
    StartSave { began: bool },
    /// `poll`: ask.
    PollSend,
    /// `poll`: save that there is to be another; or that the sign-in is over.
    PollSave { over: bool },
    /// `approved`: save.
    ApprovedSave,
    /// `sign_in`: wait that long for the next poll.
    Sleep(Span),
    /// `ended_without_approval`: take the record's lock.
    EndLock,
    /// `ended_without_approval`: save.
    EndSave,
    /// `redeem`: try for the login lock.
    RedeemLogin,
    /// `redeem`: take the record's lock.
    RedeemLock,
    /// `redeem`: save the next poll's time.
    RedeemSave,
    /// `start_only`: try for the login lock.
    OnlyLogin,
    /// `start_only`: take the record's lock.
    OnlyLock { started: bool },
    /// `start_only`: save.
    OnlySave,
    /// It has ended, or is dead.
    Gone,
}

/// One caller.
#[expect(clippy::struct_excessive_bools, reason = "the broker's own, each of its own meaning")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Caller {
    pub(super) step: Step,
    pub(super) role: Role,
    /// [`crate::session::Request`]'s.
    pub(super) seen: u8,
    /// [`crate::session::Request`]'s.
    pub(super) asked: bool,
    /// The code that `sign_in` has shown.
    pub(super) shown: Option<u8>,
    /// Whether `sign_in` has polled.
    pub(super) polled: bool,
    /// Whether the poll is `redeem`'s.
    pub(super) redeems: bool,
    /// Whether it holds the login lock.
    pub(super) has_login: bool,
    /// The record in its hand, which is as much as holding the record's lock.
    pub(super) guard: Option<RecordId>,
    /// The pending login of its own stack, in a record of its own.
    pub(super) mine: Option<RecordId>,
    /// Whether a token lived when the refresh began.
    pub(super) lives: bool,
    /// The last refresh token it sent, and how often.
    pub(super) sent: Option<(Name, u8)>,
}

impl Caller {
    pub(super) fn new(role: Role) -> Self {
        Self {
            step: if role == Role::Start { Step::OnlyLogin } else { Step::Peek },
            role,
            seen: 0,
            asked: false,
            shown: None,
            polled: false,
            redeems: false,
            has_login: false,
            guard: None,
            mine: None,
            lives: false,
            sent: None,
        }
    }

    /// A caller of which nothing is left: its locks are the kernel's again.
    pub(super) fn gone() -> Self {
        Self { step: Step::Gone, ..Self::new(Role::Get) }
    }

    /// Whether its death would make a difference. One that holds no lock and has nothing on the wire might as well never move
    /// again, which the walk has too.
    pub(super) fn would_be_missed(&self) -> bool {
        self.guard.is_some() || self.has_login || matches!(self.step, Step::Wire(_) | Step::Answered(..))
    }

    pub(super) fn is_gone(&self) -> bool {
        self.step == Step::Gone
    }

    /// Nobody to ask.
    pub(super) fn is_away(&self) -> bool {
        self.role == Role::Headless || self.redeems
    }
}

/// How much may still happen that nobody here decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Budget {
    pub(super) crashes: u8,
    /// The provider fails without doing anything.
    pub(super) failures: u8,
    /// An answer is lost on its way, or given up before the provider has read the request.
    pub(super) losses: u8,
    pub(super) approvals: u8,
    pub(super) denials: u8,
    /// Time passes though somebody could move: a process that was stopped, a slow network, a suspended machine.
    pub(super) stalls: u8,
}

/// A state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) disk: RecordId,
    pub(super) callers: [Caller; CALLERS],
    pub(super) provider: Provider,
    /// Requests on the wire whose callers are dead or have given them up.
    pub(super) strays: [Option<Message>; 4],
    pub(super) left: Budget,
}

impl World {
    /// Whether nobody holds the record's lock.
    pub(super) fn is_unlocked(&self) -> bool {
        self.callers.iter().all(|caller| caller.guard.is_none())
    }

    /// Whether nobody holds the login lock.
    pub(super) fn is_login_unlocked(&self) -> bool {
        self.callers.iter().all(|caller| !caller.has_login)
    }

    /// Whether a request has not reached the provider.
    pub(super) fn is_wire_busy(&self) -> bool {
        self.strays.iter().any(Option::is_some)
            || self.callers.iter().any(|caller| matches!(caller.step, Step::Wire(_)))
    }

    /// A request goes on without its caller.
    pub(super) fn leave_behind(&mut self, message: Message) {
        let free = self.strays.iter_mut().find(|stray| stray.is_none()).expect("fewer strays than crashes and losses");
        *free = Some(message);
    }

    /// Callers and strays have no order: what differs in it alone is one state.
    pub(super) fn sorted(mut self) -> Self {
        self.callers.sort_unstable();
        self.strays.sort_unstable();
        self
    }
}
