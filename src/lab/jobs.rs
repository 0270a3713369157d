//! The machines that ship, each with a number for every state it can be in, and its steps, each taken once: a machine's
//! step hangs on nothing but its state and what it is told.

use std::rc::Rc;

use super::quick::Map;
use super::records::{Records, move_pending, move_record, settle, settle_pending};
use super::spelling::{NOW, code, got, name, named, spelt};
use super::world::{JobId, Message, Name, RecordId, Reply, Role, Span};
use crate::config::{Config, file};
use crate::error::{Error, Kind};
use crate::human::Presence;
use crate::machine::{Aside, Call, Effect, Got, Machine, Outcome, Role as Showing, Setting};
use crate::model::{Ask, Destination, Endpoints, ParentId, Profile, SecretBy, Slot, Want};
use crate::secret::Secret;
use crate::store::Record;

/// Milliseconds of a pause after which a living token is not waited with any longer.
pub(super) const LONG_PAUSE: u64 = 1_100;

/// What a machine is told, small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Done,
    Busy,
    Record(RecordId),
    Locked(RecordId),
    Reply(Message, Reply),
    /// Milliseconds.
    Waited(u64),
    Terminal(bool),
    Person(Presence),
    Failed,
}

/// What a machine wants done, small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    Peek,
    TryLock,
    Reread,
    Reserve,
    Save(RecordId),
    TryLogin,
    Send(Message),
    Pause { for_login: bool, is_watching: bool },
    Sleep(Span),
    FindTerminal,
    FindPerson,
    End(Ending),
}

/// How an ask ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Token(Name),
    Code(u8),
    Nothing,
    Failed(Kind),
}

/// What a step does first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct First {
    pub(super) unlocks: bool,
    pub(super) leaves_login: bool,
    /// The code it shows, and whether as the one who began it.
    pub(super) shows: Option<(u8, bool)>,
    pub(super) tells_signed_in: bool,
}

/// A machine and what it wants done.
pub(super) struct Job {
    pub(super) machine: Machine,
    pub(super) effect: Effect,
    pub(super) doing: Doing,
}

/// All machines there ever were.
pub(super) struct Jobs {
    pub(super) records: Records,
    pub(super) places: Rc<Places>,
    all: Vec<Job>,
    ids: Map<(Machine, Effect), JobId>,
    steps: Map<(JobId, Key), (JobId, First)>,
    moved: Map<(JobId, Span), JobId>,
}

/// Whom the machines sign in to.
pub(super) struct Places {
    pub(super) config: Config,
    pub(super) endpoints: Endpoints,
}

impl Places {
    /// `text`: a configuration of one profile.
    pub(super) fn new(text: &str) -> Self {
        let config = file::parse(text, "config.toml".as_ref()).unwrap_or_else(|error| panic!("{error}"));
        let endpoints = Endpoints {
            device_authorization: "https://a.dev/device".to_owned(),
            token: "https://a.dev/token".to_owned(),
            revocation: None,
            session_logout: None,
            secret_by: SecretBy::Basic,
            code_challenge_s256: false,
        };
        Self { config, endpoints }
    }

    pub(super) fn profile(&self) -> &Profile {
        &self.config.profiles[0]
    }

    /// Where a slot's token goes.
    fn destination(&self, slot: &Slot) -> &Destination {
        let of_hosts = self.profile().hosts.iter().map(|(_, destination)| destination);
        of_hosts.into_iter().find(|destination| destination.slot == *slot).unwrap_or(&self.profile().plain)
    }

    /// What a machine for that slot goes by.
    pub(super) fn setting(&self, slot: &Slot) -> Setting<'_> {
        let destination = self.destination(slot);
        Setting { profile: self.profile(), endpoints: &self.endpoints, destination, place: "git.a.dev" }
    }

    /// A record as a worker's first look under the lock makes it.
    pub(super) fn owned(&self, mut record: Record) -> Record {
        record.belongs_to(self.profile(), &self.endpoints.token);
        record
    }

    /// The slot of a place of its own.
    fn other_slot(&self) -> Slot {
        let slots = self.profile().hosts.iter().map(|(_, destination)| &destination.slot);
        slots.into_iter().find(|slot| **slot != Slot::default()).cloned().unwrap_or_default()
    }

    /// What a worker of that role asks for.
    pub(super) fn ask(&self, role: Role) -> Ask {
        let first = || Some(Secret::new(spelt(Name { family: 0, generation: 0 }, "at")).fingerprint());
        let plain = Ask::default();
        match role {
            Role::Get | Role::Headless | Role::Away | Role::Agent => plain,
            Role::Other => Ask { slot: self.other_slot(), ..plain },
            Role::Heal => Ask { refused: first(), ..plain },
            Role::Suspect => Ask { suspected: first(), parent: Some(ParentId::new(7, "1")), ..plain },
            Role::Login => Ask { want: Want::SignIn, ..plain },
            Role::Start => Ask { want: Want::Code, ..plain },
            Role::Refusal => Ask { want: Want::Refusal, refused: first(), ..plain },
            Role::SignOut => Ask { want: Want::SignOut, ..plain },
        }
    }
}

impl Role {
    pub(super) fn has_terminal(self) -> bool {
        !matches!(self, Self::Headless | Self::Agent)
    }

    /// Who is there to be asked.
    pub(super) fn presence(self) -> Presence {
        match self {
            Self::Headless => Presence::Away("no terminal"),
            Self::Away => Presence::Away("nobody is here"),
            Self::Agent => Presence::Relayed,
            _ => Presence::Here,
        }
    }

    /// Whether a code that it is shown reaches a person.
    pub(super) fn is_seen(self) -> bool {
        !matches!(self.presence(), Presence::Away(_))
    }
}

