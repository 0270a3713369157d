//! What may happen next in a state, by itself or by accident, and what must not come of it.

use std::collections::BTreeMap;

use super::jobs::{Doing, Ending, First, Jobs, Key, LONG_PAUSE};
use super::provider::{Noticed, Status};
use super::records::Held;
use super::world::{Message, Name, Past, Phase, RecordId, Reply, Role, Span, WORKERS, Worker, World};
use crate::error::Kind;
use crate::human::Presence;
use crate::model::Want;

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// A worker's effect is done, and it takes its step.
    Act(usize),
    /// A worker has paused longer than a living token need wait.
    Tire(usize),
    /// A worker's save, or its reservation, is refused.
    Refuse(usize),
    Crash(usize),
    Stop(usize),
    Continue(usize),
    /// The provider reads a worker's request, or one whose worker is gone.
    Process(usize),
    ProcessStray(usize),
    /// The provider fails without doing anything, or cannot be connected to.
    Failure(usize, Reply),
    /// An answer is lost.
    Loss(usize),
    Approve(u8),
    Deny(u8),
    /// The lock file of the record, or of the login, is removed.
    Remove {
        of_login: bool,
    },
    /// The clock jumps by so many seconds.
    Jump(Span),
    /// Time passes until something is judged otherwise.
    Later(Span),
}

impl Move {
    /// Whether it happens by itself: neither anybody's wish nor an accident.
    pub(super) fn is_due(self) -> bool {
        matches!(self, Self::Act(_) | Self::Tire(_) | Self::Process(_) | Self::ProcessStray(_) | Self::Later(_))
    }

    /// Whose it is.
    pub(super) fn worker(self) -> Option<usize> {
        match self {
            Self::Act(i)
            | Self::Tire(i)
            | Self::Refuse(i)
            | Self::Crash(i)
            | Self::Stop(i)
            | Self::Continue(i)
            | Self::Process(i)
            | Self::Failure(i, _)
            | Self::Loss(i) => Some(i),
            _ => None,
        }
    }
}

/// How far a clock jumps: far enough for every token to end, and back by as much.
const JUMPS: [Span; 2] = [400, -400];
/// Seconds that an agent's caller waits at most until it may look once whether somebody has approved.
const LONGEST_LOOK: Span = 10;
/// What is counted when a caller gets what it came for.
pub(super) const PRINTED: &str = "a token printed";

/// Moves the world, watches what must hold on the way, and counts what happens.
pub(super) struct Mover {
    pub(super) jobs: Jobs,
    pub(super) wrong: Option<String>,
    pub(super) tally: BTreeMap<&'static str, usize>,
}

impl Mover {
    pub(super) fn new(jobs: Jobs) -> Self {
        Self { jobs, wrong: None, tally: BTreeMap::new() }
    }

