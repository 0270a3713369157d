//! What a state of the world is: the record on disk, three workers, the provider, what is still on the wire, and how much
//! may yet go wrong. Small and comparable, so that a state that was seen before is known again.

use super::provider::Provider;

/// How many workers there are.
pub(super) const WORKERS: usize = 3;

/// Seconds from now; the past is negative.
pub(super) type Span = i16;

/// The number of a record; 0 is none.
pub(super) type RecordId = u32;

/// The number of a machine together with the effect it waits for.
pub(super) type JobId = u32;

/// One of the provider's tokens: which sign-in began its family, and how many refreshes ago. An access token is called as
/// the refresh token that came with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) family: u8,
    pub(super) generation: u8,
}

/// Which command a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Role {
    /// git or docker with a person before it.
    Get,
    /// The same without a terminal, and so without a person (CI).
    Headless,
    /// A terminal, and nobody who may be asked (a script that captures it).
    Away,
    /// git run by an agent, which captures what it says: it begins a sign-in, tells of it and leaves.
    Agent,
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
    /// git reports that the server refused that token.
    Refusal,
    /// `docker logout`.
    SignOut,
}

/// What is asked of the provider.
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
    /// No answer.
    Nothing,
    /// No connection: nothing was sent.
    Unsent,
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

/// How far a worker's effect is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Phase {
    /// It is to be done.
    Ready,
    /// A request is on its way to the provider.
    Wire(Message),
    /// The provider has answered.
    Answered(Message, Reply),
    /// It waits for so many seconds more.
    Resting(Span),
    /// It has ended, or is dead.
    Gone,
}

/// One process.
#[expect(clippy::struct_excessive_bools, reason = "each of its own meaning")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Worker {
    pub(super) job: JobId,
    pub(super) role: Role,
    pub(super) phase: Phase,
    /// Which record's lock file it holds the lock of.
    pub(super) lock: Option<u8>,
    /// Which login lock file.
    pub(super) login: Option<u8>,
    /// It has seen the record as it is now, and not found what it came for.
    pub(super) is_current: bool,
    /// It has read the record as it is now.
    pub(super) knows: bool,
    /// The seconds that have passed in its pause.
    pub(super) rested: Span,
    /// Stopped (SIGSTOP), perhaps for ever.
    pub(super) is_stopped: bool,
    /// For the properties: the last refresh token it sent, and how often.
    pub(super) sent: Option<(Name, u8)>,
    /// For the properties: that came to no connection.
    pub(super) was_unsent: bool,
    /// For the properties: the code that stands before its person.
    pub(super) shown: Option<u8>,
    /// An agent that has told of a code it got itself, and has nothing more to wait for.
    pub(super) has_begun: bool,
    /// For the properties: a renewal failed, and that is to be on the disk when it ends.
    pub(super) has_failed: bool,
    /// For the properties: the family whose newest token it alone has.
    pub(super) bears: Option<u8>,
    /// For the properties: an answer came that no save has followed.
    pub(super) is_excused: bool,
}

impl Worker {
    /// A process of which nothing is left: its locks are the kernel's again.
    pub(super) fn gone() -> Self {
        Self { phase: Phase::Gone, ..Self::new(0, Role::Get) }
    }

    pub(super) fn new(job: JobId, role: Role) -> Self {
        Self {
            job,
            role,
            phase: Phase::Ready,
            lock: None,
            login: None,
            is_current: false,
            knows: false,
            rested: 0,
            is_stopped: false,
            sent: None,
            was_unsent: false,
            shown: None,
            has_begun: false,
            has_failed: false,
            bears: None,
            is_excused: false,
        }
    }

    pub(super) fn is_gone(&self) -> bool {
        self.phase == Phase::Gone
    }

    /// Whether its death would make a difference. One that holds no lock and has nothing on the wire might as well never move
    /// again, which the walk has too.
    pub(super) fn would_be_missed(&self) -> bool {
        self.lock.is_some() || self.login.is_some() || matches!(self.phase, Phase::Wire(_) | Phase::Answered(..))
    }
}

/// What may go wrong on a path: each kind as often as it says, and all together as often as `all` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Budget {
    pub(super) all: u8,
    pub(super) crashes: u8,
    /// The provider fails without doing anything.
    pub(super) failures: u8,
    /// An answer is lost on its way, or given up before the provider has read the request.
    pub(super) losses: u8,
    /// Time passes though somebody could move or something is on the wire: an answer that is late, a suspended machine.
    pub(super) delays: u8,
    /// A process is stopped, and perhaps goes on later.
    pub(super) stops: u8,
    /// The clock jumps.
    pub(super) jumps: u8,
    /// A lock file is removed while its lock is held.
    pub(super) removals: u8,
    /// A save is refused: the disk is full.
    pub(super) refusals: u8,
    pub(super) approvals: u8,
    pub(super) denials: u8,
}

/// A state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) disk: RecordId,
    pub(super) workers: [Worker; WORKERS],
    pub(super) provider: Provider,
    /// Requests on the wire whose workers are dead or have given them up.
    pub(super) strays: [Option<Message>; 3],
    /// Which lock files are there now.
    pub(super) lock_file: u8,
    pub(super) login_file: u8,
    pub(super) left: Budget,
    /// What has happened that excuses what must not happen without.
    pub(super) past: Past,
}

/// The accidents of a path after which less can be promised.
#[expect(clippy::struct_excessive_bools, reason = "each of its own meaning")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Past {
    pub(super) jumped: bool,
    pub(super) unlocked: bool,
    pub(super) unsaved: bool,
    pub(super) delayed: bool,
    /// A request outlived whoever sent it.
    pub(super) strayed: bool,
}

impl World {
    /// Whether nobody holds the lock that is there now.
    pub(super) fn is_unlocked(&self) -> bool {
        self.workers.iter().all(|worker| worker.lock != Some(self.lock_file))
    }

    /// The same for the login lock.
    pub(super) fn is_login_unlocked(&self) -> bool {
        self.workers.iter().all(|worker| worker.login != Some(self.login_file))
    }

    /// Whether a request has not reached the provider.
    pub(super) fn is_wire_busy(&self) -> bool {
        self.strays.iter().any(Option::is_some)
            || self.workers.iter().any(|worker| matches!(worker.phase, Phase::Wire(_)))
    }

    /// A request goes on without its worker.
    pub(super) fn leave_behind(&mut self, message: Message) {
        let free = self.strays.iter_mut().find(|stray| stray.is_none()).expect("fewer strays than crashes and losses");
        *free = Some(message);
    }

    /// Workers and strays have no order: what differs in it alone is one state.
    pub(super) fn sorted(mut self) -> Self {
        self.workers.sort_unstable();
        self.strays.sort_unstable();
        self
    }
}

impl Budget {
    /// No accident, and so many answers of people.
    pub(super) fn of_people(approvals: u8, denials: u8) -> Self {
        let none = 0;
        Self {
            all: none,
            crashes: none,
            failures: none,
            losses: none,
            delays: none,
            stops: none,
            jumps: none,
            removals: none,
            refusals: none,
            approvals,
            denials,
        }
    }

    /// One accident of each kind, and at most `all` of them on a path.
    pub(super) fn of_each(all: u8, approvals: u8, denials: u8) -> Self {
        Self {
            all,
            crashes: 1,
            failures: 1,
            losses: 1,
            delays: 1,
            stops: 1,
            jumps: 1,
            removals: 1,
            refusals: 1,
            approvals,
            denials,
        }
    }
}
