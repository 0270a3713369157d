//! One move of a caller: the broker's steps, one to one. Every move touches what others can see (the record, a lock, the
//! wire, the terminal) once; what a process does for itself alone belongs to the move before it, since nobody can tell the
//! difference. So does a release, by which others only stop waiting, and so does the printing at the end. A look under a lock
//! that changes nothing is one move.

mod refresh;
mod sign_in;

use std::collections::BTreeMap;

use super::provider::Noticed;
use super::records::{Decision, Edit, Look, PendingFacts, RecordId, Records};
use super::world::{Caller, Message, Name, Reply, Role, Step, World};

/// The good end.
pub(super) const PRINTED: &str = "a token printed";

/// Carries out moves, counts what happens and notices what must not.
#[derive(Default)]
pub(super) struct Mover {
    pub(super) records: Records,
    /// How often what has happened, over all transitions.
    pub(super) tally: BTreeMap<&'static str, usize>,
    /// The first property that a move broke.
    pub(super) wrong: Option<String>,
}

impl Mover {
    pub(super) fn note(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    fn require(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds && self.wrong.is_none() {
            self.wrong = Some(what());
        }
    }

    fn pending(&self, record: RecordId) -> PendingFacts {
        self.records.facts(record).pending.expect("a pending login")
    }

    fn look(&mut self, record: RecordId, caller: &Caller) -> Look {
        self.records.look(record, caller.role, caller.seen)
    }

    /// The move of caller `i`; `None` where it can only wait.
    pub(super) fn act(&mut self, before: &World, i: usize) -> Option<World> {
        let mut world = *before;
        let mut caller = world.callers[i];
        // The caller is out of the world while it moves, so that it does not meet itself at a lock.
        world.callers[i] = Caller::gone();
        self.moved(&mut world, &mut caller).then(|| {
            world.callers[i] = caller;
            world.sorted()
        })
    }

    /// A caller that has waited for the record's lock more than a second takes the token that lives.
    pub(super) fn settle_for_living(&mut self, before: &World, i: usize) -> Option<World> {
        let mut world = *before;
        let mut caller = world.callers[i];
        if !matches!(caller.step, Step::Lock { waited: true } | Step::Turn { waited: true })
            || caller.role == Role::Login
        {
            return None;
        }
        let name = self.records.look(world.disk, caller.role, caller.seen).living?;
        self.print(&world, &mut caller, name);
        self.note("a living token served to one who waited");
        world.callers[i] = caller;
        Some(world.sorted())
    }

    fn moved(&mut self, world: &mut World, caller: &mut Caller) -> bool {
        match caller.step {
            Step::Gone | Step::Wire(_) => return false,
            Step::Sleep(rest) if rest > 0 => return false,
            Step::Peek | Step::PeekAgain => self.peek(world, caller),
            Step::Lock { waited } => return self.lock(world, caller, waited),
            Step::MarkSave => {
                self.save(world, caller);
                self.decide(world, caller);
            }
            Step::Send => self.send(world, caller),
            Step::Answered(Message::Refresh(_), reply) => self.refreshed(world, caller, reply),
            Step::RenewedSave | Step::FailedSave => self.renewed(world, caller),
            Step::RefusedSave => self.refused(world, caller),
            Step::LoginLock => return self.lock_login(world, caller),
            Step::Turn { waited } => return self.turn(world, caller, waited),
            Step::TurnSave => self.turned(world, caller),
            Step::Sleep(_) => caller.step = Step::Turn { waited: false },
            Step::StartSend => caller.step = Step::Wire(Message::Start),
            Step::Answered(Message::Start, reply) => return self.start_lock(world, caller, reply),
            Step::StartSave { began } => self.started(world, caller, began),
            Step::PollSend => {
                let mine = caller.mine.expect("what is polled for");
                caller.step = Step::Wire(Message::Poll(self.pending(mine).code));
            }
            Step::Answered(Message::Poll(_), Reply::Granted(name)) => return self.approved_lock(world, caller, name),
            Step::Answered(Message::Poll(_), reply) => return self.poll_lock(world, caller, reply),
            Step::PollSave { over } => self.polled(world, caller, over),
            Step::ApprovedSave => self.approved(world, caller),
            Step::EndLock => return self.end_lock(world, caller),
            Step::EndSave => {
                self.save(world, caller);
                self.explain(caller);
            }
            Step::RedeemLogin => {
                caller.has_login = world.is_login_unlocked();
                caller.step = if caller.has_login { Step::RedeemLock } else { Step::PeekAgain };
            }
            Step::RedeemLock => return self.redeem_lock(world, caller),
            Step::RedeemSave => {
                self.save(world, caller);
                caller.mine = Some(self.records.edit(world.disk, Edit::PendingAlone));
                (caller.guard, caller.redeems) = (None, true);
                self.note("an approval asked for that nobody waits for");
                caller.step = Step::PollSend;
            }
            Step::OnlyLogin => self.only_login(world, caller),
            Step::OnlyLock { started } => return self.only_lock(world, caller, started),
            Step::OnlySave => {
                self.save(world, caller);
                self.show_disk(world);
                self.explain(caller);
            }
        }
        true
    }

    /// Everything is released, and the token goes to the client.
    fn print(&mut self, world: &World, caller: &mut Caller, name: Name) {
        let usable = self.records.facts(world.disk).usable.contains(&name);
        self.require(usable, || format!("{name:?} is printed and is not on disk, or over, or refused"));
        self.note(PRINTED);
        *caller = Caller::gone();
    }

    /// Everything is released, and a reason goes to the client. The code that `start_only` is for counts as one.
    fn explain(&mut self, caller: &mut Caller) {
        self.note("a reason given");
        *caller = Caller::gone();
    }

    /// Writes the record in hand, and releases nothing.
    fn save(&mut self, world: &mut World, caller: &Caller) {
        world.disk = caller.guard.expect("only a guard saves");
        if let Some(name) = self.records.facts(world.disk).refresh_token {
            let family = world.provider.family(name.family);
            family.lost &= name.generation != family.generation;
        }
    }

    /// `Broker::obtain` before its loop.
    fn peek(&mut self, world: &World, caller: &mut Caller) {
        let look = self.look(world.disk, caller);
        if caller.step == Step::Peek && look.redeemable {
            caller.step = Step::RedeemLogin;
        } else if let Some(name) = look.fresh {
            self.note("a hit");
            self.print(world, caller, name);
        } else {
            caller.seen = self.records.facts(world.disk).outcomes;
            caller.step = Step::Lock { waited: false };
        }
    }

    /// `Broker::lock`, which looks between its attempts.
    fn waits(&mut self, world: &World, caller: &mut Caller, waited: bool) -> Option<bool> {
        if waited && let Decision::Serve(name) = self.look(world.disk, caller).next {
            self.note("served while waiting for the record");
            self.print(world, caller, name);
            return Some(true);
        }
        if world.is_unlocked() {
            return None;
        }
        caller.step = match caller.step {
            Step::Lock { .. } => Step::Lock { waited: true },
            _ => Step::Turn { waited: true },
        };
        Some(!waited)
    }

    /// The head of `Broker::obtain`'s loop.
    fn lock(&mut self, world: &mut World, caller: &mut Caller, waited: bool) -> bool {
        if let Some(moved) = self.waits(world, caller, waited) {
            return moved;
        }
        if self.look(world.disk, caller).marks {
            self.note("a refused token marked");
            caller.guard = Some(self.records.edit(world.disk, Edit::MarkRefused(caller.role)));
            caller.step = Step::MarkSave;
        } else {
            caller.guard = Some(world.disk);
            self.decide(world, caller);
        }
        true
    }

    fn decide(&mut self, world: &World, caller: &mut Caller) {
        let look = self.look(world.disk, caller);
        match look.next {
            Decision::Serve(name) => self.print(world, caller, name),
            Decision::Fail => {
                self.note("told of a failure from before");
                self.explain(caller);
            }
            Decision::Patience => {
                self.note("told to be patient");
                self.explain(caller);
            }
            Decision::RefusedAgain => {
                self.note("told that the successor is refused too");
                self.explain(caller);
            }
            Decision::Refresh(_) => {
                caller.lives = look.living.is_some();
                caller.step = Step::Send;
            }
            Decision::Poll | Decision::Login => {
                (caller.guard, caller.asked) = (None, true);
                sign_in::sign_in(caller);
            }
        }
    }

    /// The provider reads a request.
    pub(super) fn noticed(&mut self, message: Message, noticed: Noticed) {
        match noticed {
            Noticed::Nothing => {}
            Noticed::Rotated => self.note("a rotation"),
            Noticed::Replayed => self.note("a replay answered with the same successor"),
            Noticed::Dead => self.note("a dead refresh token sent"),
            Noticed::SlowedDown => self.note("slowed down"),
            Noticed::Granted => self.note("a device code redeemed"),
            Noticed::Reused { excused } => {
                self.note("a family revoked for reuse");
                self.require(excused, || format!("{message:?} reuses a token whose successor nobody lost"));
            }
            Noticed::PolledAgain { excused } => {
                self.note("a spent device code polled again");
                self.require(excused, || format!("{message:?} asks again for tokens that nobody lost"));
            }
        }
    }
}