    pub(super) fn note(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    fn fault(&mut self, what: impl Into<String>) {
        self.wrong.get_or_insert(what.into());
    }

    /// A worker as it begins.
    pub(super) fn worker(&mut self, role: Role) -> Worker {
        Worker::new(self.jobs.begin(role), role)
    }

    /// Every state that follows; workers keep their places.
    pub(super) fn moves(&mut self, world: &World) -> Vec<(Move, World)> {
        let mut found = Vec::with_capacity(16);
        let left = world.left;
        for i in 0..WORKERS {
            let worker = &world.workers[i];
            // Those who are alike have the same moves.
            if worker.is_gone() || (i > 0 && world.workers[i - 1] == *worker) {
                continue;
            }
            if worker.is_stopped {
                let mut after = *world;
                after.workers[i].is_stopped = false;
                found.push((Move::Continue(i), after));
            } else {
                found.extend(self.acts(world, i));
                if left.all > 0 && left.stops > 0 && worker.would_be_missed() {
                    self.note("a process stopped");
                    let mut after = spend(world, |left| &mut left.stops);
                    after.workers[i].is_stopped = true;
                    // What it does later comes late.
                    after.past.delayed = true;
                    found.push((Move::Stop(i), after));
                }
            }
            if left.all > 0 && left.crashes > 0 && worker.would_be_missed() {
                found.push((Move::Crash(i), self.crash(world, i)));
            }
            if let Phase::Wire(message) = worker.phase {
                found.push((Move::Process(i), self.process(world, i, message)));
                if left.all > 0 && left.failures > 0 {
                    let fails = |patience| Reply::Transient { patience };
                    let kinds = [Reply::Unsent, fails(false), fails(true)];
                    let kinds = if matches!(message, Message::Refresh(_)) { &kinds[..] } else { &kinds[1..2] };
                    for reply in kinds {
                        self.note("the provider failed");
                        let mut after = spend(world, |left| &mut left.failures);
                        after.workers[i].phase = Phase::Answered(message, *reply);
                        found.push((Move::Failure(i, *reply), after));
                    }
                }
            }
            if left.all > 0 && left.losses > 0 {
                found.extend(self.lose(world, i).map(|after| (Move::Loss(i), after)));
            }
        }
        for (i, stray) in world.strays.iter().enumerate() {
            if let Some(message) = stray {
                self.note("a request read whose sender was gone");
                let mut after = *world;
                after.strays[i] = None;
                let (_, noticed) = after.provider.process(*message, false);
                self.noticed(*message, noticed, after.past);
                found.push((Move::ProcessStray(i), after));
            }
        }
        Self::answers_of_people(world, &mut found);
        self.accidents(world, &mut found);
        found
    }

    fn answers_of_people(world: &World, found: &mut Vec<(Move, World)>) {
        for (i, code) in (0..).zip(&world.provider.codes) {
            if code.is_some_and(|code| code.shown && code.status == Status::Open && code.expires > 0) {
                if world.left.approvals > 0 {
                    let mut after = *world;
                    after.left.approvals -= 1;
                    after.provider.code(i).status = Status::Approved;
                    found.push((Move::Approve(i), after));
                }
                if world.left.denials > 0 {
                    let mut after = *world;
                    after.left.denials -= 1;
                    after.provider.code(i).status = Status::Denied;
                    found.push((Move::Deny(i), after));
                }
            }
        }
    }

    fn accidents(&mut self, world: &World, found: &mut Vec<(Move, World)>) {
        let left = world.left;
        if world.workers.iter().all(Worker::is_gone) {
            return;
        }
        if left.all > 0 && left.removals > 0 {
            for of_login in [false, true] {
                let is_free = if of_login { world.is_login_unlocked() } else { world.is_unlocked() };
                if !is_free {
                    self.note("a lock file removed");
                    let mut after = spend(world, |left| &mut left.removals);
                    after.past.unlocked = true;
                    if of_login {
                        after.login_file += 1;
                    } else {
                        after.lock_file += 1;
                    }
                    found.push((Move::Remove { of_login }, after));
                }
            }
        }
        if left.all > 0 && left.jumps > 0 && world.disk > 0 {
            for span in JUMPS {
                self.note("the clock jumped");
                let mut after = spend(world, |left| &mut left.jumps);
                after.past.jumped = true;
                self.move_clock(&mut after, span);
                found.push((Move::Jump(span), after));
            }
        }
        let is_free = !world.is_wire_busy() && !found.iter().any(|(step, _)| step.is_due());
        if is_free || (left.all > 0 && left.delays > 0) {
            found.extend(self.later(world).map(|(step, after)| {
                if is_free {
                    return (step, after);
                }
                let mut after = spend(&after, |left| &mut left.delays);
                after.past.delayed = true;
                (step, after)
            }));
        }
    }

    /// What a worker can do now.
    fn acts(&mut self, world: &World, i: usize) -> Vec<(Move, World)> {
        let worker = world.workers[i];
        let doing = self.jobs.job(worker.job).doing;
        let mut found = Vec::new();
        if let Some(key) = self.key(world, i) {
            found.push((Move::Act(i), self.act(world, i, key)));
        }
        if matches!(doing, Doing::Reserve | Doing::Save(_)) && world.left.all > 0 && world.left.refusals > 0 {
            self.note("a save refused");
            let mut after = spend(world, |left| &mut left.refusals);
            after.past.unsaved = true;
            found.push((Move::Refuse(i), self.act(&after, i, Key::Failed)));
        }
        if doing == (Doing::Pause { for_login: false, is_watching: true })
            && !self.jobs.job(worker.job).machine.has_waited()
        {
            found.push((Move::Tire(i), self.act(world, i, Key::Waited(LONG_PAUSE))));
        }
        found
    }

    /// What a worker's effect comes to if it is done now, where that can be.
    pub(super) fn key(&self, world: &World, i: usize) -> Option<Key> {
        let worker = &world.workers[i];
        match worker.phase {
            Phase::Wire(_) | Phase::Gone => return None,
            Phase::Resting(left) if left > 0 => return None,
            Phase::Answered(message, reply) => return Some(Key::Reply(message, reply)),
            Phase::Resting(_) | Phase::Ready => {}
        }
        Some(match self.jobs.job(worker.job).doing {
            Doing::Peek | Doing::Reread => Key::Record(world.disk),
            Doing::TryLock if world.is_unlocked() => Key::Locked(world.disk),
            Doing::TryLogin if world.is_login_unlocked() => Key::Done,
            Doing::TryLock | Doing::TryLogin => Key::Busy,
            Doing::Reserve | Doing::Save(_) | Doing::Send(_) => Key::Done,
            Doing::Sleep(seconds) => Key::Waited(1_000 * u64::from(seconds.unsigned_abs())),
            Doing::Pause { for_login, is_watching } => {
                let is_free = if for_login { world.is_login_unlocked() } else { world.is_unlocked() };
                let is_over = u64::from(worker.rested.unsigned_abs()) >= self.jobs.job(worker.job).machine.patience();
                // One that sees no change goes on waiting.
                if !is_free && !is_over && (worker.is_current || !is_watching) {
                    return None;
                }
                Key::Waited(if is_over { 1_000 * u64::from(worker.rested.unsigned_abs()) } else { 0 })
            }
            Doing::FindTerminal => Key::Terminal(worker.role.has_terminal()),
            Doing::FindPerson => Key::Person(worker.role.presence()),
            Doing::End(_) => unreachable!("it is gone"),
        })
    }

    /// A worker's effect comes to that.
    fn act(&mut self, world: &World, i: usize, key: Key) -> World {
        let mut after = *world;
        let job = after.workers[i].job;
        match (self.jobs.job(job).doing, key) {
            // A request is sent; what comes of it comes later.
            (Doing::Send(message), Key::Done) => {
                self.sends(&after, i, message);
                let worker = &mut after.workers[i];
                worker.phase = Phase::Wire(message);
                if let Message::Refresh(name) = message {
                    let times = if let Some((sent, times)) = worker.sent
                        && sent == name
                    {
                        times + 1
                    } else {
                        1
                    };
                    worker.sent = Some((name, times));
                    let was_unsent = std::mem::take(&mut worker.was_unsent);
                    if times > 1 && !was_unsent && !world.provider.has_window {
                        self.fault("a caller sends a refresh token again that may have been spent");
                    }
                    if times > 2 {
                        self.fault("one caller sent a refresh token three times");
                    } else if times > 1 {
                        self.note("a refresh token sent once more");
                    }
                }
                return after;
            }
            (Doing::Save(record), Key::Done) => {
                self.saves(world, i, record);
                after.disk = record;
                for worker in &mut after.workers {
                    worker.is_current &= record == world.disk;
                    worker.knows &= record == world.disk;
                }
                after.workers[i].bears = None;
            }
            (Doing::Save(_), _) => {
                if let Some(family) = after.workers[i].bears.take() {
                    after.provider.family(family).lost = true;
                }
                after.workers[i].is_excused = true;
            }
            (Doing::Peek, Key::Record(_)) => after.workers[i].is_current = true,
            (Doing::Reread, Key::Record(_)) => after.workers[i].knows = true,
            (Doing::TryLock, Key::Locked(_)) => {
                after.workers[i].lock = Some(after.lock_file);
                after.workers[i].knows = true;
            }
            (Doing::TryLogin, Key::Done) => after.workers[i].login = Some(after.login_file),
            (Doing::Send(_), Key::Reply(message, reply)) => self.answered(&mut after, i, message, reply),
            _ => {}
        }
        after.workers[i].rested = 0;
        self.step(&mut after, i, key);
        // What is nobody else's business is done at once.
        while after.workers[i].phase == Phase::Ready
            && matches!(self.jobs.job(after.workers[i].job).doing, Doing::FindTerminal | Doing::FindPerson)
        {
            let key = self.key(&after, i).expect("it can be done");
            self.step(&mut after, i, key);
        }
        after
    }

    fn step(&mut self, after: &mut World, i: usize, key: Key) {
        let before = after.workers[i].job;
        let was_overdue = self.jobs.job(before).machine.is_overdue();
        let (job, first) = self.jobs.step(before, key);
        if self.jobs.job(job).machine.steps_over() && !self.jobs.job(before).machine.steps_over() {
            self.note("a holder that does nothing stepped over");
            // Neither stopped nor late nor fooled by its clock, it would have polled.
            if !after.past.delayed && !after.past.jumped && !after.past.unlocked && !after.past.unsaved {
                self.fault("a holder that is well is stepped over");
            }
        }
        let worker = &mut after.workers[i];
        worker.job = job;
        worker.phase = Phase::Ready;
        worker.is_current &= matches!(self.jobs.job(job).doing, Doing::TryLock | Doing::TryLogin | Doing::Pause { .. });
        self.first(after, i, first);
        match self.jobs.job(job).doing {
            Doing::Sleep(seconds) => {
                if after.workers[i].lock.is_some() {
                    self.fault("a caller sleeps with the record's lock in hand");
                }
                if after.workers[i].role == Role::Agent {
                    if after.workers[i].has_begun {
                        self.fault("an agent waits for the code that it has just begun");
                    }
                    if seconds > LONGEST_LOOK {
                        self.fault("an agent waits for a person");
                    }
                }
                after.workers[i].phase = Phase::Resting(seconds);
            }
            Doing::End(ending) => {
                self.ends(after, i, ending);
                after.workers[i] = Worker::gone();
            }
            _ if was_overdue && self.living(after, i).is_some() => {
                self.fault("a caller waits on beside a token that lives");
            }
            _ => {}
        }
    }

    /// What a step does first.
    fn first(&mut self, after: &mut World, i: usize, first: First) {
        if first.unlocks {
            after.workers[i].lock = None;
            after.workers[i].knows = false;
        }
        if first.leaves_login {
            after.workers[i].login = None;
        }
        let Some((code, is_new)) = first.shows else { return };
        let past = after.past;
        let worker = &mut after.workers[i];
        if !worker.role.is_seen() {
            self.fault("a code is shown though nobody is here");
        }
        if let Some(before) = worker.shown.filter(|before| *before != code)
            && is_new
            && !past.unlocked
            && !past.jumped
            && self.jobs.places.profile().keep_refresh_token
        {
            self.fault(format!("one caller asked its person twice: code {before} and then {code}"));
        }
        worker.shown = Some(code);
        worker.has_begun |= is_new && worker.role == Role::Agent;
        if !is_new {
            self.note("another's code shown");
        }
        after.provider.code(code).shown = true;
    }

    /// What must hold when a request is sent.
    fn sends(&mut self, world: &World, i: usize, message: Message) {
        let worker = &world.workers[i];
        match message {
            Message::Refresh(_) => {
                if worker.lock.is_none() {
                    self.fault("a refresh token is sent without the record's lock");
                }
                if !self.jobs.places.profile().keep_refresh_token {
                    self.fault("a refresh token is sent that is not to be kept");
                }
                let first = Name { family: 0, generation: 0 };
                let ask = self.jobs.job(worker.job).machine.ask();
                let held = &self.jobs.records.facts(world.disk).tokens;
                if ask.refused.is_some()
                    && held.iter().any(|token| token.slot == ask.slot && token.name == first && !token.is_refused)
                    && !world.past.unsaved
                    // Another who is in at once may write over the mark.
                    && !world.past.unlocked
                {
                    self.fault("a token that was refused is not marked before another is asked for");
                }
                if worker.login.is_some() {
                    self.fault("a session is renewed with the login lock in hand");
                }
            }
            Message::Poll(_) | Message::Start => {
                if worker.lock.is_some() {
                    self.fault("a caller waits for the network with the record's lock in hand");
                }
                if worker.login.is_none() && !self.jobs.job(worker.job).machine.steps_over() {
                    self.fault("a sign-in goes on without the login lock");
                }
            }
        }
    }

    /// What must hold when a record is written.
    fn saves(&mut self, world: &World, i: usize, record: RecordId) {
        let worker = world.workers[i];
        if worker.lock.is_none() {
            self.fault("a record is written without its lock");
        }
        if world.past.unlocked && !worker.knows {
            return;
        }
        let (before, after) = (self.jobs.records.facts(world.disk).clone(), self.jobs.records.facts(record).clone());
        let keeps = self.jobs.places.profile().keep_refresh_token;
        if !keeps && after.refresh_token.is_some() {
            self.fault("a refresh token is written that is not to be kept");
        }
        if after.outcomes < before.outcomes || after.signed_in_outcome < before.signed_in_outcome {
            self.fault("outcomes are counted backwards");
        }
        if let Some(old) = before.refresh_token.filter(|_| keeps)
            && after.refresh_token != Some(old)
        {
            let is_over = world.provider.families[usize::from(old.family)].is_some_and(|family| family.revoked);
            let is_newer =
                after.refresh_token.is_some_and(|new| new.family != old.family || new.generation > old.generation);
            if !is_over && !is_newer {
                self.fault("a refresh token is dropped that nobody refused");
            }
        }
        if self.jobs.places.profile().preset.refresh_ends_earlier_tokens()
            && let Some(new) = after.refresh_token
            && after.tokens.iter().any(|token| {
                token.name.family == new.family && token.name.generation < new.generation && token.left > 0
            })
        {
            self.fault("a token is kept that the refresh has killed");
        }
        if let (Some(old), Some(new)) = (before.pending, after.pending)
            && old.code != new.code
            && old.is_live
            && world.provider.codes[usize::from(old.code)]
                .is_some_and(|code| code.shown && code.expires > 0 && code.status == Status::Open)
            && !world.past.jumped
        {
            self.fault("a sign-in that waits for a person is overwritten");
        }
        if after.failure.is_some_and(|(outcome, _)| outcome > before.outcomes) {
            self.note("a failure written down");
        }
    }

    /// An answer reaches its worker.
    fn answered(&mut self, after: &mut World, i: usize, message: Message, reply: Reply) {
        let worker = &mut after.workers[i];
        match (message, reply) {
            (_, Reply::Granted(name)) => {
                worker.bears = Some(name.family);
                worker.has_failed = false;
            }
            (Message::Refresh(name), Reply::InvalidGrant) => {
                self.note("a refusal received");
                worker.has_failed = false;
                after.provider.family(name.family).retired = true;
            }
            (Message::Refresh(_), _) => {
                worker.was_unsent = reply == Reply::Unsent;
                worker.has_failed = true;
                self.note("a refresh failed for now");
            }
            (Message::Start, Reply::Transient { .. } | Reply::Nothing) => self.note("no sign-in could be started"),
            (Message::Poll(_), Reply::Denied) => self.note("a sign-in denied"),
            (Message::Poll(_), Reply::Expired) => self.note("a code expired"),
            _ => {}
        }
    }

    /// The token that a worker might have from the disk, by words of our own.
    fn living(&self, world: &World, i: usize) -> Option<Held> {
        let ask = self.jobs.job(world.workers[i].job).machine.ask();
        let first = Name { family: 0, generation: 0 };
        let is_meant = |token: &&Held| {
            token.slot == ask.slot
                && !token.is_refused
                && token.left > 0
                && !token.is_of_the_future
                && !(ask.refused.is_some() && token.name == first)
        };
        let tokens = &self.jobs.records.facts(world.disk).tokens;
        tokens.iter().find(is_meant).cloned().filter(|_| ask.want == Want::Token)
    }

    /// What must hold when a worker ends.
    fn ends(&mut self, after: &mut World, i: usize, ending: Ending) {
        let worker = after.workers[i];
        let facts = self.jobs.records.facts(after.disk).clone();
        let ask = self.jobs.job(worker.job).machine.ask().clone();
        let is_free = worker.is_excused || after.past.unlocked;
        match ending {
            Ending::Token(name) => {
                self.note(PRINTED);
                let held = facts.tokens.iter().find(|token| token.name == name && token.slot == ask.slot);
                if ask.refused.is_some() && name == (Name { family: 0, generation: 0 }) {
                    self.fault("a token is printed that its server refused");
                }
                match held {
                    None if !is_free => self.fault("a token is printed that is not on the disk"),
                    Some(token) if token.is_refused && !is_free => {
                        self.fault("a token is printed that is marked as refused");
                    }
                    Some(token) if token.left <= 0 => self.fault("a token is printed that has ended"),
                    Some(token) => {
                        let has_reason = worker.sent.is_some()
                            || facts.refresh_token.is_none()
                            || !self.jobs.places.profile().keep_refresh_token
                            || facts.is_patient
                            || facts.is_being_renewed
                            || facts.failure.is_some()
                            || self.jobs.job(worker.job).machine.has_waited()
                            || after.past.unsaved
                            || is_free;
                        if token.left <= token.margin && !has_reason {
                            self.fault("a token in its margin is printed though it could be renewed");
                        }
                        if worker.sent.is_none() && worker.shown.is_none() {
                            self.note("a hit");
                        }
                    }
                    None => {}
                }
                if worker.shown.is_some() && worker.login.is_none() {
                    self.note("served while waiting for another's sign-in");
                }
            }
            Ending::Code(code) => {
                self.note("a code left for whoever comes next");
                // `keyfob login --start` shows it.
                after.provider.code(code).shown = true;
            }
            Ending::Nothing => self.note("nothing to do, or done"),
            Ending::Failed(kind) => {
                self.note("a reason given");
                if kind == Kind::HumanNeeded && worker.role.presence() == Presence::Here {
                    self.fault("a person is missed who is here");
                }
                if kind == Kind::HumanNeeded && worker.role == Role::Agent {
                    self.note("a person behind an agent told of a code");
                    if worker.shown.is_none() {
                        self.fault("an agent is refused and has no code to show");
                    }
                }
                if worker.sent.is_none() && worker.shown.is_none() && facts.failure.is_some() {
                    self.note("told of another's failure");
                }
                if worker.has_failed
                    && kind == Kind::Transient
                    && facts.failure.is_none()
                    && !is_free
                    && !facts.is_patient
                {
                    self.fault("a renewal failed, and nobody will know");
                }
                if let Some(token) = self.living(after, i)
                    && kind != Kind::Broken
                    && !is_free
                    && !after.past.delayed
                {
                    self.fault(format!("a caller fails beside a token that lives for {} s", token.left));
                }
            }
        }
        if let Some(family) = worker.bears {
            // Nobody will ever save it.
            after.provider.family(family).lost = true;
        }
        if worker.login.is_some() && after.workers.iter().any(|other| other.login.is_none() && !other.is_gone()) {
            self.note("a login lock given back at the end");
        }
    }

    /// The provider has read a request.
    fn noticed(&mut self, message: Message, noticed: Noticed, past: Past) {
        match noticed {
            Noticed::Nothing | Noticed::Dead => {}
            Noticed::Rotated => self.note("a refresh token rotated"),
            Noticed::Replayed => self.note("a replay answered with the same successor"),
            Noticed::Granted => self.note("a sign-in approved"),
            Noticed::SlowedDown => {
                self.note("slowed down");
                let is_excused = past.strayed || past.jumped || past.unlocked || past.unsaved || past.delayed;
                if !is_excused {
                    self.fault("a poll came too early");
                }
            }
            Noticed::Reused { excused } => {
                self.note("a family revoked for reuse");
                if !excused && !past.unlocked {
                    self.fault(format!("a refresh token is used again: {message:?}"));
                }
            }
            Noticed::PolledAgain { excused } => {
                self.note("a used code polled for again");
                // One that was stopped over the answer is polled for by another: nobody can know what it was.
                if !excused && !past.unlocked && !past.delayed {
                    self.fault(format!("a device code is used again: {message:?}"));
                }
            }
        }
    }

    /// The provider reads the request of a worker that waits for the answer.
    fn process(&mut self, world: &World, i: usize, message: Message) -> World {
        let mut after = *world;
        if let Message::Refresh(name) = message
            && after.provider.family(name.family).retired
            && !world.past.unlocked
            && !world.past.unsaved
        {
            self.fault("a refresh token is sent again after its refusal");
        }
        let (reply, noticed) = after.provider.process(message, true);
        self.noticed(message, noticed, world.past);
        after.workers[i].phase = Phase::Answered(message, reply);
        after
    }

    /// A worker is killed. Its locks are the kernel's again; its request goes on without it.
    fn crash(&mut self, world: &World, i: usize) -> World {
        let mut after = spend(world, |left| &mut left.crashes);
        let worker = std::mem::replace(&mut after.workers[i], Worker::gone());
        if worker.lock.is_some() || worker.login.is_some() {
            self.note("a crash with a lock in hand");
        }
        let granted = match worker.phase {
            Phase::Wire(message) => {
                after.past.strayed = true;
                after.leave_behind(message);
                None
            }
            Phase::Answered(_, Reply::Granted(name)) => Some(name.family),
            _ => worker.bears,
        };
        if let Some(family) = granted {
            self.note("a crash between the grant and the save");
            after.provider.family(family).lost = true;
        }
        if worker.lock.is_some() {
            // What it was told of an end is written nowhere.
            for family in after.provider.families.iter_mut().flatten() {
                family.retired = false;
            }
        }
        after
    }

    /// The connection breaks, or takes too long: the worker knows nothing, and the provider does what it was asked.
    fn lose(&mut self, world: &World, i: usize) -> Option<World> {
        let mut after = spend(world, |left| &mut left.losses);
        let message = match world.workers[i].phase {
            Phase::Wire(message) => {
                after.past.strayed = true;
                after.leave_behind(message);
                message
            }
            Phase::Answered(message, reply) if !matches!(reply, Reply::Transient { .. } | Reply::Nothing) => {
                if let Reply::Granted(name) = reply {
                    self.note("the answer with the only copy lost");
                    after.provider.family(name.family).lost = true;
                }
                message
            }
            _ => return None,
        };
        self.note("an answer lost");
        after.workers[i].phase = Phase::Answered(message, Reply::Nothing);
        Some(after)
    }

    /// Time passes until something is judged otherwise: a token comes into its margin or ends, a poll is due, a code is over,
    /// a failure is forgotten, a window closes, a patience is over.
    pub(super) fn later(&mut self, world: &World) -> Option<(Move, World)> {
        let waits = world.workers.iter().filter_map(|worker| match (worker.phase, self.jobs.job(worker.job)) {
            (Phase::Resting(left), _) if left > 0 => Some(left),
            (Phase::Ready, job) if matches!(job.doing, Doing::Pause { .. }) => {
                let left = Span::try_from(job.machine.patience()).expect("minutes") - worker.rested;
                (left > 0).then_some(left)
            }
            _ => None,
        });
        let waits: Vec<Span> = waits.collect();
        let moments =
            waits.into_iter().chain(self.jobs.records.facts(world.disk).moment).chain(world.provider.moment());
        let span = moments.min()?;
        let mut after = *world;
        self.move_clock(&mut after, span);
        for worker in &mut after.workers {
            match &mut worker.phase {
                Phase::Resting(left) => *left = (*left - span).max(0),
                Phase::Ready if matches!(self.jobs.job(worker.job).doing, Doing::Pause { .. }) => {
                    let patience = Span::try_from(self.jobs.job(worker.job).machine.patience()).expect("minutes");
                    worker.rested = (worker.rested + span).min(patience);
                }
                _ => {}
            }
        }
        after.provider.later(span);
        Some((Move::Later(span), after))
    }

    /// The clock of this machine goes on by so many seconds: for everything that is written down in it.
    fn move_clock(&mut self, after: &mut World, span: Span) {
        let before = after.disk;
        after.disk = self.jobs.records.later(before, span);
        for worker in &mut after.workers {
            if !worker.is_gone() {
                worker.job = self.jobs.later(worker.job, span);
                // What is judged otherwise is looked at again.
                worker.is_current &= before == after.disk;
            }
        }
    }
}

/// An accident is used up.
fn spend(world: &World, kind: impl Fn(&mut super::world::Budget) -> &mut u8) -> World {
    let mut after = *world;
    *kind(&mut after.left) -= 1;
    after.left.all -= 1;
    after
}