impl Jobs {
    pub(super) fn new(places: Places) -> Self {
        Self {
            records: Records::new(),
            places: Rc::new(places),
            all: Vec::new(),
            ids: Map::default(),
            steps: Map::default(),
            moved: Map::default(),
        }
    }

    pub(super) fn job(&self, id: JobId) -> &Job {
        &self.all[id as usize]
    }

    /// A worker's machine as it begins.
    pub(super) fn begin(&mut self, role: Role) -> JobId {
        let (machine, effect) = Machine::begin(self.places.ask(role));
        self.id(machine, effect)
    }

    /// The step of a machine that is told something, with what it does first.
    pub(super) fn step(&mut self, id: JobId, key: Key) -> (JobId, First) {
        if let Some(known) = self.steps.get(&(id, key)) {
            return *known;
        }
        let got = self.got(id, key);
        let machine = self.job(id).machine.clone();
        let slot = machine.ask().slot.clone();
        let (machine, asides, effect) = machine.step(got, &self.places.setting(&slot), NOW);
        let first = first(&asides);
        let made = (self.id(machine, effect), first);
        self.steps.insert((id, key), made);
        made
    }

    /// What a machine is told.
    pub(super) fn got(&self, id: JobId, key: Key) -> Got {
        let record = |id| self.records.record(id).cloned().map(Box::new);
        match key {
            Key::Done => Got::Done,
            Key::Busy => Got::Busy,
            Key::Record(id) => Got::Record(record(id)),
            Key::Locked(id) => Got::Locked { record: record(id).unwrap_or_default(), set_aside: None },
            Key::Reply(message, reply) => got(message, reply, &self.started_slot(id)),
            Key::Waited(millis) => Got::Waited(std::time::Duration::from_millis(millis)),
            Key::Terminal(has) => Got::Terminal(has),
            Key::Person(presence) => Got::Presence(presence),
            Key::Failed => Got::Failed(Error::new(Kind::Broken, "the disk is full")),
        }
    }

    /// The slot that a job's code is asked for.
    fn started_slot(&self, id: JobId) -> Slot {
        match &self.job(id).effect {
            Effect::Send(Call::Start { slot, .. }) => slot.clone(),
            _ => Slot::default(),
        }
    }

    /// A job when so many seconds have passed.
    pub(super) fn later(&mut self, id: JobId, span: Span) -> JobId {
        if let Some(known) = self.moved.get(&(id, span)) {
            return *known;
        }
        let Job { machine, effect, .. } = self.job(id);
        let (mut machine, mut effect) = (machine.clone(), effect.clone());
        let record = |record: &mut Record| move_record(record, span);
        machine.touch(record, |pending| move_pending(pending, span.into()));
        effect.touch(record, |pending| move_pending(pending, span.into()));
        let made = self.id(machine, effect);
        self.moved.insert((id, span), made);
        made
    }

    fn id(&mut self, mut machine: Machine, mut effect: Effect) -> JobId {
        machine.touch(settle, settle_pending);
        effect.touch(settle, settle_pending);
        if let Effect::Sleep { expires_at, .. } = &mut effect {
            // It is only shown.
            *expires_at = NOW;
        }
        let key = (machine, effect);
        if let Some(id) = self.ids.get(&key) {
            return *id;
        }
        let id = JobId::try_from(self.all.len()).expect("fewer");
        let (machine, effect) = key.clone();
        let doing = self.doing(&machine, &effect);
        self.all.push(Job { machine, effect, doing });
        self.ids.insert(key, id);
        id
    }

    fn doing(&mut self, machine: &Machine, effect: &Effect) -> Doing {
        match effect {
            Effect::Peek => Doing::Peek,
            Effect::TryLock => Doing::TryLock,
            Effect::Reread => Doing::Reread,
            Effect::Reserve => Doing::Reserve,
            Effect::Save(record) => Doing::Save(self.records.id((**record).clone())),
            Effect::TryLogin => Doing::TryLogin,
            Effect::Send(Call::Refresh { refresh_token, .. }) => Doing::Send(Message::Refresh(name(refresh_token))),
            Effect::Send(Call::Start { .. }) => Doing::Send(Message::Start),
            Effect::Send(Call::Poll(pending)) => Doing::Send(Message::Poll(code(pending))),
            Effect::SignOut(_) => unreachable!("one person signs in, whom the provider does not name"),
            Effect::Pause => {
                Doing::Pause { for_login: machine.is_pausing_for_login(), is_watching: machine.is_watching() }
            }
            Effect::Sleep { seconds, .. } => Doing::Sleep(Span::try_from(*seconds).expect("a minute at most")),
            Effect::FindTerminal => Doing::FindTerminal,
            Effect::FindPerson => Doing::FindPerson,
            Effect::End(outcome) => Doing::End(match outcome {
                Outcome::Token(token) => Ending::Token(named(token)),
                Outcome::Code(pending) => Ending::Code(code(pending)),
                Outcome::Nothing => Ending::Nothing,
                Outcome::Failed(error) => Ending::Failed(error.kind),
            }),
        }
    }
}

fn first(asides: &[Aside]) -> First {
    let mut first = First::default();
    for aside in asides {
        match aside {
            Aside::Unlock => first.unlocks = true,
            Aside::LeaveLogin => first.leaves_login = true,
            Aside::Show(pending, role) => first.shows = Some((code(pending), *role == Showing::Starting)),
            Aside::SignedIn { user_code, .. } => first.tells_signed_in |= user_code.is_some(),
            Aside::Used | Aside::Remaining { .. } | Aside::Say(_) => {}
        }
    }
    first
}
